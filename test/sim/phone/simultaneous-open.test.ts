// ICE over TCP by simultaneous open (RFC 6544): two firewalls that let connections out and nothing in, no UDP and no relay.
import { expect, test } from 'vitest'
import { Phone } from '../../../src/phone/phone.ts'
import { startServer } from '../../../src/serve/server.ts'
import { pathBetween } from '../../../src/sim/oracle.ts'
import { expectNothingLeft, withMedia, world } from './world.ts'

const server = '203.0.113.10'
const link = { latencyMs: 20 }

test.each([4, 6] as const)('between two firewalls that let TCP out alone, over IPv%i', async (family) => {
  const simulation = world()
  const { clock, internet } = simulation
  const behind = (name: string, v4: string, v6: string) => {
    const behaviour = {
      filtering: 'address-and-port-dependent' as const,
      permits: ({ protocol }: { protocol: string }) => protocol === 'tcp',
    }
    const outer = simulation.firewall(`${name} outer`, 4, behaviour, { link }).inside.at(v4)
    if (family === 4) return [outer]
    // SIP goes over IPv4; there is no path for media there.
    const shut = {
      ...behaviour,
      permits: ({ destination }: { destination: { port: number } }) => destination.port === 5060,
    }
    return [
      simulation.firewall(`${name} shut`, 4, shut, { link }).inside.at(v4),
      simulation.firewall(`${name} inner`, 6, behaviour, { link }).inside.at(v6),
    ]
  }
  const alicesHost = withMedia(simulation.host('alice', ...behind('left', '198.51.100.2', '2001:db8:1::2')))
  const bobsHost = withMedia(simulation.host('bob', ...behind('right', '198.51.100.66', '2001:db8:2::2')))
  const serverHost = simulation.host('server', internet.at(server))
  expect(pathBetween(simulation, { host: alicesHost }, { host: bobsHost })).toBe('none')
  expect(pathBetween(simulation, { host: alicesHost, tcp: true }, { host: bobsHost, tcp: true })).toBe(
    'direct',
  )
  await clock.run(
    (async () => {
      const sip = await startServer({
        runtime: serverHost,
        listen: [{ protocol: 'tcp', address: server, port: 5060 }],
        stun: { address: server, port: 3478 },
        users: { alice: 'one', bob: 'two' },
      })
      const start = (runtime: typeof alicesHost, user: string, password: string) =>
        Phone.start({
          runtime,
          account: `sip:${user}@${server}`,
          password,
          server: `sip:${server};transport=tcp`,
        })
      const alice = await start(alicesHost, 'alice', 'one')
      const bob = await start(bobsHost, 'bob', 'two')
      const ringing = bob.nextCall()
      const call = await alice.call('bob', { play: 'hello-8k.wav', loop: true })
      const answered = await ringing
      await answered.answer({ play: 'reply-8k.wav', loop: true })
      await Promise.all([call.connected, answered.connected])
      await new Promise<void>((done) => clock.setTimer(5_000, done))
      for (const report of [await call.hangUp(), await answered.ended]) {
        expect(report.verdict).toMatchObject({ ok: true })
        expect(report.statistics?.received.packets).toBeGreaterThan(200)
        expect(report.selected[0]?.local.address.address).toContain(
          family === 4 ? '198.51.100.' : '2001:db8:',
        )
      }
      await Promise.all([alice.stop(), bob.stop()])
      sip.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})
