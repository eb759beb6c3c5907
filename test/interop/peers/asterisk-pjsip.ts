// pjsip.conf and http.conf of the throw-away Asterisk: its transports, and users that each have one endpoint.

export interface PjsipPlace {
  readonly host: string
  readonly port: number
  /** TLS, WS and WSS as well. */
  readonly secure?: { readonly tls: number; readonly certificate: string; readonly key: string }
  /** Options of each user's endpoint; those that begin with "aor." belong to its address of record. */
  readonly users: Readonly<Record<string, readonly string[]>>
}

export function pjsip({ host, port, secure, users }: PjsipPlace): string {
  const sections = Object.entries(users).map(([user, options]) => {
    const ofAor = options.filter((option) => option.startsWith('aor.'))
    return `[${user}](endpoint)
auth=${user}
aors=${user}
${options.filter((option) => !ofAor.includes(option)).join('\n')}
[${user}](auth)
username=${user}
password=pw${user}
[${user}](aor)
${ofAor.map((option) => option.slice('aor.'.length)).join('\n')}
`
  })
  return `[global]
type=global
debug=yes
endpoint_identifier_order=username,ip,anonymous
[system]
type=system
disable_tcp_switch=yes
[udp]
type=transport
protocol=udp
bind=${host}:${port}
[tcp]
type=transport
protocol=tcp
bind=${host}:${port}
${
  secure
    ? `[tls]
type=transport
protocol=tls
bind=${host}:${secure.tls}
cert_file=${secure.certificate}
priv_key_file=${secure.key}
method=tlsv1_2
[ws]
type=transport
protocol=ws
bind=${host}
[wss]
type=transport
protocol=wss
bind=${host}
`
    : ''
}[endpoint](!)
type=endpoint
context=default
message_context=messages
disallow=all
allow=ulaw,alaw
direct_media=no
rtp_symmetric=yes
force_rport=yes
rewrite_contact=yes
dtmf_mode=rfc4733
[auth](!)
type=auth
auth_type=userpass
[aor](!)
type=aor
max_contacts=5
minimum_expiration=10
; no password: for SIPp's scenarios
[sipp](endpoint)
${sections.join('')}`
}

/** The web server that WebSockets come through. */
export const http = (place: {
  host: string
  ws: number
  wss: number
  certificate: string
  key: string
}): string =>
  `[general]
enabled=yes
bindaddr=${place.host}
bindport=${place.ws}
tlsenable=yes
tlsbindaddr=${place.host}:${place.wss}
tlscertfile=${place.certificate}
tlsprivatekey=${place.key}
`
