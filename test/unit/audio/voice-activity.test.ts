import { describe, expect, it } from 'vitest'
import { levelDbfs } from '../../../src/audio/level.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { toneBurst } from '../../../src/audio/tones.ts'
import { predictionGainDb, VoiceActivity } from '../../../src/audio/voice-activity.ts'
import { load } from './memory-file.ts'
import { noise, over } from './noise.ts'

const framesOf = (samples: Int16Array, length: number): Int16Array[] =>
  Array.from({ length: Math.floor(samples.length / length) }, (_, i) =>
    samples.subarray(i * length, (i + 1) * length),
  )
/** Frame by frame of 20 ms. */
const heard = (samples: Int16Array, rateHz: number, options = {}): boolean[] => {
  const activity = new VoiceActivity(rateHz, options)
  return framesOf(samples, rateHz / 50).map((frame) => activity.hear(frame))
}
const count = (flags: boolean[]): number => flags.filter(Boolean).length

describe('voice activity', () => {
  it.each(['hello-8k', 'reply-8k', 'prompt-8k', 'hello-16k', 'hello-48k'])(
    'hears all of the speech in %s that is not soft, and no pause as speech for long',
    (name) => {
      const { samples, sampleRateHz } = load(`media/${name}.wav`)
      const found = heard(samples, sampleRateHz)
      const frames = framesOf(samples, sampleRateHz / 50)
      expect(frames.filter((frame, i) => levelDbfs(frame) > -40 && !found[i])).toEqual([])
      // 100 ms of silence at the end are hangover.
      expect(found.length - count(found)).toBeGreaterThan(5)
    },
  )

  it.each([
    ['white', 'hello-8k'],
    ['pink', 'reply-8k'],
    ['brown', 'prompt-8k'],
    ['pink', 'hello-16k'],
    ['white', 'hello-48k'],
  ] as const)('tells speech from %s noise: %s', (colour, name) => {
    const { samples, sampleRateHz } = load(`media/${name}.wav`)
    const startMs = 3_000
    const start = (startMs * sampleRateHz) / 1000
    const durationMs = startMs + (1000 * samples.length) / sampleRateHz + 3_000
    const found = heard(over(noise(colour, durationMs, -40, sampleRateHz), samples, start), sampleRateHz, {
      onsetMs: 40,
    })
    const loud = framesOf(samples, sampleRateHz / 50).map((frame) => levelDbfs(frame) > -30)
    const missed = loud.filter((isLoud, i) => isLoud && !found[startMs / 20 + i])
    expect(missed.length / count(loud)).toBeLessThan(0.1)
    expect(count(found.slice(50, startMs / 20))).toBe(0)
    // But for the hangover.
    expect(count(found.slice(startMs / 20 + loud.length + 12))).toBe(0)
  })

  it.each(['white', 'pink', 'brown'] as const)('takes %s noise for what it is within a second', (colour) => {
    for (const level of [-60, -45, -35, -25]) {
      const found = heard(noise(colour, 5_000, level), 8000)
      expect(count(found.slice(60)), `${level}`).toBe(0)
    }
  })

  it('lets tones and music pass, however steady they are: they are no comfort noise', () => {
    for (const name of ['tone-440-8k', 'music-8k', 'dtmf-8k']) {
      const { samples, sampleRateHz } = load(`media/${name}.wav`)
      const found = heard(samples, sampleRateHz)
      expect(count(found) / found.length, name).toBeGreaterThan(0.95)
    }
  })

  it('is silent in silence, and after the end of a word for the hangover', () => {
    expect(count(heard(new Int16Array(16_000), 8000))).toBe(0)
    const samples = new Int16Array(8000)
    samples.set(readAll(toneBurst({ frequenciesHz: [1000] }, 200, 8000), 1000), 1600)
    expect(heard(samples, 8000, { hangoverMs: 100 }).lastIndexOf(true)).toBe(19 + 5)
  })

  it('passes over a click where an onset is asked for', () => {
    const click = new Int16Array(1600)
    click.fill(8000, 480, 490)
    click.fill(-8000, 490, 500)
    expect(count(heard(click, 8000))).toBeGreaterThan(0)
    expect(count(heard(click, 8000, { onsetMs: 40 }))).toBe(0)
  })

  it('knows how well a frame can be predicted', () => {
    expect(predictionGainDb(new Int16Array(160))).toBe(0)
    expect(predictionGainDb(noise('white', 20, -20))).toBeLessThan(2)
    expect(predictionGainDb(load('media/tone-440-8k.wav').samples.subarray(800, 960))).toBeGreaterThan(40)
    expect(predictionGainDb(new Int16Array(160).fill(32_767))).toBeGreaterThan(20)
  })
})
