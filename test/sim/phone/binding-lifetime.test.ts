// Keep-alives as rare as the NAT on the way allows, found out beside the flow that they keep (src/sip/binding-lifetime.ts).
import { expect, test } from 'vitest'
import { startServer } from '../../../src/serve/server.ts'
import { type NatBehaviour, natKinds } from '../../../src/sim/nat.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { expectNothingLeft, world } from './world.ts'

const server = '203.0.113.10'

test.each<[string, NatBehaviour, number, number]>([
  ['50 s, ports kept', { ...natKinds.portRestricted, udpLifetimeMs: 50_000 }, 29, 36],
  ['70 s, ports drawn', { ...natKinds.symmetric, udpLifetimeMs: 70_000 }, 39, 48],
  ['300 s', natKinds.portRestricted, 78, 96],
  ['17 s, ports drawn', { ...natKinds.portRestricted, ports: 'random', udpLifetimeMs: 17_000 }, 12, 15],
])('a NAT that remembers for %s', async (_name, behaviour, shortestSeconds, longestSeconds) => {
  const simulation = world(5)
  const { clock, internet } = simulation
  const nat = simulation.nat('home', '203.0.113.1', behaviour)
  const host = simulation.host('alice', nat.inside.at('192.168.1.2', { latencyMs: 10 }))
  const running = await startServer({
    runtime: simulation.host('server', internet.at(server)),
    listen: [{ protocol: 'udp', address: server, port: 5060 }],
  })
  const alice = await UserAgent.start({
    runtime: host,
    listen: [{ protocol: 'udp', address: '192.168.1.2', port: 5060 }],
  })
  alice.onInvite = (session) => session.reject(486)
  const caller = await UserAgent.start({
    runtime: simulation.host('bob', internet.at('203.0.113.50')),
    listen: [{ protocol: 'udp', address: '203.0.113.50', port: 5060 }],
  })
  const callArrives = () =>
    new Promise<boolean>((resolve) => {
      caller.invite(
        `sip:alice@${server}`,
        { onEnded: ({ status }) => resolve(status === 486) },
        { ringTimeoutMs: 3_000 },
      )
    })
  const registration = alice.register(
    { aor: `sip:alice@${server}`, server: `sip:${server}` },
    { expiresSeconds: 7_200 },
  )
  const asked: number[] = []
  simulation.onSend = ({ source, data }, from) => {
    if (from === 'alice' && source.port === 5060 && data[0]! < 4) asked.push(clock.now())
  }
  // Until the search is over; then for half an hour.
  await clock.advance(600_000)
  asked.length = 0
  let arrived = 0
  for (let i = 0; i < 60; i++) {
    await clock.advance(30_000)
    if (await clock.run(callArrives())) arrived++
  }
  expect(arrived).toBe(60)
  const gaps = asked.slice(1).map((at, i) => (at - asked[i]!) / 1_000)
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(shortestSeconds)
  expect(Math.max(...gaps)).toBeLessThanOrEqual(longestSeconds + 0.2)
  expect(registration.state).toMatchObject({ state: 'registered' })
  await clock.run(Promise.all([alice.stop(), caller.stop()]))
  running.stop()
  await expectNothingLeft(simulation)
})
