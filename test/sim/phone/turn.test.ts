// Calls over TURN between whole phones: where no direct path exists, where only the relay may be seen, and what is said where
// there is no relay to be had.
import { describe, expect, test } from 'vitest'
import type { CallReport } from '../../../src/diagnose/call-report.ts'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import { Phone } from '../../../src/phone/phone.ts'
import { startServer } from '../../../src/serve/server.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { type NatBehaviour, natKinds } from '../../../src/sim/nat.ts'
import { serveTurn, type TurnServerOptions } from '../../../src/sim/turn-server.ts'
import { expectNothingLeft, withMedia, world } from './world.ts'

const sipServer = '203.0.113.10'
const relay = '203.0.113.20'
const link = { latencyMs: 20 }

interface Scene {
  alice?: PhoneOptions
  bob?: PhoneOptions
  turn?: Partial<TurnServerOptions>
  /** Of Alice's network; Bob's is behind a symmetric NAT, so that no direct path exists by default. */
  network?: NatBehaviour
  bobIsPublic?: boolean
  /** Bob calls. */
  swapped?: boolean
  forMs?: number
}

/** A call over a SIP server, 5 s long unless it fails before. */
async function call(scene: Scene): Promise<{ alice: CallReport; bob: CallReport }> {
  const simulation = world()
  const { clock, internet } = simulation
  const serverHost = simulation.host('server', internet.at(sipServer))
  const relayHost = simulation.host('relay', internet.at(relay))
  const left = simulation.nat('left', '203.0.113.101', scene.network ?? natKinds.portRestricted, { link })
  const right = simulation.nat('right', '203.0.113.102', natKinds.symmetric, { link })
  const alicesHost = withMedia(simulation.host('alice', left.inside.at('192.168.1.2')))
  const bobsPlace = scene.bobIsPublic ? internet.at('203.0.113.30', link) : right.inside.at('192.168.1.3')
  const bobsHost = withMedia(simulation.host('bob', bobsPlace))
  const reports = await clock.run(
    (async () => {
      const server = await startServer({
        runtime: serverHost,
        listen: (['udp', 'tcp'] as const).map((protocol) => ({ protocol, address: sipServer, port: 5060 })),
        stun: { address: sipServer, port: 3478 },
        users: { alice: 'one', bob: 'two' },
      })
      const turnServer = await serveTurn(relayHost, {
        listen: [
          { protocol: 'udp', address: relay, port: 3478 },
          { protocol: 'tcp', address: relay, port: 3478 },
          { protocol: 'tls', address: relay, port: 443 },
        ],
        users: { floe: 'secret' },
        ...scene.turn,
      })
      const phone = (runtime: VirtualHost, user: string, password: string, options: PhoneOptions = {}) =>
        Phone.start({
          codecs: ['PCMU'],
          runtime,
          account: `sip:${user}@${sipServer}`,
          password,
          server: `sip:${sipServer};transport=tcp`,
          iceServers: [`stun:${sipServer}`],
          ...options,
        })
      const alice = await phone(alicesHost, 'alice', 'one', scene.alice)
      const bob = await phone(bobsHost, 'bob', 'two', scene.bob)
      const [caller, called] = scene.swapped ? [bob, alice] : [alice, bob]
      const ringing = called.nextCall()
      const dialled = await caller.call(scene.swapped ? 'alice' : 'bob', { play: 'hello-8k.wav', loop: true })
      const answered = await ringing
      await answered.answer({ play: 'reply-8k.wav', loop: true })
      const [alices, bobs] = scene.swapped ? [answered, dialled] : [dialled, answered]
      const over = clock.setTimer(scene.forMs ?? 5_000, () => void alices.hangUp())
      await alices.ended
      over.cancel()
      const told = { alice: await alices.ended, bob: await bobs.ended }
      await Promise.all([alice.stop(), bob.stop()])
      server.stop()
      turnServer.stop()
      return told
    })(),
  )
  await expectNothingLeft(simulation)
  return reports
}

const stun = `stun:${sipServer}`
const turn = `turn:floe:secret@${relay}`

function expectRelayed({ alice, bob }: { alice: CallReport; bob: CallReport }): void {
  for (const report of [alice, bob]) {
    expect(report.verdict).toMatchObject({ ok: true })
    // 50 packets a second, less what setting up took.
    expect(report.statistics?.received.packets).toBeGreaterThan(200)
  }
  expect([alice, bob].some(({ selected }) => selected[0]?.local.type === 'relay')).toBe(true)
}

describe('where no direct path exists', () => {
  test.each<[string, PhoneOptions, PhoneOptions]>([
    ['the caller has a relay', { iceServers: [stun, turn] }, {}],
    ['the called has a relay', {}, { iceServers: [stun, turn] }],
    ['both have one', { iceServers: [turn] }, { iceServers: [turn] }],
    ['over TCP', { iceServers: [`${turn}?transport=tcp`] }, {}],
    ['over TLS', { iceServers: [`turns:floe:secret@${relay}:443`] }, {}],
    [
      'as browsers write it',
      { iceServers: [{ urls: [`turn:${relay}`], username: 'floe', credential: 'secret' }] },
      {},
    ],
  ])('media is relayed: %s', async (_name, alice, bob) => {
    expectRelayed(await call({ alice, bob }))
  })

  test('time-limited credentials are made from the secret', async () => {
    const server = { urls: `turn:${relay}`, username: 'alice', secret: 'shared' }
    expectRelayed(await call({ alice: { iceServers: [server] }, turn: { users: {}, secret: 'shared' } }))
  })

  test('where UDP is blocked, TURN over TCP gets through', async () => {
    const network: NatBehaviour = {
      ...natKinds.portRestricted,
      permits: ({ protocol }) => protocol === 'tcp',
    }
    const iceServers = [stun, turn, `${turn}?transport=tcp`]
    expectRelayed(await call({ network, alice: { iceServers } }))
  })
})

test('a relay at hand keeps nobody from the direct path that opens a little later', async () => {
  const both = { iceServers: [stun, turn] }
  const { alice, bob } = await call({ network: natKinds.addressRestricted, alice: both, bob: both })
  for (const report of [alice, bob]) {
    expect(report.verdict).toMatchObject({ ok: true })
    expect([report.selected[0]?.local.type, report.selected[0]?.remote.type]).not.toContain('relay')
  }
})

describe('without UDP and without a relay', () => {
  const network: NatBehaviour = { ...natKinds.portRestricted, permits: ({ protocol }) => protocol === 'tcp' }

  test.each(['caller', 'called'] as const)(
    'ICE over TCP reaches a public peer: the %s is fenced in',
    async (who) => {
      const { alice, bob } = await call({ network, bobIsPublic: true, swapped: who === 'called' })
      for (const report of [alice, bob]) {
        expect(report.verdict).toMatchObject({ ok: true })
        expect(report.statistics?.received.packets).toBeGreaterThan(200)
        expect(report.selected).toMatchObject([{ transport: 'tcp' }])
      }
    },
  )

  test('where TCP candidates are not wanted there is no path', async () => {
    const { alice } = await call({ network, bobIsPublic: true, alice: { iceTcp: false }, forMs: 120_000 })
    expect(alice.verdict).toMatchObject({ ok: false, layer: 'ice' })
  })
})

describe('over the relay alone', () => {
  test('no other address is told or used', async () => {
    const { alice, bob } = await call({ alice: { ice: 'relay', iceServers: [stun, turn] } })
    expectRelayed({ alice, bob })
    expect(alice.ice.localCandidates.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['relay']))
    expect(alice.ice.localCandidates.every(({ kind }) => kind === 'relay')).toBe(true)
    expect(bob.ice.remoteCandidates.every(({ address }) => address.address === relay)).toBe(true)
    expect(bob.selected[0]?.remote.address.address).toBe(relay)
  })
})

test.each<[string, RegExp, Partial<TurnServerOptions>]>([
  ['a wrong password', /refused the credentials/, { users: { floe: 'another' } }],
  ['a full server', /is full/, { capacity: 0 }],
])('where only a relay may be seen and there is none, nothing leaves: %s', async (_name, why, turnServer) => {
  const simulation = world()
  const { clock, internet } = simulation
  const host = simulation.host('alice', internet.at('203.0.113.1'))
  const relayHost = simulation.host('relay', internet.at(relay))
  let invites = 0
  simulation.onPacket = (_fate, { destination }) => {
    if (destination.address === '203.0.113.2') invites++
  }
  await clock.run(
    (async () => {
      const running = await serveTurn(relayHost, {
        listen: [{ protocol: 'udp', address: relay, port: 3478 }],
        users: { floe: 'secret' },
        ...turnServer,
      })
      const phone = await Phone.start({ runtime: withMedia(host), ice: 'relay', iceServers: [turn] })
      const facts: string[] = []
      phone.onFact = (fact) => facts.push(JSON.stringify(fact))
      await expect(phone.call('sip:bob@203.0.113.2')).rejects.toThrow(why)
      expect(facts.join()).not.toContain('secret')
      await phone.stop()
      running.stop()
    })(),
  )
  expect(invites).toBe(0)
  await expectNothingLeft(simulation)
})

describe('where there is no relay to be had, the verdict says why', () => {
  test.each<[string, string, PhoneOptions, Partial<TurnServerOptions>]>([
    ['none is configured', 'relay-missing', {}, {}],
    ['wrong password', 'relay-credentials', { iceServers: [stun, `turn:floe:wrong@${relay}`] }, {}],
    ['nobody there', 'relay-unreachable', { iceServers: [stun, 'turn:floe:secret@203.0.113.99'] }, {}],
    ['quota reached', 'relay-full', { iceServers: [stun, turn] }, { quota: 0 }],
    ['no capacity', 'relay-full', { iceServers: [stun, turn] }, { capacity: 0 }],
    [
      'the far end may not be relayed to',
      'relay-denied',
      { iceServers: [stun, turn] },
      { permitsPeer: (address) => address !== '203.0.113.102' && address !== '192.168.1.3' },
    ],
  ])('%s', async (_name, cause, alice, server) => {
    const { alice: report } = await call({ alice, turn: server, forMs: 120_000 })
    expect(report.verdict).toMatchObject({ ok: false, cause, layer: 'ice' })
    expect(JSON.stringify(report)).not.toContain('secret')
  })

  test('a dead server costs a warning and no delay', async () => {
    const iceServers = [stun, turn, 'turn:floe:secret@203.0.113.99', 'stun:203.0.113.98']
    const reports = await call({ alice: { iceServers } })
    expectRelayed(reports)
    expect(reports.alice.warnings.join()).toContain('203.0.113.99')
    expect(reports.alice.timings.answered).toBeLessThan(1_000)
  })
})
