// Whole phones in the simulator: digest registration, a call, ICE and media through NATs and firewalls, in virtual time.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CallReport, Phone, type PhoneOptions, startServer } from '../../src/index.ts'
import { formatAddress } from '../../src/runtime/address.ts'
import { type NatBehaviour, natKinds } from '../../src/sim/nat.ts'
import { pathBetween } from '../../src/sim/oracle.ts'
import type { Interface } from '../../src/sim/realm.ts'
import { type Simulation, simulate } from '../../src/sim/simulate.ts'

const SERVER = '203.0.113.10'
const LEFT = '203.0.113.101'
const RIGHT = '203.0.113.102'
/** SIM_SEEDS=1000 for a longer walk. */
const SEEDS = Number(process.env['SIM_SEEDS'] ?? 20)
const link = { latencyMs: 20, jitterMs: 5 }

let world: Simulation
let restoreGlobals: () => void
beforeEach(() => {
  world = simulate(1)
  restoreGlobals = world.installGlobals()
})
afterEach(() => restoreGlobals())

interface Ended {
  caller: CallReport
  called: CallReport
}

/** A call of five seconds from one place to the other, ended with a BYE; what both ends report then.
 *  @param how.registered whether the caller registers; @param how.hangsUp who says BYE; @param how.over how the caller reaches
 *  the server */
async function callBetween(
  left: Interface,
  right: Interface,
  how: { registered?: boolean; hangsUp?: keyof Ended; over?: 'udp' | 'tcp' } = {},
): Promise<Ended> {
  const server = await startServer({
    runtime: world.host('server', world.internet.at(SERVER)),
    listen: (['udp', 'tcp'] as const).map((protocol) => ({ protocol, address: SERVER, port: 5060 })),
    stun: { address: SERVER, port: 3478 },
    users: { alice: 'one', bob: 'two' },
  })
  const phone = (user: string, password: string, place: Interface, options: PhoneOptions): Promise<Phone> =>
    Phone.start({
      codecs: ['PCMU'],
      runtime: world.host(user, place),
      account: `sip:${user}@${SERVER}`,
      password,
      iceServers: [`stun:${SERVER}`],
      ...options,
    })
  const alice = await phone('alice', 'one', left, {
    register: how.registered ?? true,
    server: `sip:${SERVER};transport=${how.over ?? 'udp'}`,
  })
  const bob = await phone('bob', 'two', right, {})
  const ringing = bob.nextCall()
  const caller = await alice.call('bob', { play: 'tone:440' })
  const called = await ringing
  await called.answer({ play: 'tone:1000' })
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  const ends = { caller, called }
  await ends[how.hangsUp ?? 'caller'].hangUp()
  const reports = { caller: await caller.ended, called: await called.ended }
  await Promise.all([alice.stop(), bob.stop()])
  server.stop()
  return reports
}

/** Both ends heard the other for five seconds, and know who hung up. */
function expectGoodCall(reports: Ended, hungUp: keyof Ended = 'caller'): void {
  for (const [end, report] of Object.entries(reports)) {
    expect(report.verdict).toMatchObject({ ok: true })
    expect(report.outcome).toMatchObject({ state: 'ended', by: end === hungUp ? 'local' : 'remote' })
    // 50 packets a second, less what ICE took.
    expect(report.statistics?.received.packets).toBeGreaterThan(200)
    expect(report.statistics?.received.packets).toBeLessThan(260)
    expect(report.statistics?.received.lossPercent).toBe(0)
  }
}

describe('two phones', () => {
  it.each<[string, NatBehaviour, NatBehaviour]>([
    ['two port-restricted NATs', natKinds.portRestricted, natKinds.portRestricted],
    ['a full cone and a symmetric NAT', natKinds.fullCone, natKinds.symmetric],
    ['a symmetric and an address-restricted NAT', natKinds.symmetric, natKinds.addressRestricted],
  ])('hear each other through %s, and leave nothing behind', async (_name, left, right) => {
    const reports = await world.clock.run(
      callBetween(
        world.nat('left', LEFT, left, { link }).inside.at('192.168.1.2'),
        world.nat('right', RIGHT, right, { link }).inside.at('192.168.1.2'),
      ),
    )
    expectGoodCall(reports)
    expect(reports.caller.selected[0]?.remote.address.address).toBe(RIGHT)
    expect(reports.called.selected[0]?.remote.address.address).toBe(LEFT)
    await world.clock.advance(60_000)
    expect([world.open, world.clock.pendingTimers]).toEqual([[], 0])
  })

  it.each<[string, keyof Ended, boolean]>([
    ['the caller hangs up', 'caller', true],
    ['the called hangs up', 'called', true],
    ['a caller that is not registered hangs up', 'caller', false],
    ['the called hangs up on a caller that is not registered', 'called', false],
  ])('end their call behind NATs, with the same private address: %s', async (_name, hangsUp, registered) => {
    const home = (name: string, address: string): Interface =>
      world.nat(name, address, natKinds.portRestricted, { link }).inside.at('192.168.1.2')
    const reports = await world.clock.run(
      callBetween(home('left', LEFT), home('right', RIGHT), { registered, hangsUp }),
    )
    expectGoodCall(reports, hangsUp)
    await world.clock.advance(60_000)
    expect([world.open, world.clock.pendingTimers]).toEqual([[], 0])
  })

  it('hear each other through two stateful firewalls', async () => {
    const wall = (name: string, address: string): Interface =>
      world.firewall(name, 4, { filtering: 'address-and-port-dependent' }, { link }).inside.at(address)
    const reports = await world.clock.run(
      callBetween(wall('left', '198.51.100.2'), wall('right', '192.0.2.2')),
    )
    expectGoodCall(reports)
    await world.clock.advance(60_000)
    expect([world.open, world.clock.pendingTimers]).toEqual([[], 0])
  })

  it('set up and end a call over TCP although every fourth datagram to the called is lost', {
    timeout: 20_000,
  }, async () => {
    for (let seed = 1; seed <= 10; seed++) {
      restoreGlobals()
      world = simulate(seed)
      restoreGlobals = world.installGlobals()
      const { internet } = world
      const reports = await world.clock.run(
        callBetween(internet.at(LEFT, link), internet.at(RIGHT, { ...link, loss: 0.25 }), { over: 'tcp' }),
      )
      const ends = [reports.caller, reports.called].map(({ outcome }) => outcome)
      expect(ends[0], `seed ${seed}`).toMatchObject({ state: 'ended', by: 'local', status: 200 })
      // What the called asks while the BYE is being repeated is answered 481: that ends the call as well.
      expect(['remote 200', 'network 481'], `seed ${seed}`).toContain(`${ends[1]!.by} ${ends[1]!.status}`)
      await world.clock.advance(60_000)
      expect([world.open, world.clock.pendingTimers], `seed ${seed}`).toEqual([[], 0])
    }
  })

  it('make the same call again, packet by packet, for the same seed', async () => {
    const trace = async (seed: number): Promise<string[]> => {
      restoreGlobals()
      world = simulate(seed)
      restoreGlobals = world.installGlobals()
      const lines: string[] = []
      world.onPacket = (fate, { source, destination, data }, where) =>
        lines.push(
          `${world.clock.now()} ${fate} ${where} ${formatAddress(source)} ${formatAddress(destination)} ${Buffer.from(data).toString('latin1')}`,
        )
      const quality = { ...link, duplication: 0.02, reordering: 0.02 }
      await world.clock.run(
        callBetween(
          world.nat('left', LEFT, natKinds.portRestricted, { link: quality }).inside.at('192.168.1.2'),
          world.nat('right', RIGHT, natKinds.portRestricted, { link: quality }).inside.at('192.168.1.2'),
        ),
      )
      return lines
    }
    const first = await trace(5)
    expect(first.length).toBeGreaterThan(400)
    expect(await trace(5)).toEqual(first)
    expect(await trace(6)).not.toEqual(first)
  })

  it('meet through random NATs if and only if a direct path exists', {
    timeout: 20_000 + SEEDS * 500,
  }, async () => {
    const kinds = Object.values(natKinds)
    for (let seed = 1; seed <= SEEDS; seed++) {
      restoreGlobals()
      world = simulate(seed)
      restoreGlobals = world.installGlobals()
      const topology = world.random.fork('topology')
      const [left, right] = [topology.pick(kinds), topology.pick(kinds)]
      const home = (name: string, address: string, kind: NatBehaviour): Interface => {
        const quality = { latencyMs: 1 + topology.integer(100), jitterMs: topology.integer(30) }
        return world.nat(name, address, kind, { link: quality }).inside.at('192.168.1.2')
      }
      const hangsUp = seed % 2 ? 'caller' : 'called'
      const reports = await world.clock.run(
        callBetween(home('left', LEFT, left), home('right', RIGHT, right), { hangsUp }),
      )
      const met = Object.values(reports).map(({ selected }) => selected.length > 0)
      const ends = ['alice', 'bob'].map((name) => ({
        host: world.hosts.find((host) => host.name === name)!,
        stunServers: [{ address: SERVER, port: 3478 }],
      }))
      const path = pathBetween(world, ends[0]!, ends[1]!)
      const said = `seed ${seed}: ${path}, ${JSON.stringify({ left, right })}`
      if (path === 'timing-dependent') expect(met[0], said).toBe(met[1])
      else expect(met, said).toEqual([path === 'direct', path === 'direct'])
      await world.clock.advance(60_000)
      expect([world.open, world.clock.pendingTimers], `seed ${seed}`).toEqual([[], 0])
    }
  })
})
