// ICE on bad days: lost packets, peers that repeat themselves, late signalling, careless candidates, floods.
import { describe, expect, it } from 'vitest'
import { IceAgent } from '../../../src/ice/agent.ts'
import { MessageWriter } from '../../../src/stun/message.ts'
import { attribute, errorCode, method } from '../../../src/stun/numbers.ts'
import { Bench, local, remote, theirKey } from './bench.ts'
import { at, hostCandidate, messageOf, PortRestrictedNat, seededRandom, TestNetwork } from './network.ts'

const isNomination = (data: Parameters<typeof messageOf>[0]) =>
  messageOf(data).attributes.has(attribute.useCandidate)

describe('one packet in five is lost', () => {
  /** Milliseconds until both sides are completed, sorted. */
  function sessions(count: number, behindNat: boolean): number[] {
    return Array.from({ length: count }, (_, index) => {
      const seed = (index + 1) * 7_919
      const net = new TestNetwork(seededRandom(seed))
      net.lossPercent = 20
      const peer = (controlling: boolean, address: string, nat?: PortRestrictedNat) => {
        const options = { controlling, random: seededRandom(seed + Number(controlling)), stunServers: [] }
        const agent = new IceAgent(options)
        agent.addStream(1)
        return net.add(agent, [{ address: at(address, 4_000) }], nat)
      }
      const a = peer(true, '10.0.0.2', behindNat ? new PortRestrictedNat('203.0.113.1') : undefined)
      const b = peer(false, '192.0.2.2')
      const start = net.now
      net.exchange(a, b)
      const completed = () => a.agent.state === 'completed' && b.agent.state === 'completed'
      expect(net.run(60_000, completed), `seed ${seed}`).toBe(true)
      // Media once possible is not interrupted: no pair that works is given up.
      for (const { events } of [a, b]) {
        expect(
          events.filter(({ event }) => event.type === 'valid'),
          `seed ${seed}`,
        ).toHaveLength(1)
      }
      return net.now - start
    }).sort((x, y) => x - y)
  }

  it('costs the median one retransmission and the worst of a thousand calls less than 5 s', () => {
    const times = sessions(1_000, false)
    expect(times[500]).toBeLessThanOrEqual(150)
    expect(times.at(-1)).toBeLessThan(5_000)
  })

  it('costs little more where only one side can be reached', () => {
    const times = sessions(1_000, true)
    expect(times[500]).toBeLessThanOrEqual(250)
    expect(times.at(-1)).toBeLessThan(8_000)
  })

  it('repeats a check steadily once the peer has been heard, and with growing intervals before', () => {
    const sentAt = (heard: boolean) => {
      const bench = new Bench(true)
      bench.describe()
      bench.sent()
      if (heard) bench.receive(bench.check())
      bench.sent()
      const times: number[] = []
      for (; bench.now < 8_000; bench.advance(10)) for (const _ of bench.requests()) times.push(bench.now)
      return times.map((time) => Math.round(time / 10) * 10)
    }
    expect(sentAt(false)).toEqual([150, 500, 1_500, 3_500, 7_500])
    expect(sentAt(true).slice(0, 5)).toEqual([150, 400, 650, 900, 1_150])
  })

  it('sends every consent check once, with a transaction ID of its own, 4 to 6 s apart (RFC 7675 5.1), and asks again in doubt', () => {
    const bench = new Bench(true)
    bench.describe()
    bench.answerAll()
    const answeredAt = bench.now
    const sent: { at: number; id: string }[] = []
    while (bench.now < answeredAt + 29_000) {
      bench.advance(10)
      for (const request of bench.requests())
        sent.push({ at: bench.now, id: Buffer.from(messageOf(request).transactionId).toString('hex') })
    }
    const counts = new Map<string, typeof sent>()
    for (const one of sent) counts.set(one.id, [...(counts.get(one.id) ?? []), one])
    const once = [...counts.values()].filter((same) => same.length === 1).map(([only]) => only!.at)
    expect(once.length).toBeGreaterThanOrEqual(4)
    for (const [i, at] of once.entries()) {
      const intervalMs = at - (once[i - 1] ?? answeredAt)
      expect(intervalMs).toBeGreaterThanOrEqual(3_900)
      expect(intervalMs).toBeLessThanOrEqual(6_020)
    }
    const repeated = sent.filter(({ id }) => (counts.get(id)?.length ?? 0) > 1)
    expect(repeated.length).toBeGreaterThan(0)
    expect(Math.min(...repeated.map(({ at }) => at - answeredAt))).toBeGreaterThanOrEqual(11_900)
    bench.advance(2_000)
    expect(bench.agent.sendPair(0, 1)).toBeUndefined()
  })

  it('does not end a call of ten minutes: in doubt the peer is asked again', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const net = new TestNetwork(seededRandom(seed))
      net.lossPercent = 20
      const [a, b] = [true, false].map((controlling) => {
        const agent = new IceAgent({ controlling, random: seededRandom(seed), stunServers: [] })
        agent.addStream(1)
        return net.add(agent, [{ address: at(controlling ? '192.0.2.1' : '192.0.2.2', 4_000) }])
      })
      net.exchange(a!, b!)
      net.run(600_000)
      expect(a!.has('consent-lost') || b!.has('consent-lost'), `seed ${seed}`).toBe(false)
    }
  })

  it('does not give up a pair whose nomination stays unanswered while other checks are answered', () => {
    const bench = new Bench(true)
    bench.describe()
    for (; bench.now < 25_000; bench.advance(20)) {
      for (const request of bench.requests()) {
        if (!isNomination(request)) bench.receive(bench.answer(request), request.remote)
      }
      if (bench.now > 100) expect(bench.agent.sendPair(0, 1), `at ${bench.now} ms`).toBeDefined()
    }
    // And nominates it still.
    bench.answerAll()
    bench.advance(1_000)
    for (const request of bench.requests()) bench.receive(bench.answer(request), request.remote)
    expect(bench.agent.state).toBe('completed')
  })
})

describe('a peer that begins long before its description comes', () => {
  it('does not use up the room for others by repeating itself', () => {
    const bench = new Bench(false)
    for (let i = 0; i < 100; i++) bench.receive(bench.check())
    bench.receive(bench.check(), at('203.0.113.5', 777))
    expect(bench.dropped).toEqual({})
    bench.describe({ candidates: [] })
    expect(bench.agent.pairs()).toHaveLength(2)
  })

  it('has nominated even if a later check of the same path does not say so', () => {
    const bench = new Bench(false)
    bench.receive(bench.check({ useCandidate: true }))
    bench.receive(bench.check())
    bench.describe()
    for (const request of bench.requests()) bench.receive(bench.answer(request))
    expect(bench.agent.selectedPair(0, 1)).toBeDefined()
  })
})

describe('a peer-reflexive candidate that is signalled later', () => {
  it('takes its signalled type, priority and foundation, also in the pair that works already', () => {
    const bench = new Bench(true)
    const signalled = hostCandidate(remote.address, remote.port)
    bench.describe({ candidates: [] })
    bench.receive(bench.check({ priority: 1 }))
    bench.answerAll()
    expect(bench.agent.selectedPair(0, 1)?.remote.type).toBe('prflx')
    bench.describe({ candidates: [signalled] })
    expect(bench.agent.pairs()).toHaveLength(1)
    expect(bench.agent.selectedPair(0, 1)?.remote).toEqual(signalled)
  })

  it('is paired with the other sockets too', () => {
    const bench = new Bench(true)
    bench.agent.addSocket(0, { stream: 0, component: 1, base: at('192.0.2.77', 4_000) })
    bench.describe({ candidates: [] })
    bench.receive(bench.check())
    bench.describe()
    expect(bench.agent.pairs().map(({ local: { address } }) => address)).toEqual([
      local.address,
      '192.0.2.77',
    ])
  })
})

describe('candidates of a careless peer', () => {
  it('are all tried within seconds although they share one foundation', () => {
    const bench = new Bench(true)
    const candidates = [1, 2, 3, 4].map((n) => ({
      ...hostCandidate(`192.0.2.${n + 1}`, 4_000),
      foundation: 'same',
    }))
    bench.describe({ candidates })
    bench.advance(2_000)
    expect(new Set(bench.requests().map((request) => request.remote.address)).size).toBe(4)
  })

  it('are ignored where no single host can have the address or the port', () => {
    const bench = new Bench(true)
    const addresses = ['0.0.0.0', '255.255.255.255', '224.0.0.1', '::', 'ff02::1', 'fe80::1%eth0', 'x.local']
    bench.describe({
      candidates: [
        ...addresses.map((address) => hostCandidate(address, 9)),
        ...[0, -1, 65_536, Number.NaN].map((port) => hostCandidate(remote.address, port)),
      ],
    })
    bench.advance(1_000)
    expect(bench.requests()).toEqual([])
  })

  it('may be hundreds: a hundred are looked at, and the first is still checked at once', () => {
    const bench = new Bench(true)
    bench.describe({
      candidates: Array.from({ length: 500 }, (_, i) => hostCandidate(remote.address, 10_000 + i)),
    })
    expect(bench.requests()).toHaveLength(1)
    expect(bench.agent.pairs()).toHaveLength(100)
  })

  it('are checked 5 ms apart, or at the pace that the peer asks for', () => {
    const requestsWithin = (ms: number, pacingMs?: number) => {
      const bench = new Bench(true)
      for (const n of [1, 2]) {
        bench.agent.addSocket(0, { stream: 0, component: 1, base: at(`10.0.${n}.1`, 4_000) })
      }
      const candidates = Array.from({ length: 60 }, (_, i) => hostCandidate(`198.51.100.${i + 1}`, 4_000))
      bench.describe({ candidates, ...(pacingMs && { pacingMs }) })
      bench.advance(ms)
      return new Set(bench.requests().map((d) => `${d.local.address} ${d.remote.address}`)).size
    }
    expect(requestsWithin(50)).toBe(11)
    expect(requestsWithin(100)).toBe(21)
    expect(requestsWithin(100, 20)).toBe(6)
  })

  it('of no preference are left alone once a pair of their kind is heard and works', () => {
    const bench = new Bench(true)
    for (const n of [1, 2]) {
      bench.agent.addSocket(0, { stream: 0, component: 1, base: at(`10.0.${n}.1`, 4_000) })
    }
    const candidates = Array.from({ length: 5 }, (_, i) => hostCandidate(`192.0.2.${i + 2}`, 4_000))
    bench.describe({ candidates })
    bench.advance(20)
    expect(bench.requests()).toHaveLength(5)
    bench.receive(bench.check())
    const [triggered] = bench.requests()
    bench.advance(50)
    expect(bench.requests()).toEqual([])
    bench.receive(bench.answer(triggered!))
    bench.requests()
    bench.advance(70)
    // Likely pairs go on until one is nominated.
    expect(bench.requests().every(({ local: from }) => from.address === local.address)).toBe(true)
  })

  it('of no preference are checked after all where the pair that was heard does not answer', () => {
    const bench = new Bench(true)
    bench.agent.addSocket(0, { stream: 0, component: 1, base: at('10.0.0.1', 4_000) })
    bench.describe({
      candidates: [remote, at('192.0.2.3', 4_000)].map((c) => hostCandidate(c.address, c.port)),
    })
    bench.receive(bench.check())
    bench.advance(240)
    const unlikely = () => bench.requests().filter(({ local: from }) => from.address === '10.0.0.1')
    expect(unlikely()).toEqual([])
    bench.advance(20)
    expect(unlikely()).toHaveLength(2)
  })
})

describe('more pairs than may be checked', () => {
  it('leave out unlikely ones first, so that every address of the peer is tried', () => {
    const bench = new Bench(true)
    for (let n = 1; n <= 9; n++) {
      bench.agent.addSocket(0, { stream: 0, component: 1, base: at(`10.0.${n}.1`, 4_000) })
    }
    const candidates = Array.from({ length: 60 }, (_, i) =>
      hostCandidate(`198.51.100.${i + 1}`, 4_000, 1, 2_130_000_000 - i),
    )
    bench.describe({ candidates })
    const rows = bench.agent.pairs()
    expect(rows).toHaveLength(400)
    expect(new Set(rows.map((row) => row.remote.address)).size).toBe(60)
  })
})

describe('a flood', () => {
  it('of one replayed check gets one answer each, but hardly any checks of ours', () => {
    const bench = new Bench(false)
    bench.describe()
    bench.sent()
    const replayed = bench.check()
    let checks = 0
    for (let i = 0; i < 1_000; i++) {
      bench.receive(replayed)
      bench.advance(0.1)
      checks += bench.requests().length
    }
    // 100 ms of flood.
    expect(checks).toBeLessThanOrEqual(6)
  })
})

describe('responses', () => {
  it('that refuse a check which a later one has replaced do not end the pair', () => {
    const bench = new Bench(true)
    bench.describe()
    const [first] = bench.requests()
    bench.advance(30)
    bench.receive(bench.check())
    const [triggered] = bench.requests()
    bench.receive(
      new MessageWriter('error', method.binding, messageOf(first!).transactionId)
        .errorCode(errorCode.unauthenticated)
        .finish(),
    )
    expect(bench.agent.pairs()).toMatchObject([{ state: 'in-progress' }])
    bench.receive(bench.answer(triggered!))
    expect(bench.agent.pairs()).toMatchObject([{ state: 'succeeded' }])
  })

  it('with attributes that we had to understand are dropped (RFC 8489 6.3.3)', () => {
    const bench = new Bench(true)
    bench.describe()
    const [request] = bench.requests()
    const response = new MessageWriter('success', method.binding, messageOf(request!).transactionId)
      .xorAddress(attribute.xorMappedAddress, local)
      .octets(0x7abc)
      .integrity(theirKey)
      .finish()
    bench.receive(response)
    expect(bench.dropped).toEqual({ 'response with unknown attributes': 1 })
    expect(bench.agent.pairs()).toMatchObject([{ state: 'in-progress' }])
  })

  it('of 487 to a nomination turn the roles, and the pair stays usable', () => {
    const bench = new Bench(true)
    bench.describe()
    bench.receive(bench.answer(bench.requests()[0]!))
    const [nomination] = bench.requests()
    bench.receive(
      new MessageWriter('error', method.binding, messageOf(nomination!).transactionId)
        .errorCode(errorCode.roleConflict)
        .integrity(theirKey)
        .finish(),
    )
    expect(bench.agent.controlling).toBe(false)
    expect(bench.agent.sendPair(0, 1)).toBeDefined()
    bench.receive(bench.check({ useCandidate: true }))
    expect(bench.agent.state).toBe('completed')
  })
})
