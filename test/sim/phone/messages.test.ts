// Text messages and digits beside the media, between whole phones in virtual time.
import { expect, test } from 'vitest'
import type { TextMessage } from '../../../src/sip/session.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

test('text goes outside of calls and within them, and digits go by INFO in both bodies', async () => {
  const simulation = world()
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')))
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')))
      await expect(alice.message('sip:bob@203.0.113.2', 'anybody there?')).rejects.toThrow(
        /did not reach sip:bob@203\.0\.113\.2: 480 .*try again later/,
      )
      const got: TextMessage[] = []
      bob.onMessage = (message) => got.push(message)
      expect(await alice.message('bob@203.0.113.2', 'hello')).toEqual({ status: 200 })
      const long = 'x'.repeat(20_000)
      expect(await alice.message('bob@203.0.113.2', long)).toEqual({ status: 200 })

      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2')
      const answered = await incoming
      await answered.answer()
      await call.message('in the call')
      expect(got.map(({ text }) => text)).toEqual(['hello', long, 'in the call'])
      expect(got[2]?.callId).toBe(call.id)

      await call.sendDtmf('4w2', { by: 'info-relay', durationMs: 250 })
      await call.sendDtmf('#', { by: 'info' })
      await call.sendDtmf('d')
      await answered.waitForDtmf('42#D', 1_000)
      const digits = answered.trace.facts.flatMap((fact) => (fact.type === 'dtmf' ? [fact] : []))
      expect(digits.map(({ digit, durationMs }) => [digit, durationMs])).toEqual([
        ['4', 250],
        ['2', 250],
        ['#', 0],
        ['D', expect.any(Number)],
      ])
      expect(call.report().dtmf).toEqual(expect.objectContaining({ sent: '42#D' }))
      await call.hangUp()
      await expect(call.sendDtmf('1', { by: 'info' })).rejects.toThrow(/the call ended/)
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})

test('OPTIONS is answered as a call would be: 200, 480 where nobody takes it, 486 where there are too many', async () => {
  const simulation = world()
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')))
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), { maximumCalls: 1 })
      const status = async () => (await alice.ping('sip:bob@203.0.113.2')).status
      expect(await status()).toBe(480)
      const incoming = bob.nextCall()
      expect(await status()).toBe(200)
      await alice.call('sip:bob@203.0.113.2')
      const call = await incoming
      bob.onCall = (another) => another.reject()
      expect(await status()).toBe(486)
      await call.hangUp()
      expect(await status()).toBe(200)
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})
