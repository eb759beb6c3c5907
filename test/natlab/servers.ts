// The servers of the lab, each on its own host: Kamailio as registrar and proxy, coturn as STUN and TURN server over UDP, TCP
// and TLS, and a proxy that knows CONNECT alone.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scene } from '../interop/case.ts'
import { programPath } from '../interop/installed.ts'
import { makeCertificate } from '../interop/peers/certificate.ts'
import { kamailioConfiguration } from '../interop/peers/kamailio-configuration.ts'
import { PeerProcess, type ProcessOptions } from '../interop/peers/process.ts'
import { on, type Server } from './lab.ts'
import { places } from './networks.ts'

const run = promisify(execFile)

/** A peer on a host of the lab. */
async function startOn(
  host: Server,
  scene: Scene,
  { program, args, ...options }: ProcessOptions,
): Promise<PeerProcess> {
  const [ip, ...before] = on(host)
  return await PeerProcess.start(scene, {
    ...options,
    program: ip!,
    args: [...before, programPath(program) ?? program, ...args],
  })
}

/** Runs a program on a host of the lab to its end, and gives what it printed. */
export async function outputOn(
  host: string,
  program: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<string> {
  const [ip, ...before] = on(host)
  const { stdout } = await run(
    programPath(ip!) ?? ip!,
    [...before, programPath(program) ?? program, ...args],
    { timeout: timeoutMs },
  )
  return stdout
}

/** Users 2001 to 2039 with the password pwNNNN, as test/interop/peers/kamailio.ts says; on port 5060, and TCP on 443 too.
 *  Gives "host:port". */
export async function startKamailio(scene: Scene): Promise<string> {
  const { 4: host, 6: host6 } = places.kamailio
  const port = 5060
  // A folder of a short name: the control socket's path may have 107 characters.
  const folder = mkdtempSync(join(tmpdir(), 'floe-kamailio-'))
  scene.onEnd(() => rmSync(folder, { recursive: true, force: true }))
  const controlSocket = join(folder, 'control')
  const configuration = join(scene.folder, 'kamailio.cfg')
  const more = [`tcp:${host}:443`, `udp:[${host6}]:${port}`, `tcp:[${host6}]:${port}`]
  writeFileSync(
    configuration,
    `${kamailioConfiguration({ host, port, controlSocket })}\n${more.map((l) => `listen=${l}\n`).join('')}`,
  )
  await startOn('kamailio', scene, {
    name: 'kamailio',
    program: 'kamailio',
    args: ['-f', configuration, '-DD', '-E', '-m', '32', '-M', '4', '-Y', folder, '-w', scene.folder],
    ready: async () => {
      const kamcmd = programPath('kamcmd') ?? 'kamcmd'
      const asked = run(kamcmd, ['-s', `unix:${controlSocket}`, 'core.uptime'], { timeout: 2_000 })
      return await asked.then(
        () => true,
        () => false,
      )
    },
  })
  return `${host}:${port}`
}

/** The user of the relay. */
export const relayUser = { username: 'user', password: 'pass' } as const

const coturnWords = ['-n', '--no-cli', '-v', '--log-file=stdout', '--simple-log', '--pidfile=/dev/null']
const relayWords = ['-a', '-u', `${relayUser.username}:${relayUser.password}`, '-r', 'floe.test']

/** Two addresses, so that it answers RFC 5780 tests; UDP and TCP on 3478, TCP and TLS on 443; relays in both families. Gives
 *  "host:port". */
export async function startCoturn(scene: Scene): Promise<string> {
  const { 4: host, 6: host6 } = places.coturn
  const port = 3478
  await makeCertificate(
    scene,
    [host, host6, places.coturnAlternate].map((address) => `IP:${address}`),
  )
  await startOn('coturn', scene, {
    name: 'coturn',
    program: 'turnserver',
    args: [
      ...coturnWords,
      `--userdb=${join(scene.folder, 'turn.sqlite')}`,
      ...['-L', host, '-L', places.coturnAlternate, '-L', host6, '-E', host, '-E', host6],
      ...['-p', String(port), '--tls-listening-port=443', '--alt-tls-listening-port=444', '--no-dtls'],
      ...['--cert', join(scene.folder, 'server.pem'), '--pkey', join(scene.folder, 'server.key')],
      ...['--min-port=20000', '--max-port=39999', '--relay-threads=1'],
      ...relayWords,
    ],
    ready: async () => (await outputOn('coturn', 'ss', ['-lun'], 2_000)).includes(`${host}:${port}`),
  })
  return `${host}:${port}`
}

/** Another TURN server on coturn's host, UDP and TCP, for a row that spoils it. `number` tells several apart. */
export async function startSpareCoturn(
  scene: Scene,
  number: number,
  { quota }: { quota?: number } = {},
): Promise<{ place: string; relays: (port: number) => boolean; kill: () => Promise<void> }> {
  const host = places.coturn[4]
  const port = 3500 + number
  const [from, to] = [40_000 + 100 * number, 40_099 + 100 * number]
  const process = await startOn('coturn', scene, {
    name: 'spare-coturn',
    program: 'turnserver',
    args: [
      ...coturnWords,
      `--userdb=${join(scene.folder, 'turn.sqlite')}`,
      ...['-L', host, '-E', host, '-p', String(port), '--no-tls', '--no-dtls'],
      ...[`--min-port=${from}`, `--max-port=${to}`, '--relay-threads=1'],
      ...(quota === undefined ? [] : [`--user-quota=${quota}`]),
      ...relayWords,
    ],
    ready: async () => (await outputOn('coturn', 'ss', ['-lun'], 2_000)).includes(`${host}:${port}`),
  })
  return {
    place: `${host}:${port}`,
    relays: (relayed) => relayed >= from && relayed <= to,
    kill: () => process.kill(),
  }
}

/** Gives its URL. */
export async function startProxy(scene: Scene): Promise<string> {
  const port = 3128
  await startOn('proxy', scene, {
    name: 'proxy',
    program: process.execPath,
    args: [join(import.meta.dirname, 'connect-proxy.mjs'), places.proxy, String(port)],
    ready: async () => (await outputOn('proxy', 'ss', ['-ltn'], 2_000)).includes(`${places.proxy}:${port}`),
  })
  return `http://${places.proxy}:${port}`
}
