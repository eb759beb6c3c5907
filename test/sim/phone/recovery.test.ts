// Calls whose network changes under them: audio comes back by itself, and the report says after how long.
import { describe, expect, test } from 'vitest'
import type { CallReport } from '../../../src/diagnose/call-report.ts'
import type { Call } from '../../../src/phone/call.ts'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import { Phone } from '../../../src/phone/phone.ts'
import { startServer } from '../../../src/serve/server.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { type Nat, type NatBehaviour, natKinds } from '../../../src/sim/nat.ts'
import type { Simulation } from '../../../src/sim/simulate.ts'
import { type RunningTurnServer, serveTurn } from '../../../src/sim/turn-server.ts'
import { expectNothingLeft, withMedia, world } from './world.ts'

const serverAddress = '203.0.113.10'
const relayAddresses = ['203.0.113.20', '203.0.113.21'] as const
const link = { latencyMs: 25 }

interface Place {
  simulation: Simulation
  alicesHost: VirtualHost
  bobsHost: VirtualHost
  alicesNat: Nat
  bobsNat: Nat
  relayHosts: VirtualHost[]
  /** Alice's report up to now. */
  alice: () => CallReport
}

interface Scene {
  alice?: NatBehaviour
  bob?: NatBehaviour
  relays?: 0 | 1 | 2
  phones?: PhoneOptions
  seed?: number
}

/** Alice and Bob, each behind a NAT, in a call that both hear; then something happens, and `afterMs` later it is over. */
async function mishap(
  scene: Scene,
  happens: (place: Place, advance: (ms: number) => Promise<void>) => Promise<void> | void,
  afterMs = 20_000,
): Promise<{ alice: CallReport; bob: CallReport }> {
  const simulation = world(scene.seed)
  const { clock, internet } = simulation
  const advance = (ms: number) => new Promise<void>((resolve) => clock.setTimer(ms, resolve))
  const serverHost = simulation.host('server', internet.at(serverAddress))
  const alicesNat = simulation.nat('left', '203.0.113.101', scene.alice ?? natKinds.portRestricted, { link })
  const bobsNat = simulation.nat('right', '203.0.113.102', scene.bob ?? natKinds.portRestricted, { link })
  const alicesHost = withMedia(simulation.host('alice', alicesNat.inside.at('192.168.1.2')))
  const bobsHost = withMedia(simulation.host('bob', bobsNat.inside.at('192.168.1.3')))
  const reports = await clock.run(
    (async () => {
      const server = await startServer({
        runtime: serverHost,
        listen: (['udp', 'tcp'] as const).map((protocol) => ({
          protocol,
          address: serverAddress,
          port: 5060,
        })),
        stun: { address: serverAddress, port: 3478 },
        users: { alice: 'one', bob: 'two' },
      })
      const relayHosts: VirtualHost[] = []
      const relays: RunningTurnServer[] = []
      for (const address of relayAddresses.slice(0, scene.relays ?? 0)) {
        const host = simulation.host(`relay ${address}`, internet.at(address))
        relayHosts.push(host)
        relays.push(
          await serveTurn(host, {
            listen: [{ protocol: 'udp', address, port: 3478 }],
            users: { floe: 'secret' },
          }),
        )
      }
      const phone = (runtime: VirtualHost, user: string, password: string) =>
        Phone.start({
          codecs: ['PCMU'],
          runtime,
          account: `sip:${user}@${serverAddress}`,
          password,
          iceServers: [
            `stun:${serverAddress}`,
            ...relayHosts.map((_, i) => `turn:floe:secret@${relayAddresses[i]}`),
          ],
          ...scene.phones,
        })
      const alice = await phone(alicesHost, 'alice', 'one')
      const bob = await phone(bobsHost, 'bob', 'two')
      const ringing = bob.nextCall()
      const call: Call = await alice.call('bob', { play: 'hello-8k.wav', loop: true })
      const answered = await ringing
      await answered.answer({ play: 'reply-8k.wav', loop: true })
      await Promise.all([call.connected, answered.connected])
      await advance(5_000)
      const place = { simulation, alicesHost, bobsHost, alicesNat, bobsNat, relayHosts }
      await happens({ ...place, alice: () => call.report() }, advance)
      await advance(afterMs)
      const before = call.report().statistics?.received.packets ?? 0
      const beforeAtBob = answered.report().statistics?.received.packets ?? 0
      await advance(1_000)
      // Audio flows at the end: 50 packets a second, both ways.
      expect([call.state, answered.state]).toEqual(['answered', 'answered'])
      expect((call.report().statistics?.received.packets ?? 0) - before).toBeGreaterThan(45)
      expect((answered.report().statistics?.received.packets ?? 0) - beforeAtBob).toBeGreaterThan(45)
      const alices = await call.hangUp()
      const bobs = await answered.ended
      await Promise.all([alice.stop(), bob.stop()])
      server.stop()
      for (const relay of relays) relay.stop()
      return { alice: alices, bob: bobs }
    })(),
  )
  await expectNothingLeft(simulation)
  return reports
}

/** The longest silence at either end. */
const silence = ({ alice, bob }: { alice: CallReport; bob: CallReport }): number =>
  Math.max(0, ...[...alice.ice.restarts, ...bob.ice.restarts].map(({ silentMs }) => silentMs ?? 0))

function expectRecovered(reports: { alice: CallReport; bob: CallReport }, withinMs: number): void {
  for (const report of [reports.alice, reports.bob]) {
    expect(report.verdict).toMatchObject({ ok: true })
    expect(report.ice.restarts.length).toBeGreaterThan(0)
    // The stream goes on: one SSRC, and what was lost was lost on the way.
    expect(report.statistics?.received.ssrc).toBeDefined()
  }
  expect(silence(reports)).toBeLessThan(withinMs)
}

const randomPorts = { ...natKinds.portRestricted, ports: 'random' } as const

describe('audio comes back', () => {
  test('at once after a NAT that keeps ports has forgotten its mappings', async () => {
    const { alice, bob } = await mishap({}, ({ alicesNat }) => alicesNat.flush())
    for (const report of [alice, bob]) expect(report.verdict).toMatchObject({ ok: true })
  })

  test('after a NAT has forgotten its mappings', async () => {
    const reports = await mishap({ alice: randomPorts }, ({ alicesNat }) => alicesNat.flush())
    expectRecovered(reports, 5_000)
  })

  test('after the callee’s NAT has forgotten its mappings', async () => {
    const reports = await mishap({ bob: randomPorts }, ({ bobsNat }) => bobsNat.flush())
    expectRecovered(reports, 5_000)
  })

  test('after a NAT was given another outside address', async () => {
    expectRecovered(await mishap({}, ({ alicesNat }) => alicesNat.renumber('203.0.113.111')), 5_000)
  })

  test('after the callee’s NAT was given another outside address', async () => {
    expectRecovered(await mishap({}, ({ bobsNat }) => bobsNat.renumber('203.0.113.112')), 8_000)
  })

  describe('with SIP over TCP', () => {
    const phones = { server: `sip:${serverAddress};transport=tcp` }

    test('after a NAT was given another outside address', async () => {
      const reports = await mishap({ phones }, ({ alicesNat }) => alicesNat.renumber('203.0.113.111'))
      expectRecovered(reports, 10_000)
    })

    test('after the host has moved to another network', async () => {
      const reports = await mishap({ phones }, ({ simulation, bobsHost }) => {
        const mobile = simulation.nat('mobile', '203.0.113.120', natKinds.portRestricted, { link })
        bobsHost.setInterfaces(mobile.inside.at('10.64.0.2'))
      })
      expectRecovered(reports, 4_000)
    })
  })

  test('after both NATs were given other addresses', async () => {
    const reports = await mishap({}, ({ alicesNat, bobsNat }) => {
      alicesNat.renumber('203.0.113.111')
      bobsNat.renumber('203.0.113.112')
    })
    expectRecovered(reports, 12_000)
  })

  test('after the host has moved to another network', async () => {
    const reports = await mishap({}, ({ simulation, alicesHost }) => {
      const mobile = simulation.nat('mobile', '203.0.113.120', natKinds.portRestricted, { link })
      alicesHost.setInterfaces(mobile.inside.at('10.64.0.2'))
    })
    expectRecovered(reports, 4_000)
    expect(reports.alice.ice.restarts[0]?.why).toMatch(/interface/)
  })

  test('after the callee has moved to another network', async () => {
    const reports = await mishap({}, ({ simulation, bobsHost }) => {
      const mobile = simulation.nat('mobile', '203.0.113.120', natKinds.portRestricted, { link })
      bobsHost.setInterfaces(mobile.inside.at('10.64.0.2'))
    })
    expectRecovered(reports, 4_000)
  })

  test('after the TURN server in use has died', async () => {
    const reports = await mishap({ bob: natKinds.symmetric, relays: 2 }, ({ alice, relayHosts }) => {
      const used = relayHosts.find((host) => {
        const at = alice().selected[0]
        return [at?.local.address.address, at?.remote.address.address].includes(host.attachments[0]?.address)
      })
      used?.powerOff()
    })
    expectRecovered(reports, 8_000)
  })

  test('after the TURN server has died and a NAT was renumbered at once', async () => {
    const reports = await mishap({ bob: natKinds.symmetric, relays: 2 }, ({ alicesNat, relayHosts }) => {
      relayHosts[0]?.powerOff()
      alicesNat.renumber('203.0.113.111')
    })
    expectRecovered(reports, 8_000)
  })

  test('after 30 s without a link', async () => {
    const reports = await mishap({}, async ({ alicesHost }, advance) => {
      for (const { link: cable } of alicesHost.attachments) cable.quality = { loss: 1 }
      await advance(30_000)
      for (const { link: cable } of alicesHost.attachments) cable.quality = link
    })
    expect(reports.alice.verdict.ok).toBe(true)
  })
})

test('NATs that forget after 30 s forget nothing of a call: two minutes, no restart, and the callee’s BYE arrives', async () => {
  const forgetful = { ...natKinds.portRestricted, udpLifetimeMs: 30_000 }
  const { alice, bob } = await mishap(
    { alice: forgetful, bob: forgetful },
    async (_place, advance) => advance(120_000),
    0,
  )
  for (const report of [alice, bob]) {
    expect(report.verdict).toMatchObject({ ok: true })
    expect(report.ice.restarts).toEqual([])
    expect(report.statistics?.received.lost).toBe(0)
  }
})
