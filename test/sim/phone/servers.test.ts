// Whole phones at a domain with several servers, in virtual time: they register and call through the one that lives, and go on
// when it dies.
import { expect, test } from 'vitest'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import { Phone } from '../../../src/phone/phone.ts'
import { type RunningServer, startServer } from '../../../src/serve/server.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import type { Simulation } from '../../../src/sim/simulate.ts'
import type { RegistrationState } from '../../../src/sip/session.ts'
import { expectNothingLeft, withMedia, world } from './world.ts'

const users = { alice: 'wonder', bob: 'builder' }
const addresses = ['203.0.113.11', '203.0.113.12', '203.0.113.13']

/** Three servers of one domain by priority, of which the first has never been there. */
async function domain(simulation: Simulation): Promise<{ hosts: VirtualHost[]; servers: RunningServer[] }> {
  simulation.names.set('_sip._udp.example.com', {
    srv: addresses.map((_, i) => ({ priority: i, weight: 1, port: 5060, target: `s${i}.example.com` })),
  })
  for (const [i, address] of addresses.entries()) simulation.setName(`s${i}.example.com`, [address])
  const hosts = addresses.map((address, i) => simulation.host(`server ${i}`, simulation.internet.at(address)))
  const servers: RunningServer[] = []
  for (const runtime of hosts.slice(1)) {
    const address = runtime.interfaces().find((i) => !i.loopback)!.address
    servers.push(await startServer({ runtime, users, listen: [{ protocol: 'udp', address, port: 5060 }] }))
  }
  return { hosts, servers }
}

const phone = (host: VirtualHost, user: 'alice' | 'bob', options: PhoneOptions = {}): Promise<Phone> =>
  Phone.start({
    codecs: ['PCMU'],
    runtime: withMedia(host),
    account: `sip:${user}@example.com`,
    password: users[user],
    registerExpires: 120,
    listen: [{ protocol: 'udp', address: host.interfaces().find((i) => !i.loopback)!.address, port: 5060 }],
    ...options,
  })

async function call(from: Phone, to: Phone): Promise<number> {
  const ringing = to.nextCall()
  const outgoing = await from.call('bob', { play: 'hello-8k.wav' })
  const incoming = await ringing
  await incoming.answer({ play: 'reply-8k.wav' })
  await Promise.all([outgoing.played, incoming.played])
  expect((await incoming.waitToHear('hello-8k.wav', 3_000)).heard).toBe(true)
  expect((await outgoing.waitToHear('reply-8k.wav', 3_000)).heard).toBe(true)
  const report = await outgoing.hangUp()
  expect(report.verdict).toMatchObject({ ok: true })
  return report.timings.ringing ?? Number.NaN
}

test('with the first server dead, and the second dying between two refreshes, calls go on', async () => {
  const simulation = world()
  const { clock, internet } = simulation
  const states: RegistrationState['state'][] = []
  await clock.run(
    (async () => {
      const { hosts, servers } = await domain(simulation)
      const startedAt = clock.now()
      const bob = await phone(simulation.host('bob', internet.at('203.0.113.2')), 'bob')
      bob.onRegistration = ({ state }) => states.push(state)
      // 4 s for the dead one.
      expect(clock.now() - startedAt).toBeLessThan(5_500)
      const alice = await phone(simulation.host('alice', internet.at('203.0.113.1')), 'alice')
      expect(servers.map((server) => server.registrations().length)).toEqual([2, 0])
      expect(await call(alice, bob)).toBeLessThan(1_000)

      servers[0]!.stop()
      hosts[1]!.powerOff()
      // Both refresh 12 s before the end of 120 s.
      await new Promise<void>((resolve) => clock.setTimer(125_000, () => resolve()))
      expect(
        servers[1]!
          .registrations()
          .map(({ user }) => user)
          .sort(),
      ).toEqual(['alice', 'bob'])
      expect(states.every((state) => state === 'registered')).toBe(true)
      // The first server's pause may be over: somebody looks after it for a second.
      expect(await call(alice, bob)).toBeLessThan(3_000)

      await alice.stop()
      await bob.stop()
      servers[1]!.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})

test('a server that dies in the middle of a registration is left for the next one', async () => {
  const simulation = world()
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const { hosts, servers } = await domain(simulation)
      // It has challenged, and is gone before the credentials come.
      const starting = phone(simulation.host('bob', internet.at('203.0.113.2', { latencyMs: 50 })), 'bob')
      simulation.onSend = ({ source }) => {
        if (source.address !== addresses[1]) return
        simulation.onSend = undefined
        clock.setTimer(0, () => hosts[1]!.powerOff())
      }
      const bob = await starting
      expect(servers[1]!.registrations().map(({ user }) => user)).toEqual(['bob'])
      await bob.stop()
      servers[0]!.stop()
      servers[1]!.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})

test('no server at all: one sentence says so', async () => {
  const simulation = world()
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const { servers } = await domain(simulation)
      for (const server of servers) server.stop()
      const starting = phone(simulation.host('bob', internet.at('203.0.113.2')), 'bob')
      await expect(starting).rejects.toThrow(/sip:bob@example\.com could not register: \S+ did not answer/)
    })(),
  )
  await expectNothingLeft(simulation)
})
