// DTLS endpoints under mutated flights, in both roles: nothing leaves as an exception, nothing waits for ever, nothing grows, and
// nobody who is not on the path ends a handshake. FUZZ_RUNS=1000000 datagrams for the long run; a failure names its seed.
import { describe, expect, it } from 'vitest'
import type { DtlsEndpoint } from '../../../src/dtls/endpoint.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import { Pair } from '../../unit/dtls/pair.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 4_000)
const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_128)
/** Datagrams that an endpoint gets before another takes its place. */
const perEndpoint = 40
const perHandshake = 60

const seeded = (name: string, body: (random: SeededRandom) => void): void => {
  it(name, () => {
    try {
      body(new SeededRandom(seed).fork(name))
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed}: ${error instanceof Error ? error.stack : error}`)
    }
  }, 3_600_000)
}

/** What the two ends say in a handshake. */
function recorded(pairSeed: number): Record<'client' | 'server', Uint8Array[]> {
  const said: Record<'client' | 'server', Uint8Array[]> = { client: [], server: [] }
  const tamper = (data: Uint8Array, from: 'client' | 'server'): Uint8Array => {
    said[from].push(Uint8Array.from(data))
    return data
  }
  new Pair({ tamper }, {}, pairSeed).start().run()
  return said
}

/** Flips bits, sets octets and lengths, cuts, doubles a piece, or is noise behind a true header. */
function mutated(random: SeededRandom, datagram: Uint8Array): Uint8Array {
  const data = Uint8Array.from(datagram)
  for (let times = 1 + random.integer(3); times > 0; times--) {
    const at = random.integer(Math.max(1, data.length))
    const kind = random.integer(6)
    if (kind === 0) data[at]! ^= 1 << random.integer(8)
    else if (kind === 1) data[at] = random.pick([0, 1, 2, 14, 20, 0xfe, 0xff])
    else if (kind === 2) return data.subarray(0, at)
    else if (kind === 3) return Buffer.concat([data.subarray(0, at), data.subarray(random.integer(at + 1))])
    // Lengths of records, messages and fragments, and the extensions of hellos.
    else if (kind === 4) data[random.integer(Math.min(data.length, 90))] = random.integer(256)
    else data.set(random.bytes(Math.min(20, data.length - at)), at)
  }
  return data
}

const ends = ['client', 'server'] as const
const isOver = (end: DtlsEndpoint): boolean => end.nextTimeout() === undefined

describe('DTLS', () => {
  seeded(
    `whose datagrams are changed on their way ends, with the same keys or none (${runs} datagrams)`,
    (random) => {
      for (let changed = 0, at = 1; changed < runs; at++) {
        const often = random.pick([0.05, 0.3, 1])
        const tamper = (data: Uint8Array): Uint8Array => {
          if (!random.chance(often)) return data
          changed++
          return mutated(random, data)
        }
        const lossy = random.chance(0.3) ? { lossPercent: 20, duplicatePercent: 20, jitterMs: 40 } : {}
        const pair = new Pair({ tamper, ...lossy }, {}, at).start().run(95_000)
        const { client, server } = pair.events
        expect([client.length, server.length]).toEqual([1, 1])
        const [near, far] = [client[0]!, server[0]!]
        if (near.type === 'connected' && far.type === 'connected') {
          expect(near.local).toEqual(far.remote)
          expect(near.remote).toEqual(far.local)
        }
        expect(ends.every((end) => isOver(pair[end]))).toBe(true)
        expect(pair.sent.client + pair.sent.server).toBeLessThan(2_000)
        // A handshake that nobody disturbs changes nothing.
        changed += often === 0.05 ? 1 : 0
      }
    },
  )

  seeded(`that only hears strangers answers little, and gives up (${runs} datagrams)`, (random) => {
    const said = recorded(7)
    for (let n = 0; n < runs; n += perEndpoint) {
      const role = random.pick(ends)
      const pair = new Pair({ tamper: () => undefined }, {}, 7).start()
      const end = pair[role]
      const from = said[role === 'client' ? 'server' : 'client']
      const before = pair.sent[role]
      for (let i = 0; i < perEndpoint; i++) {
        const data = random.chance(0.2) ? random.pick(from) : mutated(random, random.pick(from))
        pair.now += random.integer(40)
        end.handleDatagram(pair.now, data)
        pair.drain()
      }
      expect(pair.sent[role] - before).toBeLessThan(8 * perEndpoint)
      pair.run(95_000)
      expect(isOver(end)).toBe(true)
      expect(pair.events[role].length).toBe(1)
    }
  })

  seeded(
    `is not ended by who is not on the path (${Math.ceil(runs / perHandshake)} handshakes)`,
    (random) => {
      const others = recorded(11)
      for (let at = 0; at < runs / perHandshake; at++) {
        const victim = random.pick(ends)
        const from = victim === 'client' ? 'server' : 'client'
        // A first hello that is forged binds a server that asks for no cookie: ICE has verified who speaks.
        const datagrams = others[from].slice(from === 'client' ? 1 : 0)
        const forged = random.pick([
          () => Uint8Array.from([21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, random.integer(256)]),
          () => random.bytes(random.integer(300)),
          () => random.pick(datagrams),
          () => mutated(random, random.pick(datagrams)),
        ])
        const when = random.integer(30)
        const pair = new Pair({ delayMs: 10 }, {}, 1_000 + at).start().run(when)
        pair.now = when
        if (victim === 'client' || when >= 10) pair[victim].handleDatagram(pair.now, forged())
        pair.drain()
        pair.run(60_000)
        expect([at, ...ends.map((end) => pair.events[end].map(({ type }) => type).join())]).toEqual([
          at,
          'connected',
          'connected',
        ])
      }
    },
  )
})
