// A throw-away Kamailio: registrar and record-routing proxy that asks for digest authentication on REGISTER and INVITE.
// Users 2001 to 2039 have the password pwNNNN. It routes calls between its registered users and nowhere else.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scene } from '../case.ts'
import { programPath } from '../installed.ts'
import { freePort, PeerProcess, peerHost } from './process.ts'

export class Kamailio {
  private constructor(
    private readonly process: PeerProcess,
    private readonly folder: string,
    readonly host: string,
    readonly port: number,
  ) {}

  static async start(scene: Scene): Promise<Kamailio> {
    const port = await freePort()
    // A folder of a short name: the control socket's path may have 107 characters.
    const folder = mkdtempSync(join(tmpdir(), 'floe-kamailio-'))
    const configuration = join(scene.folder, 'kamailio.cfg')
    writeFileSync(
      configuration,
      kamailioConfiguration({ host: peerHost, port, controlSocket: join(folder, 'control') }),
    )
    scene.onEnd(() => rmSync(folder, { recursive: true, force: true }))
    const process = await PeerProcess.start(scene, {
      name: 'kamailio',
      program: 'kamailio',
      args: ['-f', configuration, '-DD', '-E', '-m', '32', '-M', '4', '-Y', folder, '-w', scene.folder],
      ready: async () => (await rpc(folder, 'core.uptime')) !== undefined,
    })
    return new Kamailio(process, folder, peerHost, port)
  }

  get address(): string {
    return `${this.host}:${this.port}`
  }

  uri(user: string): string {
    return `sip:${user}@${this.address}`
  }

  /** An account as the command line takes it. */
  account(user: string): string {
    return `${user}:pw${user}@${this.address}`
  }

  /** Has it a contact for the user? */
  async hasContact(user: string): Promise<boolean> {
    return ((await rpc(this.folder, 'ul.dump')) ?? '').includes(`AoR: ${user}`)
  }

  logText(): string {
    return this.process.logText()
  }
}

async function rpc(folder: string, command: string): Promise<string | undefined> {
  try {
    const program = programPath('kamcmd') ?? 'kamcmd'
    return (
      await promisify(execFile)(program, ['-s', `unix:${join(folder, 'control')}`, command], {
        timeout: 5_000,
      })
    ).stdout
  } catch {
    return undefined
  }
}

/** The whole configuration, also for rows that start Kamailio in a namespace of their own. */
export function kamailioConfiguration(place: { host: string; port: number; controlSocket: string }): string {
  return `#!KAMAILIO
debug=2
log_stderror=yes
children=2
socket_workers=1
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
listen=udp:${place.host}:${place.port}
listen=tcp:${place.host}:${place.port}
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "ctl.so"
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "sanity.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "nathelper.so"
loadmodule "htable.so"
loadmodule "auth.so"
modparam("ctl", "binrpc", "unix:${place.controlSocket}")
modparam("tm", "fr_timer", 5000)
modparam("tm", "fr_inv_timer", 60000)
modparam("rr", "enable_full_lr", 1)
modparam("rr", "append_fromtag", 1)
modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", 5)
modparam("registrar", "received_avp", "$avp(received)")
modparam("nathelper", "received_avp", "$avp(received)")
modparam("auth", "qop", "auth")
modparam("htable", "htable", "users=>size=6;")
${routes}`
}

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
      if (is_method("INVITE|UPDATE")) { if (nat_uac_test("64") || nat_uac_test("19")) add_contact_alias(); record_route(); }
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
    fix_nated_register();
    if (!save("location", "0x04")) sl_reply_error();
    exit;
  }
  if (is_method("INVITE")) record_route();
  if (is_method("INVITE|UPDATE")) { if (nat_uac_test("64") || nat_uac_test("19")) add_contact_alias(); }
  if ($rU==$null) { sl_send_reply("484", "Address Incomplete"); exit; }
  if (!(uri==myself)) { sl_send_reply("403", "No relaying"); exit; }
  if (!lookup("location")) { send_reply("404", "Not Found"); exit; }
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
  if (status =~ "[12][0-9][0-9]") { if (nat_uac_test("64") || nat_uac_test("1")) add_contact_alias(); }
}
failure_route[FAIL] { if (t_is_canceled()) exit; }
`
