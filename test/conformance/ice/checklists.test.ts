// The lists of ICE cases that libnice (tests/) and pjnath (pjnath-test) keep of themselves, by their names, each asserted here on
// floe's agents in the simulator. What those libraries have and floe does not: pseudo-TCP, GLib streams, port ranges, DNS SRV.
// Cases of whole calls are elsewhere: restart in test/sim/phone/restart.test.ts, fallback in test/sim/phone/call.test.ts,
// slow resolving in test/sim/phone/gathering.test.ts, recovery in test/sim/phone/recovery.test.ts.
import { describe, expect, test } from 'vitest'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { natKinds } from '../../../src/sim/nat.ts'
import { type Simulation, simulate } from '../../../src/sim/simulate.ts'
import { serveStun } from '../../../src/sim/stun-server.ts'
import { serveTurn } from '../../../src/sim/turn-server.ts'
import { readErrorCode } from '../../../src/stun/attributes.ts'
import { shortTermKey } from '../../../src/stun/integrity.ts'
import { decode, MessageWriter } from '../../../src/stun/message.ts'
import { attribute, method } from '../../../src/stun/numbers.ts'
import type { TurnServer } from '../../../src/turn/server.ts'
import { Bench, remote } from '../../unit/ice/bench.ts'
import { at, hostCandidate, messageOf } from '../../unit/ice/network.ts'
import { Endpoint, type EndpointOptions, exchange } from './endpoints.ts'

const link = { latencyMs: 10 }
const stun = at('203.0.113.10', 3478)
const relay = at('203.0.113.20', 3478)
const turnServer = (transport: TurnServer['transport'] = 'udp'): TurnServer => ({
  address: relay,
  transport,
  host: relay.address,
  username: 'floe',
  password: 'secret',
})

interface Place {
  world: Simulation
  left: VirtualHost
  right: VirtualHost
}

async function place(nat?: 'portRestricted' | 'symmetric'): Promise<Place> {
  const world = simulate(1)
  const { internet } = world
  await serveStun(world.host('stun', internet.at(stun.address, link)).network, stun)
  await serveTurn(world.host('relay', internet.at(relay.address, link)), {
    listen: (['udp', 'tcp'] as const).map((protocol) => ({ protocol, ...relay })),
    users: { floe: 'secret' },
  })
  const side = (name: string, n: number): VirtualHost =>
    world.host(
      name,
      nat
        ? world.nat(`${name}-nat`, `203.0.113.10${n}`, natKinds[nat], { link }).inside.at(`192.168.${n}.2`)
        : internet.at(`198.51.100.${n}`, link),
    )
  return { world, left: side('left', 1), right: side('right', 2) }
}

async function pair(
  { world, left, right }: Place,
  l: EndpointOptions = {},
  r: EndpointOptions = {},
): Promise<[Endpoint, Endpoint]> {
  const ends: [Endpoint, Endpoint] = [
    await Endpoint.open(left, { controlling: true, ...l }),
    await Endpoint.open(right, { controlling: false, ...r }),
  ]
  await world.clock.advance(500)
  return ends
}

const states = (...ends: Endpoint[]) => ends.map(({ state }) => state)

function closeAll({ world }: Place, ...ends: Endpoint[]): void {
  for (const end of ends) end.close()
  expect(world.open.filter((what) => /^(left|right)/.test(what))).toEqual([])
}

describe('libnice', () => {
  test('fullmode, send-recv, add-remove-stream: two agents connect, nothing is left of them', async () => {
    const scene = await place()
    const [l, r] = await pair(scene)
    exchange(l, r)
    await scene.world.clock.advance(500)
    expect(states(l, r)).toEqual(['completed', 'completed'])
    expect(l.send('to the right')).toBe(true)
    closeAll(scene, l, r)
    await scene.world.clock.advance(60_000)
    expect(l.events.filter(({ type }) => type === 'consent-lost')).toEqual([])
  })

  test('fullmode-with-stun: both behind NATs', async () => {
    const scene = await place('portRestricted')
    const [l, r] = await pair(scene, { stunServers: [stun] }, { stunServers: [stun] })
    exchange(l, r)
    await scene.world.clock.advance(1_000)
    expect(states(l, r)).toEqual(['completed', 'completed'])
    expect(l.selected).toMatch(/^srflx 203.0.113.101 -> (srflx|prflx) 203.0.113.102$/)
    closeAll(scene, l, r)
  })

  describe('nomination', () => {
    test('regular on both sides: after a first valid pair, one check with USE-CANDIDATE', async () => {
      const scene = await place()
      let nominations = 0
      scene.world.onPacket = (_fate, { data }) => {
        const message = decode(data)
        if (typeof message !== 'string' && message.attributes.has(attribute.useCandidate)) nominations++
      }
      const [l, r] = await pair(scene)
      exchange(l, r)
      await scene.world.clock.advance(500)
      expect(states(l, r)).toEqual(['completed', 'completed'])
      expect(nominations).toBe(1)
    })

    test('aggressive by the peer: its first check nominates', () => {
      const bench = new Bench(false)
      bench.describe()
      bench.receive(bench.check({ useCandidate: true }))
      bench.answerAll()
      expect(bench.agent.state).toBe('completed')
    })

    test('mixed: we nominate regularly, whatever the controlled peer puts into its checks', () => {
      const bench = new Bench(true)
      bench.describe()
      bench.receive(bench.check({ useCandidate: true }))
      expect(bench.agent.selectedPair(0, 1)).toBeUndefined()
      bench.answerAll()
      expect(bench.agent.state).toBe('completed')
      expect(bench.agent.controlling).toBe(true)
    })
  })

  test('restart: other credentials, other sockets, and what belongs to the old ones is refused', async () => {
    const scene = await place()
    const [l, r] = await pair(scene)
    exchange(l, r)
    await scene.world.clock.advance(500)
    const [l2, r2] = await pair(scene)
    exchange(l2, r2)
    await scene.world.clock.advance(500)
    expect(states(l, r, l2, r2)).toEqual(Array(4).fill('completed'))
    expect(l2.agent.parameters).not.toEqual(l.agent.parameters)
    const bench = new Bench(false)
    bench.describe()
    bench.sent()
    bench.receive(bench.check({ ufrag: l.agent.parameters.ufrag }))
    expect(readErrorCode(messageOf(bench.sent()[0]!))?.code).toBe(401)
  })

  test('trickle: candidates come one by one, before and after checks have begun', async () => {
    const scene = await place()
    const [l, r] = await pair(scene)
    l.hear({ ...r.description(), candidates: [] })
    r.hear({ ...l.description(), candidates: [] })
    await scene.world.clock.advance(1_000)
    expect(states(l, r)).toEqual(['checking', 'checking'].map(() => expect.stringMatching(/new|checking/)))
    l.drive((now) => l.agent.addRemoteCandidates(now, 0, [hostCandidate('198.51.100.77', 9)]))
    await scene.world.clock.advance(1_000)
    l.drive((now) => l.agent.addRemoteCandidates(now, 0, r.agent.localCandidates(0), true))
    await scene.world.clock.advance(1_000)
    expect(states(l, r)).toEqual(['completed', 'completed'])
  })

  test('new-trickle: the peer comes while our own gathering waits for a server that is silent', async () => {
    const scene = await place()
    const silent = at('203.0.113.250', 3478)
    const l = await Endpoint.open(scene.left, { stunServers: [silent] })
    const r = await Endpoint.open(scene.right, { controlling: false })
    exchange(l, r)
    await scene.world.clock.advance(500)
    expect(l.events.some(({ type }) => type === 'gathered')).toBe(false)
    expect(states(l, r)).toEqual(['completed', 'completed'])
    await scene.world.clock.advance(5_000)
    expect(l.events.some(({ type }) => type === 'gathered')).toBe(true)
  })

  describe('consent', () => {
    test('is lost 30 s after the peer has fallen silent, and nothing is sent any more', async () => {
      const scene = await place()
      const [l, r] = await pair(scene)
      exchange(l, r)
      await scene.world.clock.advance(20_000)
      r.close()
      await scene.world.clock.advance(24_000)
      expect(l.agent.sendPair(0, 1)).toBeDefined()
      await scene.world.clock.advance(12_000)
      expect(l.events.some(({ type }) => type === 'consent-lost')).toBe(true)
      expect(l.send('x')).toBe(false)
    })

    test('holds while the peer answers: an hour', async () => {
      const scene = await place()
      const [l, r] = await pair(scene)
      exchange(l, r)
      await scene.world.clock.advance(3_600_000)
      expect(states(l, r)).toEqual(['completed', 'completed'])
      expect(l.agent.sendPair(0, 1)).toBeDefined()
    })
  })

  test('priority: host before srflx before relay, UDP before TCP, component 1 before 2', async () => {
    const scene = await place('portRestricted')
    const options = { stunServers: [stun], turnServers: [turnServer()], tcp: true, streams: [2 as const] }
    const [l] = await pair(scene, options)
    const seen = l.agent
      .localCandidates(0)
      .map(({ type, transport, component }) => `${type} ${transport} ${component}`)
    const order = ['host udp 1', 'host udp 2', 'srflx udp 1', 'host tcp 1', 'relay udp 1', 'relay udp 2']
    expect(order.map((kind) => seen.indexOf(kind))).toEqual(
      order.map((kind) => seen.indexOf(kind)).sort((a, b) => a - b),
    )
    expect(seen).toEqual(expect.arrayContaining(order))
  })

  test('drop-invalid: what no candidate of the peer has sent is dropped', async () => {
    const bench = new Bench(true)
    bench.describe()
    bench.answerAll()
    const rtp = Uint8Array.of(0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
    bench.receive(rtp, at('198.51.100.66', 5_000))
    bench.receive(rtp, { ...remote, port: remote.port + 1 })
    expect(bench.dropped).toEqual({ 'data from an unknown address': 2 })
  })

  test('tcp: without UDP the two connect over TCP, and media goes there and back', async () => {
    const world = simulate(1)
    const { internet } = world
    const noUdp = { permits: ({ protocol }: { protocol: string }) => protocol === 'tcp' }
    const nat = world.nat('fence', '203.0.113.101', { ...natKinds.portRestricted, ...noUdp }, { link })
    const scene = {
      world,
      left: world.host('left', nat.inside.at('192.168.1.2')),
      right: world.host('right', internet.at('198.51.100.2', link)),
    }
    const [l, r] = await pair(scene, { tcp: true }, { tcp: true })
    exchange(l, r)
    await world.clock.advance(2_000)
    expect(states(l, r)).toEqual(['completed', 'completed'])
    l.send('there')
    await world.clock.advance(100)
    r.send('and back')
    await world.clock.advance(100)
    expect([r.heard, l.heard]).toEqual([['there'], ['and back']])
    closeAll(scene, l, r)
  })

  test('bind: a server that is silent, refuses, or answers without an address costs its candidate alone', async () => {
    const scene = await place()
    const { network } = scene.world.host('odd', scene.world.internet.at('203.0.113.30', link))
    const odd = at('203.0.113.30', 3478)
    let answers = 0
    const socket = await network.openUdp(odd)
    socket.onDatagram = (data, from) => {
      const request = decode(data)
      if (typeof request === 'string') return
      const writer = new MessageWriter(
        answers++ === 0 ? 'success' : 'error',
        method.binding,
        request.transactionId,
      )
      if (answers > 1) writer.errorCode(500, 'out of order')
      socket.send(writer.finish(), from)
    }
    const stunServers = [odd, at('203.0.113.250', 3478), stun]
    const l = await Endpoint.open(scene.left, { stunServers, streams: [2] })
    await scene.world.clock.advance(5_000)
    const outcomes = l.events.flatMap((e) => (e.type === 'server' ? [e.outcome] : []))
    expect(new Set(outcomes)).toEqual(new Set(['answered', 'error', 'timeout']))
    expect(l.events.some(({ type }) => type === 'gathered')).toBe(true)
  })

  test('different-number-streams: two streams meet one, and the one connects', async () => {
    const scene = await place()
    const [l, r] = await pair(scene, { streams: [1, 1] }, { streams: [1] })
    exchange(l, r)
    await scene.world.clock.advance(1_000)
    expect(states(l, r)).toEqual(['completed', 'completed'])
  })

  test('credentials: an agent speaks with those that it was given', async () => {
    const scene = await place()
    const parameters = { ufrag: 'unicorns', pwd: 'a-password-of-22-chars' }
    const [l, r] = await pair(scene, { parameters })
    expect(l.agent.parameters).toEqual(parameters)
    exchange(l, r)
    await scene.world.clock.advance(500)
    expect(states(l, r)).toEqual(['completed', 'completed'])
  })

  test('turn: relay to relay, where both may show nothing else', async () => {
    const scene = await place('symmetric')
    const relayOnly = { turnServers: [turnServer()], policy: 'relay' as const }
    const [l, r] = await pair(scene, relayOnly, relayOnly)
    exchange(l, r)
    await scene.world.clock.advance(3_000)
    expect(states(l, r)).toEqual(['completed', 'completed'])
    expect(l.selected).toBe(`relay ${relay.address} -> relay ${relay.address}`)
    l.send('through two relays')
    await scene.world.clock.advance(200)
    expect(r.heard).toEqual(['through two relays'])
    closeAll(scene, l, r)
  })

  test.each([true, false])('role conflict: both controlling: %s', async (controlling) => {
    const scene = await place()
    const [l, r] = await pair(scene, { controlling }, { controlling })
    exchange(l, r)
    await scene.world.clock.advance(2_000)
    expect(states(l, r)).toEqual(['completed', 'completed'])
    expect(l.agent.controlling).not.toBe(r.agent.controlling)
  })
})

describe('pjnath', () => {
  const kinds: Record<string, EndpointOptions> = {
    host: {},
    srflx: { stunServers: [stun] },
    relay: { turnServers: [turnServer()], policy: 'relay' },
    all: { stunServers: [stun], turnServers: [turnServer(), turnServer('tcp')] },
  }
  const cases: [string, string, string, 'portRestricted' | undefined][] = [
    ['hosts candidates only', 'host', 'host', undefined],
    ['host and srflxes', 'srflx', 'srflx', 'portRestricted'],
    ['host vs relay', 'host', 'relay', undefined],
    ['relay vs host', 'relay', 'host', undefined],
    ['relay vs relay', 'relay', 'relay', 'portRestricted'],
    ['all candidates', 'all', 'all', 'portRestricted'],
  ]

  describe.each(cases)('%s', (_name, left, right, nat) => {
    test.each(
      ([1, 2] as const).flatMap((components) =>
        ([true, false] as const).flatMap((leftControls) =>
          (['at once', 'trickled'] as const).map((how) => [components, leftControls, how] as const),
        ),
      ),
    )('components: %d, the left one controls: %s, candidates %s', async (components, leftControls, how) => {
      const scene = await place(nat)
      const [l, r] = await pair(
        scene,
        { ...kinds[left], streams: [components], controlling: leftControls },
        { ...kinds[right], streams: [components], controlling: !leftControls },
      )
      if (how === 'at once') exchange(l, r)
      else {
        for (const [one, other] of [
          [l, r],
          [r, l],
        ] as const)
          one.hear({ ...other.description(), candidates: [] })
        for (const [one, other] of [
          [l, r],
          [r, l],
        ] as const)
          for (const candidate of other.agent.localCandidates(0)) {
            await scene.world.clock.advance(30)
            one.drive((now) => one.agent.addRemoteCandidates(now, 0, [candidate]))
          }
      }
      await scene.world.clock.advance(5_000)
      expect(states(l, r)).toEqual(['completed', 'completed'])
      for (const component of components === 2 ? ([1, 2] as const) : ([1] as const))
        for (const { agent } of [l, r]) expect(agent.selectedPair(0, component)).toBeDefined()
      closeAll(scene, l, r)
    })
  })

  test.each<[string, EndpointOptions]>([
    ['STUN resolution failure', { stunServers: [at('203.0.113.250', 3478)] }],
    ['TURN allocation failure', { turnServers: [{ ...turnServer(), password: 'wrong' }] }],
    [
      'STUN failure, testing TURN deallocation',
      { stunServers: [at('203.0.113.250', 3478)], turnServers: [turnServer()] },
    ],
  ])('%s: what is left connects, and all is given back', async (_name, options) => {
    const scene = await place()
    const [l, r] = await pair(scene, options, options)
    exchange(l, r)
    await scene.world.clock.advance(5_000)
    expect(states(l, r)).toEqual(['completed', 'completed'])
    closeAll(scene, l, r)
    await scene.world.clock.advance(200)
    expect(scene.world.open.filter((what) => /relay: udp 203.0.113.20:(?!3478)/.test(what))).toEqual([])
  })

  test.each([0, 15, 100])('destroyed %d ms after the descriptions: nothing is left', async (ms) => {
    const scene = await place('portRestricted')
    const [l, r] = await pair(scene, kinds['all'], kinds['all'])
    exchange(l, r)
    await scene.world.clock.advance(ms)
    closeAll(scene, l, r)
    await scene.world.clock.advance(50)
    expect(scene.world.open.filter((what) => /relay: udp 203.0.113.20:(?!3478)/.test(what))).toEqual([])
  })

  test('components differ: two meet one', async () => {
    const scene = await place()
    const [l, r] = await pair(scene, { streams: [2] }, { streams: [1] })
    exchange(l, r)
    await scene.world.clock.advance(1_000)
    expect(states(l, r)).toEqual(['completed', 'completed'])
  })

  describe('session authentication (short term)', () => {
    const ask = (change: (writer: MessageWriter, ufrag: string) => MessageWriter, pwd?: string) => {
      const bench = new Bench(false)
      bench.describe()
      bench.sent()
      const { ufrag, pwd: own } = bench.agent.parameters
      const writer = change(new MessageWriter('request', method.binding, new Uint8Array(12)), ufrag)
      bench.receive((pwd === 'none' ? writer : writer.integrity(shortTermKey(pwd ?? own))).finish())
      const [answer] = bench.sent()
      return answer && (readErrorCode(messageOf(answer))?.code ?? 'success')
    }
    const named = (writer: MessageWriter, ufrag: string) =>
      writer
        .text(attribute.username, `${ufrag}:peer`)
        .uint32(attribute.priority, 1)
        .text(attribute.software, 'x'.repeat(40))

    test('missing MESSAGE-INTEGRITY: 400', () => expect(ask(named, 'none')).toBe(400))
    test('missing USERNAME: 400', () =>
      expect(
        ask((writer) => writer.uint32(attribute.priority, 1).text(attribute.software, 'x'.repeat(40))),
      ).toBe(400))
    test('USERNAME mismatch: 401', () => expect(ask((writer) => named(writer, 'another'))).toBe(401))
    test('MESSAGE-INTEGRITY mismatch: 401', () => expect(ask(named, 'another password')).toBe(401))
    test('successful scenario', () => expect(ask(named)).toBe('success'))
  })

  const header = '0001HHHH2112a442000000000000000000000000'
  test.each<[string, string]>([
    ['a partial header', '0001'],
    ['a missing attribute', header.replace('HHHH', '0008')],
    ['a partial attribute header', `${header.replace('HHHH', '0008')}8028`],
    ['a partial attribute body', `${header.replace('HHHH', '0008')}80280004000000`],
    ['a length that is too long', `${header.replace('HHHH', 'ffff')}8028000400000000`],
    ['a length that is too short', `${header.replace('HHHH', '0004')}8028000400000000`],
    ['another cookie', `${header.replace('HHHH', '0008').replace('2112', '0012')}8028000400000000`],
    ['an octet beyond the message', `${header.replace('HHHH', '0008')}80280004000000000a`],
    ['an attribute longer than the message', `${header.replace('HHHH', '0008')}000600ff00000000`],
    ['an attribute past FINGERPRINT', `${header.replace('HHHH', '0010')}8028000400000000802400040000000a`],
  ])('stun: %s is no message', (_name, hex) => {
    expect(typeof decode(Buffer.from(hex, 'hex'))).toBe('string')
  })
})
