// kamailio.cfg of the throw-away Kamailio: registrar and record-routing proxy, with what a row asks for beside that.
import { edgeRoutes } from './kamailio-edge.ts'

export interface KamailioPlace {
  readonly host: string
  readonly port: number
  readonly controlSocket: string
  /** TLS, and WebSockets without and with it. */
  readonly secure?: {
    readonly tls: number
    readonly ws: number
    readonly wss: number
    readonly certificate: string
    readonly key: string
  }
  /** host:port where rtpengine takes commands. An INVITE with the header X-Rtpengine passes it, with the flags in it. */
  readonly rtpengine?: string
  /** Of the digest; default MD5. */
  readonly algorithm?: 'SHA-256'
  /** Nothing but an edge: puts itself into Path and hands everything on to the registrar at this host:port. */
  readonly edgeOf?: string
  /** An edge keeps flows (RFC 5626 5); a registrar tries the flows of a phone one after the other (RFC 5626 7). */
  readonly flows?: true
  /** It gives out GRUUs. Default true. */
  readonly gruu?: boolean
  /** It serves this domain, wherever it stands. */
  readonly domain?: string
}

export function kamailioConfiguration(place: KamailioPlace): string {
  const {
    host,
    port,
    controlSocket,
    secure,
    rtpengine,
    algorithm,
    edgeOf,
    flows = false,
    gruu = true,
    domain,
  } = place
  return `#!KAMAILIO
debug=2
log_stderror=yes
children=2
socket_workers=1
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
tcp_accept_no_cl=yes
tcp_connection_lifetime=3605
listen=udp:${host}:${port}
listen=tcp:${host}:${port}
${domain ? `alias="${domain}"` : ''}
${flows && !edgeOf ? `alias=${host}:5060 # where its GRUUs lead, which have no port` : ''}
${
  secure
    ? `enable_tls=yes
listen=tls:${host}:${secure.tls}
listen=tcp:${host}:${secure.ws}
listen=tls:${host}:${secure.wss}
#!define WITH_WEBSOCKETS
#!define WS_PORT ${secure.ws}
#!define WSS_PORT ${secure.wss}`
    : ''
}
${rtpengine ? '#!define WITH_RTPENGINE' : ''}
${flows ? '#!define WITH_FLOWS' : ''}
${(edgeOf ? edgeModules(flows) : modules).map((name) => `loadmodule "${name}.so"`).join('\n')}
${secure ? ['tls', 'xhttp', 'websocket'].map((name) => `loadmodule "${name}.so"`).join('\n') : ''}
${rtpengine ? `loadmodule "rtpengine.so"\nmodparam("rtpengine", "rtpengine_sock", "udp:${rtpengine}")` : ''}
${
  secure
    ? `modparam("tls", "private_key", "${secure.key}")
modparam("tls", "certificate", "${secure.certificate}")
modparam("tls", "tls_method", "TLSv1.2+")
modparam("xhttp", "event_callback", "")
modparam("websocket", "keepalive_mechanism", 0)`
    : ''
}
modparam("ctl", "binrpc", "unix:${controlSocket}")
modparam("tm", "fr_timer", 5000)
modparam("tm", "fr_inv_timer", 60000)
modparam("tm", "contacts_avp", "tm_contacts")
modparam("tm", "contact_flows_avp", "tm_contact_flows")
modparam("rr", "enable_full_lr", 1)
modparam("rr", "append_fromtag", 1)
modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", 5)
modparam("registrar", "received_avp", "$avp(received)")
modparam("registrar", "gruu_enabled", ${gruu ? 1 : 0})
modparam("registrar", "use_path", 1)
modparam("registrar", "path_mode", 0)
modparam("registrar", "outbound_mode", 1)
modparam("nathelper", "received_avp", "$avp(received)")
modparam("auth", "qop", "auth")
${algorithm ? `modparam("auth", "algorithm", "${algorithm}")` : ''}
modparam("htable", "htable", "users=>size=6;")
${edgeOf ? edgeRoutes(edgeOf, flows) : routes}
${handshakes}`
}

/** Those that use flows bind to `outbound` where it is there before them. */
const edgeModules = (flows: boolean): string[] => [
  ...(flows ? ['stun', 'outbound'] : []),
  ...modules.filter((name) => name !== 'outbound'),
]

const modules = [
  ...[
    'kex',
    'corex',
    'ctl',
    'tm',
    'tmx',
    'sl',
    'rr',
    'pv',
    'maxfwd',
    'textops',
    'siputils',
    'xlog',
    'sanity',
  ],
  ...['usrloc', 'registrar', 'path', 'outbound', 'nathelper', 'htable', 'auth'],
]

const routes = `
#!define REALM "floe.test"
event_route[htable:mod-init] {
  $var(i) = 2001;
  while ($var(i) < 2040) { $sht(users=>$var(i)) = "pw" + $var(i); $var(i) = $var(i) + 1; }
}
request_route {
  xlog("L_NOTICE", "request $rm $ru from $fU $proto:$si:$sp route=$hdr(Route)\\n");
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (!sanity_check("17895", "7")) exit;
  force_rport();
  if (is_method("CANCEL")) { if (t_check_trans()) route(RELAY); exit; }
  if (!is_method("ACK")) { if (t_precheck_trans()) { t_check_trans(); exit; } t_check_trans(); }
  if (has_totag()) {
    if (loose_route()) {
      if (!isdsturiset()) handle_ruri_alias();
      # A GRUU that the registrar here has given out (RFC 5627 5.4).
      if (is_gruu() && uri==myself && !lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
      if (is_method("INVITE|UPDATE")) { route(NAT); record_route(); route(MEDIA); }
      if (is_method("BYE")) route(MEDIA_ENDS);
      route(RELAY);
    }
    if (is_method("ACK")) { if (t_check_trans()) route(RELAY); exit; }
    sl_send_reply("404", "Not here");
    exit;
  }
  if (is_method("OPTIONS") && uri==myself && $rU==$null) { sl_send_reply("200", "Keepalive"); exit; }
  route(AUTH);
  remove_hf("Route");
  if (is_method("REGISTER")) {
    # save answers, whatever comes of it. 0x04: the newest contact alone.
#!ifdef WITH_FLOWS
    save("location");
#!else
    fix_nated_register();
    save("location", "0x04");
#!endif
    exit;
  }
  if (is_method("INVITE|SUBSCRIBE|REFER")) record_route();
  if (is_method("INVITE|UPDATE|SUBSCRIBE|REFER")) route(NAT);
  if ($rU==$null) { sl_send_reply("484", "Address Incomplete"); exit; }
  if (!(uri==myself)) { sl_send_reply("403", "No relaying"); exit; }
  if (!lookup("location")) { send_reply("404", "Not Found"); exit; }
#!ifdef WITH_FLOWS
  # One flow of each phone. A single contact is left as it is.
  t_load_contacts();
  t_next_contacts();
  t_on_branch_failure("FLOW");
#!endif
  route(MEDIA);
  route(RELAY);
}
route[AUTH] {
  if (is_method("REGISTER")) {
    if ($au==$null) { www_challenge(REALM, "1"); exit; }
    if ($sht(users=>$au)==$null) { sl_send_reply("403", "Forbidden"); exit; }
    if (!pv_www_authenticate(REALM, "$sht(users=>$au)", "0")) { www_challenge(REALM, "1"); exit; }
    if ($au != $tU) { sl_send_reply("403", "Forbidden auth ID"); exit; }
  } else {
    if ($au==$null || $sht(users=>$au)==$null) { proxy_challenge(REALM, "1"); exit; }
    if (!pv_proxy_authenticate(REALM, "$sht(users=>$au)", "0")) { proxy_challenge(REALM, "1"); exit; }
    if ($au != $fU) { sl_send_reply("403", "Forbidden auth ID"); exit; }
  }
  consume_credentials();
}
route[RELAY] {
  if (is_method("INVITE|UPDATE")) { t_on_reply("REPLY"); t_on_failure("FAIL"); }
  if (!t_relay()) sl_reply_error();
  exit;
}
onreply_route[REPLY] {
#!ifndef WITH_FLOWS
  if (status =~ "[12][0-9][0-9]") { if (nat_uac_test("64") || nat_uac_test("1")) add_contact_alias(); }
#!endif
#!ifdef WITH_RTPENGINE
  if (isflagset(5) && has_body("application/sdp")) rtpengine_answer("replace-origin replace-session-connection");
#!endif
  return;
}
failure_route[FAIL] { if (t_is_canceled()) exit; }
# The edges see whether a phone is behind a NAT.
route[NAT] {
#!ifndef WITH_FLOWS
  if (nat_uac_test("64") || nat_uac_test("19")) add_contact_alias();
#!endif
  return;
}
#!ifdef WITH_FLOWS
event_route[tm:branch-failure:FLOW] {
  if (t_check_status("403|430") || (t_branch_timeout() && !t_branch_replied())) {
    unregister("location", "$tu", "$T_reply_ruid");
    if (t_next_contact_flow()) { t_on_branch_failure("FLOW"); t_relay(); }
  }
}
#!endif
route[MEDIA] {
#!ifdef WITH_RTPENGINE
  if ($hdr(X-Rtpengine) != $null && has_body("application/sdp")) {
    $avp(flags) = $hdr(X-Rtpengine);
    rtpengine_offer("$avp(flags)");
    setflag(5);
  } else if (has_totag() && has_body("application/sdp")) {
    if (rtpengine_offer("replace-origin replace-session-connection")) setflag(5);
  }
#!endif
  return;
}
route[MEDIA_ENDS] {
#!ifdef WITH_RTPENGINE
  rtpengine_delete();
#!endif
  return;
}
`

const handshakes = `
#!ifdef WITH_WEBSOCKETS
event_route[xhttp:request] {
  set_reply_close();
  set_reply_no_connect();
  if (($Rp == WS_PORT || $Rp == WSS_PORT) && $hdr(Upgrade) =~ "websocket" && $rm =~ "GET") { if (ws_handle_handshake()) exit; }
  xhttp_reply("404", "Not found", "text/plain", "no\\n");
}
#!endif
`
