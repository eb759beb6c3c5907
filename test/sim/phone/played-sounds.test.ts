// What calls play, in virtual time: files of every kind over and over, and several sounds at once.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { samplesSource } from '../../../src/audio/sources.ts'
import { opus } from '../../../src/codec/opus.ts'
import { UsageError } from '../../../src/errors.ts'
import type { Call } from '../../../src/phone/call.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

/** Not MP3, whose decoder takes real time to begin anew. */
const names = ['sine.wav', 'sine.flac', 'sine.opus']

/** Alice, who has these files, has called Bob. */
async function inCall(
  codec: string,
  act: (call: Call, answered: Call, advance: (ms: number) => Promise<void>) => Promise<void>,
) {
  await opus.load!()
  const simulation = world(11)
  const { clock, internet } = simulation
  const host = simulation.host('alice', internet.at('203.0.113.1'))
  for (const name of names) host.files.put(name, readFileSync(`test/unit/files/${name}`))
  await clock.run(
    (async () => {
      const alice = await phoneOn(host, { codecs: [codec] })
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), { codecs: [codec] })
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', {})
      const answered = await incoming
      await answered.answer()
      await call.connected
      await act(call, answered, (ms) => new Promise((resolve) => clock.setTimer(ms, resolve)))
      await call.hangUp()
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
}

const share = (call: Call, hz: number, lastMs: number): number => {
  const { samples, sampleRateHz } = call.heardSamples()
  return toneShare(samples.subarray(-(lastMs * sampleRateHz) / 1000), sampleRateHz, hz)
}

/** 440 Hz in each: a round ends in phase with the next, so that three seconds of them are one tone. */
it.each(names.flatMap((name) => ['PCMU', 'opus'].map((codec) => [name, codec] as const)))(
  '%s is played over and over in a call with %s, without a gap',
  (name, codec) =>
    inCall(codec, async (call, answered, advance) => {
      const played = call.play(name, { loop: true })
      await advance(5_000)
      expect(share(answered, 440, 3_000)).toBeGreaterThan(0.98)
      call.stopPlaying()
      await played
    }),
)

it('several sounds are mixed, and end with those in the foreground', () =>
  inCall('PCMU', async (call, answered, advance) => {
    const speech = Int16Array.from(
      { length: 16_000 },
      (_, i) => 8_000 * Math.sin((2 * Math.PI * 1_000 * i) / 8_000),
    )
    const played = call.play([
      samplesSource(speech, 8_000),
      { source: 'sine.flac', gainDb: -6, background: true, loop: true },
      { source: 'tone:700', gainDb: -40, background: true },
    ])
    await advance(1_800)
    const [loud, soft] = [share(answered, 1_000, 1_000), share(answered, 440, 1_000)]
    expect(loud + soft).toBeGreaterThan(0.98)
    // 8,000 and half of 9,830.
    expect(10 * Math.log10(loud / soft)).toBeCloseTo(20 * Math.log10(8_000 / 4_927), 0)
    await played
    await advance(500)
    expect(share(answered, 440, 200)).toBe(0)
  }))

it('of several sounds that cannot be opened, or have no foreground, none is played', () =>
  inCall('PCMU', async (call) => {
    await expect(call.play(['sine.wav', 'none.wav'])).rejects.toThrow('cannot read none.wav')
    await expect(call.play([{ source: 'sine.wav', background: true }])).rejects.toThrow(UsageError)
  }))
