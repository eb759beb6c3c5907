// How soon media flows after the answer, in round trips of the network.
import { expect, test } from 'vitest'
import { Phone } from '../../../src/phone/phone.ts'
import { startServer } from '../../../src/serve/server.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { type NatBehaviour, natKinds } from '../../../src/sim/nat.ts'
import { expectNothingLeft, withMedia, world } from './world.ts'

const server = '203.0.113.10'
/** Each way between any two hosts. */
const oneWayMs = 30

test.each<[string, NatBehaviour, NatBehaviour]>([
  ['port-restricted NATs', natKinds.portRestricted, natKinds.portRestricted],
  ['an address-restricted NAT calls a symmetric one', natKinds.addressRestricted, natKinds.symmetric],
  ['a full cone calls a symmetric NAT', natKinds.fullCone, natKinds.symmetric],
])('%s: first packets at both ends within 3 round trips of the answer', async (_name, left, right) => {
  const simulation = world()
  const { clock, internet } = simulation
  const serverHost = simulation.host('server', internet.at(server))
  const link = { latencyMs: oneWayMs / 2 }
  const home = (name: string, address: string, behaviour: NatBehaviour) =>
    simulation.nat(name, address, behaviour, { link }).inside
  const alicesHost = simulation.host('alice', home('left', '203.0.113.101', left).at('192.168.1.2'))
  const bobsHost = simulation.host('bob', home('right', '203.0.113.102', right).at('192.168.1.3'))
  const times = await clock.run(
    (async () => {
      const running = await startServer({
        runtime: serverHost,
        listen: [{ protocol: 'udp', address: server, port: 5060 }],
        stun: { address: server, port: 3478 },
        users: { alice: 'one', bob: 'two' },
      })
      const phone = (host: VirtualHost, user: string, password: string) =>
        Phone.start({
          runtime: withMedia(host),
          account: `sip:${user}@${server}`,
          password,
          iceServers: [`stun:${server}`],
        })
      const alice = await phone(alicesHost, 'alice', 'one')
      const bob = await phone(bobsHost, 'bob', 'two')
      const ringing = bob.nextCall()
      const call = await alice.call('bob', { play: 'hello-8k.wav' })
      const answered = await ringing
      await answered.answer({ play: 'reply-8k.wav' })
      await Promise.all([call.played, answered.played])
      const told = [call, answered].map((end) => {
        const { answered: from, firstRtpReceived } = end.report().timings
        return (firstRtpReceived ?? Number.NaN) - (from ?? Number.NaN)
      })
      await call.hangUp()
      await Promise.all([alice.stop(), bob.stop()])
      running.stop()
      return told
    })(),
  )
  await expectNothingLeft(simulation)
  for (const ms of times) expect(ms).toBeLessThan(3 * 2 * oneWayMs + 5)
})
