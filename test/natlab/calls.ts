// One call between two homes of the lab: `floe call` and `floe answer` as their users run them, SIP and digest through
// Kamailio, a sentence heard both ways.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readAll } from '../../src/audio/sources.ts'
import { WavReader } from '../../src/audio/wav-reader.ts'
import { WavWriter } from '../../src/audio/wav-writer.ts'
import type { CallReport } from '../../src/index.ts'
import { nodeRuntime } from '../../src/runtime/node.ts'
import type { Scene } from '../interop/case.ts'
import { authorityFile } from '../interop/peers/certificate.ts'
import { type Ended, exit, Floe, type Line } from '../interop/peers/floe.ts'
import { hello, reply } from '../interop/sounds.ts'
import { type Home, on } from './lab.ts'
import { places } from './networks.ts'
import type { RelayTransport } from './oracle.ts'
import { relayUser, startCoturn, startKamailio, startProxy } from './servers.ts'

/** What the agents are told of; STUN they are told of always. */
export const serverSets = {
  'STUN only': [],
  'TURN/UDP': ['udp'],
  'TURN/TCP 443': ['tcp'],
  'TURN/TLS 443': ['tls'],
  all: ['udp', 'tcp', 'tls'],
} as const satisfies Record<string, readonly RelayTransport[]>
export type ServerSet = keyof typeof serverSets

/** RFC 8863 lets no agent give up before 39.5 s have passed. */
export const iceFailsWithinMs = 50_000

export interface CallEnds {
  caller: Ended
  called: Ended
}

export async function startServers(scene: Scene): Promise<void> {
  await Promise.all([startKamailio(scene), startCoturn(scene), startProxy(scene)])
}

/** Each end of each call has a number of its own, so that calls may run side by side. */
export interface CallOptions {
  servers: ServerSet
  numbers: readonly [caller: string, called: string]
  /** Words that name other TURN servers than those of the set, and their password. */
  turn?: { caller: readonly string[]; called: readonly string[]; password?: string }
  /** More words for both ends, instead of playing and hearing. */
  media?: { caller: readonly string[]; called: readonly string[] }
}

/** `servers` is the scene of `startServers`; logs go to the folder of `scene`. */
export async function placeCall(
  scene: Scene,
  servers: Pick<Scene, 'folder'>,
  [left, right]: readonly [Home, Home],
  { servers: set, numbers: [caller, called], turn, media }: CallOptions,
): Promise<{ caller: Floe; called: Floe }> {
  const [mine, theirs] = [clip(scene, hello), clip(scene, reply)]
  const words = media ?? {
    caller: ['--play', mine, '--hear', theirs],
    called: ['--play', theirs, '--hear', mine],
  }
  const start = (home: Home, verb: readonly string[], user: string, more: readonly string[]): Floe => {
    const end = user === caller ? 'caller' : 'called'
    const args = [
      ...verb,
      // Many calls share two cores, and no codec is on trial.
      ...['--codec', 'PCMU'],
      ...account(home, user),
      ...iceWords(servers, home, set),
      ...(turn?.[end] ?? []),
      ...more,
    ]
    const env = { FLOE_TURN_PASSWORD: turn?.password ?? relayUser.password }
    return Floe.start(scene, end, args, env, on(home.name))
  }
  const right_ = start(right, ['answer', '--wait', '30s'], called, words.called)
  await right_.listening()
  const left_ = start(left, ['call', `sip:${called}@${registrar(left)}`], caller, words.caller)
  return { caller: left_, called: right_ }
}

/** Both ends to their ends; where no call came to the called one, it is not waited for. */
export async function endsOf(calls: { caller: Floe; called: Floe }, withinMs: number): Promise<CallEnds> {
  const callerEnd = calls.caller.ended(withinMs)
  const giveUp = callerEnd.then(async ({ code }) => {
    if (code === exit.ok) return
    await sleep(patienceMs)
    calls.called.interrupt()
  })
  const [caller, called] = await Promise.all([callerEnd, calls.called.ended(withinMs), giveUp])
  return { caller, called }
}

/** For a BYE, or checks that are about to fail. */
const patienceMs = 8_000

export interface Ends {
  caller: number
  called: number
}

/** What became of a call, for the table. */
export interface Outcome {
  path: 'direct' | 'direct over TCP' | 'relay' | 'none'
  /** As both ends see their pair: "srflx -> srflx / host -> prflx". */
  pairs: string
  /** From the 200 OK, sent or received, to the first packet of the other's audio, and until it is heard. The called end waits for
   *  its answer to travel, too. */
  firstPacketMs?: Ends
  firstAudioMs?: Ends
  gatheringMs?: number
  /** Why it did not connect. */
  failure?: string
}

export function outcomeOf({ caller, called }: CallEnds): Outcome {
  const reports = [caller.report, called.report]
  const pairs = reports.map(pairText).join(' / ')
  const gathering = reports.map((report) => report?.ice.gatheringMs ?? 0)
  if (caller.code !== exit.ok || called.code !== exit.ok)
    return { path: 'none', pairs, failure: [caller, called].map(failureOf).join('; ') }
  return {
    path: pathOf(reports),
    pairs,
    gatheringMs: Math.max(...gathering),
    ...afterAnswer('firstPacketMs', { caller, called }, 'rtp', 'first-received'),
    ...afterAnswer('firstAudioMs', { caller, called }, 'audio', 'first-heard'),
  }
}

function afterAnswer<Name extends 'firstPacketMs' | 'firstAudioMs'>(
  name: Name,
  ends: CallEnds,
  layer: string,
  type: string,
): { [key in Name]?: Ends } {
  const [caller, called] = [ends.caller, ends.called].map(({ lines }) => {
    const at = (found: Line | undefined): number => Number(found?.['at'])
    const answered = lines.find(
      (line) => line.type === 'message' && line['status'] === 200 && line['method'] === 'INVITE',
    )
    const came = lines.find((line) => line.layer === layer && line.type === type)
    return Math.round(at(came) - at(answered))
  })
  if (!Number.isFinite(caller) || !Number.isFinite(called)) return {}
  return { [name]: { caller, called } } as { [key in Name]?: Ends }
}

const pathOf = (reports: readonly (CallReport | undefined)[]): Outcome['path'] => {
  const pairs = reports.flatMap((report) => report?.selected ?? [])
  if (pairs.length === 0) return 'none'
  if (pairs.some(({ local, remote }) => local.type === 'relay' || remote.type === 'relay')) return 'relay'
  return pairs.some(({ transport }) => transport === 'tcp') ? 'direct over TCP' : 'direct'
}

const pairText = (report: CallReport | undefined): string =>
  (report?.selected ?? []).map(({ local, remote }) => `${local.type} -> ${remote.type}`).join(', ') ||
  'no pair'

const failureOf = ({ code, report, stderr }: Ended): string => {
  const verdict = report?.verdict
  return `${code} ${verdict && !verdict.ok ? verdict.cause : ''} ${stderr.trim().split('\n').at(-1) ?? ''}`.trim()
}

/** It is asked over IPv6 by those who have nothing else. */
const familyOf = (home: Home): 4 | 6 => (home.network.theory.families.includes(4) ? 4 : 6)
const hostPort = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

const registrar = (home: Home): string => hostPort(places.kamailio[familyOf(home)], 5060)

function account(home: Home, user: string): string[] {
  const { sip } = home.network
  const as = ['--as', `${user}:pw${user}@${registrar(home)}`]
  if (sip === 'udp') return as
  return [
    ...as,
    '--server',
    hostPort(places.kamailio[familyOf(home)], sip === 'tcp' ? 5060 : 443),
    '--transport',
    'tcp',
  ]
}

export function iceWords(servers: Pick<Scene, 'folder'>, home: Home, set: ServerSet): string[] {
  const { families, tcp } = home.network.theory
  const uri: Record<RelayTransport, (host: string) => string> = {
    udp: (host) => `turn:${relayUser.username}@${hostPort(host, 3478)}`,
    tcp: (host) => `turn:${relayUser.username}@${hostPort(host, 443)}?transport=tcp`,
    tls: (host) => `turns:${relayUser.username}@${hostPort(host, 443)}?transport=tcp`,
  }
  // Whoever has both families names the server by both its addresses, as DNS would.
  const hosts = families.map((family) => places.coturn[family])
  return [
    ...hosts.flatMap((host) => ['--stun', hostPort(host, 3478)]),
    ...serverSets[set].flatMap((relay) => hosts.flatMap((host) => ['--turn', uri[relay](host)])),
    ...((serverSets[set] as readonly RelayTransport[]).includes('tls')
      ? ['--tls-ca', authorityFile(servers)]
      : []),
    ...(tcp === 'CONNECT' && set !== 'STUN only' ? ['--http-proxy', `http://${places.proxy}:3128`] : []),
  ]
}

/** Enough of a sentence to be told from another one, and short enough for hundreds of calls. It begins at once, so that the
 *  first audio heard is the first sent. */
const clipMs = 2_400
const audible = 1_000

function clip(scene: Pick<Scene, 'folder'>, sound: string): string {
  const path = join(scene.folder, sound === hello ? 'hello.wav' : 'reply.wav')
  const reader = new WavReader(nodeRuntime.files.openForReading(sound))
  const writer = new WavWriter(nodeRuntime.files.openForWriting(path), reader.sampleRateHz)
  try {
    const samples = readAll(reader, 60_000)
    const begin = samples.findIndex((sample) => Math.abs(sample) > audible)
    writer.write(samples.subarray(begin, begin + (reader.sampleRateHz * clipMs) / 1000))
  } finally {
    reader.close()
    writer.close()
  }
  return path
}
