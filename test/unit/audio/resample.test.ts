import { describe, expect, it } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { levelDbfs } from '../../../src/audio/level.ts'
import { polyphaseFilter, resample, resampled, resampledSink } from '../../../src/audio/resample.ts'
import { samplesSource } from '../../../src/audio/sources.ts'
import { toneSource } from '../../../src/audio/tones.ts'

/** A second of a tone, without the soft beginning. */
function sine(hz: number, rateHz: number, levelDbfs = -6): Int16Array {
  const pcm = new Int16Array(rateHz + 1000)
  toneSource({ frequenciesHz: [hz], levelDbfs }, rateHz).read(pcm)
  return pcm.slice(1000)
}

/** Signal to everything else of a tone, in dB, away from the edges. */
function snrDb(pcm: Int16Array, rateHz: number, hz: number): number {
  // 0.8 s hold whole cycles of every tone that is a multiple of 5 Hz.
  const share = toneShare(pcm, rateHz, hz, Math.round(rateHz * 0.1), Math.round(rateHz * 0.8))
  return -10 * Math.log10(Math.max(1e-12, 1 - share))
}

const rates: [number, number][] = [
  [48_000, 8000],
  [8000, 48_000],
  [16_000, 8000],
  [8000, 16_000],
  [44_100, 8000],
  [44_100, 16_000],
  [22_050, 8000],
  [11_025, 8000],
  [96_000, 8000],
  [48_000, 44_100],
]

describe.each(rates)('%i to %i Hz', (fromHz, toHz) => {
  const lower = Math.min(fromHz, toHz)

  // 16-bit rounding alone leaves 92 dB at this level.
  it.each([0.05, 0.2, 0.42])('passes a tone at %f of the lower rate with an SNR above 85 dB', (part) => {
    const hz = Math.round((lower * part) / 5) * 5
    const out = resample(sine(hz, fromHz), fromHz, toHz)
    expect(snrDb(out, toHz, hz)).toBeGreaterThan(85)
    expect(levelDbfs(out.subarray(toHz / 10, toHz * 0.9))).toBeCloseTo(-6, 1)
  })

  it('keeps the duration', () => {
    expect(resample(new Int16Array(fromHz), fromHz, toHz).length).toBe(toHz)
  })

  if (0.58 * toHz < fromHz / 2) {
    it('damps what would fold back into the telephone band by more than 92 dB', () => {
      for (const part of [0.58, 0.66, 0.79, 0.99]) {
        const hz = Math.round((toHz * part) / 5) * 5
        if (hz >= fromHz / 2) continue
        const out = resample(sine(hz, fromHz, -4), fromHz, toHz)
        // What is left is below one step of 16 bits, which is -90 dBFS and the least that a level tells: nothing or single bits.
        const left = out.subarray(toHz / 10, toHz * 0.9)
        const meanSquare = left.reduce((sum, sample) => sum + sample * sample, 0) / left.length
        expect(meanSquare).toBeLessThan(2 ** 30 * 10 ** (-92 / 10))
      }
    })
  }
})

describe('the filter', () => {
  it.each(rates)(
    'for %i to %i Hz is flat to 0.425 and down 92 dB from 0.575 of the lower rate',
    (fromHz, toHz) => {
      const { up, taps, phases } = polyphaseFilter(fromHz, toHz)
      // The prototype at `up` times the input rate, interleaved from the phases.
      const lower = Math.min(1, toHz / fromHz)
      const gainDb = (frequency: number): number => {
        let [re, im] = [0, 0]
        phases.forEach((row, phase) => {
          row.forEach((coefficient, tap) => {
            const angle = 2 * Math.PI * frequency * (tap - phase / up)
            re += coefficient * Math.cos(angle)
            im += coefficient * Math.sin(angle)
          })
        })
        return 20 * Math.log10(Math.hypot(re, im) / up)
      }
      expect(taps % 2).toBe(0)
      for (const part of [0, 0.1, 0.3, 0.425]) expect(Math.abs(gainDb(part * lower))).toBeLessThan(0.01)
      for (const part of [0.575, 0.6, 0.7, 0.9]) expect(gainDb(part * lower)).toBeLessThan(-92)
    },
  )

  it('is exact for usual rates, and at most 0.05 % off for any other', () => {
    for (const [fromHz, toHz] of [
      [44_101, 48_000],
      [47_999, 8000],
      [8001, 48_000],
      [12_345, 16_000],
    ] as const) {
      const { up, down } = polyphaseFilter(fromHz, toHz)
      expect(up).toBeLessThanOrEqual(1280)
      expect(Math.abs(up / down / (toHz / fromHz) - 1)).toBeLessThan(5e-4)
    }
    const usual = [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
    for (const fromHz of usual) {
      for (const toHz of usual) {
        const { up, down } = polyphaseFilter(fromHz, toHz)
        expect(fromHz * up).toBe(toHz * down)
      }
    }
  })
})

describe('streaming', () => {
  it('gives the same samples in reads of any size', () => {
    const pcm = sine(1000, 44_100)
    const whole = resample(pcm, 44_100, 8000)
    const source = resampled(samplesSource(pcm, 44_100), 8000)
    const pieces: number[] = []
    for (let size = 1; ; size = (size * 7) % 331) {
      const piece = new Int16Array(size)
      const length = source.read(piece)
      pieces.push(...piece.subarray(0, length))
      if (length < size) break
    }
    expect(Int16Array.from(pieces)).toEqual(whole)
    expect(source.read(new Int16Array(10))).toBe(0)
  })

  it('does not delay: an impulse stays where it was', () => {
    const pcm = new Int16Array(4800)
    pcm[2400] = 30_000
    const out = resample(pcm, 48_000, 8000)
    expect(out.indexOf(Math.max(...out))).toBe(400)
  })

  it('is the source itself where the rates agree', () => {
    const source = samplesSource(new Int16Array(1), 8000)
    expect(resampled(source, 8000)).toBe(source)
  })

  it('takes no more from a source than the output needs: the rest may not have been written yet', () => {
    for (const fromHz of [16_000, 24_000, 44_100, 48_000]) {
      let taken = 0
      const source = resampled(
        {
          sampleRateHz: fromHz,
          read: (into) => {
            taken += into.length
            return into.fill(0).length
          },
          close: () => undefined,
        },
        8000,
      )
      const frame = new Int16Array(160)
      source.read(frame)
      const ahead = taken - fromHz / 50
      for (let frames = 2; frames <= 500; frames++) {
        source.read(frame)
        expect(Math.abs(taken - (frames * fromHz) / 50 - ahead)).toBeLessThanOrEqual(1)
      }
      // Half the filter.
      expect(ahead / fromHz).toBeLessThan(0.003)
    }
  })

  it('closes what it reads from, and handles an empty source', () => {
    let closed = false
    const source = {
      sampleRateHz: 16_000,
      read: () => 0,
      close: () => {
        closed = true
      },
    }
    const out = resampled(source, 8000)
    expect(out.read(new Int16Array(160))).toBe(0)
    out.close()
    expect(closed).toBe(true)
  })
})

describe('a sink of another rate', () => {
  it.each(rates)('gets the samples that a whole recording would become, %i to %i Hz', (fromHz, toHz) => {
    const pcm = sine(440, fromHz)
    const frames: Int16Array[] = []
    let closed = false
    const sink = resampledSink(
      {
        sampleRateHz: toHz,
        write: (samples) => frames.push(samples.slice()),
        close: () => {
          closed = true
        },
      },
      fromHz,
    )
    for (let at = 0, length = 1; at < pcm.length; at += length, length = (length * 3) % 4001)
      sink.write(pcm.subarray(at, at + length))
    const got = frames.flatMap((frame) => [...frame])
    expect(got).toEqual([...resample(pcm, fromHz, toHz).subarray(0, got.length)])
    // Half a filter waits for what follows.
    expect(toHz - got.length).toBeLessThanOrEqual(Math.ceil(toHz / Math.min(fromHz, toHz)) * 20 + 1)
    sink.close()
    expect(closed).toBe(true)
  })

  it('is the sink itself where the rates are equal', () => {
    const sink = { sampleRateHz: 8000, write: () => {}, close: () => {} }
    expect(resampledSink(sink, 8000)).toBe(sink)
  })
})
