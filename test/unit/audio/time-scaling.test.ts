import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { hasHeard } from '../../../src/audio/recognise.ts'
import { TimeScaling } from '../../../src/audio/time-scaling.ts'

const rates = [8_000, 16_000, 48_000]
const tone = (frequenciesHz: number[], rateHz: number, seconds = 2): Int16Array =>
  Int16Array.from({ length: seconds * rateHz }, (_, i) =>
    Math.round(
      frequenciesHz.reduce((sum, hz) => sum + Math.sin((2 * Math.PI * hz * i) / rateHz), 0) *
        (8_000 / frequenciesHz.length),
    ),
  )
const largestStep = (pcm: Int16Array): number =>
  pcm.reduce((most, value, i) => (i === 0 ? 0 : Math.max(most, Math.abs(value - pcm[i - 1]!))), 0)

/** Makes a cut every `everyMs`, of a line that is played in between. */
function scaled(pcm: Int16Array, rateHz: number, how: 'shorten' | 'lengthen', everyMs = 60, urgent = false) {
  const scaling = new TimeScaling(rateHz)
  const line = new Int16Array(3 * pcm.length)
  line.set(pcm)
  let end = pcm.length
  let cuts = 0
  const longest = scaling.longestSamples
  for (let at = longest; at + 3 * longest < end; at += (everyMs * rateHz) / 1000) {
    const period = scaling[how](line, at, end, longest, urgent)
    end += how === 'shorten' ? -period : period
    if (period > 0) cuts++
  }
  return { pcm: line.subarray(0, end), cuts }
}

describe.each(rates)('time scaling at %i Hz', (rateHz) => {
  it.each(['shorten', 'lengthen'] as const)('%ss a tone, which stays that tone, without a click', (how) => {
    for (const frequenciesHz of [[140], [440], [1000], [350, 440], [697, 1209]]) {
      const before = tone(frequenciesHz, rateHz)
      const { pcm, cuts } = scaled(before, rateHz, how)
      const name = `${frequenciesHz} Hz`
      expect(cuts, name).toBeGreaterThan(15)
      expect(Math.sign(pcm.length - before.length), name).toBe(how === 'shorten' ? -1 : 1)
      expect(Math.abs(pcm.length / before.length - 1), name).toBeGreaterThan(0.06)
      expect(largestStep(pcm), name).toBeLessThan(1.1 * largestStep(before))
      const window = rateHz / 10
      for (let at = window; at < pcm.length - 2 * window; at += window) {
        const share = frequenciesHz.reduce((sum, hz) => sum + toneShare(pcm, rateHz, hz, at, window), 0)
        expect(share, `${name} at ${at}`).toBeGreaterThan(0.8)
      }
    }
  })

  it('leaves noise alone unless it is urgent, and silence never', () => {
    let state = 1
    const noise = Int16Array.from({ length: rateHz }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return (state >>> 16) % 8_000
    }).map((value) => value - 4_000)
    expect(scaled(noise, rateHz, 'shorten').cuts).toBe(0)
    expect(scaled(noise, rateHz, 'lengthen').cuts).toBe(0)
    const silence = new Int16Array(rateHz).fill(3)
    const { pcm, cuts } = scaled(silence, rateHz, 'shorten')
    expect(pcm.length).toBe(silence.length - cuts * 0.015 * rateHz)
    expect(pcm.every((value) => value === 3)).toBe(true)
  })

  it('looks no further than it is told', () => {
    const scaling = new TimeScaling(rateHz)
    const line = tone([200], rateHz, 1)
    const [at, most] = [scaling.longestSamples, rateHz / 125]
    const end = at + 2 * most
    const after = line.slice(end)
    const period = scaling.shorten(line, at, end, most, true)
    expect(period).toBeGreaterThan(0)
    expect(period).toBeLessThanOrEqual(most)
    expect(line.slice(end)).toEqual(after)
    expect(scaling.shorten(line, at, at + 8, most, true)).toBe(0)
    expect(scaling.lengthen(line, at, end, rateHz / 1000, true)).toBe(0)
    // The line is full.
    expect(scaling.lengthen(line, at, line.length, most, true)).toBe(0)
  })
})

it.each(['shorten', 'lengthen'] as const)(
  'speech that is %sed by a cut every 300 ms is heard as what it was',
  (how) => {
    const wav = readFileSync(new URL('../../../media/hello-16k.wav', import.meta.url))
    const samples = new Int16Array(wav.buffer.slice(wav.byteOffset + 44, wav.byteOffset + (wav.length & ~1)))
    const { pcm } = scaled(samples, 16_000, how, 300, true)
    expect(Math.abs(pcm.length / samples.length - 1)).toBeGreaterThan(0.02)
    const { heard, score } = hasHeard(
      { samples: pcm, sampleRateHz: 16_000 },
      { samples, sampleRateHz: 16_000 },
    )
    expect(heard).toBe(true)
    expect(score).toBeGreaterThan(0.75)
  },
)
