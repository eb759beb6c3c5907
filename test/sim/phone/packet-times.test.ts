// Packet times of a call in virtual time: each end says what it wants to be sent (RFC 8866 6.4).
import { expect, it } from 'vitest'
import { expectNothingLeft, phoneOn, world } from './world.ts'

it('packets are as long as each end asks for, and as the codec can have them; the report says so', async () => {
  const simulation = world(10)
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')), { ptimeMs: 30 })
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), {
        codecs: ['PCMU', 'L16/48000'],
      })
      const reports = async (dialled: object, answered: object) => {
        const incoming = bob.nextCall()
        const call = await alice.call('sip:bob@203.0.113.2', dialled)
        const far = await incoming
        await far.answer(answered)
        await call.connected
        await clock.advance(1_000)
        const reports = [await call.hangUp(), await far.ended]
        return reports.map(({ codec, statistics }) => [codec?.ptimeMs, statistics?.received.packetMs])
      }
      expect(await reports({}, {})).toEqual([
        [30, 30],
        [30, 30],
      ])
      expect(await reports({ ptimeMs: 60 }, { ptimeMs: 10 })).toEqual([
        [10, 60],
        [60, 10],
      ])
      const wide = await phoneOn(simulation.host('carol', internet.at('203.0.113.3')), {
        codecs: ['L16/48000'],
      })
      const incoming = bob.nextCall()
      const call = await wide.call('sip:bob@203.0.113.2')
      await (await incoming).answer()
      await call.connected
      await clock.advance(1_000)
      const { codec, statistics } = await call.hangUp()
      expect([codec?.ptimeMs, statistics?.received.packetMs]).toEqual([10, 10])
      await expect(alice.call('sip:bob@203.0.113.2', { ptimeMs: 25 })).rejects.toThrow(/multiple of 10/)
      await Promise.all([alice.stop(), bob.stop(), wide.stop()])
    })(),
  )
  await expectNothingLeft(simulation)
})
