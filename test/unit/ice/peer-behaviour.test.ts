// Peers that are not our twin, played by hand: role conflicts, ICE-lite, aggressive nomination, checks before the
// description, wrong passwords, forged, replayed and misdirected answers, floods.
import { beforeEach, describe, expect, it } from 'vitest'
import { IceAgent } from '../../../src/ice/agent.ts'
import type { Datagram } from '../../../src/runtime/core.ts'
import { readErrorCode, readText, readUint64, readXorAddress } from '../../../src/stun/attributes.ts'
import { integrityMatches, shortTermKey } from '../../../src/stun/integrity.ts'
import { MessageWriter } from '../../../src/stun/message.ts'
import { attribute, method } from '../../../src/stun/numbers.ts'
import { Bench, local, random, remote, theirKey } from './bench.ts'
import { at, hostCandidate, messageOf, seededRandom, TestNetwork } from './network.ts'

let bench: Bench
beforeEach(() => {
  bench = new Bench(true)
})

/** The peer's 487 to a request of the agent. */
const roleConflict = (request: Datagram): Uint8Array =>
  new MessageWriter('error', method.binding, messageOf(request).transactionId)
    .errorCode(487)
    .integrity(theirKey)
    .fingerprint()
    .finish()

describe('a check on the wire (RFC 8445 7.1)', () => {
  it('has what the RFC asks for and nothing that it forbids', () => {
    bench.describe()
    const message = messageOf(bench.requests()[0]!)
    expect(readText(message, attribute.username)).toBe(`peer:${bench.agent.parameters.ufrag}`)
    expect(integrityMatches(message, theirKey)).toBe(true)
    expect(message.attributes.has(attribute.fingerprint)).toBe(true)
    expect(message.attributes.has(attribute.priority)).toBe(true)
    expect(readUint64(message, attribute.iceControlling)).toBeDefined()
    expect(message.attributes.has(attribute.iceControlled)).toBe(false)
    expect(message.attributes.has(attribute.useCandidate)).toBe(false)
  })

  it('is answered with the source that was seen', () => {
    bench.describe()
    bench.sent()
    const request = bench.check()
    bench.receive(request, at('203.0.113.9', 999))
    const [response] = bench.sent()
    expect(response!.remote).toEqual(at('203.0.113.9', 999))
    const message = messageOf(response!)
    expect(message.class).toBe('success')
    expect(readXorAddress(message, attribute.xorMappedAddress)).toEqual(at('203.0.113.9', 999))
    expect(integrityMatches(message, shortTermKey(bench.agent.parameters.pwd))).toBe(true)
  })
})

describe('role conflict (RFC 8445 7.3.1.1, 7.2.5.1)', () => {
  const smallest = 0n
  const largest = 2n ** 64n - 1n

  it.each([
    ['controlling, larger tie-breaker', true, smallest, 'conflict', true],
    ['controlling, smaller tie-breaker', true, largest, 'switch', false],
    ['controlled, larger tie-breaker', false, smallest, 'switch', true],
    ['controlled, smaller tie-breaker', false, largest, 'conflict', false],
  ] as const)('as %s', (_name, controlling, tieBreaker, verdict, controllingAfter) => {
    bench = new Bench(controlling)
    bench.describe()
    bench.sent()
    bench.receive(bench.check({ role: controlling ? 'controlling' : 'controlled', tieBreaker }))
    const response = messageOf(bench.sent()[0]!)
    if (verdict === 'conflict') expect(readErrorCode(response)?.code).toBe(487)
    else expect(response.class).toBe('success')
    expect(bench.agent.controlling).toBe(controllingAfter)
  })

  it('keeps the role that was found, whatever a later description would make of it', () => {
    bench.describe()
    bench.receive(bench.check({ role: 'controlling', tieBreaker: largest }))
    bench.agent.setControlling(bench.now, true)
    expect(bench.agent.controlling).toBe(false)
  })

  it('keeps the role that a check before the description has settled', () => {
    bench.receive(bench.check({ role: 'controlling', tieBreaker: largest }))
    bench.agent.setControlling(bench.now, true)
    bench.describe()
    expect(bench.agent.controlling).toBe(false)
    expect(readUint64(messageOf(bench.requests()[0]!), attribute.iceControlled)).toBeDefined()
  })

  it('takes the other role on 487 and checks the pair again at once, with another tie-breaker', () => {
    bench.describe()
    const [first] = bench.requests()
    bench.receive(roleConflict(first!))
    expect(bench.agent.controlling).toBe(false)
    const [again] = bench.requests()
    const before = readUint64(messageOf(first!), attribute.iceControlling)
    const after = readUint64(messageOf(again!), attribute.iceControlled)
    expect(after).toBeDefined()
    expect(after).not.toBe(before)
  })

  it.each([true, false])(
    'yields to a peer that goes on claiming our role; controlling: %s',
    (controlling) => {
      bench = new Bench(controlling)
      bench.describe()
      const role = controlling ? 'controlling' : 'controlled'
      const tieBreaker = controlling ? smallest : largest
      const answer = () => {
        bench.sent()
        bench.receive(bench.check({ role, tieBreaker }))
        return messageOf(bench.sent()[0]!).class
      }
      const answers = [0, 200, 200, 200, 200].map((ms) => {
        bench.advance(ms)
        return answer()
      })
      expect(answers).toEqual(['error', 'error', 'error', 'error', 'success'])
      expect(bench.agent.controlling).toBe(!controlling)
    },
  )

  it('does not take a repeated request, whose 487 was lost, for a further claim', () => {
    bench.describe()
    const request = bench.check({ role: 'controlling', tieBreaker: smallest })
    for (const ms of [0, 500, 1_000]) {
      bench.advance(ms)
      bench.receive(request)
    }
    expect(bench.agent.controlling).toBe(true)
  })

  it.each([true, false])(
    'is resolved between two agents that both believe to be controlling: %s',
    (controlling) => {
      for (let seed = 1; seed <= 10; seed++) {
        const net = new TestNetwork(seededRandom(seed))
        // Where a 487 takes long, the claims that it answers go on meanwhile.
        net.latencyMs = seed > 5 ? 400 : 25
        const make = (n: number) => {
          const agent = new IceAgent({ controlling, random: seededRandom(seed * 10 + n), stunServers: [] })
          agent.addStream(1)
          const ports = [4_000, 4_001, 4_002, 4_003]
          return net.add(
            agent,
            ports.map((port) => ({ address: at(`192.0.2.${n}`, port) })),
          )
        }
        const a = make(1)
        const b = make(2)
        net.exchange(a, b)
        expect(net.run(10_000, () => [a, b].every(({ agent }) => agent.state === 'completed'))).toBe(true)
        expect(a.agent.controlling).not.toBe(b.agent.controlling)
      }
    },
  )
})

describe('a lite peer', () => {
  it('is checked and nominated by us, although it never checks', () => {
    bench.describe({ lite: true })
    bench.answerAll()
    expect(bench.agent.state).toBe('completed')
  })

  it('makes us controlling, even where the answerer would be controlled', () => {
    bench = new Bench(false)
    bench.describe({ lite: true })
    expect(bench.agent.controlling).toBe(true)
    bench.answerAll()
    expect(bench.agent.state).toBe('completed')
  })

  it('that takes itself for controlling is not believed (RFC 8445 6.1.1), and asked with the greatest tie-breaker', () => {
    bench.describe({ lite: true })
    const [first] = bench.requests()
    bench.receive(roleConflict(first!))
    expect(bench.agent.controlling).toBe(true)
    const [again] = bench.requests()
    expect(readUint64(messageOf(again!), attribute.iceControlling)).toBe(2n ** 64n - 1n)
    bench.receive(bench.answer(again!))
    bench.answerAll()
    expect(bench.agent.state).toBe('completed')
  })
})

describe('an aggressive peer (RFC 5245 8.1.1.2)', () => {
  it('nominates with its first check', () => {
    bench = new Bench(false)
    bench.describe()
    bench.sent()
    bench.receive(bench.check({ useCandidate: true }))
    expect(bench.agent.selectedPair(0, 1)).toBeUndefined()
    for (const request of bench.requests()) bench.receive(bench.answer(request))
    expect(bench.agent.selectedPair(0, 1)?.remote).toMatchObject(remote)
  })

  it('nominates several pairs: the highest priority wins, in whatever order they come', () => {
    const better = at('192.0.2.3', 4_000)
    for (const order of [
      [remote, better],
      [better, remote],
    ]) {
      bench = new Bench(false)
      bench.describe({
        candidates: [
          { ...hostCandidate(remote.address, remote.port), priority: 1_000 },
          { ...hostCandidate(better.address, better.port), priority: 2_000 },
        ],
      })
      for (const source of order) {
        bench.receive(bench.check({ useCandidate: true }), source)
        for (const request of bench.requests()) bench.receive(bench.answer(request), request.remote)
        bench.advance(100)
      }
      expect(bench.agent.selectedPair(0, 1)?.remote).toMatchObject(better)
    }
  })
})

describe('checks before the description', () => {
  it('are answered where they carry our credentials, and remembered', () => {
    const source = at('203.0.113.5', 777)
    bench = new Bench(false)
    bench.receive(bench.check({ useCandidate: true, priority: 4_711 }), source)
    expect(messageOf(bench.sent()[0]!).class).toBe('success')
    expect(bench.agent.isKnownRemote(0, 1, source)).toBe(true)
    bench.describe({ candidates: [] })
    const [triggered] = bench.requests()
    expect(triggered?.remote).toEqual(source)
    bench.receive(bench.answer(triggered!), source)
    expect(bench.agent.selectedPair(0, 1)?.remote).toMatchObject({
      type: 'prflx',
      priority: 4_711,
      ...source,
    })
  })

  it('do not make a known candidate peer-reflexive', () => {
    bench = new Bench(false)
    bench.receive(bench.check())
    bench.describe()
    expect(bench.agent.pairs()).toMatchObject([{ remote: { type: 'host' } }])
  })

  it('cannot fill the memory', () => {
    for (let port = 1; port <= 100; port++) bench.receive(bench.check(), at('203.0.113.5', port))
    expect(bench.dropped['too many checks before the description']).toBe(68)
    bench.describe()
    for (let port = 101; port <= 200; port++) bench.receive(bench.check(), at('203.0.113.5', port))
    expect(bench.agent.pairs().length).toBeLessThanOrEqual(33)
    expect(bench.dropped['too many peer-reflexive candidates']).toBe(100)
  })
})

describe('what is not the peer', () => {
  beforeEach(() => {
    bench.describe()
  })

  it('is refused with a wrong password and leaves no trace', () => {
    bench.sent()
    bench.receive(bench.check({ pwd: 'guessed' }), at('203.0.113.66', 1))
    expect(readErrorCode(messageOf(bench.sent()[0]!))?.code).toBe(401)
    bench.receive(bench.check({ ufrag: 'other' }), at('203.0.113.66', 1))
    expect(readErrorCode(messageOf(bench.sent()[0]!))?.code).toBe(401)
    expect(bench.agent.pairs()).toHaveLength(1)
    expect(bench.agent.isKnownRemote(0, 1, at('203.0.113.66', 1))).toBe(false)
  })

  it('never gets more octets than it sent', () => {
    bench.sent()
    const bare = new MessageWriter('request', method.binding, random.bytes(12)).finish()
    bench.receive(bare)
    expect(bench.sent()).toEqual([])
    const withUnknown = new MessageWriter('request', method.binding, random.bytes(12))
    for (let i = 0; i < 20; i++) withUnknown.octets(0x7000 + i)
    const request = withUnknown.finish()
    bench.receive(request)
    for (const { data } of bench.sent()) expect(data.length).toBeLessThanOrEqual(request.length)
  })

  it('cannot answer in the peer’s name without the password', () => {
    const [request] = bench.requests()
    bench.receive(bench.answer(request!, local, shortTermKey('guessed')))
    expect(bench.dropped).toEqual({ 'response with a wrong password': 1 })
    expect(bench.agent.pairs()).toMatchObject([{ state: 'in-progress' }])
    bench.receive(bench.answer(request!))
    expect(bench.agent.pairs()).toMatchObject([{ state: 'succeeded' }])
  })

  it('cannot replay an answer', () => {
    const [request] = bench.requests()
    const answer = bench.answer(request!)
    bench.receive(answer)
    bench.receive(answer)
    expect(bench.dropped).toEqual({ 'response to no request': 1 })
  })

  it('fails the pair where a genuine answer comes from elsewhere (RFC 8445 7.2.5.2.1)', () => {
    const [request] = bench.requests()
    bench.receive(bench.answer(request!), at('192.0.2.99', 4_000))
    expect(bench.agent.pairs()).toMatchObject([{ state: 'failed', detail: 'response from another address' }])
  })

  it('is dropped where a socket is not ours, a method is not Binding, or octets are not STUN', () => {
    bench.receive(bench.check(), remote, at('192.0.2.1', 9))
    bench.receive(new MessageWriter('request', 0x003, random.bytes(12)).finish())
    bench.receive(Uint8Array.from([1, 2, 3]))
    expect(bench.dropped).toEqual({
      'datagram to an unknown local address': 1,
      'STUN method other than Binding': 1,
      'not STUN': 1,
    })
  })
})

describe('other answers', () => {
  it('a pair that is refused fails with the code, and the peer’s own check revives it', () => {
    bench.describe()
    const [request] = bench.requests()
    bench.receive(
      new MessageWriter('error', method.binding, messageOf(request!).transactionId)
        .errorCode(401)
        .fingerprint()
        .finish(),
    )
    expect(bench.agent.pairs()).toMatchObject([{ state: 'failed', detail: 'refused with 401' }])
    bench.receive(bench.check())
    bench.answerAll()
    expect(bench.agent.state).toBe('completed')
  })

  it('unknown comprehension-required attributes are answered 420 (RFC 8489 6.3.1)', () => {
    bench.describe()
    bench.sent()
    const request = new MessageWriter('request', method.binding, random.bytes(12))
      .text(attribute.username, `${bench.agent.parameters.ufrag}:peer`)
      .uint32(attribute.priority, 1)
      .octets(0x7abc)
      .integrity(shortTermKey(bench.agent.parameters.pwd))
      .finish()
    bench.receive(request)
    expect(readErrorCode(messageOf(bench.sent()[0]!))?.code).toBe(420)
  })

  it('a signed 403 withdraws consent at once (RFC 7675 5.2)', () => {
    bench.describe()
    bench.answerAll()
    bench.advance(6_500)
    const request = bench.requests().at(-1)!
    bench.receive(
      new MessageWriter('error', method.binding, messageOf(request).transactionId)
        .errorCode(403)
        .integrity(theirKey)
        .finish(),
    )
    expect(bench.agent.sendPair(0, 1)).toBeUndefined()
    // The same credentials must not be used on this pair again (RFC 7675 5.1).
    bench.receive(bench.check())
    expect(bench.requests()).toEqual([])
  })

  it('a lost nomination is repeated after one and a half round trips', () => {
    bench.describe()
    bench.advance(60)
    const [check] = bench.requests()
    bench.receive(bench.answer(check!))
    const [nomination] = bench.requests()
    expect(messageOf(nomination!).attributes.has(attribute.useCandidate)).toBe(true)
    bench.advance(89)
    expect(bench.requests()).toEqual([])
    bench.advance(2)
    const [again] = bench.requests()
    expect(again?.data).toEqual(nomination!.data)
  })

  it('mDNS names, TCP candidates, foreign components and duplicates are ignored', () => {
    const good = hostCandidate(remote.address, remote.port)
    bench.describe({
      candidates: [
        { ...good, address: 'c0ffee.local' },
        { ...good, transport: 'tcp' },
        { ...good, component: 2 },
        { ...good, port: 0 },
        { ...good, address: '2001:DB8:0::7' },
        good,
        good,
      ],
    })
    expect(bench.agent.pairs()).toHaveLength(1)
  })
})
