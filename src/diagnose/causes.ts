// Every cause a verdict can name, in one table: the README's list of causes and exit codes is made from it.
// Codes are stable: scripts and test reports depend on them.

export type VerdictLayer = 'sip' | 'sdp' | 'ice' | 'srtp' | 'rtp' | 'audio'

export interface Cause {
  layer: VerdictLayer
  /** Exit code of a command whose call ends like this. */
  exitCode: number
  meaning: string
  /** What to change; a verdict may know better. */
  fix: string
}

export const causes = {
  'not-heard': {
    layer: 'audio',
    exitCode: 1,
    meaning: 'Audio arrived, but not the audio that was expected.',
    fix: 'Listen to the recording: another announcement, an echo of our own voice or a wrong extension sounds like this.',
  },
  'not-reached': {
    layer: 'sip',
    exitCode: 10,
    meaning: 'Nothing came back to the INVITE.',
    fix: 'Check the server address, port and transport, and that a firewall lets SIP through both ways.',
  },
  network: {
    layer: 'sip',
    exitCode: 10,
    meaning: 'The network or the operating system ended the call.',
    fix: 'Check the route to the server and whether its connection was closed.',
  },
  auth: {
    layer: 'sip',
    exitCode: 11,
    meaning: 'The server did not accept the credentials.',
    fix: 'Check user name, password and realm; a server that answers 403 after a challenge means the same.',
  },
  rejected: {
    layer: 'sip',
    exitCode: 12,
    meaning: 'The call was refused.',
    fix: 'The status and reason are the far end’s own; look there.',
  },
  busy: {
    layer: 'sip',
    exitCode: 12,
    meaning: 'The far end is busy or declined.',
    fix: 'Try again later, or allow another call at the far end.',
  },
  'not-found': {
    layer: 'sip',
    exitCode: 12,
    meaning: 'The server knows no such address.',
    fix: 'Check the user part of the URI, the dial plan and whether the far end is registered.',
  },
  redirected: {
    layer: 'sip',
    exitCode: 12,
    meaning: 'The server points to another address.',
    fix: 'Dial the address it names.',
  },
  'codec-mismatch': {
    layer: 'sdp',
    exitCode: 12,
    meaning: 'The two ends share no codec or media profile.',
    fix: 'Allow one of our codecs at the far end (--codec); where the reason is SRTP, bring --srtp and --srtp-keying in line with what it allows.',
  },
  'bad-description': {
    layer: 'sdp',
    exitCode: 12,
    meaning: 'The far end’s session description breaks a rule that cannot be passed over.',
    fix: 'The RFC section is named in the evidence; the far end has to be corrected.',
  },
  'no-answer': {
    layer: 'sip',
    exitCode: 13,
    meaning: 'It rang, and nobody answered in time.',
    fix: 'Let it ring longer, or look why the far end does not answer.',
  },
  unavailable: {
    layer: 'sip',
    exitCode: 13,
    meaning: 'The far end is known but cannot be reached now.',
    fix: 'Check that the far end is registered and reachable from its server.',
  },
  'caller-gave-up': {
    layer: 'sip',
    exitCode: 13,
    meaning: 'The caller hung up before the call was answered.',
    fix: 'Answer sooner.',
  },
  unfinished: {
    layer: 'sip',
    exitCode: 13,
    meaning: 'The call was not answered yet when it was looked at.',
    fix: 'Wait for the answer or for the end of the call.',
  },
  'ice-failed': {
    layer: 'ice',
    exitCode: 20,
    meaning: 'No candidate pair works.',
    fix: 'Give a STUN server (--stun) where a NAT stands between the ends; two symmetric NATs need a relay (--turn). Check that UDP passes the firewall.',
  },
  'relay-missing': {
    layer: 'ice',
    exitCode: 20,
    meaning: 'No direct path exists between the two NATs or firewalls, and neither end has a relay.',
    fix: 'Give a TURN server: --turn turn:USER@HOST, with its password in FLOE_TURN_PASSWORD; one that is reached over TLS on port 443 (turns:) gets through most firewalls.',
  },
  'relay-credentials': {
    layer: 'ice',
    exitCode: 20,
    meaning: 'No direct path works, and the TURN server did not accept the credentials.',
    fix: 'Check the user in --turn and FLOE_TURN_PASSWORD, or FLOE_TURN_SECRET and both clocks where the server makes time-limited passwords.',
  },
  'relay-full': {
    layer: 'ice',
    exitCode: 20,
    meaning: 'No direct path works, and the TURN server has no relay left to give.',
    fix: 'Raise the quota of the user or the number of relay ports at the server, or give a second one with another --turn.',
  },
  'relay-unreachable': {
    layer: 'ice',
    exitCode: 20,
    meaning: 'No direct path works, and the TURN server cannot be reached.',
    fix: 'Check its address and port. Where a firewall lets no UDP out, use turn:…?transport=tcp, or turns: on port 443; where only a proxy leads out, --http-proxy.',
  },
  'relay-denied': {
    layer: 'ice',
    exitCode: 20,
    meaning: 'No direct path works, and the TURN server forbids to relay to the far end.',
    fix: 'Let its operator permit the addresses of the far end: coturn refuses private ones with denied-peer-ip, and loopback without allow-loopback-peers.',
  },
  'ice-no-candidates': {
    layer: 'ice',
    exitCode: 20,
    meaning: 'One end offered no candidate to try.',
    fix: 'Check which addresses that end may offer: Asterisk leaves out 127.0.0.1, and ice_host_candidates changes that.',
  },
  'ice-no-common-family': {
    layer: 'ice',
    exitCode: 20,
    meaning: 'One end has only IPv4 candidates, the other only IPv6.',
    fix: 'Give both ends an address of the same family.',
  },
  'ice-required': {
    layer: 'ice',
    exitCode: 20,
    meaning: 'The far end does not speak ICE and this phone was told to require it.',
    fix: 'Switch ICE on at the far end, or allow plain RTP with --ice auto.',
  },
  'consent-lost': {
    layer: 'ice',
    exitCode: 20,
    meaning: 'The far end stopped answering consent checks on the selected path (RFC 7675).',
    fix: 'The far end or the path to it went away in mid-call: look for a crash, a change of network or a NAT binding that expired.',
  },
  'no-keys': {
    layer: 'srtp',
    exitCode: 21,
    meaning: 'The DTLS handshake that gives SRTP its keys did not succeed.',
    fix: 'Look at the reason: a certificate that signalling does not name is somebody in between or a proxy that changes SDP; silence is a far end that never began its handshake.',
  },
  'srtp-refused': {
    layer: 'srtp',
    exitCode: 21,
    meaning: 'Encrypted packets arrived, and none could be opened with the keys agreed on.',
    fix: 'The two ends have different keys: look for a server in between that answers for one end and passes the media of the other.',
  },
  'no-rtp-sent': {
    layer: 'rtp',
    exitCode: 22,
    meaning: 'There was something to play, and no packet left.',
    fix: 'No path was usable: look at the ICE pairs, or at the address the far end named.',
  },
  'no-rtp-received': {
    layer: 'rtp',
    exitCode: 22,
    meaning: 'No RTP packet arrived, and nothing shows that ours did.',
    fix: 'Check the firewall for UDP to the media port, and the far end’s log for where it sends.',
  },
  'one-way': {
    layer: 'rtp',
    exitCode: 22,
    meaning: 'Media flows in one direction only.',
    fix: 'Look at the NAT or firewall on the silent direction: ICE or symmetric RTP at both ends solves most of these.',
  },
  'silent-audio': {
    layer: 'audio',
    exitCode: 22,
    meaning: 'Packets arrived, and all they carry is silence.',
    fix: 'Check what the far end plays, its microphone or mute, and that both ends decode the same law (PCMU, PCMA).',
  },
  'wrong-payload-type': {
    layer: 'rtp',
    exitCode: 22,
    meaning: 'Packets arrived with a payload type that was not agreed on.',
    fix: 'Check the codecs that the far end allows: it sends one that the answer does not name.',
  },
  'private-address-without-ice': {
    layer: 'sdp',
    exitCode: 22,
    meaning: 'A private address was given as media address across the Internet, without ICE.',
    fix: 'Switch ICE on at both ends, give the public address (Asterisk: external_media_address), or let the far end use symmetric RTP (Asterisk: rtp_symmetric, force_rport).',
  },
  'media-lost': {
    layer: 'rtp',
    exitCode: 22,
    meaning: 'Media flowed and then stopped, without the call being ended.',
    fix: 'The far end or the path to it went away: look for a crash there, or for a NAT binding that expired.',
  },
  'bye-before-media': {
    layer: 'sip',
    exitCode: 22,
    meaning: 'The call ended before media could flow.',
    fix: 'See who hung up, and why: a Reason header or the log of the far end tells.',
  },
  'remote-hold': {
    layer: 'sdp',
    exitCode: 22,
    meaning: 'The far end put the call on hold from the start (inactive).',
    fix: 'Resume at the far end, or check why it answers with a=inactive.',
  },
  cancelled: {
    layer: 'sip',
    exitCode: 130,
    meaning: 'We gave up before the call was answered.',
    fix: 'Nothing is wrong; let it ring longer if it should be answered.',
  },
} as const satisfies Record<string, Cause>

export type CauseCode = keyof typeof causes
