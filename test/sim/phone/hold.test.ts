// Hold and resume by either end and by both, in every order; the audio is asserted after each step.
import { describe, expect, test } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

interface Ends {
  call: Call
  answered: Call
  advance(ms: number): Promise<void>
}

/** Alice calls Bob; both play tones for ever. */
async function talk(
  act: (ends: Ends) => Promise<void>,
  options: { alice?: PhoneOptions; bob?: PhoneOptions } = {},
) {
  const simulation = world()
  const { clock, internet } = simulation
  const link = { latencyMs: 20 }
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1', link)), options.alice)
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2', link)), options.bob)
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', { play: 'tone:450', loop: true })
      const answered = await incoming
      await answered.answer({ play: 'tone:1000', loop: true })
      await Promise.all([call.connected, answered.connected])
      await act({ call, answered, advance: (ms) => new Promise((done) => clock.setTimer(ms, done)) })
      await call.hangUp()
      for (const end of [call, answered]) {
        const report = await end.ended
        expect(report.verdict).toMatchObject({ ok: true })
        expect(report.statistics?.received.lost).toBe(0)
        expect(report.ice.restarts).toEqual([])
        expect(report.warnings).toEqual([])
      }
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
}

/** Whether the last second held the tone. */
async function hearsNow(call: Call, frequencyHz: number): Promise<boolean> {
  const { samples, sampleRateHz } = call.heardSamples()
  const last = samples.subarray(-sampleRateHz / 2)
  let re = 0
  let im = 0
  for (const [i, sample] of last.entries()) {
    const angle = (2 * Math.PI * frequencyHz * i) / sampleRateHz
    re += sample * Math.cos(angle)
    im += sample * Math.sin(angle)
  }
  return Math.hypot(re, im) / last.length > 500
}

/** What each end hears of the other. */
async function expectAudio({ call, answered, advance }: Ends, heard: { caller: boolean; called: boolean }) {
  await advance(1_500)
  expect({ caller: await hearsNow(call, 1000), called: await hearsNow(answered, 450) }).toEqual(heard)
}

const both = { caller: true, called: true }
const nobody = { caller: false, called: false }
const kinds: [string, { alice?: PhoneOptions; bob?: PhoneOptions }][] = [
  ['with ICE', {}],
  ['without ICE', { bob: { ice: 'off' } }],
]

describe.each(kinds)('hold and resume %s', (_kind, options) => {
  test.each(['caller', 'called'] as const)(
    'by the %s, twice, for longer than the media watchdog waits',
    (who) =>
      talk(async (ends) => {
        const holder = who === 'caller' ? ends.call : ends.answered
        const held = who === 'caller' ? ends.answered : ends.call
        const told: unknown[] = []
        held.onHold = (by) => told.push(by)
        await expectAudio(ends, both)
        for (const pauseMs of [2_000, 100_000]) {
          await holder.hold()
          expect(holder.heldBy).toEqual({ local: true, remote: false })
          await expectAudio(ends, nobody)
          expect(held.heldBy).toEqual({ local: false, remote: true })
          await ends.advance(pauseMs)
          await holder.resume()
          expect(holder.heldBy).toEqual({ local: false, remote: false })
          await expectAudio(ends, both)
        }
        expect(told).toEqual([
          { local: false, remote: true },
          { local: false, remote: false },
          { local: false, remote: true },
          { local: false, remote: false },
        ])
      }, options),
  )

  test.each([
    ['the first', 0],
    ['the second', 1],
  ])('by both, resumed by %s first', (_name, first) =>
    talk(async (ends) => {
      const { call, answered } = ends
      await call.hold()
      await answered.hold()
      await expectAudio(ends, nobody)
      for (const end of [call, answered]) expect(end.heldBy).toEqual({ local: true, remote: true })
      const order = first === 0 ? [call, answered] : [answered, call]
      await order[0]!.resume()
      await expectAudio(ends, nobody)
      expect(order[0]!.heldBy).toEqual({ local: false, remote: true })
      expect(order[1]!.heldBy).toEqual({ local: true, remote: false })
      await order[1]!.resume()
      await expectAudio(ends, both)
      for (const end of [call, answered]) expect(end.heldBy).toEqual({ local: false, remote: false })
    }, options),
  )
})

test('both at the same instant: glare, and both hold in the end', () =>
  talk(async (ends) => {
    const { call, answered } = ends
    await ends.advance(500)
    await Promise.all([call.hold(), answered.hold()])
    for (const end of [call, answered]) expect(end.heldBy).toEqual({ local: true, remote: true })
    await Promise.all([call.resume(), answered.resume()])
    await expectAudio(ends, both)
  }))

test('hold twice is once; hold and resume at once end resumed', () =>
  talk(async (ends) => {
    const { call } = ends
    await Promise.all([call.hold(), call.hold(), call.resume()])
    expect(call.heldBy).toEqual({ local: false, remote: false })
    await expectAudio(ends, both)
  }))

test('ICE goes on as it was: the same credentials, and the version of the session counts', () =>
  talk(async (ends) => {
    const { call } = ends
    await ends.advance(500)
    const before = call.report().selected
    await call.hold()
    await call.resume()
    expect(call.report().selected).toEqual(before)
    const sent = call.trace.facts.flatMap((fact) =>
      fact.layer === 'sdp' && fact.type === 'description' && fact.direction === 'sent' ? [fact] : [],
    )
    expect(sent.map(({ mediaDirection }) => mediaDirection)).toEqual(['sendrecv', 'sendonly', 'sendrecv'])
  }))

test('what plays waits while we hold: nothing of it is lost', () =>
  talk(async (ends) => {
    const { call, answered } = ends
    const played = call.play('hello-8k.wav')
    await ends.advance(300)
    await call.hold()
    await ends.advance(20_000)
    await call.resume()
    await played
    await ends.advance(500)
    expect((await answered.hasHeard('reply-8k.wav')).heard).toBe(false)
    void call.play('tone:450', { loop: true })
    await expectAudio(ends, both)
  }))

test('a call that is over cannot be held', () =>
  talk(async (ends) => {
    await ends.advance(2_000)
    await ends.call.hangUp()
    await expect(ends.call.hold()).rejects.toThrow(/ended before/)
  }))
