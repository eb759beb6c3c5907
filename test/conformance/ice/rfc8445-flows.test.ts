// The two example flows of RFC 8445 section 15, with their addresses, on the simulated network: the same messages between the same
// places. What floe does otherwise: R's first check of the private address goes out as in the example, and the check that L's
// triggers is sent at once.
import { expect, test } from 'vitest'
import { formatAddress } from '../../../src/runtime/address.ts'
import { natKinds } from '../../../src/sim/nat.ts'
import { type Simulation, simulate } from '../../../src/sim/simulate.ts'
import { serveStun } from '../../../src/sim/stun-server.ts'
import { readXorAddress } from '../../../src/stun/attributes.ts'
import { decode } from '../../../src/stun/message.ts'
import { attribute } from '../../../src/stun/numbers.ts'
import { Endpoint, exchange } from './endpoints.ts'

/** Every STUN message where its way ends: "Req L-PRIV-1 > R-PUB-1 USE-CAND", in the RFC's names. */
function record(world: Simulation, names: Record<string, string>): string[] {
  const flow: string[] = []
  const nameOf = (address: { address: string; port: number }) =>
    names[address.address] ?? formatAddress(address)
  world.onPacket = (fate, { source, destination, data }) => {
    const message = decode(data)
    if (typeof message === 'string') return
    const kind = { request: 'Req', success: 'Res', error: 'Err', indication: 'Ind' }[message.class]
    const mapped = readXorAddress(message, attribute.xorMappedAddress)
    flow.push(
      [
        `${kind} ${nameOf(source)} > ${nameOf(destination)}`,
        ...(mapped ? [`MA=${nameOf(mapped)}`] : []),
        ...(message.attributes.has(attribute.useCandidate) ? ['USE-CAND'] : []),
        ...(fate === 'delivered' ? [] : ['dropped']),
      ].join(' '),
    )
  }
  return flow
}

test('15.1: L behind a NAT, R in public, IPv4', async () => {
  const world = simulate(1)
  const { internet, clock } = world
  const names = {
    '10.0.1.1': 'L-PRIV-1',
    '192.0.2.1': 'R-PUB-1',
    '192.0.2.2': 'STUN-PUB-1',
    '192.0.2.3': 'NAT-PUB-1',
  }
  const link = { latencyMs: 10 }
  await serveStun(world.host('STUN', internet.at('192.0.2.2', link)).network, {
    address: '192.0.2.2',
    port: 3478,
  })
  const nat = world.nat('NAT', '192.0.2.3', natKinds.addressRestricted, { link })
  const stunServers = [{ address: '192.0.2.2', port: 3478 }]
  const flow = record(world, names)

  // Messages 1 to 4: L's mapped address is the NAT's.
  const l = await Endpoint.open(world.host('L', nat.inside.at('10.0.1.1')), { stunServers })
  await clock.advance(200)
  expect(flow.splice(0)).toEqual(['Req NAT-PUB-1 > STUN-PUB-1', 'Res STUN-PUB-1 > L-PRIV-1 MA=NAT-PUB-1'])
  expect(l.agent.localCandidates(0).map(({ type, address }) => `${type} ${address}`)).toEqual([
    'host 10.0.1.1',
    'srflx 192.0.2.3',
  ])

  // Messages 6 and 7: R's mapped address is its own, and no candidate of its own.
  const r = await Endpoint.open(world.host('R', internet.at('192.0.2.1', link)), {
    controlling: false,
    stunServers,
  })
  await clock.advance(200)
  expect(flow.splice(0)).toEqual(['Req R-PUB-1 > STUN-PUB-1', 'Res STUN-PUB-1 > R-PUB-1 MA=R-PUB-1'])
  expect(r.agent.localCandidates(0).map(({ type }) => type)).toEqual(['host'])

  // The pairs: one at L, two at R (the example's L1, R1, R2).
  exchange(l, r)
  expect(l.agent.pairs().map(({ local, remote }) => `${local.address} ${remote.address}`)).toEqual([
    '10.0.1.1 192.0.2.1',
  ])
  expect(r.agent.pairs().map(({ local, remote }) => `${local.address} ${remote.address}`)).toEqual([
    '192.0.2.1 10.0.1.1',
    '192.0.2.1 192.0.2.3',
  ])

  await clock.advance(1_000)
  // Message 9: R's check of the private address is lost.
  expect(
    flow.filter((message) => message.startsWith('Req R-PUB-1 > L-PRIV-1') && message.endsWith('dropped')),
  ).not.toEqual([])
  // Messages 10 to 13, then 14 to 17, then 18 to 21, in this order.
  const order = [
    'Req NAT-PUB-1 > R-PUB-1',
    'Res R-PUB-1 > L-PRIV-1 MA=NAT-PUB-1',
    'Req NAT-PUB-1 > R-PUB-1 USE-CAND',
  ]
  expect(order.map((message) => flow.indexOf(message))).toEqual(
    order.map((message) => flow.indexOf(message)).sort((a, b) => a - b),
  )
  for (const message of [...order, 'Req R-PUB-1 > L-PRIV-1', 'Res NAT-PUB-1 > R-PUB-1 MA=R-PUB-1'])
    expect(flow).toContain(message)
  expect([l.state, r.state]).toEqual(['completed', 'completed'])
  // L2 and R2 are what was nominated.
  expect(l.selected).toBe('srflx 192.0.2.3 -> host 192.0.2.1')
  expect(r.selected).toBe('host 192.0.2.1 -> srflx 192.0.2.3')
  l.close()
  r.close()
})

test('15.2: both in public, IPv6', async () => {
  const world = simulate(1)
  const { internet, clock } = world
  const link = { latencyMs: 10 }
  await serveStun(world.host('STUN', internet.at('2001:db8::9', link)).network, {
    address: '2001:db8::9',
    port: 3478,
  })
  const flow = record(world, {
    '2001:db8::3': 'L-PUB-1',
    '2001:db8::5': 'R-PUB-1',
    '2001:db8::9': 'STUN-PUB-1',
  })
  const stunServers = [{ address: '2001:db8::9', port: 3478 }]
  const l = await Endpoint.open(world.host('L', internet.at('2001:db8::3', link)), { stunServers })
  await clock.advance(200)
  expect(flow.splice(0)).toEqual(['Req L-PUB-1 > STUN-PUB-1', 'Res STUN-PUB-1 > L-PUB-1 MA=L-PUB-1'])
  const r = await Endpoint.open(world.host('R', internet.at('2001:db8::5', link)), {
    controlling: false,
    stunServers,
  })
  await clock.advance(200)
  expect(flow.splice(0)).toEqual(['Req R-PUB-1 > STUN-PUB-1', 'Res STUN-PUB-1 > R-PUB-1 MA=R-PUB-1'])
  exchange(l, r)
  for (const { agent } of [l, r]) expect(agent.pairs()).toHaveLength(1)
  await clock.advance(1_000)
  for (const message of [
    'Req L-PUB-1 > R-PUB-1',
    'Res R-PUB-1 > L-PUB-1 MA=L-PUB-1',
    'Req R-PUB-1 > L-PUB-1',
    'Res L-PUB-1 > R-PUB-1 MA=R-PUB-1',
    'Req L-PUB-1 > R-PUB-1 USE-CAND',
  ])
    expect(flow).toContain(message)
  expect([l.selected, r.selected]).toEqual([
    'host 2001:db8::3 -> host 2001:db8::5',
    'host 2001:db8::5 -> host 2001:db8::3',
  ])
  expect([l.state, r.state]).toEqual(['completed', 'completed'])
  l.close()
  r.close()
})
