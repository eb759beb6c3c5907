// Candidates that come after the description, told by INFO (RFC 8838, RFC 8840): nobody waits for a slow server.
import { describe, expect, test } from 'vitest'
import type { CallReport } from '../../../src/diagnose/call-report.ts'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import { Phone } from '../../../src/phone/phone.ts'
import { startServer } from '../../../src/serve/server.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { natKinds } from '../../../src/sim/nat.ts'
import { serveTurn } from '../../../src/sim/turn-server.ts'
import type { Fact } from '../../../src/trace/facts.ts'
import { expectNothingLeft, withMedia, world } from './world.ts'

const sipServer = '203.0.113.10'
const slowServer = '203.0.113.11'

interface Told {
  report: CallReport
  facts: readonly Fact[]
  /** From the wish to call, or to answer, to the message that does it. */
  waitedMs: number
}

/** A call between two NATs whose STUN server takes 900 ms; the phones have just started. */
async function call(
  alice: PhoneOptions,
  bob: PhoneOptions,
  forMs = 5_000,
  { loss = 0, seed = 1 } = {},
): Promise<{ alice: Told; bob: Told }> {
  const simulation = world(seed)
  const { clock, internet } = simulation
  const serverHost = simulation.host('server', internet.at(sipServer))
  const stunHost = simulation.host('stun', internet.at(slowServer, { latencyMs: 450 }))
  const home = (name: string, address: string) =>
    simulation.nat(name, address, natKinds.portRestricted, { link: { latencyMs: 10, loss } })
  const alicesHost = withMedia(
    simulation.host('alice', home('left', '203.0.113.101').inside.at('192.168.1.2')),
  )
  const bobsHost = withMedia(simulation.host('bob', home('right', '203.0.113.102').inside.at('192.168.1.3')))
  const told = await clock.run(
    (async () => {
      const serve = (runtime: VirtualHost, address: string) =>
        startServer({
          runtime,
          listen: [{ protocol: 'udp', address, port: 5060 }],
          stun: { address, port: 3478 },
          users: { alice: 'one', bob: 'two' },
        })
      const servers = [await serve(serverHost, sipServer), await serve(stunHost, slowServer)]
      const phone = (runtime: VirtualHost, user: string, password: string, options: PhoneOptions) =>
        Phone.start({
          codecs: ['PCMU'],
          runtime,
          account: `sip:${user}@${sipServer}`,
          password,
          iceServers: [`stun:${slowServer}`],
          ...options,
        })
      const bobs = await phone(bobsHost, 'bob', 'two', bob)
      const alices = await phone(alicesHost, 'alice', 'one', { ...alice, register: false })
      const ringing = bobs.nextCall()
      const askedAt = clock.now()
      const caller = await alices.call('bob', { play: 'hello-8k.wav' })
      const dialledMs = clock.now() - askedAt
      const called = await ringing
      const wishedAt = clock.now()
      await called.answer({ play: 'reply-8k.wav' })
      const answeredMs = clock.now() - wishedAt
      const over = clock.setTimer(forMs, () => void caller.hangUp())
      const [callers, calleds] = await Promise.all([caller.ended, called.ended])
      over.cancel()
      await Promise.all([alices.stop(), bobs.stop()])
      for (const server of servers) server.stop()
      return {
        alice: { report: callers, facts: caller.trace.facts, waitedMs: dialledMs },
        bob: { report: calleds, facts: called.trace.facts, waitedMs: answeredMs },
      }
    })(),
  )
  await expectNothingLeft(simulation)
  return told
}

const infos = ({ facts }: Told, direction: 'sent' | 'received'): number =>
  facts.filter(
    (f) =>
      f.layer === 'sip' &&
      f.type === 'message' &&
      f.method === 'INFO' &&
      f.status === undefined &&
      f.direction === direction &&
      !f.retransmission,
  ).length

/** Between two symmetric NATs a relay alone connects. Of Alice's two the one at hand forbids Bob; the other one takes two and a
 *  half seconds, and Bob takes no candidates after the offer. */
async function callOverLateRelay(): Promise<{ connected: boolean; restarts: number }> {
  const simulation = world()
  const { clock, internet } = simulation
  const home = (name: string, address: string) =>
    simulation.nat(name, address, natKinds.symmetric, { link: { latencyMs: 10 } })
  const alicesHost = withMedia(
    simulation.host('alice', home('left', '203.0.113.101').inside.at('192.168.1.2')),
  )
  const bobsHost = withMedia(simulation.host('bob', home('right', '203.0.113.102').inside.at('192.168.1.3')))
  const serverHost = simulation.host('server', internet.at(sipServer))
  const told = await clock.run(
    (async () => {
      const server = await startServer({
        runtime: serverHost,
        listen: [{ protocol: 'udp', address: sipServer, port: 5060 }],
        stun: { address: sipServer, port: 3478 },
        users: { alice: 'one', bob: 'two' },
      })
      const relay = (address: string, latencyMs: number, permitsPeer: () => boolean) =>
        serveTurn(simulation.host(address, internet.at(address, { latencyMs })), {
          listen: [{ protocol: 'udp', address, port: 3478 }],
          users: { floe: 'secret' },
          permitsPeer,
        })
      const relays = [await relay('203.0.113.20', 10, () => false), await relay(slowServer, 600, () => true)]
      const account = (user: string) => `sip:${user}@${sipServer}`
      const bob = await Phone.start({
        codecs: ['PCMU'],
        runtime: bobsHost,
        account: account('bob'),
        password: 'two',
        iceServers: [`stun:${sipServer}`],
        trickle: 'off',
      })
      const alice = await Phone.start({
        codecs: ['PCMU'],
        runtime: alicesHost,
        account: account('alice'),
        password: 'one',
        register: false,
        iceServers: ['turn:floe:secret@203.0.113.20', `turn:floe:secret@${slowServer}`],
        trickle: 'off',
      })
      const ringing = bob.nextCall()
      const call = await alice.call('bob', { play: 'hello-8k.wav', loop: true })
      const answered = await ringing
      await answered.answer({ play: 'reply-8k.wav', loop: true })
      const connected = await Promise.all([call.connected, answered.connected]).then(
        () => true,
        () => false,
      )
      const restarts = call.report().ice.restarts.length
      await call.hangUp()
      await Promise.all([alice.stop(), bob.stop()])
      for (const running of [server, ...relays]) running.stop()
      return { connected, restarts }
    })(),
  )
  await expectNothingLeft(simulation)
  return told
}

function expectMedia(...ends: Told[]): void {
  for (const { report } of ends) {
    expect(report.verdict).toMatchObject({ ok: true })
    expect(report.statistics?.received.packets).toBeGreaterThan(150)
  }
}

describe('candidates that come late', () => {
  test('an answer waits for no server towards a caller that takes INFO; the caller waits for half a second', async () => {
    const { alice, bob } = await call({}, {})
    expect(alice.waitedMs).toBeLessThan(550)
    expect(bob.waitedMs).toBe(0)
    expectMedia(alice, bob)
    expect(infos(alice, 'sent') + infos(bob, 'sent')).toBeGreaterThan(0)
    expect(alice.report.ice.restarts).toEqual([])
  })

  test('nor does an offer in full trickle', async () => {
    const { alice, bob } = await call({ trickle: 'full' }, { trickle: 'full' })
    expect(alice.waitedMs).toBeLessThan(10)
    expect(infos(alice, 'sent')).toBeGreaterThan(0)
    expect(infos(bob, 'received')).toBe(infos(alice, 'sent'))
    expectMedia(alice, bob)
  })

  test.each(['half', 'full'] as const)(
    'in %s trickle also where one packet in ten is lost each way',
    async (trickle) => {
      for (let seed = 1; seed <= 5; seed++) {
        const { alice, bob } = await call({ trickle }, { trickle }, 20_000, { loss: 0.05, seed })
        for (const { report } of [alice, bob]) {
          expect(report.verdict, `seed ${seed}`).toMatchObject({ ok: true })
          expect(report.statistics?.received.packets, `seed ${seed}`).toBeGreaterThan(600)
        }
        expect(infos(alice, 'sent') + infos(bob, 'sent')).toBeGreaterThan(0)
        expect(alice.report.ice.restarts, `seed ${seed}`).toEqual([])
      }
    },
  )

  test('a peer that does not trickle is told by a restart where ICE fails otherwise', async () => {
    const { alice, bob } = await call({ trickle: 'off' }, { trickle: 'off' }, 60_000)
    expect(infos(alice, 'sent') + infos(bob, 'sent')).toBe(0)
    expectMedia(alice, bob)
    expect(alice.report.ice.restarts.length + bob.report.ice.restarts.length).toBeGreaterThan(0)
  })

  test('the restart waits for every server and names what it got of all', async () => {
    expect(await callOverLateRelay()).toEqual({ connected: true, restarts: 1 })
  })
})

test('a call that ends while its INFO is under way does not complain of candidates that nobody took', async () => {
  const { bob } = await call({}, {}, 400)
  expect(infos(bob, 'sent')).toBe(1)
  expect(bob.facts.filter((f) => f.layer === 'call' && f.type === 'warning')).toEqual([])
})
