// What an attacker can and cannot do to an agent (RFC 8445 19): guess, forge, replay, redirect, amplify, lie as a STUN server.
// An attacker on the path sees everything and can send from any address; what is never possible without the passwords is stated here,
// and of what is, the bound.
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { IceAgent } from '../../../src/ice/agent.ts'
import type { Candidate } from '../../../src/ice/candidate.ts'
import type { TransportAddress } from '../../../src/runtime/address.ts'
import type { Datagram } from '../../../src/runtime/core.ts'
import type { Random } from '../../../src/runtime/runtime.ts'
import { integrityMatches, shortTermKey } from '../../../src/stun/integrity.ts'
import { MessageWriter } from '../../../src/stun/message.ts'
import { attribute, method } from '../../../src/stun/numbers.ts'
import { Bench, local, random, remote } from './bench.ts'
import { at, hostCandidate, messageOf, type Peer, seededRandom, TestNetwork } from './network.ts'

const attacker = at('203.0.113.66', 6_666)
const victim = at('203.0.113.99', 80)

describe('credentials (RFC 8445 5.3)', () => {
  const strong: Random = {
    bytes: (n) => randomBytes(n),
    integer: (max) => randomBytes(4).readUInt32BE() % max,
  }
  const draw = () => new IceAgent({ controlling: true, random: strong, stunServers: [] }).parameters

  it('have 48 and 144 random bits, each of them fair, and never come twice', () => {
    const agents = Array.from({ length: 2_000 }, draw)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    for (const [field, length] of [
      ['ufrag', 8],
      ['pwd', 24],
    ] as const) {
      expect(new Set(agents.map((a) => a[field])).size).toBe(agents.length)
      for (let place = 0; place < length; place++)
        for (let bit = 0; bit < 6; bit++) {
          const ones = agents.filter((a) => (alphabet.indexOf(a[field][place]!) >> bit) & 1).length
          // Six standard deviations of a fair coin.
          expect(Math.abs(ones - 1_000), `${field} ${place}/${bit}`).toBeLessThan((6 * Math.sqrt(2_000)) / 2)
        }
      expect(agents.every((a) => a[field].length === length)).toBe(true)
    }
  })

  it('are drawn from the randomness that the agent was given, and from nothing else', () => {
    let drawn = 0
    const zero: Random = {
      bytes: (n) => {
        drawn += n
        return new Uint8Array(n)
      },
      integer: () => 0,
    }
    const { parameters } = new IceAgent({ controlling: true, random: zero, stunServers: [] })
    expect(parameters).toEqual({ ufrag: 'A'.repeat(8), pwd: 'A'.repeat(24) })
    expect(drawn).toBeGreaterThanOrEqual(32)
  })
})

/** Two agents on one network, and everything that was sent between them. */
function session(seed = 1): { net: TestNetwork; a: Peer; b: Peer; overheard: Datagram[] } {
  const net = new TestNetwork(seededRandom(seed))
  const make = (n: number, controlling: boolean): Peer => {
    const agent = new IceAgent({ controlling, random: seededRandom(seed * 9 + n), stunServers: [] })
    agent.addStream(1)
    return net.add(agent, [{ address: at(`192.0.2.${n}`, 4_000) }])
  }
  const a = make(1, true)
  const b = make(2, false)
  const overheard: Datagram[] = []
  net.tamper = (datagram) => {
    overheard.push(datagram)
    return true
  }
  net.exchange(a, b)
  return { net, a, b, overheard }
}

const completed = ({ net, a, b }: { net: TestNetwork; a: Peer; b: Peer }) =>
  net.run(5_000, () => [a, b].every(({ agent }) => agent.state === 'completed'))

it('every check, every nomination, every consent check and every answer bears integrity', () => {
  const { net, a, b, overheard } = session()
  expect(completed({ net, a, b })).toBe(true)
  net.run(60_000)
  const keys = {
    [a.sockets[0]!.address]: b.agent.parameters.pwd,
    [b.sockets[0]!.address]: a.agent.parameters.pwd,
  }
  const seen = new Set<string>()
  for (const datagram of overheard) {
    const message = messageOf(datagram)
    // A request is sealed with the password of who gets it, an answer with that of who sends it.
    const from = message.class === 'request' ? datagram.local : datagram.remote
    expect(integrityMatches(message, shortTermKey(keys[from.address]!))).toBe(true)
    expect(message.attributes.has(attribute.fingerprint)).toBe(true)
    seen.add(message.class)
  }
  expect(seen).toEqual(new Set(['request', 'success']))
  expect(overheard.length).toBeGreaterThan(40)
})

describe('an answer counts only', () => {
  it('at the socket that asked, too (RFC 8445 7.2.5.2.1)', () => {
    const other = at('192.0.2.1', 4_002)
    const bench = new Bench(true)
    bench.agent.addSocket(0, { stream: 0, component: 1, base: other })
    bench.describe()
    const request = bench.requests().find((r) => r.local.port === local.port)!
    bench.receive(bench.answer(request), remote, other)
    const pair = bench.agent.pairs().find((p) => p.local.port === local.port)
    expect(pair).toMatchObject({ state: 'failed', detail: 'response from another address' })
  })

  const forged = (request: Datagram, code?: number): Uint8Array => {
    const { transactionId } = messageOf(request)
    const writer = new MessageWriter(code === undefined ? 'success' : 'error', method.binding, transactionId)
    if (code === undefined) writer.xorAddress(attribute.xorMappedAddress, victim)
    else writer.errorCode(code)
    return writer.integrity(shortTermKey('guessed')).fingerprint().finish()
  }

  it.each([undefined, 400, 401, 403, 487, 500])(
    'with the password, once the pair has worked: forged answers (%s) change no role, nomination or consent',
    (code) => {
      const bench = new Bench(true)
      bench.describe()
      const [first] = bench.requests()
      bench.receive(bench.answer(first!))
      const [nomination] = bench.requests()
      bench.receive(forged(nomination!, code))
      expect(bench.agent.controlling).toBe(true)
      expect(bench.agent.pairs()).toMatchObject([{ state: 'succeeded' }])
      bench.receive(bench.answer(nomination!))
      expect(bench.agent.state).toBe('completed')
      // Every consent check meets the forger first and the peer later: the call goes on for as long as the peer answers.
      for (let second = 0; second < 120; second++) {
        bench.advance(1_000)
        for (const request of bench.requests()) {
          bench.receive(forged(request, code))
          bench.receive(bench.answer(request))
        }
      }
      expect(bench.agent.sendPair(0, 1)?.remote).toMatchObject(remote)
      // And not a second longer than consent lasts: the forger alone holds nothing.
      for (let second = 0; second < 36; second++) {
        bench.advance(1_000)
        for (const request of bench.requests()) bench.receive(forged(request, code))
      }
      expect(bench.agent.sendPair(0, 1)).toBeUndefined()
    },
  )

  it.each([undefined, 403, 487, 500])(
    'with the password from the beginning: a first check, forged %s',
    (code) => {
      const bench = new Bench(true)
      bench.describe()
      const [request] = bench.requests()
      bench.receive(forged(request!, code))
      expect(bench.agent.controlling).toBe(true)
      expect(bench.agent.pairs()).toMatchObject([{ state: 'in-progress' }])
      bench.receive(bench.answer(request!))
      expect(bench.agent.pairs()).toMatchObject([{ state: 'succeeded' }])
    },
  )

  it('once: an answer of a consent check renews nothing when it comes again', () => {
    const bench = new Bench(true)
    bench.describe()
    bench.answerAll()
    bench.advance(6_500)
    const old = bench.requests().map((request) => bench.answer(request))
    for (const answer of old) bench.receive(answer)
    for (let second = 0; second < 36; second++) {
      bench.advance(1_000)
      for (const answer of old) bench.receive(answer)
    }
    expect(bench.agent.sendPair(0, 1)).toBeUndefined()
  })
})

describe('replayed', () => {
  it.each<[string, (datagram: Datagram) => TransportAddress]>([
    ['from where it came', ({ local: source }) => source],
    ['from elsewhere', () => attacker],
  ])('a whole session %s changes neither roles nor the pair in use', (_name, from) => {
    const { net, a, b, overheard } = session()
    expect(completed({ net, a, b })).toBe(true)
    const before = [a, b].map(({ agent }) => [agent.controlling, agent.selectedPair(0, 1)?.remote.address])
    const replayed = [...overheard]
    const sentBefore = a.sent + b.sent
    for (const datagram of replayed) {
      const target = [a, b].find(({ sockets }) => sockets[0]!.address === datagram.remote.address)!
      net.inject(target, { data: datagram.data, local: target.sockets[0]!, remote: from(datagram) })
      net.run(10)
    }
    expect(a.sent + b.sent - sentBefore).toBeLessThanOrEqual(2 * replayed.length + 20)
    net.run(40_000)
    expect([a, b].map(({ agent }) => [agent.controlling, agent.selectedPair(0, 1)?.remote.address])).toEqual(
      before,
    )
    expect([a, b].map(({ agent }) => agent.state)).toEqual(['completed', 'completed'])
  })

  it('nominations from elsewhere move no media: whoever is there must answer with the password', () => {
    const bench = new Bench(false)
    bench.describe()
    bench.answerAll()
    bench.receive(bench.check({ useCandidate: true }))
    for (const request of bench.requests()) bench.receive(bench.answer(request))
    const nomination = bench.check({ useCandidate: true })
    bench.receive(nomination, attacker)
    const toAttacker = bench.requests().filter((r) => r.remote.address === attacker.address)
    for (const request of toAttacker)
      bench.receive(bench.answer(request, local, shortTermKey('guessed')), attacker)
    bench.advance(5_000)
    expect(bench.agent.sendPair(0, 1)?.remote).toMatchObject(remote)
  })

  it('checks with forged sources make us ask 32 strangers at most, each within the limits of one check', () => {
    const bench = new Bench(false)
    bench.describe()
    bench.answerAll()
    bench.sent()
    const replayed = bench.check()
    const strangers = Array.from({ length: 500 }, (_, i) => at('203.0.113.99', 1_000 + i))
    let answers = 0
    let checks = 0
    const count = () => {
      for (const datagram of bench.sent()) {
        if (datagram.remote.address !== victim.address) continue
        if (messageOf(datagram).class === 'request') checks++
        else {
          answers++
          expect(datagram.data.length).toBeLessThanOrEqual(replayed.length)
        }
      }
    }
    for (const source of strangers) {
      bench.receive(replayed, source)
      count()
    }
    for (let second = 0; second < 60; second++) {
      bench.advance(1_000)
      count()
    }
    expect(answers).toBe(strangers.length)
    expect(checks).toBeLessThanOrEqual(32 * 31)
  })
})

describe('the voice hammer (RFC 8445 19.5.1): an offer whose candidates are all at somebody who knows nothing of it', () => {
  const candidates = (count: number): Candidate[] =>
    Array.from({ length: count }, (_, i) => hostCandidate(victim.address, 1_000 + i, 1, 2_000_000_000 - i))

  const hit = (sockets: number, trickled: number) => {
    const bench = new Bench(false)
    for (let i = 1; i < sockets; i++)
      bench.agent.addSocket(0, { stream: 0, component: 1, base: at(`192.0.2.${10 + i}`, 4_000) })
    bench.describe({ candidates: candidates(400) })
    const sentAt: number[] = []
    let octets = 0
    for (let ms = 0; ms < 120_000; ms++) {
      if (ms < trickled)
        bench.agent.addRemoteCandidates(bench.now, 0, [hostCandidate(victim.address, 10_000 + ms)])
      bench.advance(1)
      for (const { remote: to, data } of bench.sent()) {
        if (to.address !== victim.address) continue
        expect(messageOf({ data } as Datagram).class).toBe('request')
        sentAt.push(bench.now)
        octets += data.length
      }
    }
    return { sentAt, octets, bench }
  }

  it.each([
    ['one socket', 1, 0],
    ['three sockets', 3, 0],
    ['hundreds of candidates trickled later', 1, 500],
  ])(
    'gets 1,400 requests at most, no media, and then nothing: %s',
    (_name, sockets, trickled) => {
      const { sentAt, octets, bench } = hit(sockets, trickled)
      // 100 candidates: the likely pair of each is checked eight times, 300 others twice.
      expect(sentAt.length).toBeLessThanOrEqual(100 * 8 + 300 * 2)
      expect(sentAt.length).toBeGreaterThan(100)
      // In all less than 200 kB.
      expect(octets).toBeLessThan(200_000)
      expect(sentAt.at(-1)).toBeLessThan(100_000)
      expect(bench.agent.sendPair(0, 1)).toBeUndefined()
      expect(bench.agent.state).toBe('failed')
    },
    60_000,
  )
})

describe('a STUN server that lies', () => {
  const server = at('198.51.100.1', 3_478)

  const ask = () => {
    const agent = new IceAgent({ controlling: true, random: seededRandom(3), stunServers: [server] })
    agent.addStream(1)
    agent.addSocket(0, { stream: 0, component: 1, base: local })
    agent.closeGathering(0)
    const request = agent.pollTransmit()!
    const answer = (mapped: TransportAddress, from = server, id = messageOf(request).transactionId): void =>
      agent.handleDatagram(1, {
        data: new MessageWriter('success', method.binding, id)
          .xorAddress(attribute.xorMappedAddress, mapped)
          .finish(),
        local,
        remote: from,
      })
    return { agent, answer, kinds: () => agent.localCandidates(0).map(({ type }) => type) }
  }

  it.each([
    at('0.0.0.0', 5_000),
    at('224.0.0.1', 5_000),
    at('255.255.255.255', 5_000),
    at('203.0.113.7', 0),
    at('::', 5_000),
    at('ff02::1', 5_000),
  ])('about what no host can have is not repeated to the peer: %o', (mapped) => {
    const { agent, answer, kinds } = ask()
    answer(mapped)
    expect(kinds()).toEqual(['host'])
    expect(agent.defaultCandidate(0, 1)).toMatchObject(local)
    const events = []
    for (let event = agent.pollEvent(); event; event = agent.pollEvent()) events.push(event)
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'server',
        outcome: 'error',
        detail: expect.stringMatching(/no address of a host/),
      }),
    )
    expect(events).toContainEqual({ type: 'gathered' })
  })

  it('or another in its name is not heard: another source, another transaction', () => {
    const { answer, kinds } = ask()
    answer(victim, attacker)
    answer(victim, server, random.bytes(12))
    expect(kinds()).toEqual(['host'])
    answer(at('203.0.113.7', 5_000))
    expect(kinds()).toEqual(['host', 'srflx'])
  })

  it('costs the call nothing: its candidate is one more that does not work', () => {
    const net = new TestNetwork(seededRandom(4))
    const enquiries: Datagram[] = []
    net.tamper = (datagram) => {
      if (datagram.remote.address === server.address) enquiries.push(datagram)
      return datagram.remote.address !== server.address
    }
    const asked = (socket: TransportAddress) =>
      messageOf(enquiries.find((e) => e.local.address === socket.address)!).transactionId
    const make = (n: number) => {
      const agent = new IceAgent({ controlling: n === 1, random: seededRandom(n), stunServers: [server] })
      agent.addStream(1)
      return net.add(agent, [{ address: at(`192.0.2.${n}`, 4_000) }])
    }
    const peers = [make(1), make(2)]
    for (const { agent, sockets } of peers) {
      const data = new MessageWriter('success', method.binding, asked(sockets[0]!))
        .xorAddress(attribute.xorMappedAddress, victim)
        .finish()
      agent.handleDatagram(net.now, { data, local: sockets[0]!, remote: server })
      expect(agent.localCandidates(0).map(({ address }) => address)).toContain(victim.address)
    }
    net.exchange(peers[0]!, peers[1]!)
    expect(net.run(5_000, () => peers.every(({ agent }) => agent.state === 'completed'))).toBe(true)
  })
})

it('media that no candidate of the peer sent is not heard, checks of strangers make none', () => {
  const bench = new Bench(true)
  bench.describe()
  bench.answerAll()
  bench.sent()
  bench.receive(Uint8Array.of(0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0), attacker)
  bench.receive(bench.check({ pwd: 'guessed' }), attacker)
  bench.receive(Uint8Array.of(0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0), attacker)
  expect(bench.dropped['data from an unknown address']).toBe(2)
  expect(bench.agent.isKnownRemote(0, 1, attacker)).toBe(false)
})
