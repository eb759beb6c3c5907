// Transfers between phones that are registered at a server which routes everything, each behind a NAT of its own: REFER, NOTIFY,
// INVITE with Replaces, MESSAGE and SUBSCRIBE find their way as calls do.
import { expect, test } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import type { Phone } from '../../../src/phone/phone.ts'
import { startServer } from '../../../src/serve/server.ts'
import { natKinds } from '../../../src/sim/nat.ts'
import { expectAudioBothWays, tones } from './three-phones.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

const serverAddress = '203.0.113.10'

test('blind and attended transfers, messages and refused subscriptions go through a server and NATs', async () => {
  const simulation = world(4)
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const server = await startServer({
        runtime: simulation.host('server', internet.at(serverAddress)),
        listen: (['udp', 'tcp'] as const).map((protocol) => ({
          protocol,
          address: serverAddress,
          port: 5060,
        })),
        users: { alice: 'pw', bob: 'pw', carol: 'pw' },
        stun: { address: serverAddress, port: 3478 },
        challengeCalls: true,
      })
      const start = (user: string, last: number): Promise<Phone> => {
        const nat = simulation.nat(`nat ${user}`, `203.0.113.${last}`, natKinds.portRestricted)
        const host = simulation.host(user, nat.inside.at('192.168.1.2', { latencyMs: 5 }))
        return phoneOn(host, {
          account: `sip:${user}@${serverAddress}`,
          password: 'pw',
          iceServers: [`stun:${serverAddress}`],
        })
      }
      const [alice, bob, carol] = await Promise.all([
        start('alice', 101),
        start('bob', 102),
        start('carol', 103),
      ])
      const phones = { wait: (ms: number) => new Promise<void>((resolve) => clock.setTimer(ms, resolve)) }
      const connect = async (to: Phone, name: 'bob' | 'carol'): Promise<[Call, Call]> => {
        const incoming = to.nextCall()
        const call = await alice.call(name, { play: tones.alice })
        const answered = await incoming
        await answered.answer({ play: tones[name] })
        await Promise.all([call.connected, answered.connected])
        return [call, answered]
      }
      const followed = (call: Call) =>
        new Promise<Call>((resolve) => {
          call.onTransfer = (transfer) => void transfer.accept({ play: tones.bob }).then(resolve)
        })

      // Blind.
      const [toBob, bobs] = await connect(bob, 'bob')
      const placed = followed(bobs)
      const answering = (async () => {
        const call = await carol.nextCall()
        await call.answer({ play: tones.carol })
        return call
      })()
      await toBob.transfer('carol')
      const [bobToCarol, carolFromBob] = [await placed, await answering]
      await expectAudioBothWays(phones, [
        [bobToCarol, tones.carol],
        [carolFromBob, tones.bob],
      ])
      await bobToCarol.hangUp()
      await carolFromBob.ended

      // Attended.
      const [again, bobsAgain] = await connect(bob, 'bob')
      const [consultation, carols] = await connect(carol, 'carol')
      const placedAgain = followed(bobsAgain)
      const replacing = new Promise<Call>((resolve) => {
        carols.onReplaced = (by) => void by.answer({ play: tones.carol }).then(() => resolve(by))
      })
      await again.transferTo(consultation)
      await expectAudioBothWays(phones, [
        [await placedAgain, tones.carol],
        [await replacing, tones.bob],
      ])

      // What a server passes on beside calls.
      const got: string[] = []
      carol.onMessage = ({ text }) => got.push(text)
      expect(await alice.message('carol', 'well done')).toEqual({ status: 200 })
      expect(got).toEqual(['well done'])
      const refused = new Promise((resolve) => {
        const subscription = alice.subscribe('carol', 'presence')
        subscription.onState = resolve
      })
      expect(await refused).toMatchObject({ state: 'terminated', status: 405 })
      await Promise.all([alice.stop(), bob.stop(), carol.stop()])
      await server.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})
