// Relays that fail between whole phones: what is left carries the call, or the verdict names the cause and the fix.
import { describe, expect, test } from 'vitest'
import type { CallReport } from '../../../src/diagnose/call-report.ts'
import type { Call } from '../../../src/phone/call.ts'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import { natKinds } from '../../../src/sim/nat.ts'
import { type RunningTurnServer, serveTurn, type TurnServerOptions } from '../../../src/sim/turn-server.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

const link = { latencyMs: 20 }
const relays = ['203.0.113.20', '203.0.113.21'] as const
const turn = (n: 0 | 1, transport = 'udp') => `turn:floe:secret@${relays[n]}?transport=${transport}`

interface Talk {
  call: Call
  answered: Call
  servers: RunningTurnServer[]
  advance(ms: number): Promise<void>
}

/** Bob is at a public address, Alice behind a NAT that is symmetric or lets no UDP out; both play for ever. */
async function talk(
  scene: { alice: PhoneOptions; bob?: PhoneOptions; udpBlocked?: boolean; turn?: Partial<TurnServerOptions> },
  act: (talk: Talk) => Promise<void>,
): Promise<{ alice: CallReport; bob: CallReport; addressesSeen: string }> {
  const simulation = world()
  const { clock, internet } = simulation
  const behaviour = {
    ...natKinds.symmetric,
    ...(scene.udpBlocked && {
      permits: ({ protocol, destination }: { protocol: string; destination: { port: number } }) =>
        protocol === 'tcp' || destination.port === 5060,
    }),
  }
  const home = simulation.nat('home', '203.0.113.101', behaviour, { link })
  const alicesHost = simulation.host('alice', home.inside.at('192.168.1.2'))
  const bobsHost = simulation.host('bob', internet.at('203.0.113.2', link))
  let seen = ''
  simulation.onPacket = (_fate, { data, source, destination }) => {
    if (destination.port === 5060 || source.port === 5060) seen += Buffer.from(data).toString('latin1')
  }
  const reports = await clock.run(
    (async () => {
      const servers: RunningTurnServer[] = []
      for (const address of relays) {
        servers.push(
          await serveTurn(simulation.host(address, internet.at(address)), {
            listen: (['udp', 'tcp'] as const).map((protocol) => ({ protocol, address, port: 3478 })),
            users: { floe: 'secret' },
            ...scene.turn,
          }),
        )
      }
      const alice = await phoneOn(alicesHost, scene.alice)
      const bob = await phoneOn(bobsHost, scene.bob)
      const ringing = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', { play: 'hello-8k.wav', loop: true })
      const answered = await ringing
      await answered.answer({ play: 'reply-8k.wav', loop: true })
      await Promise.all([call.connected, answered.connected])
      await act({
        call,
        answered,
        servers,
        advance: (ms) => new Promise((done) => clock.setTimer(ms, done)),
      })
      await call.hangUp()
      const told = { alice: await call.ended, bob: await answered.ended }
      await alice.stop()
      await bob.stop()
      for (const server of servers) server.stop()
      return told
    })(),
  )
  await expectNothingLeft(simulation)
  return { ...reports, addressesSeen: seen }
}

const received = (call: Call) => call.report().statistics?.received

describe('the relay in use', () => {
  test.each(['udp', 'tcp'] as const)('dies, over %s, and another one carries on', async (transport) => {
    const alice: PhoneOptions = { ice: 'relay', iceServers: [turn(0, transport), turn(1, transport)] }
    const { alice: report } = await talk({ alice }, async ({ call, answered, servers, advance }) => {
      await advance(3_000)
      const { address } = call.report().selected[0]!.local.address
      servers[relays.indexOf(address as (typeof relays)[0])]!.stop()
      await advance(15_000)
      const before = received(answered)!.packets
      await advance(5_000)
      expect(received(answered)!.packets - before).toBeGreaterThan(240)
      expect(call.report().selected[0]!.local.address.address).not.toBe(address)
    })
    expect(report.verdict.ok).toBe(true)
  })

  test.each(['udp', 'tcp'] as const)(
    'dies, over %s, and there is no other: the call ends, the verdict names the server, nothing is left',
    async (transport) => {
      const alice: PhoneOptions = { ice: 'relay', iceServers: [turn(0, transport)] }
      const { alice: report, bob } = await talk({ alice }, async ({ call, answered, servers, advance }) => {
        await advance(3_000)
        servers[0]!.stop()
        await Promise.all([call.ended, answered.ended])
        await advance(100)
      })
      for (const { verdict } of [report, bob]) expect(verdict).toMatchObject({ ok: false })
      expect(report.verdict).toHaveProperty('fix')
      expect(JSON.stringify(report.verdict)).toContain(relays[0])
    },
  )

  test('forgets the allocation: the call moves to another one by itself', async () => {
    const alice: PhoneOptions = { ice: 'relay', iceServers: [turn(0)] }
    const { alice: report } = await talk({ alice }, async ({ answered, servers, advance }) => {
      await advance(3_000)
      servers[0]!.dropAllocations()
      await advance(40_000)
      const before = received(answered)!.packets
      await advance(5_000)
      expect(received(answered)!.packets - before).toBeGreaterThan(240)
    })
    expect(report.verdict.ok).toBe(true)
  })

  test('calls its nonces stale every minute: ten minutes without a gap', async () => {
    const alice: PhoneOptions = { ice: 'relay', iceServers: [turn(0)] }
    const server = { nonceLifetimeMs: 60_000, sha256: true }
    const { alice: report } = await talk({ alice, turn: server }, async ({ call, answered, advance }) => {
      await advance(600_000)
      expect(received(call)!.lost).toBe(0)
      expect(received(answered)!.lost).toBe(0)
    })
    expect(report.ice.restarts).toEqual([])
    expect(report.verdict.ok).toBe(true)
  })
})

describe('no relay, but another way', () => {
  test.each<[string, PhoneOptions['iceServers'] & object, Partial<TurnServerOptions>, RegExp]>([
    ['a wrong password', [`turn:floe:wrong@${relays[0]}?transport=tcp`], {}, /refused the credentials/],
    ['a full server', [turn(0, 'tcp')], { capacity: 0 }, /is full/],
    ['a quota that is used up', [turn(0, 'tcp')], { quota: 0 }, /no more relays/],
  ])(
    '%s: the call goes on over TCP, and a warning says why there is no relay',
    async (_name, iceServers, options, why) => {
      const scene = { alice: { iceServers }, turn: options, udpBlocked: true }
      const { alice } = await talk(scene, async ({ answered, advance }) => {
        await advance(5_000)
        expect(received(answered)!.packets).toBeGreaterThan(200)
      })
      expect(alice.verdict.ok).toBe(true)
      expect(JSON.stringify([alice.warnings, alice.ice.servers])).toMatch(why)
      expect(JSON.stringify(alice)).not.toMatch(/secret|wrong@/)
    },
  )

  test('one server full, the other one not: the call goes through that', async () => {
    const alice: PhoneOptions = {
      ice: 'relay',
      iceServers: [`turn:floe:wrong@${relays[0]}`, 'turn:floe:secret@203.0.113.99', turn(1)],
    }
    const { alice: report } = await talk({ alice }, async ({ answered, advance }) => {
      await advance(5_000)
      expect(received(answered)!.packets).toBeGreaterThan(200)
    })
    expect(report.selected[0]!.local.address.address).toBe(relays[1])
  })
})

describe('over the relay alone', () => {
  const own = ['192.168.1.2', '203.0.113.101']

  test.each<[string, Partial<TurnServerOptions>]>([
    ['with a relay for RTP and RTCP', {}],
    ['with a relay for RTP alone', { quota: 1 }],
  ])('no description names an address of ours, in no line: %s', async (_name, options) => {
    const alice: PhoneOptions = { ice: 'relay', iceServers: [turn(0)] }
    const { addressesSeen, alice: report } = await talk(
      { alice, turn: options },
      async ({ call, advance }) => {
        await advance(1_000)
        if (options.quota === undefined) await call.restartIce()
        await advance(3_000)
      },
    )
    expect(report.verdict.ok).toBe(true)
    const ours = addressesSeen
      .split('v=0\r\n')
      .slice(1)
      .map((text) => text.split(/SIP\/2\.0|\r\n\r\n/)[0]!)
      .filter((description) => !description.includes(' 203.0.113.2\r\n'))
    expect(ours.length).toBeGreaterThan(options.quota === undefined ? 1 : 0)
    for (const description of ours) {
      expect(description).toMatch(new RegExp(`^o=.* IN IP4 ${relays[0]}`))
      for (const address of own) expect(description).not.toContain(address)
      expect(description).not.toMatch(/typ (host|srflx)/)
    }
  })

  test('a far end without ICE gets nothing, rather than an address of ours', async () => {
    const alice: PhoneOptions = { ice: 'relay', iceServers: [turn(0)] }
    const attempt = talk({ alice, bob: { ice: 'off' } }, async () => {})
    await expect(attempt).rejects.toThrow(/does not speak ICE/)
  })
})
