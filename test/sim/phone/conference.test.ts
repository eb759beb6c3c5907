// Twenty calls in one conference, in virtual time: each hears the other nineteen and not itself.
import { expect, it } from 'vitest'
import { Conference } from '../../../src/audio/conference.ts'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { toneSource } from '../../../src/audio/tones.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

/** Whole cycles in the second that is looked at, none of them the harmonic of another. */
const tonesHz = Array.from({ length: 20 }, (_, i) => 510 + 130 * i)

it('of twenty calls each hears the other nineteen', { timeout: 60_000 }, async () => {
  const simulation = world(5)
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const bridge = await phoneOn(simulation.host('bridge', internet.at('203.0.113.100')), { ice: 'off' })
      const conference = new Conference({ sampleRateHz: 8_000 })
      bridge.onCall = async (call) => {
        const seat = conference.join()
        call.addSink(seat)
        call.play(seat).catch(() => undefined)
        await call.answer()
      }
      const phones = await Promise.all(
        tonesHz.map((_, i) =>
          phoneOn(
            simulation.host(
              `caller ${i}`,
              internet.at(`203.0.113.${1 + i}`, { latencyMs: 3 * i, jitterMs: 5 }),
            ),
            { ice: 'off' },
          ),
        ),
      )
      const calls = await Promise.all(phones.map((phone) => phone.call('sip:conference@203.0.113.100')))
      await Promise.all(calls.map((call) => call.connected))
      calls.forEach(
        (call, i) => void call.play(toneSource({ frequenciesHz: [tonesHz[i]!], levelDbfs: -40 }, 8_000)),
      )
      await new Promise<void>((resolve) => clock.setTimer(2_500, resolve))
      expect(conference.size).toBe(20)

      const unheard: string[] = []
      calls.forEach((call, listener) => {
        const { samples } = call.heardSamples()
        const last = samples.subarray(-8_000)
        const shares = tonesHz.map((hz) => toneShare(last, 8_000, hz))
        shares.forEach((share, speaker) => {
          const isWell = speaker === listener ? share < 0.001 : share > 0.6 / 19
          if (!isWell) unheard.push(`${listener} hears ${share.toFixed(3)} of ${speaker}`)
        })
      })
      expect(unheard).toEqual([])

      await calls[0]!.hangUp()
      await new Promise<void>((resolve) => clock.setTimer(1_500, resolve))
      expect(conference.size).toBe(19)
      const last = calls[1]!.heardSamples().samples.subarray(-8_000)
      expect(toneShare(last, 8_000, tonesHz[0]!)).toBeLessThan(0.001)
      await Promise.all([...phones, bridge].map((phone) => phone.stop()))
      expect(conference.size).toBe(0)
    })(),
  )
  await expectNothingLeft(simulation)
})
