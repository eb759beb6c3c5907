// Two agents over a virtual network: what must connect, connects; by which pair, how fast, with how many packets.
import { describe, expect, it } from 'vitest'
import { IceAgent, type IceAgentOptions } from '../../../src/ice/agent.ts'
import type { IceFact } from '../../../src/trace/facts.ts'
import {
  at,
  hostCandidate,
  messageOf,
  Peer,
  PortRestrictedNat,
  seededRandom,
  TestNetwork,
} from './network.ts'

const server = at('198.51.100.1', 3478)

function agentOf(
  seed: number,
  controlling: boolean,
  options: Partial<IceAgentOptions> = {},
  components: 1 | 2 = 1,
) {
  const agent = new IceAgent({ controlling, random: seededRandom(seed), stunServers: [], ...options })
  agent.addStream(components)
  return agent
}

const network = (seed = 1) => new TestNetwork(seededRandom(seed))
const completed = (...peers: Peer[]) => peers.every(({ agent }) => agent.state === 'completed')
const selectedAt = (peer: Peer) => peer.timeOf((event) => event.type === 'selected')
const validAt = (peer: Peer) => peer.timeOf((event) => event.type === 'valid')

function hostToHost(components: 1 | 2 = 1) {
  const net = network()
  const sockets = (ip: string) =>
    ([1, 2] as const)
      .slice(0, components)
      .map((component) => ({ address: at(ip, 4_000 + component), component }))
  const a = net.add(agentOf(1, true, {}, components), sockets('192.0.2.1'))
  const b = net.add(agentOf(2, false, {}, components), sockets('192.0.2.2'))
  return { net, a, b }
}

describe('host to host', () => {
  it('has the first pair after one round trip and the nominated one after two', () => {
    const { net, a, b } = hostToHost()
    const start = net.now
    net.exchange(a, b)
    expect(net.run(1_000, () => completed(a, b))).toBe(true)
    expect(validAt(a)! - start).toBe(50)
    expect(selectedAt(a)! - start).toBe(100)
    expect(selectedAt(b)! - start).toBe(75)
    expect(a.agent.selectedPair(0, 1)).toMatchObject({
      local: { type: 'host', base: at('192.0.2.1', 4_001) },
      remote: at('192.0.2.2', 4_001),
    })
    // Check, triggered check, nomination and their responses: nothing else.
    expect(a.sent + b.sent).toBeLessThanOrEqual(10)
  })

  it('sends the first check in the same instant as the description comes', () => {
    const { net, a, b } = hostToHost()
    net.drive(a, (agent, now) => agent.setRemote(now, 0, b.description))
    expect(a.sent).toBe(1)
  })

  it('lets media use the valid pair before nomination', () => {
    const { net, a, b } = hostToHost()
    net.exchange(a, b)
    net.run(1_000, () => validAt(a) !== undefined)
    expect(a.agent.selectedPair(0, 1)).toBeUndefined()
    expect(a.agent.sendPair(0, 1)?.remote).toMatchObject(at('192.0.2.2', 4_001))
  })

  it('tells its states in order and each event once', () => {
    const { net, a, b } = hostToHost()
    net.exchange(a, b)
    net.run(2_000)
    const told = a.events.map(({ event }) => (event.type === 'state' ? event.state : event.type))
    expect(told).toEqual(['candidate', 'gathered', 'checking', 'valid', 'connected', 'selected', 'completed'])
  })

  it('connects both components and drops the second where the peer multiplexes RTCP', () => {
    const both = hostToHost(2)
    both.net.exchange(both.a, both.b)
    expect(both.net.run(1_000, () => completed(both.a, both.b))).toBe(true)
    expect(both.a.agent.selectedPair(0, 2)?.remote).toMatchObject(at('192.0.2.2', 4_002))

    const mux = hostToHost(2)
    for (const peer of [mux.a, mux.b]) mux.net.drive(peer, (agent, now) => agent.dropComponent(now, 0, 2))
    mux.net.exchange(mux.a, mux.b)
    expect(mux.net.run(1_000, () => completed(mux.a, mux.b))).toBe(true)
    expect(mux.a.agent.localCandidates(0)).toHaveLength(1)
    expect(mux.a.agent.selectedPair(0, 2)).toBeUndefined()
  })

  it('drops a component that the peer does not have', () => {
    const net = network()
    const a = net.add(agentOf(1, true, {}, 2), [
      { address: at('192.0.2.1', 4_001) },
      { address: at('192.0.2.1', 4_002), component: 2 },
    ])
    const b = net.add(agentOf(2, false), [{ address: at('192.0.2.2', 4_001) }])
    net.exchange(a, b)
    expect(net.run(1_000, () => completed(a, b))).toBe(true)
  })

  it('connects over IPv6 and prefers what is preferred', () => {
    const net = network()
    const sockets = (n: number) => [
      { address: at(`2001:db8::${n}`, 4_000) },
      { address: at(`192.0.2.${n}`, 4_000) },
    ]
    const a = net.add(agentOf(1, true), sockets(1))
    const b = net.add(agentOf(2, false), sockets(2))
    net.exchange(a, b)
    expect(net.run(1_000, () => completed(a, b))).toBe(true)
    expect(a.agent.selectedPair(0, 1)?.remote.address).toBe('2001:db8::2')
    expect(a.agent.defaultCandidate(0, 1)?.address).toBe('192.0.2.1')
  })

  it('works with two streams at once', () => {
    const net = network()
    const make = (seed: number, ip: string) => {
      const agent = agentOf(seed, seed === 1)
      agent.addStream(1)
      const peer = net.add(agent, [{ address: at(ip, 4_000) }])
      peer.sockets.push(at(ip, 4_002))
      net.drive(peer, (a, now) => a.addSocket(now, { stream: 1, component: 1, base: at(ip, 4_002) }))
      return peer
    }
    const a = make(1, '192.0.2.1')
    const b = make(2, '192.0.2.2')
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const stream of [0, 1]) {
        const description = { ...other.description, candidates: other.agent.localCandidates(stream) }
        net.drive(one, (agent, now) => agent.setRemote(now, stream, description))
      }
    }
    expect(net.run(1_000, () => completed(a, b))).toBe(true)
    expect(a.agent.selectedPair(1, 1)?.remote.port).toBe(4_002)
  })
})

describe('two streams of one agent, of which the peer answers one', () => {
  it('the one that works carries media, the other fails alone, and nothing is sent on it', () => {
    const net = network()
    const agent = agentOf(1, true)
    agent.addStream(1)
    const a = net.add(agent, [{ address: at('192.0.2.1', 4_000) }])
    a.sockets.push(at('192.0.2.1', 4_002))
    net.drive(a, (one, now) => one.addSocket(now, { stream: 1, component: 1, base: at('192.0.2.1', 4_002) }))
    const b = net.add(agentOf(2, false), [{ address: at('192.0.2.2', 4_000) }])
    net.exchange(a, b)
    const nobody = [hostCandidate('192.0.2.99', 4_000)]
    net.drive(a, (one, now) => one.setRemote(now, 1, { ...b.description, candidates: nobody }))
    net.run(1_000)
    expect(a.agent.selectedPair(0, 1)?.remote.address).toBe('192.0.2.2')
    expect(a.agent.sendPair(1, 1)).toBeUndefined()
    net.run(60_000)
    expect(a.agent.state).toBe('failed')
    expect(a.agent.sendPair(0, 1)?.remote.address).toBe('192.0.2.2')
    expect(a.has('consent-lost')).toBe(false)
  })
})

describe('dual stack (RFC 8421)', () => {
  const v4 = (side: number) => [1, 2, 3].map((i) => `198.51.${side}.${i}`)
  const v6 = (side: number) => [1, 2, 3].map((i) => `2001:db8:${side}::${i}`)

  it('neither family fills the head of the list: they take turns in priority and in the order of checks', () => {
    // Signalling over IPv4: its addresses were found first.
    const agent = agentOf(1, true)
    for (const address of [...v4(1), ...v6(1)])
      agent.addSocket(0, { stream: 0, component: 1, base: at(address, 4_000) })
    agent.closeGathering(0)
    const families = agent.localCandidates(0).map(({ address }) => (address.includes(':') ? 6 : 4))
    expect(families).toEqual([6, 4, 6, 4, 6, 4])
    const theirs = agentOf(2, false)
    for (const address of [...v4(2), ...v6(2)])
      theirs.addSocket(0, { stream: 0, component: 1, base: at(address, 4_000) })
    agent.setRemote(0, 0, {
      ...theirs.parameters,
      lite: false,
      options: [],
      candidates: theirs.localCandidates(0),
    })
    const checked: string[] = []
    for (let now = 0; now < 40; now += 0.5) {
      agent.handleTimeout(now)
      for (let d = agent.pollTransmit(); d; d = agent.pollTransmit())
        if (!checked.includes(d.remote.address)) checked.push(d.remote.address)
    }
    expect(checked.slice(0, 4).map((address) => (address.includes(':') ? 6 : 4))).toEqual([6, 4, 6, 4])
    expect(checked).toHaveLength(6)
  })

  it('broken IPv6 costs IPv4 nothing', () => {
    const net = network()
    const agents = [1, 2].map((side) => {
      const peer = net.add(agentOf(side, side === 1), [{ address: at(`198.51.100.${side}`, 4_000) }])
      // Sockets that reach nobody: the network does not know them.
      net.drive(peer, (agent, now) =>
        agent.addSocket(now, { stream: 0, component: 1, base: at(`2001:db8::${side}`, 4_000) }),
      )
      return peer
    })
    net.exchange(agents[0]!, agents[1]!)
    const before = net.now
    expect(net.run(1_000, () => completed(...agents))).toBe(true)
    // Two round trips of 50 ms, and a turn of the pacing.
    expect(net.now - before).toBeLessThan(120)
    expect(agents[0]!.agent.selectedPair(0, 1)?.remote.address).toBe('198.51.100.2')
  })
})

describe('a lite agent with a lite peer (RFC 8445 8.2)', () => {
  it('takes the best pair at once, checks nothing, and keeps the way open (RFC 8445 11)', () => {
    const agent = agentOf(1, true, { lite: true })
    agent.addSocket(0, { stream: 0, component: 1, base: at('192.0.2.1', 4_000) })
    agent.closeGathering(0)
    const candidates = [hostCandidate('2001:db8::2', 4_000), hostCandidate('192.0.2.2', 4_000)]
    agent.setRemote(0, 0, {
      ufrag: 'peer',
      pwd: 'a-password-of-the-peer-1',
      lite: true,
      options: [],
      candidates,
    })
    expect(agent.state).toBe('completed')
    expect(agent.selectedPair(0, 1)?.remote.address).toBe('192.0.2.2')
    const sent: string[] = []
    for (let next = agent.nextTimeout(); next && next.at <= 61_000; next = agent.nextTimeout()) {
      agent.handleTimeout(next.at)
      for (let d = agent.pollTransmit(); d; d = agent.pollTransmit())
        sent.push(`${messageOf(d).class} to ${d.remote.address}`)
    }
    expect(sent).toEqual(Array(4).fill('indication to 192.0.2.2'))
  })
})

describe('behind NATs', () => {
  function behindNats(seed = 1) {
    const net = network(seed)
    net.addServer(server)
    const options = { stunServers: [server] }
    const a = net.add(
      agentOf(seed, true, options),
      [{ address: at('10.0.0.2', 4_000) }],
      new PortRestrictedNat('203.0.113.1'),
    )
    const b = net.add(
      agentOf(seed + 1, false, options),
      [{ address: at('10.1.0.2', 4_000) }],
      new PortRestrictedNat('203.0.113.2'),
    )
    net.run(1_000, () => a.has('gathered') && b.has('gathered'))
    return { net, a, b }
  }

  it('learns server-reflexive candidates from the STUN server', () => {
    const { a } = behindNats()
    expect(a.agent.localCandidates(0)).toMatchObject([
      { type: 'host', address: '10.0.0.2' },
      { type: 'srflx', address: '203.0.113.1', related: at('10.0.0.2', 4_000) },
    ])
    expect(a.agent.defaultCandidate(0, 1)?.type).toBe('srflx')
  })

  it('meets between two port-restricted NATs without any fixed wait', () => {
    const { net, a, b } = behindNats()
    const start = net.now
    net.exchange(a, b)
    expect(net.run(5_000, () => completed(a, b))).toBe(true)
    expect(a.agent.selectedPair(0, 1)).toMatchObject({ local: { type: 'srflx' }, remote: { type: 'srflx' } })
    expect(selectedAt(a)! - start).toBeLessThan(140)
  })

  it('meets when one side starts a second later', () => {
    const { net, a, b } = behindNats()
    net.exchange(a, b, 1_000)
    expect(net.run(5_000, () => completed(a, b))).toBe(true)
  })

  it('discovers peer-reflexive candidates on both sides where no STUN server is', () => {
    const net = network()
    const a = net.add(
      agentOf(1, true),
      [{ address: at('10.0.0.2', 4_000) }],
      new PortRestrictedNat('203.0.113.1'),
    )
    const b = net.add(agentOf(2, false), [{ address: at('192.0.2.2', 4_000) }])
    net.exchange(a, b)
    expect(net.run(5_000, () => completed(a, b))).toBe(true)
    expect(a.agent.selectedPair(0, 1)?.local).toMatchObject({
      type: 'prflx',
      address: '203.0.113.1',
      base: at('10.0.0.2', 4_000),
    })
    expect(b.agent.selectedPair(0, 1)?.remote).toMatchObject({ type: 'prflx', address: '203.0.113.1' })
    expect(b.agent.isKnownRemote(0, 1, at('203.0.113.1', 50_000))).toBe(true)
  })

  it('gives a silent STUN server up after 3.4 s and says so', () => {
    const net = network()
    const facts: IceFact[] = []
    const agent = agentOf(1, true, { stunServers: [server], record: (fact) => facts.push(fact) })
    const a = net.add(agent, [{ address: at('10.0.0.2', 4_000) }])
    const start = net.now
    net.run(10_000, () => a.has('gathered'))
    expect(net.now - start).toBe(3_400)
    expect(facts).toContainEqual({ layer: 'ice', type: 'server', server, outcome: 'timeout', afterMs: 3_400 })
  })

  it('can stop waiting for STUN servers, and uses the answer that comes late', () => {
    const net = network()
    net.addServer(server)
    const a = net.add(
      agentOf(1, true, { stunServers: [server] }),
      [{ address: at('10.0.0.2', 4_000) }],
      new PortRestrictedNat('203.0.113.1'),
    )
    net.drive(a, (agent, now) => agent.endGathering(now))
    expect(a.has('gathered')).toBe(true)
    net.run(1_000)
    expect(a.agent.localCandidates(0)).toHaveLength(2)
    expect(a.events.filter(({ event }) => event.type === 'gathered')).toHaveLength(1)
  })

  it('holds the mapping while the call rings', () => {
    const { net, a } = behindNats()
    const before = a.sent
    net.run(60_000)
    expect(a.sent - before).toBe(4)
  })
})

describe('many candidates', () => {
  const tenEach = (loss = 0, seed = 1) => {
    const net = network(seed)
    net.lossPercent = loss
    const sockets = (side: number) =>
      Array.from({ length: 10 }, (_, i) => ({ address: at(`10.${side}.${i}.1`, 4_000) }))
    // Only the ninth of each side can reach the other's ninth.
    net.tamper = ({ local, remote }) => local.address.endsWith('.8.1') && remote.address.endsWith('.8.1')
    const a = net.add(agentOf(seed, true), sockets(1))
    const b = net.add(agentOf(seed + 1, false), sockets(2))
    return { net, a, b }
  }

  it('finds the one pair of a hundred that works, and the dead ones do not delay it by their time-outs', () => {
    const { net, a, b } = tenEach()
    const start = net.now
    net.exchange(a, b)
    expect(net.run(10_000, () => completed(a, b))).toBe(true)
    expect(selectedAt(a)! - start).toBeLessThan(600)
    const rows = a.agent.pairs()
    expect(rows).toHaveLength(100)
    expect(rows.filter(({ selected }) => selected)).toHaveLength(1)
  })

  it('finds it within a check for each address of the peer where ours is the preferred one', () => {
    const { net, a, b } = tenEach()
    net.tamper = ({ local, remote }) => {
      const ends = [local.address, remote.address]
      return ends.includes('10.1.0.1') && ends.includes('10.2.9.1')
    }
    const start = net.now
    net.exchange(a, b)
    expect(net.run(10_000, () => completed(a, b))).toBe(true)
    // The tenth check leaves after nine times Ta.
    expect(validAt(a)! - start).toBeLessThanOrEqual(9 * 5 + 50)
  })

  it('stops checking once the pair is nominated', () => {
    const { net, a, b } = tenEach()
    net.exchange(a, b)
    net.run(10_000, () => completed(a, b))
    const sent = a.sent
    net.run(3_000)
    expect(a.sent - sent).toBeLessThanOrEqual(1)
  })

  it('keeps to 400 pairs', () => {
    const net = network()
    const sockets = (side: number) =>
      Array.from({ length: 21 }, (_, i) => ({ address: at(`10.${side}.${i}.1`, 4_000) }))
    const a = net.add(agentOf(1, true), sockets(1))
    const b = net.add(agentOf(2, false), sockets(2))
    net.exchange(a, b)
    expect(a.agent.pairs()).toHaveLength(400)
  })

  it('connects with 20 % loss, whatever the seed', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { net, a, b } = hostToHost()
      net.lossPercent = 20
      for (let i = 0; i < seed; i++) net.random.integer(2)
      net.exchange(a, b)
      expect(
        net.run(20_000, () => completed(a, b)),
        `seed ${seed}`,
      ).toBe(true)
    }
  })
})

describe('failure', () => {
  it('is told after the patience of RFC 8863, with every pair and its fate', () => {
    const net = network()
    net.tamper = () => false
    const a = net.add(agentOf(1, true), [{ address: at('192.0.2.1', 4_000) }])
    const b = net.add(agentOf(2, false), [{ address: at('192.0.2.2', 4_000) }])
    const start = net.now
    net.exchange(a, b)
    expect(net.run(60_000, () => a.agent.state === 'failed')).toBe(true)
    expect(net.now - start).toBe(39_500)
    expect(a.agent.pairs()).toMatchObject([{ state: 'failed', checksSent: 8, detail: 'no response' }])
    expect(a.events.at(-1)?.event).toMatchObject({
      type: 'state',
      state: 'failed',
      reason: 'none of 1 candidate pairs works: host 192.0.2.1:4000 -> host 192.0.2.2:4000: no response',
    })
    expect(a.agent.nextTimeout()).toBeUndefined()
  })

  it('does not spin when patience ends while a late pair is still being checked', () => {
    const net = network()
    net.tamper = () => false
    const a = net.add(agentOf(1, true), [{ address: at('192.0.2.1', 4_000) }])
    const b = net.add(agentOf(2, false), [{ address: at('192.0.2.2', 4_000) }])
    net.drive(a, (agent, now) => agent.setRemote(now, 0, { ...b.description, candidates: [] }))
    net.run(20_000)
    net.drive(a, (agent, now) => agent.setRemote(now, 0, b.description))
    net.run(30_000)
    expect(a.agent.state).toBe('checking')
    net.run(30_000)
    expect(a.agent.state).toBe('failed')
  })

  it('waits for the peer even without a single pair, since it may come from an address nobody knows', () => {
    const net = network()
    const a = net.add(agentOf(1, true), [{ address: at('192.0.2.1', 4_000) }])
    const b = net.add(agentOf(2, false), [{ address: at('192.0.2.2', 4_000) }])
    net.drive(a, (agent, now) => agent.setRemote(now, 0, { ...b.description, candidates: [] }))
    net.run(5_000)
    expect(a.agent.state).toBe('checking')
    net.drive(b, (agent, now) => agent.setRemote(now, 0, a.description))
    expect(net.run(5_000, () => completed(a, b))).toBe(true)
  })
})

describe('consent (RFC 7675)', () => {
  it('goes on as long as the peer answers', () => {
    const { net, a, b } = hostToHost()
    net.exchange(a, b)
    net.run(1_000)
    const sent = a.sent
    net.run(300_000)
    expect(a.has('consent-lost') || b.has('consent-lost')).toBe(false)
    // 60 checks of our own and as many answers, give or take the randomness of the interval.
    expect(a.sent - sent).toBeGreaterThan(105)
    expect(a.sent - sent).toBeLessThan(135)
  })

  it('ends 30 s after the last answer, and then nothing is sent', () => {
    const { net, a, b } = hostToHost()
    net.exchange(a, b)
    net.run(1_000)
    let lastAnswer = 0
    let cut = false
    net.tamper = ({ remote }) => {
      if (!cut && remote.address === '192.0.2.1') lastAnswer = net.now + net.latencyMs
      return !cut
    }
    net.run(20_000)
    cut = true
    expect(net.run(40_000, () => a.has('consent-lost'))).toBe(true)
    const expired = net.now - lastAnswer
    expect(expired).toBeGreaterThan(24_000)
    expect(expired).toBeLessThanOrEqual(30_000)
    expect(a.agent.sendPair(0, 1)).toBeUndefined()
    const sent = a.sent
    net.run(60_000)
    expect(a.sent).toBe(sent)
  })
})

describe('consent and other valid pairs', () => {
  it('does not fall back on a pair that nobody has renewed', () => {
    const net = network()
    const sockets = (n: number) => [
      { address: at(`10.0.${n}.1`, 4_000) },
      { address: at(`10.9.${n}.1`, 4_000) },
    ]
    const a = net.add(agentOf(1, true), sockets(1))
    const b = net.add(agentOf(2, false), sockets(2))
    net.exchange(a, b)
    net.run(1_000)
    expect(a.agent.pairs().filter(({ state }) => state === 'succeeded').length).toBeGreaterThan(1)
    net.tamper = () => false
    expect(net.run(40_000, () => a.has('consent-lost'))).toBe(true)
    expect(a.agent.sendPair(0, 1)).toBeUndefined()
  })
})

describe('life and death', () => {
  it('has credentials of the strength that RFC 8445 5.3 asks for', () => {
    const { ufrag, pwd } = agentOf(1, true).parameters
    expect(ufrag).toMatch(/^[A-Za-z0-9+/]{8}$/)
    expect(pwd).toMatch(/^[A-Za-z0-9+/]{24}$/)
  })

  it('is silent after close', () => {
    const { net, a, b } = hostToHost()
    net.exchange(a, b)
    net.run(30)
    net.drive(a, (agent, now) => agent.close(now))
    const sent = a.sent
    net.run(60_000)
    expect(a.sent).toBe(sent)
    expect(a.agent.nextTimeout()).toBeUndefined()
    expect(b.agent.state).toBe('failed')
  })
})

describe('another peer that answers the same description', () => {
  const withServer = () => {
    const net = network()
    net.addServer(server)
    const sockets = [at('10.0.0.1', 4_000), at('10.0.0.1', 4_001)]
    const options = { stunServers: [server] }
    const nat = new PortRestrictedNat('203.0.113.1')
    const bases = sockets.map((address, index) => ({ address, component: index === 0 ? 1 : 2 }) as const)
    const a = net.add(agentOf(1, true, options, 2), bases, nat)
    net.run(1_000)
    return { net, a, sockets, nat }
  }

  it('finds the same credentials and candidates, a dropped component included, and no question to a server', () => {
    const { net, a } = withServer()
    const before = a.agent.localCandidates(0)
    expect(before.map(({ type }) => type)).toEqual(['host', 'host', 'srflx', 'srflx'])
    net.drive(a, (agent, now) => agent.dropComponent(now, 0, 2))
    expect(a.agent.localCandidates(0)).toHaveLength(2)
    const facts: IceFact[] = []
    const fork = a.agent.fork()
    expect(fork.parameters).toEqual(a.agent.parameters)
    expect(fork.localCandidates(0)).toEqual(before)
    expect(fork.fork().localCandidates(0)).toEqual(before)
    expect([fork.pollTransmit(), fork.pollEvent(), fork.nextTimeout(), facts]).toEqual([
      undefined,
      undefined,
      undefined,
      [],
    ])
  })

  it('connects in the place of the first, through the same NAT; late packets of the first change nothing', () => {
    const { net, a, sockets, nat } = withServer()
    const both = (ip: string) =>
      ([1, 2] as const).map((component) => ({ address: at(ip, 4_000 + component), component }))
    const first = net.add(agentOf(2, false, {}, 2), both('192.0.2.2'))
    const second = net.add(agentOf(3, false, {}, 2), both('192.0.2.3'))
    net.exchange(a, first)
    expect(net.run(2_000, () => completed(a, first))).toBe(true)

    const agent = a.agent.fork()
    net.drive(a, (old, now) => old.close(now))
    const again = new Peer(agent, sockets, nat)
    net.peers.splice(net.peers.indexOf(a), 1, again)
    net.drive(second, (peer, now) => peer.setRemote(now, 0, again.description))
    net.drive(again, (peer, now) => peer.setRemote(now, 0, second.description))
    expect(net.run(2_000, () => completed(again, second))).toBe(true)
    expect(agent.selectedPair(0, 1)).toMatchObject({
      local: { type: 'srflx', base: sockets[0] },
      remote: at('192.0.2.3', 4_001),
    })
    // The first goes on until it is told: its consent checks are answered, its media has no place.
    net.run(40_000)
    expect(agent.selectedPair(0, 1)?.remote).toMatchObject(at('192.0.2.3', 4_001))
    expect(agent.isKnownRemote(0, 1, at('192.0.2.3', 4_001))).toBe(true)
    expect(agent.isKnownRemote(0, 1, at('192.0.2.2', 4_001))).toBe(false)
  })
})
