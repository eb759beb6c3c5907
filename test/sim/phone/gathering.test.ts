// Nobody waits for servers: candidates are gathered ahead, dead servers are remembered, and other networks are noticed.
import { expect, test } from 'vitest'
import { NetworkError } from '../../../src/errors.ts'
import { Phone } from '../../../src/phone/phone.ts'
import { startServer } from '../../../src/serve/server.ts'
import type { Packet } from '../../../src/sim/link.ts'
import { natKinds } from '../../../src/sim/nat.ts'
import type { Simulation } from '../../../src/sim/simulate.ts'
import { serveTurn } from '../../../src/sim/turn-server.ts'
import { expectNothingLeft, phoneOn, withMedia, world } from './world.ts'

const server = '203.0.113.10'

/** Alice behind a NAT, 200 ms from the server; Bob is public. */
async function scene(
  iceServers: string[],
  act: (s: {
    simulation: Simulation
    alice: Phone
    bob: Phone
    advance(ms: number): Promise<void>
  }) => Promise<void>,
): Promise<void> {
  const simulation = world()
  const { clock, internet } = simulation
  const home = simulation.nat('home', '203.0.113.101', natKinds.portRestricted, { link: { latencyMs: 100 } })
  const alicesHost = withMedia(simulation.host('alice', home.inside.at('192.168.1.2')))
  const serverHost = simulation.host('server', internet.at(server))
  const bobsHost = simulation.host('bob', internet.at('203.0.113.2'))
  await clock.run(
    (async () => {
      const stun = await startServer({
        runtime: serverHost,
        listen: [{ protocol: 'udp', address: server, port: 5060 }],
        stun: { address: server, port: 3478 },
      })
      const alice = await Phone.start({ runtime: alicesHost, iceServers })
      const bob = await phoneOn(bobsHost)
      await act({ simulation, alice, bob, advance: (ms) => new Promise((done) => clock.setTimer(ms, done)) })
      await alice.stop()
      await bob.stop()
      stun.stop()
    })(),
  )
  await expectNothingLeft(simulation)
}

test('a call that is dialled a second after the start waits for nothing and tells its reflexive address', () =>
  scene([`stun:${server}`], async ({ simulation, alice, bob, advance }) => {
    await advance(1_000)
    const ringing = bob.nextCall()
    const before = simulation.clock.now()
    const call = await alice.call('sip:bob@203.0.113.2')
    expect(simulation.clock.now() - before).toBe(0)
    await (await ringing).answer()
    await call.connected
    const kinds = call.report().ice.localCandidates.map(({ kind }) => kind)
    expect(kinds).toContain('srflx')
    await call.hangUp()
  }))

test('the second call finds another path ready, and one after the phone has moved finds none of the old network', () =>
  scene([`stun:${server}`], async ({ simulation, alice, bob, advance }) => {
    const dial = async () => {
      await advance(5_000)
      const ringing = bob.nextCall()
      const before = simulation.clock.now()
      const call = await alice.call('sip:bob@203.0.113.2')
      const waitedMs = simulation.clock.now() - before
      await (await ringing).answer()
      await call.connected
      const { ice } = await call.hangUp()
      return { waitedMs, addresses: ice.localCandidates.map(({ address }) => address.address) }
    }
    expect((await dial()).waitedMs).toBe(0)
    expect((await dial()).waitedMs).toBe(0)
    const other = simulation.nat('other', '203.0.113.120', natKinds.portRestricted)
    simulation.hosts.find(({ name }) => name === 'alice')!.setInterfaces(other.inside.at('10.0.0.2'))
    const moved = await dial()
    expect(moved.waitedMs).toBe(0)
    expect(moved.addresses).toContain('203.0.113.120')
    expect(moved.addresses).not.toContain('192.168.1.2')
  }))

test('a dead server delays no call: half a second at most, and the next call does not ask it', () =>
  scene([`stun:${server}`, 'stun:203.0.113.99'], async ({ simulation, alice, bob, advance }) => {
    let asked = 0
    simulation.onPacket = (_fate, { destination }) => {
      if (destination.address === '203.0.113.99') asked++
    }
    for (const round of [1, 2]) {
      const ringing = bob.nextCall()
      const before = simulation.clock.now()
      const call = await alice.call('sip:bob@203.0.113.2')
      expect(simulation.clock.now() - before).toBeLessThanOrEqual(200)
      await (await ringing).answer()
      await call.connected
      await advance(5_000)
      const { warnings } = await call.hangUp()
      if (round === 1) expect(warnings.join()).toContain('203.0.113.99')
      asked = 0
    }
    expect(asked).toBe(0)
  }))

test('servers that are all dead delay an answer by half a second at most, and not at all once they are known to be', () =>
  scene([], async ({ simulation, advance }) => {
    const dead = [
      'stun:203.0.113.98',
      'turn:floe:secret@203.0.113.99',
      'turn:floe:secret@203.0.113.99?transport=tcp',
    ]
    const carol = await phoneOn(simulation.host('carol', simulation.internet.at('203.0.113.50')), {
      iceServers: dead,
    })
    const dave = await phoneOn(simulation.host('dave', simulation.internet.at('203.0.113.51')), {
      trickle: 'off',
    })
    const waits: number[] = []
    for (let round = 0; round < 2; round++) {
      const ringing = carol.nextCall()
      const call = await dave.call('sip:carol@203.0.113.50')
      const incoming = await ringing
      const before = simulation.clock.now()
      await incoming.answer()
      waits.push(simulation.clock.now() - before)
      await call.connected
      await call.hangUp()
      await advance(15_000)
    }
    expect(waits[0]).toBeLessThanOrEqual(500)
    expect(waits[1]).toBe(0)
    await carol.stop()
    await dave.stop()
  }))

test('a name server that keeps silent delays neither the start nor a call; a name that it gives late is used', () =>
  scene([], async ({ simulation, bob, advance }) => {
    const other = simulation.nat('other', '203.0.113.121', natKinds.portRestricted)
    const host = withMedia(simulation.host('carol', other.inside.at('192.168.1.5')))
    host.resolve = async (name) => {
      if (/^[\d.]+$/.test(name)) return [name]
      await advance(name === 'late.example' ? 4_000 : 20_000)
      if (name === 'late.example') return [server]
      throw new NetworkError(`could not resolve ${name}`, name)
    }
    const before = simulation.clock.now()
    const carol = await Phone.start({
      runtime: host,
      iceServers: ['stun:late.example', 'turn:u:secret@never.example'],
    })
    expect(simulation.clock.now() - before).toBeLessThanOrEqual(500)
    const dial = async () => {
      const ringing = bob.nextCall()
      const askedAt = simulation.clock.now()
      const call = await carol.call('sip:bob@203.0.113.2')
      const waitedMs = simulation.clock.now() - askedAt
      await (await ringing).answer()
      await call.connected
      const { ice } = await call.hangUp()
      return { waitedMs, kinds: ice.localCandidates.map(({ kind }) => kind) }
    }
    const first = await dial()
    expect(first.waitedMs).toBe(0)
    expect(first.kinds).not.toContain('srflx')
    await advance(5_000)
    const second = await dial()
    expect(second.waitedMs).toBe(0)
    expect(second.kinds).toContain('srflx')
    await carol.stop()
  }))

test('passwords made from a secret are made anew while the phone runs', () =>
  scene([], async ({ simulation, advance }) => {
    const names = new Set<string>()
    simulation.onPacket = (_fate, { destination, data }) => {
      const name = /\d{6,}:floe/.exec(Buffer.from(data).toString('latin1'))?.[0]
      if (destination.port === 3478 && name) names.add(name)
    }
    const relay = simulation.host('relay', simulation.internet.at('203.0.113.30'))
    const turn = await serveTurn(relay, {
      listen: [{ protocol: 'udp', address: '203.0.113.30', port: 3478 }],
      secret: 'shared',
    })
    const host = simulation.host('carol', simulation.internet.at('203.0.113.31'))
    const carol = await Phone.start({
      runtime: host,
      iceServers: [{ urls: 'turn:203.0.113.30', username: 'floe', secret: 'shared' }],
    })
    await advance(1_300_000)
    expect(names.size).toBeGreaterThan(1)
    await carol.stop()
    turn.stop()
  }))

/** How the INVITE of a phone with STUN and TURN on every one of its interfaces leaves, and how long after the wish. */
async function largeInvite(account: string, interfaces: number, permits = (_packet: Packet) => true) {
  const simulation = world()
  const { clock, internet } = simulation
  const places = Array.from({ length: interfaces }, (_, i) =>
    simulation
      .nat(`nat ${i}`, `203.0.113.${100 + i}`, { ...natKinds.portRestricted, permits })
      .inside.at(`192.168.${100 + i}.23`),
  )
  const host = withMedia(simulation.host('alice', ...places))
  const serverHost = simulation.host('server', internet.at(server))
  const sent: { protocol: string; lengthBytes: number; afterMs: number; candidates: string[] }[] = []
  await clock.run(
    (async () => {
      const stun = await startServer({
        runtime: serverHost,
        listen: [{ protocol: 'udp', address: server, port: 5060 }],
        stun: { address: server, port: 3478 },
      })
      const turn = await serveTurn(simulation.host('relay', internet.at('203.0.113.20')), {
        listen: [{ protocol: 'udp', address: '203.0.113.20', port: 3478 }],
        users: { floe: 'secret' },
      })
      const alice = await Phone.start({
        runtime: host,
        account,
        server: `sip:${server}`,
        register: false,
        iceServers: [`stun:${server}`, 'turn:floe:secret@203.0.113.20'],
      })
      await new Promise<void>((done) => clock.setTimer(1_000, done))
      const wishedAt = clock.now()
      simulation.onPacket = (fate, { protocol, data }) => {
        const text = Buffer.from(data).toString('latin1')
        if (fate !== 'delivered' || !text.startsWith('INVITE')) return
        const candidates = [...text.matchAll(/^a=candidate:.* (udp|tcp) .* typ (\w+)/gim)].map(
          ([, transport, type]) => `${transport!.toLowerCase()} ${type}`,
        )
        sent.push({ protocol, lengthBytes: data.length, afterMs: clock.now() - wishedAt, candidates })
      }
      const call = await alice.call('bob')
      await call.ended
      await alice.stop()
      stun.stop()
      turn.stop()
    })(),
  )
  await expectNothingLeft(simulation)
  return sent
}

test.each([1, 16])(
  'with %i interfaces, STUN and TURN an INVITE over UDP is one datagram of 1300 octets at most',
  async (interfaces) => {
    const [invite] = await largeInvite('alice@pbx.example', interfaces)
    expect(invite).toMatchObject({ protocol: 'udp', afterMs: 0 })
    expect(invite!.lengthBytes).toBeLessThanOrEqual(1_300)
    for (const kind of ['udp host', 'udp srflx', 'udp relay']) expect(invite!.candidates).toContain(kind)
  },
)

test('a larger one for a server whose TCP port keeps silent leaves over UDP after a second', async () => {
  const account = 'alice.pleasance.liddell.of.christ.church@telephones.wonderland.example'
  const [invite] = await largeInvite(account, 1, ({ protocol }) => protocol === 'udp')
  expect(invite).toMatchObject({ protocol: 'udp', afterMs: 1_000 })
  expect(invite!.lengthBytes).toBeLessThan(1_472)
})
