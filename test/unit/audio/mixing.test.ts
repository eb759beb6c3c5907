import { describe, expect, it } from 'vitest'
import { Conference } from '../../../src/audio/conference.ts'
import type { AudioSource } from '../../../src/audio/frames.ts'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { levelDbfs } from '../../../src/audio/level.ts'
import { mixed } from '../../../src/audio/mixed-source.ts'
import { readAll, samplesSource } from '../../../src/audio/sources.ts'
import { silenceSource, toneSource } from '../../../src/audio/tones.ts'
import { SeededRandom } from '../../../src/sim/random.ts'

const constant = (value: number, length: number, rateHz = 8000): AudioSource =>
  samplesSource(new Int16Array(length).fill(value), rateHz)
const tone = (hz: number, levelDbfs = -16, rateHz = 8000): AudioSource =>
  toneSource({ frequenciesHz: [hz], levelDbfs }, rateHz)

describe('several sources as one', () => {
  it('are added, each with its gain, to the sample', () => {
    const source = mixed([constant(1000, 100), { source: constant(500, 60), gainDb: 20 * Math.log10(2) }])
    const pcm = readAll(source, 1000)
    expect([...pcm]).toEqual([...Array(60).fill(2000), ...Array(40).fill(1000)])
  })

  it('end with the last that is not in the background, and close all', () => {
    const closed: string[] = []
    const watched = (name: string, source: AudioSource): AudioSource => ({
      sampleRateHz: source.sampleRateHz,
      read: (into) => source.read(into),
      close: () => closed.push(name),
    })
    const source = mixed([
      watched('speech', constant(1000, 800)),
      { source: watched('music', silenceSource(8000)), background: true },
      watched('short', constant(1, 10)),
    ])
    expect(readAll(source, 10_000)).toHaveLength(800)
    expect(closed).toEqual(['speech', 'music', 'short'])
    expect(() => mixed([{ source: silenceSource(8000), background: true }])).toThrow(
      /^There is nothing to mix/,
    )
  })

  it('go on when the background has ended', () => {
    const source = mixed([constant(7, 400), { source: constant(1, 30), background: true }])
    expect(readAll(source, 1000).reduce((sum, value) => sum + value, 0)).toBe(400 * 7 + 30)
  })

  it('of different rates are brought to the highest, or to the one that is asked for', () => {
    const inputs = () => [tone(440, -16, 8000), tone(1000, -16, 48_000)]
    expect(mixed(inputs()).sampleRateHz).toBe(48_000)
    const pcm = readAll(mixed(inputs(), 16_000), 1000)
    expect(pcm).toHaveLength(16_000)
    expect(toneShare(pcm, 16_000, 440)).toBeCloseTo(0.5, 1)
    expect(toneShare(pcm, 16_000, 1000)).toBeCloseTo(0.5, 1)
  })

  it('that are too loud together are turned down as a whole and come back, and none is torn', () => {
    const loud = mixed([
      { source: tone(440, -6), gainDb: 0 },
      { source: tone(1000, -6) },
      { source: samplesSource(readAll(tone(1850, -6), 200), 8000), background: true },
    ])
    const pcm = readAll(loud, 3000)
    expect(pcm.every((sample) => Math.abs(sample) < 32_767.5)).toBe(true)
    // Clipping would show as other frequencies.
    const start = 4000
    expect(toneShare(pcm, 8000, 440, start, 8000) + toneShare(pcm, 8000, 1000, start, 8000)).toBeGreaterThan(
      0.99,
    )
    expect(levelDbfs(pcm.subarray(start))).toBeGreaterThan(-6.5)
  })

  it('never leave 16 bits, whatever is added: a sum that wrapped would turn over', () => {
    const random = new SeededRandom(5)
    for (let round = 0; round < 20; round++) {
      const noisy = Array.from({ length: 2 + random.integer(20) }, () => ({
        samples: Int16Array.from({ length: 160 }, () => random.integer(65_536) - 32_768),
        gainDb: random.integer(30) - 10,
      }))
      const pcm = readAll(
        mixed(noisy.map(({ samples, gainDb }) => ({ source: samplesSource(samples, 8000), gainDb }))),
        20,
      )
      const wrong = pcm.filter((sample, i) => {
        const sum = noisy.reduce((total, { samples, gainDb }) => total + samples[i]! * 10 ** (gainDb / 20), 0)
        return Math.abs(sum) > 1000 && Math.sign(sample) !== Math.sign(sum)
      })
      expect(wrong).toHaveLength(0)
    }
  })
})

/** Everybody speaks and listens once a packet time, each at a moment of their own. */
function converse(
  conference: Conference,
  speakers: readonly { source: AudioSource; ptimeMs?: number; phaseMs?: number }[],
  durationMs: number,
): Int16Array[] {
  const rateHz = conference.sampleRateHz
  const seats = speakers.map(({ source, ptimeMs = 20, phaseMs = 0 }) => {
    const frame = new Int16Array((rateHz * ptimeMs) / 1000)
    return { seat: conference.join(), source, ptimeMs, phaseMs, frame, heard: [] as number[] }
  })
  for (let ms = 0; ms < durationMs; ms++)
    for (const { seat, source, ptimeMs, phaseMs, frame, heard } of seats) {
      if (ms % ptimeMs !== phaseMs) continue
      seat.read(frame)
      heard.push(...frame)
      source.read(frame)
      seat.write(frame)
    }
  return seats.map(({ heard }) => Int16Array.from(heard))
}

const rest = (pcm: Int16Array): Int16Array => pcm.subarray(pcm.length >> 1)

describe('a conference', () => {
  it('lets everybody hear the sum of all others and not themselves, to the sample', () => {
    const values = [100, 2000, 30, 4]
    const heard = converse(
      new Conference({ sampleRateHz: 8000 }),
      values.map((value, i) => ({ source: constant(value, 80_000), phaseMs: 5 * i })),
      2000,
    )
    const all = values.reduce((sum, value) => sum + value)
    heard.forEach((pcm, i) => {
      const wanted = all - values[i]!
      expect(new Set(rest(pcm)), `${i}`).toEqual(new Set([wanted]))
    })
  })

  it('is a line without gaps for packet times that differ', () => {
    const heard = converse(
      new Conference({ sampleRateHz: 8000 }),
      [
        { source: constant(1000, 80_000), ptimeMs: 10, phaseMs: 3 },
        { source: constant(200, 80_000), ptimeMs: 20, phaseMs: 11 },
        { source: constant(30, 80_000), ptimeMs: 60, phaseMs: 40 },
        { source: constant(4, 80_000), ptimeMs: 30, phaseMs: 29 },
      ],
      4000,
    )
    expect(heard.map((pcm) => [...new Set(rest(pcm))])).toEqual([[234], [1034], [1204], [1230]])
  })

  it('tells twenty by their tones', () => {
    const tones = Array.from({ length: 20 }, (_, i) => 300 + 150 * i)
    const heard = converse(
      new Conference({ sampleRateHz: 8000 }),
      tones.map((hz, i) => ({ source: tone(hz, -40), phaseMs: i })),
      1000,
    )
    heard.forEach((pcm, listener) => {
      const shares = tones.map((hz) => toneShare(pcm, 8000, hz, 4000, 4000))
      shares.forEach((share, speaker) => {
        if (speaker === listener) expect(share).toBeLessThan(0.001)
        else expect(share).toBeCloseTo(1 / 19, 2)
      })
    })
  })

  it('is not torn where all shout', () => {
    const heard = converse(
      new Conference({ sampleRateHz: 8000 }),
      [500, 900, 1300, 1700].map((hz, i) => ({ source: tone(hz, -4), phaseMs: i })),
      2000,
    )
    const shares = [900, 1300, 1700].map((hz) => toneShare(heard[0]!, 8000, hz, 8000, 8000))
    expect(shares.reduce((sum, share) => sum + share)).toBeGreaterThan(0.98)
  })

  it('hears who comes later, no more who has left, and nobody who is muted', () => {
    const conference = new Conference({ sampleRateHz: 8000 })
    const [one, two] = [conference.join(), conference.join()]
    const frame = new Int16Array(160)
    const turn = (...speakers: [typeof one, number][]): number => {
      for (const [seat, value] of speakers) seat.write(frame.fill(value))
      one.read(frame)
      return frame.at(-1)!
    }
    for (let i = 0; i < 10; i++) turn([one, 1], [two, 20])
    expect(turn([one, 1], [two, 20])).toBe(20)
    const three = conference.join()
    for (let i = 0; i < 10; i++) turn([one, 1], [two, 20], [three, 300])
    expect(turn([one, 1], [two, 20], [three, 300])).toBe(320)
    expect(conference.size).toBe(3)
    two.close()
    three.gainDb = 20 * Math.log10(2)
    for (let i = 0; i < 10; i++) turn([one, 1], [two, 20], [three, 300])
    expect(turn([one, 1], [two, 20], [three, 300])).toBe(600)
    expect(conference.size).toBe(2)
    three.muted = true
    for (let i = 0; i < 10; i++) turn([one, 1], [three, 300])
    expect(turn([one, 1], [three, 300])).toBe(0)
  })

  it('takes one back who stalled, and one who did not listen, without what was missed', () => {
    const conference = new Conference({ sampleRateHz: 8000 })
    const [one, two] = [conference.join(), conference.join()]
    const frame = new Int16Array(160)
    const seen = new Set<number>()
    for (let i = 0; i < 400; i++) {
      one.write(frame.fill(5))
      if (i < 100 || i > 250) two.write(frame.fill(70))
      if (i < 150 || i > 300) {
        one.read(frame)
        if (i > 320) seen.add(frame[0]!).add(frame.at(-1)!)
        two.read(frame)
        if (i > 320) seen.add(frame[0]!).add(frame.at(-1)!)
      }
    }
    expect(seen).toEqual(new Set([5, 70]))
  })

  it('of one is silent', () => {
    const [alone] = converse(new Conference(), [{ source: tone(440, -16, 16_000) }], 500)
    expect(levelDbfs(alone!)).toBe(Number.NEGATIVE_INFINITY)
  })
})
