// A live agent under fire: random, mutated, replayed and misdirected datagrams between two agents that negotiate. It
// never throws, never sends anybody more than it got, and the call connects all the same.
import { describe, expect, it } from 'vitest'
import { IceAgent } from '../../../src/ice/agent.ts'
import type { Datagram } from '../../../src/runtime/core.ts'
import { at, type Peer, seededRandom, TestNetwork } from '../../unit/ice/network.ts'
import { mutate, randomDatagram } from '../stun/mutate.ts'

const runs = Number(process.env.FUZZ_RUNS ?? 12_000)
const seed = Number(process.env.FUZZ_SEED ?? 20_261_124)
const perSession = 300

function session(sessionSeed: number): { shots: number } {
  const random = seededRandom(sessionSeed)
  const net = new TestNetwork(random)
  const make = (n: number, controlling: boolean): Peer => {
    const agent = new IceAgent({
      controlling,
      random: seededRandom(sessionSeed * 2 + n),
      stunServers: [at('198.51.100.1', 3_478)],
    })
    agent.addStream(1)
    return net.add(agent, [{ address: at(`192.0.2.${n}`, 4_000) }])
  }
  const peers = [make(1, true), make(2, random.integer(4) === 0)]
  const overheard: Datagram[] = []
  net.tamper = (datagram) => {
    if (overheard.length < 50) overheard.push(datagram)
    return true
  }
  let shots = 0
  const fire = () => {
    const victim = peers[random.integer(2)]!
    const heard = overheard.length > 0 ? overheard[random.integer(overheard.length)]! : undefined
    const kind = heard ? random.integer(4) : 0
    const remote =
      kind === 3 ? at('203.0.113.66', 1 + random.integer(65_535)) : (heard?.local ?? at('203.0.113.66', 1))
    const data =
      kind === 0 ? randomDatagram(random) : kind === 1 ? heard!.data.slice() : mutate(heard!.data, random)
    // An eavesdropper who answers from elsewhere fails a pair, as RFC 8445 7.2.5.2.1 wants it: not what is tested here.
    if (kind === 3 && Buffer.compare(data, heard!.data) === 0) data[0]! ^= 1
    const before = victim.sent
    net.inject(victim, { data, local: victim.sockets[0]!, remote })
    // An answer and, where the check was genuine, a triggered check and a nomination.
    expect(victim.sent - before).toBeLessThanOrEqual(3)
    shots++
  }
  for (let i = 0; i < 20; i++) fire()
  net.exchange(peers[0]!, peers[1]!)
  while (shots < perSession) {
    fire()
    net.run(random.integer(8))
  }
  expect(net.run(10_000, () => peers.every(({ agent }) => agent.state === 'completed'))).toBe(true)
  for (const { agent } of peers) expect(agent.sendPair(0, 1)).toBeDefined()
  return { shots }
}

describe('a live agent', () => {
  it(`survives ${runs} hostile datagrams, seed ${seed}`, () => {
    for (let shots = 0, n = 0; shots < runs; n++) {
      try {
        shots += session(seed + n).shots
      } catch (error) {
        expect.fail(`FUZZ_SEED=${seed + n}: ${error instanceof Error ? error.stack : String(error)}`)
      }
    }
  })
})
