// The simulated NATs against RFC 4787: every mapping with every filtering, ports, hairpinning, expiry, double NAT, firewall.
import { describe, expect, it } from 'vitest'
import type { TransportAddress } from '../../src/runtime/address.ts'
import type { UdpSocket } from '../../src/runtime/runtime.ts'
import type { Dependence, NatBehaviour } from '../../src/sim/nat.ts'
import { natKinds } from '../../src/sim/nat.ts'
import { type Simulation, simulate } from '../../src/sim/simulate.ts'

const HOME = '203.0.113.101'
const dependences: readonly Dependence[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
]
const word = new TextEncoder().encode('x')

/** A host behind a NAT, and two servers of two ports each, as RFC 4787 and RFC 5780 test with. */
const laboratory = async (behaviour: NatBehaviour) => {
  const world = simulate(1)
  const home = world.nat('home', HOME, behaviour)
  const inside = world.host('inside', home.inside.at('192.168.1.2'))
  const client = await inside.openUdp({ address: '192.168.1.2', port: 4000 })
  const near = world.host('Y1', world.internet.at('198.51.100.1'))
  const far = world.host('Y2', world.internet.at('198.51.100.2'))
  const servers = {
    y1: await near.openUdp({ address: '198.51.100.1', port: 1000 }),
    y1OtherPort: await near.openUdp({ address: '198.51.100.1', port: 2000 }),
    y2: await far.openUdp({ address: '198.51.100.2', port: 1000 }),
  }
  return { world, home, inside, client, ...servers }
}

/** Sends one datagram; gives the source that the receiver sees, or undefined where it never arrives. */
const probe = async (
  world: Simulation,
  from: UdpSocket,
  to: UdpSocket,
  destination: TransportAddress = to.local,
): Promise<TransportAddress | undefined> => {
  let seen: TransportAddress | undefined
  to.onDatagram = (_data, source) => {
    seen = source
  }
  from.send(word, destination)
  await world.clock.advance(1)
  return seen
}

describe('mapping (RFC 4787 4.1)', () => {
  const expected = {
    'endpoint-independent': { samePort: true, sameAddress: true },
    'address-dependent': { samePort: true, sameAddress: false },
    'address-and-port-dependent': { samePort: false, sameAddress: false },
  }
  describe.each(dependences)('%s', (mapping) => {
    it.each(dependences)('with %s filtering', async (filtering) => {
      const { world, client, y1, y1OtherPort, y2 } = await laboratory({ mapping, filtering, ports: 'random' })
      const toY1 = await probe(world, client, y1)
      const toOtherPort = await probe(world, client, y1OtherPort)
      const toY2 = await probe(world, client, y2)
      expect(toY1?.address).toBe(HOME)
      expect(await probe(world, client, y1)).toEqual(toY1)
      expect({
        samePort: toOtherPort?.port === toY1?.port,
        sameAddress: toY2?.port === toY1?.port,
      }).toEqual(expected[mapping])
    })
  })
})

describe('filtering (RFC 4787 5)', () => {
  const expected = {
    'endpoint-independent': { otherPort: true, otherAddress: true },
    'address-dependent': { otherPort: true, otherAddress: false },
    'address-and-port-dependent': { otherPort: false, otherAddress: false },
  }
  describe.each(dependences)('%s', (filtering) => {
    it.each(dependences)('with %s mapping', async (mapping) => {
      const { world, client, y1, y1OtherPort, y2 } = await laboratory({ mapping, filtering })
      const mapped = (await probe(world, client, y1))!
      expect(await probe(world, y1, client, mapped)).toEqual(y1.local)
      expect({
        otherPort: (await probe(world, y1OtherPort, client, mapped)) !== undefined,
        otherAddress: (await probe(world, y2, client, mapped)) !== undefined,
      }).toEqual(expected[filtering])
    })
  })

  it('admits nobody to a port without mapping, not even a full cone', async () => {
    const { world, client, y1 } = await laboratory(natKinds.fullCone)
    expect(await probe(world, y1, client, { address: HOME, port: 4000 })).toBeUndefined()
  })
})

describe('port assignment (RFC 4787 4.2)', () => {
  it('preserves the port where it is free, and gives another where it is not', async () => {
    const { world, home, client, y1 } = await laboratory(natKinds.portRestricted)
    const second = world.host('second', home.inside.at('192.168.1.3'))
    const rival = await second.openUdp({ address: '192.168.1.3', port: 4000 })
    expect(await probe(world, client, y1)).toEqual({ address: HOME, port: 4000 })
    const other = await probe(world, rival, y1)
    expect(other?.address).toBe(HOME)
    expect(other?.port).not.toBe(4000)
  })

  it('counts upwards where it is sequential', async () => {
    const behaviour = { ...natKinds.symmetric, ports: 'sequential' } as const
    const { world, client, y1, y1OtherPort, y2 } = await laboratory(behaviour)
    const first = (await probe(world, client, y1))!.port
    expect((await probe(world, client, y1OtherPort))?.port).toBe(first + 1)
    expect((await probe(world, client, y2))?.port).toBe(first + 2)
  })
})

describe('expiry (RFC 4787 4.3)', () => {
  it('forgets a mapping that was idle for longer than its lifetime, and not before', async () => {
    const { world, client, y1 } = await laboratory({
      ...natKinds.portRestricted,
      ports: 'random',
      udpLifetimeMs: 30_000,
    })
    const mapped = (await probe(world, client, y1))!
    await world.clock.advance(29_000)
    expect(await probe(world, y1, client, mapped)).toEqual(y1.local)
    await world.clock.advance(5_000)
    expect(await probe(world, y1, client, mapped)).toBeUndefined()
    expect(await probe(world, client, y1)).not.toEqual(mapped)
  })

  it('is refreshed from inside always, from outside only where the NAT does so', async () => {
    for (const inboundRefresh of [false, true]) {
      const { world, client, y1 } = await laboratory({
        ...natKinds.portRestricted,
        udpLifetimeMs: 30_000,
        inboundRefresh,
      })
      const mapped = (await probe(world, client, y1))!
      await world.clock.advance(20_000)
      await probe(world, client, y1)
      await world.clock.advance(20_000)
      expect(await probe(world, y1, client, mapped)).toEqual(y1.local)
      await world.clock.advance(20_000)
      expect(await probe(world, y1, client, mapped)).toEqual(inboundRefresh ? y1.local : undefined)
    }
  })

  it('loses everything with a restart or a new address', async () => {
    const { world, home, client, y1 } = await laboratory(natKinds.portRestricted)
    const mapped = (await probe(world, client, y1))!
    home.flush()
    expect(await probe(world, y1, client, mapped)).toBeUndefined()
    expect(await probe(world, client, y1)).toEqual(mapped)
    home.renumber('203.0.113.150')
    expect(await probe(world, y1, client, mapped)).toBeUndefined()
    expect((await probe(world, client, y1))?.address).toBe('203.0.113.150')
  })
})

describe('two behind one NAT (RFC 4787 6)', () => {
  it.each([true, false])('reach each other by their outside addresses: %s', async (hairpinning) => {
    const { world, home, client, y1 } = await laboratory({ ...natKinds.fullCone, hairpinning })
    const second = world.host('second', home.inside.at('192.168.1.3'))
    const other = await second.openUdp({ address: '192.168.1.3', port: 5000 })
    const mapped = (await probe(world, client, y1))!
    // REQ-9: the source is the outside address of the sender.
    const expected = hairpinning ? { address: HOME, port: 5000 } : undefined
    expect(await probe(world, other, client, mapped)).toEqual(expected)
    expect(await probe(world, other, client, client.local)).toEqual(other.local)
  })
})

describe('between realms', () => {
  it('keeps private addresses apart and drops what is sent to a foreign one', async () => {
    const world = simulate(2)
    const one = world.nat('one', '203.0.113.1', natKinds.portRestricted)
    const two = world.nat('two', '203.0.113.2', natKinds.portRestricted)
    const a = await world.host('a', one.inside.at('10.0.0.2')).openUdp({ address: '10.0.0.2', port: 1 })
    const b = await world.host('b', two.inside.at('10.0.0.2')).openUdp({ address: '10.0.0.2', port: 2 })
    const c = await world.host('c', two.inside.at('10.0.0.3')).openUdp({ address: '10.0.0.3', port: 3 })
    const fates: string[] = []
    world.onPacket = (fate, _packet, where) => fates.push(`${fate} in ${where}`)
    expect(await probe(world, a, c)).toBeUndefined()
    expect(fates).toEqual(['no route in internet'])
    expect(await probe(world, b, c)).toEqual(b.local)
  })

  it('is punched through by two port-restricted NATs, and not by a symmetric one against it', async () => {
    for (const [kind, punched] of [
      [natKinds.portRestricted, true],
      [natKinds.symmetric, false],
    ] as const) {
      const { world, client, y1 } = await laboratory(natKinds.portRestricted)
      const other = world.nat('other', '203.0.113.102', kind)
      const host = world.host('peer', other.inside.at('192.168.2.2'))
      const peer = await host.openUdp({ address: '192.168.2.2', port: 6000 })
      const clientMapped = (await probe(world, client, y1))!
      const peerMapped = (await probe(world, peer, y1))!
      await probe(world, client, peer, peerMapped)
      await probe(world, peer, client, clientMapped)
      expect((await probe(world, client, peer, peerMapped)) !== undefined).toBe(punched)
    }
  })

  it('translates twice behind a carrier-grade NAT', async () => {
    const world = simulate(3)
    const carrier = world.nat('carrier', '203.0.113.1', natKinds.symmetric)
    const home = world.nat('home', '100.64.0.2', natKinds.portRestricted, { outside: carrier.inside })
    const inside = world.host('inside', home.inside.at('192.168.1.2'))
    const client = await inside.openUdp({ address: '192.168.1.2', port: 4000 })
    const server = await world.host('server', world.internet.at('198.51.100.1')).openUdp({
      address: '198.51.100.1',
      port: 1,
    })
    const mapped = (await probe(world, client, server))!
    expect(mapped.address).toBe('203.0.113.1')
    expect(await probe(world, server, client, mapped)).toEqual(server.local)
  })
})

describe('firewalls', () => {
  it('route IPv6 without translation, to those alone who were sent to', async () => {
    const world = simulate(4)
    const wall = world.firewall('wall', 6, { filtering: 'address-and-port-dependent' })
    const inside = world.host('inside', wall.inside.at('2001:db8:1::2', { latencyMs: 3 }))
    const client = await inside.openUdp({ address: '::', port: 4000 })
    const server = await world.host('server', world.internet.at('2001:db8:2::1')).openUdp({
      address: '2001:db8:2::1',
      port: 1,
    })
    const own = { address: '2001:db8:1::2', port: 4000 }
    expect(await probe(world, server, client, own)).toBeUndefined()
    await world.clock.advance(10)
    let seen: TransportAddress | undefined
    server.onDatagram = (_data, from) => {
      seen = from
    }
    client.send(word, server.local)
    await world.clock.advance(5)
    expect(seen).toEqual(own)
    let answered = false
    client.onDatagram = () => {
      answered = true
    }
    server.send(word, own)
    await world.clock.advance(5)
    expect(answered).toBe(true)
    wall.flush()
    answered = false
    server.send(word, own)
    await world.clock.advance(5)
    expect(answered).toBe(false)
  })

  it('can block UDP and let TCP to port 443 out', async () => {
    const { world, inside, client, y1 } = await laboratory({
      ...natKinds.portRestricted,
      permits: ({ protocol, destination }) => protocol === 'tcp' && destination.port === 443,
    })
    const web = world.host('web', world.internet.at('198.51.100.9'))
    const listener = await web.listenTcp({ address: '198.51.100.9', port: 443 })
    const accepted = new Promise<TransportAddress>((resolve) => {
      listener.onConnection = ({ remote }) => resolve(remote)
    })
    expect(await probe(world, client, y1)).toBeUndefined()
    await world.clock.run(inside.connectTcp(listener.local))
    expect((await accepted).address).toBe(HOME)
    const blocked = inside.connectTcp({ address: '198.51.100.9', port: 80 }, { timeoutMs: 1_000 })
    await expect(world.clock.run(blocked)).rejects.toThrow('did not answer within 1000 ms')
  })
})
