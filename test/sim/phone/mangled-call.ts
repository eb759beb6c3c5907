// For tests: a call between two phones in virtual time whose RTP is mangled on its way from the caller to the called, or whose
// caller has a clock of its own.
import { expect } from 'vitest'
import type { CallReport } from '../../../src/diagnose/report.ts'
import type { Call } from '../../../src/phone/call.ts'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import type { Clock, Network, Runtime } from '../../../src/runtime/runtime.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { hearsNow } from './far-end.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

/** What becomes of one RTP packet on its way out: none, one, or more. */
export type Mangle = (packet: Uint8Array) => readonly Uint8Array[]

const isRtp = (data: Uint8Array): boolean =>
  data.length >= 12 && data[0]! >> 6 === 2 && !(data[1]! >= 192 && data[1]! <= 223)

/** Everything else of it is as it was. */
export const changed = <T extends object>(original: T, changes: Partial<T>): T =>
  new Proxy(original, {
    get: (target, name) => {
      if (name in changes) return changes[name as keyof T]
      const value = target[name as keyof T]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })

function mangled(network: Network, mangle: Mangle): Network {
  const openUdp: Network['openUdp'] = async (...words) => {
    const socket = await network.openUdp(...words)
    const send = socket.send.bind(socket)
    socket.send = (data, to, at) => {
      for (const packet of isRtp(data) ? mangle(data) : [data]) send(packet, to, at)
    }
    return socket
  }
  return changed(network, { openUdp })
}

/** A clock that is so much fast. */
function drifting(clock: Clock, driftPpm: number): Clock {
  const rate = 1 + driftPpm / 1e6
  return {
    now: () => clock.now() * rate,
    wallTime: () => clock.wallTime(),
    setTimer: (delayMs, callback) => clock.setTimer(delayMs / rate, callback),
  }
}

export interface MangledCall {
  /** Of both phones. */
  options?: PhoneOptions
  mangle?: Mangle
  /** Of the caller's clock. */
  driftPpm?: number
  /** What the caller plays, and the called: tones where nothing is said. */
  play?: readonly [caller: string, called: string]
}

export interface Scene {
  /** Alice's, whose packets are mangled; and Bob's. */
  call: Call
  answered: Call
  wait(ms: number): Promise<void>
  now(): number
  /** That each end hears the other's tone now. */
  audio(): Promise<void>
}

/** The call goes on whatever befalls it, and ends well. */
export async function mangledCall(
  { options = {}, mangle, driftPpm = 0, play = ['tone:440', 'tone:600'] }: MangledCall,
  act: (scene: Scene) => Promise<void>,
): Promise<{ report: CallReport; theirs: CallReport }> {
  const simulation = world(9)
  const { clock, internet } = simulation
  const wait = (ms: number) => new Promise<void>((done) => clock.setTimer(ms, done))
  const reports = await clock.run(
    (async () => {
      const host = simulation.host('alice', internet.at('203.0.113.1', { latencyMs: 10 }))
      const alice = await phoneOn(host, { ...options, runtime: runtimeOf(host, mangle, driftPpm) })
      const bob = await phoneOn(
        simulation.host('bob', internet.at('203.0.113.2', { latencyMs: 10 })),
        options,
      )
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', { play: play[0], loop: true })
      const answered = await incoming
      await answered.answer({ play: play[1], loop: true, mediaTimeoutMs: 60_000 })
      await call.connected
      const audio = async () => {
        await wait(1_500)
        expect([hearsNow(call, 600), hearsNow(answered, 440)]).toEqual([true, true])
      }
      await act({ call, answered, wait, now: () => clock.now(), audio })
      expect([call.state, answered.state]).toEqual(['answered', 'answered'])
      const report = await call.hangUp()
      const theirs = await answered.ended
      expect([report.verdict.ok, theirs.verdict.ok]).toEqual([true, true])
      await Promise.all([alice.stop(), bob.stop()])
      return { report, theirs }
    })(),
  )
  await expectNothingLeft(simulation)
  return reports
}

function runtimeOf(host: VirtualHost, mangle: Mangle | undefined, driftPpm: number): Runtime {
  const { clock, network, random, files } = host as Runtime
  return {
    clock: driftPpm === 0 ? clock : drifting(clock, driftPpm),
    network: mangle ? mangled(network, mangle) : network,
    random,
    files,
  }
}
