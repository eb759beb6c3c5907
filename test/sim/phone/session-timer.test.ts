// Calls for hours with session timers (RFC 4028): refreshed by UPDATE and by re-INVITE, in both roles; audio flows on, and a
// peer that has gone is noticed.
import { describe, expect, test } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import { allowedMethods } from '../../../src/sip/sipjs-core.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

/** Methods of the requests that were sent in mid-call. */
const refreshes = (call: Call): string[] =>
  call.trace.facts.flatMap((fact) =>
    fact.layer === 'sip' && fact.type === 'message' && fact.direction === 'sent' && fact.status === undefined
      ? [fact.method]
      : [],
  )

async function talk(
  how: { alice?: PhoneOptions; bob?: PhoneOptions },
  act: (s: { call: Call; answered: Call; advance(ms: number): Promise<void> }) => Promise<void>,
): Promise<void> {
  const simulation = world()
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')), how.alice)
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), how.bob)
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', {
        play: 'tone:450',
        loop: true,
        keepHeardSeconds: 2,
      })
      const answered = await incoming
      await answered.answer({ play: 'tone:1000', loop: true })
      await Promise.all([call.connected, answered.connected])
      await act({ call, answered, advance: (ms) => new Promise((done) => clock.setTimer(ms, done)) })
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
}

const timers = { sessionExpiresSeconds: 90 }

describe('a call of ten minutes with a timer of 90 s', () => {
  test.each(['UPDATE', 'INVITE'])(
    'refreshed by %s, on hold too: audio flows, nothing is changed by it',
    async (method) => {
      // A peer that refuses UPDATE, as many do.
      const methods = [...allowedMethods]
      if (method === 'INVITE') allowedMethods.splice(allowedMethods.indexOf('UPDATE'), 1)
      try {
        await talk({ alice: timers }, async ({ call, answered, advance }) => {
          await advance(1_000)
          const before = call.report().selected
          await advance(300_000)
          await call.hold()
          await advance(100_000)
          expect(answered.heldBy).toEqual({ local: false, remote: true })
          await call.resume()
          await advance(200_000)
          const sent = refreshes(call)
          expect(sent.filter((m) => m === method).length).toBeGreaterThan(8)
          expect(call.report().ice.restarts).toEqual([])
          await call.waitToHear('tone:1000', 1_000)
          await answered.waitToHear('tone:450', 1_000)
          for (const end of [call, answered]) expect(end.report().statistics?.received.lost).toBe(0)
          expect(call.report().selected.map(({ local }) => local)).toEqual(before.map(({ local }) => local))
          expect((await call.hangUp()).verdict).toMatchObject({ ok: true })
        })
      } finally {
        allowedMethods.splice(0, allowedMethods.length, ...methods)
      }
    },
  )
})

test('an interval that nobody agrees to is a UsageError', async () => {
  const simulation = world()
  await simulation.clock.run(
    (async () => {
      const place = simulation.internet.at('203.0.113.1')
      await expect(phoneOn(simulation.host('alice', place), { sessionExpiresSeconds: 30 })).rejects.toThrow(
        /90 s or more/,
      )
    })(),
  )
})
