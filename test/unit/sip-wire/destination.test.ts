// Where requests go (RFC 3263), on the simulator's name server in virtual time.
import { beforeEach, describe, expect, test } from 'vitest'
import type { SrvRecord } from '../../../src/runtime/runtime.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { type Simulation, simulate } from '../../../src/sim/simulate.ts'
import { DestinationResolver } from '../../../src/sip/destination.ts'
import type { Hop } from '../../../src/sip/flow.ts'
import { sipUri } from '../../../src/sip/uri.ts'

let world: Simulation
let host: VirtualHost
beforeEach(() => {
  world = simulate(1)
  host = world.host('phone', world.internet.at('192.0.2.1'))
})

const resolver = (families: (4 | 6)[] = [4], protocols = ['udp', 'tcp']) =>
  new DestinationResolver(
    host,
    (protocol, family) => protocols.includes(protocol) && families.includes(family),
  )
const text = ({ protocol, address, port }: Hop): string => `${protocol} ${address} ${port}`
async function hops(uri: string, from = resolver(), callId = 'call'): Promise<string[]> {
  const found = await world.clock.run(Promise.resolve().then(() => from.resolveUri(sipUri(uri)!, callId)))
  return found.map(text)
}
const srv = (priority: number, weight: number, target: string, port = 5060): SrvRecord => ({
  priority,
  weight,
  port,
  target,
})
const naptr = (order: number, preference: number, service: string, replacement: string, flags = 's') => ({
  order,
  preference,
  flags,
  service,
  replacement,
})
/** The zone of RFC 3263 4.1 and 4.2. */
function publish(): void {
  world.names.set('example.com', {
    naptr: [
      naptr(100, 50, 'SIP+D2U', '_sip._udp.example.com'),
      naptr(90, 50, 'SIP+D2T', '_sip._tcp.example.com'),
      naptr(10, 50, 'SIP+D2S', '_sip._sctp.example.com'),
    ],
    addresses: [{ address: '192.0.2.99' }],
  })
  world.names.set('_sip._tcp.example.com', {
    srv: [srv(0, 1, 'server1.example.com'), srv(1, 2, 'server2.example.com', 5080)],
  })
  world.names.set('_sip._udp.example.com', { srv: [srv(0, 1, 'server2.example.com.')] })
  world.setName('server1.example.com', ['192.0.2.11'])
  world.setName('server2.example.com', ['192.0.2.12'])
}

describe('what a URI says itself is not asked', () => {
  test.each([
    ['sip:a@192.0.2.9', 'udp 192.0.2.9 5060'],
    ['sip:a@[2001:db8::9]:5070;transport=TCP', 'tcp 2001:db8::9 5070'],
    ['sip:a@host.example;maddr=192.0.2.8', 'udp 192.0.2.8 5060'],
  ])('%s', async (uri, expected) => {
    expect(await hops(uri)).toEqual([expected])
    expect(world.names.questions).toEqual([])
  })
  test('a port: addresses alone', async () => {
    publish()
    expect(await hops('sip:example.com:5090')).toEqual(['udp 192.0.2.99 5090'])
    expect(world.names.questions).toEqual(['A example.com'])
  })
  test.each(['pbx', 'localhost', 'printer.local'])('a name like %s: addresses alone', async (name) => {
    world.setName(name, ['192.0.2.7'])
    expect(await hops(`sip:${name}`)).toEqual(['udp 192.0.2.7 5060'])
    expect(world.names.questions).toEqual([`A ${name}`])
  })
  test('a transport: its SRV records alone', async () => {
    publish()
    expect(await hops('sip:example.com;transport=udp')).toEqual(['udp 192.0.2.12 5060'])
    expect(world.names.questions[0]).toBe('SRV _sip._udp.example.com')
  })
})

test('NAPTR chooses transports in its order, those alone that we have; SRV servers; addresses', async () => {
  publish()
  expect(await hops('sip:bob@example.com')).toEqual([
    'tcp 192.0.2.11 5060',
    'tcp 192.0.2.12 5080',
    'udp 192.0.2.12 5060',
  ])
})

describe('TLS', () => {
  beforeEach(() => {
    world.names.set('example.com', {
      naptr: [
        naptr(10, 1, 'SIP+D2U', '_sip._udp.example.com'),
        naptr(20, 1, 'SIPS+D2T', '_sips._tcp.example.com'),
        naptr(30, 1, 'SIPS+D2W', '_sips._ws.example.com'),
      ],
      addresses: [{ address: '192.0.2.99' }],
    })
    world.names.set('_sip._udp.example.com', { srv: [srv(0, 1, 'a.example.net')] })
    world.names.set('_sips._tcp.example.com', { srv: [srv(0, 1, 'a.example.net', 5061)] })
    world.names.set('_sips._ws.example.com', { srv: [srv(0, 1, 'a.example.net', 443)] })
    world.setName('a.example.net', ['192.0.2.11'])
  })
  test('is all that a sips URI takes of NAPTR; a sip URI takes it in its turn', async () => {
    expect(await hops('sips:bob@example.com')).toEqual(['tls 192.0.2.11 5061', 'wss 192.0.2.11 443'])
    expect((await hops('sip:bob@example.com'))[1]).toBe('tls 192.0.2.11 5061')
  })
  test('is proved by the domain of the URI, not by the name of its server (RFC 5922 7.1)', async () => {
    const found = await world.clock.run(
      Promise.resolve(resolver().resolveUri(sipUri('sips:bob@example.com')!, '')),
    )
    expect(found.map(({ serverName }) => serverName)).toEqual(['example.com', 'example.com'])
  })
  test.each([
    ['sips:a@192.0.2.9', 'tls 192.0.2.9 5061'],
    ['sips:a@192.0.2.9:5071', 'tls 192.0.2.9 5071'],
    ['sip:a@192.0.2.9;transport=tls', 'tls 192.0.2.9 5061'],
    ['sips:a@plain.example', 'tls 192.0.2.50 5061'],
    ['sips:a@srv.example', 'tls 192.0.2.50 5081'],
    ['sip:a@srv.example;transport=tls', 'tls 192.0.2.50 5081'],
  ])('%s', async (uri, expected) => {
    world.setName('plain.example', ['192.0.2.50'])
    world.names.set('_sips._tcp.srv.example', { srv: [srv(0, 1, 'plain.example', 5081)] })
    expect(await hops(uri)).toEqual([expected])
  })
})

test('everything is asked at once, and each thing once', async () => {
  publish()
  world.names.delayMs = 100
  const from = resolver()
  await Promise.all([hops('sip:example.com', from), hops('sip:example.com', from)])
  expect([...world.names.questions].sort()).toEqual(
    [
      'A example.com',
      'A server1.example.com',
      'A server2.example.com',
      'NAPTR example.com',
      'SRV _sip._tcp.example.com',
      'SRV _sip._udp.example.com',
    ].sort(),
  )
  // NAPTR and SRV together, then addresses.
  expect(world.clock.now()).toBeLessThan(250)
})

test('without NAPTR, SRV of every transport in our order; without SRV, addresses', async () => {
  publish()
  world.names.set('example.com', { addresses: [{ address: '192.0.2.99' }] })
  expect(await hops('sip:example.com')).toEqual([
    'udp 192.0.2.12 5060',
    'tcp 192.0.2.11 5060',
    'tcp 192.0.2.12 5080',
  ])
  world.setName('plain.example', ['192.0.2.50', '192.0.2.51'])
  expect(await hops('sip:plain.example')).toEqual(['udp 192.0.2.50 5060', 'udp 192.0.2.51 5060'])
  expect(await hops('sip:plain.example', resolver([4], ['tcp']))).toEqual([
    'tcp 192.0.2.50 5060',
    'tcp 192.0.2.51 5060',
  ])
})

test('NAPTR records that name nothing for us, or no SRV records, are as none', async () => {
  world.setName('example.com', ['192.0.2.99'])
  world.names.set('example.com', {
    naptr: [naptr(1, 1, 'SIP+D2S', '_sip._sctp.example.com'), naptr(2, 1, 'SIP+D2U', '', 'u')],
    addresses: [{ address: '192.0.2.99' }],
  })
  expect(await hops('sip:example.com')).toEqual(['udp 192.0.2.99 5060'])
})

test('a domain that offers no SIP says so', async () => {
  world.names.set('_sip._udp.example.com', { srv: [srv(0, 0, '.')] })
  await expect(hops('sip:example.com;transport=udp')).rejects.toThrow(/offers no SIP/)
})

test('a server without an address is passed over; where none has one, that is said', async () => {
  world.names.set('_sip._udp.example.com', { srv: [srv(0, 1, 'gone.example'), srv(1, 1, 'there.example')] })
  world.setName('there.example', ['192.0.2.12'])
  expect(await hops('sip:example.com')).toEqual(['udp 192.0.2.12 5060'])
  world.names.set('_sip._udp.b.example', { srv: [srv(0, 1, 'gone.example')] })
  await expect(hops('sip:b.example')).rejects.toThrow(/could not resolve gone.example/)
})

test('servers of one priority share as weights have it; a call keeps its own', async () => {
  const targets = ['a', 'b', 'c'].map((name, i) => {
    world.setName(`${name}.example`, [`192.0.2.${10 + i}`])
    return srv(10, [60, 30, 10][i]!, `${name}.example`)
  })
  world.names.set('_sip._udp.example.com', { srv: targets })
  const from = resolver()
  const first = new Map<string, number>()
  for (let call = 0; call < 1_000; call++) {
    const found = await hops('sip:example.com', from, `call ${call}`)
    expect(found).toHaveLength(3)
    expect(await hops('sip:example.com', from, `call ${call}`)).toEqual(found)
    first.set(found[0]!, (first.get(found[0]!) ?? 0) + 1)
  }
  expect(first.get('udp 192.0.2.10 5060')).toBeGreaterThan(530)
  expect(first.get('udp 192.0.2.10 5060')).toBeLessThan(670)
  expect(first.get('udp 192.0.2.12 5060')).toBeGreaterThan(60)
  expect(first.get('udp 192.0.2.12 5060')).toBeLessThan(140)
})

describe('both IP versions', () => {
  beforeEach(() => world.setName('both.example', ['2001:db8::9', '2001:db8::8', '192.0.2.9']))
  test('those alone that a listening point reaches', async () => {
    expect(await hops('sip:both.example')).toEqual(['udp 192.0.2.9 5060'])
    expect(await hops('sip:both.example', resolver([6]))).toEqual([
      'udp 2001:db8::9 5060',
      'udp 2001:db8::8 5060',
    ])
    world.setName('six.example', ['2001:db8::9'])
    await expect(hops('sip:six.example')).rejects.toThrow(/listen on the other IP version/)
    expect(await hops('sip:six.example;transport=tcp')).toEqual(['tcp 2001:db8::9 5060'])
  })
  test('in turn', async () => {
    expect(await hops('sip:both.example', resolver([4, 6]))).toEqual([
      'udp 2001:db8::9 5060',
      'udp 192.0.2.9 5060',
      'udp 2001:db8::8 5060',
    ])
  })
})

describe('how long an answer counts', () => {
  const asked = (): number => world.names.questions.splice(0).length
  test('for its time to live', async () => {
    world.names.set('_sip._udp.example.com', { srv: [{ ...srv(0, 1, 'a.example'), ttlSeconds: 600 }] })
    world.names.set('a.example', { addresses: [{ address: '192.0.2.9', ttlSeconds: 60 }] })
    const from = resolver()
    const uri = 'sip:example.com;transport=udp'
    await hops(uri, from)
    expect(asked()).toBe(2)
    world.names.set('a.example', { addresses: [{ address: '192.0.2.10', ttlSeconds: 60 }] })
    await world.clock.advance(59_000)
    expect(await hops(uri, from)).toEqual(['udp 192.0.2.9 5060'])
    expect(asked()).toBe(0)
    await world.clock.advance(1_001)
    expect(await hops(uri, from)).toEqual(['udp 192.0.2.10 5060'])
    expect(asked()).toBe(1)
  })
  test('half a minute where none is told', async () => {
    world.setName('a.example', ['192.0.2.9'])
    const from = resolver()
    await hops('sip:a.example:5060', from)
    await world.clock.advance(29_900)
    await hops('sip:a.example:5060', from)
    expect(asked()).toBe(1)
    await world.clock.advance(101)
    await hops('sip:a.example:5060', from)
    expect(asked()).toBe(1)
  })
  test('that there is none, too; that an address could not be had, a few seconds', async () => {
    const from = resolver()
    await expect(hops('sip:nobody.example', from)).rejects.toThrow(/could not resolve nobody.example/)
    asked()
    await expect(hops('sip:nobody.example', from)).rejects.toThrow(/could not resolve nobody.example/)
    expect(asked()).toBe(0)
    world.setName('nobody.example', ['192.0.2.9'])
    await world.clock.advance(5_001)
    expect(await hops('sip:nobody.example', from)).toEqual(['udp 192.0.2.9 5060'])
    expect(asked()).toBe(1)
  })
  test('what was known counts on while the name server is ill', async () => {
    publish()
    const from = resolver()
    const before = await hops('sip:example.com', from)
    world.names.failing = true
    await world.clock.advance(3_600_000)
    expect(await hops('sip:example.com', from)).toEqual(before)
  })
  test('a name server that is silent is not waited for', async () => {
    world.names.delayMs = 60_000
    await expect(hops('sip:example.com')).rejects.toThrow(/no answer within 8 s/)
    expect(world.clock.now()).toBeLessThan(11_000)
  })
})

test('the place of a response that cannot go back the way its request came (RFC 3263 5)', async () => {
  publish()
  const from = resolver()
  const sentBy = async (port?: number): Promise<string[]> =>
    (await world.clock.run(Promise.resolve(from.resolveSentBy('tcp', 'example.com', port)))).map(text)
  expect(await sentBy()).toEqual(['tcp 192.0.2.11 5060', 'tcp 192.0.2.12 5080'])
  expect(await sentBy(5062)).toEqual(['tcp 192.0.2.99 5062'])
})
