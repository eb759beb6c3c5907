// Calls whose silence is not sent but described (RFC 3389), in virtual time: who asks for it, who takes it, what is heard.
import { expect, it } from 'vitest'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

/** A second of tone, three of silence. */
const play = 'tone:440,1s,3s'
const suppressing: PhoneOptions = { silenceSuppression: true }

/** Both ends play for 12 s and hear each other; what each of them reports. */
const called = async (caller: PhoneOptions, answerer: PhoneOptions) => {
  const simulation = world(12)
  const { clock, internet } = simulation
  const reports = await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')), caller)
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), answerer)
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', { play, loop: true })
      const answered = await incoming
      await answered.answer({ play, loop: true })
      await call.connected
      await clock.advance(12_000)
      const ends = [call, answered] as const
      for (const end of ends) await end.waitToHear('tone:440', 1_000)
      const reports = ends.map((end) => end.report())
      await call.hangUp()
      await alice.stop()
      await bob.stop()
      return reports
    })(),
  )
  await expectNothingLeft(simulation)
  for (const { statistics } of reports)
    expect(statistics).toMatchObject({
      received: { lost: 0, late: 0, packetMs: 20, playout: { concealedMs: 0, discarded: 0 } },
      dropped: {},
    })
  return reports.map(({ codec, statistics }) => ({
    comfortNoise: codec?.comfortNoise ?? false,
    suppresses: statistics!.sent.packets < 400,
    sendsAll: statistics!.sent.packets >= 595,
  }))
}

const quiet = { comfortNoise: true, suppresses: true, sendsAll: false }
const taking = { comfortNoise: true, suppresses: false, sendsAll: true }
const without = { comfortNoise: false, suppresses: false, sendsAll: true }

it('both suppress', async () => {
  expect(await called(suppressing, suppressing)).toEqual([quiet, quiet])
})

it('one suppresses, and the other takes it', async () => {
  expect(await called(suppressing, {})).toEqual([quiet, taking])
})

it('nothing is suppressed for who has not offered to take it', async () => {
  expect(await called({}, suppressing)).toEqual([without, without])
})

it('in a wide band', async () => {
  const options = { ...suppressing, codecs: ['L16/16000'] }
  expect(await called(options, options)).toEqual([quiet, quiet])
})

it('in G.722, whose clock is not its sampling rate', async () => {
  const options = { ...suppressing, codecs: ['G722'] }
  expect(await called(options, options)).toEqual([quiet, quiet])
})
