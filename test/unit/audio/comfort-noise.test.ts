// Level and spectrum of comfort noise, measured: what a payload says is what is heard, and what was heard is what a payload says.
import { describe, expect, it } from 'vitest'
import { ComfortNoise, NoiseMeasure } from '../../../src/audio/comfort-noise.ts'
import { levelDbfs } from '../../../src/audio/level.ts'
import { autocorrelate, reflect } from '../../../src/audio/linear-prediction.ts'

const rate = 8_000
const noiseOf = (payload: number[], samples = 4 * rate): Int16Array => {
  const noise = new ComfortNoise()
  noise.describe(Uint8Array.from(payload))
  const made = new Int16Array(samples)
  // In pieces, as a play-out asks for it.
  for (let at = 0; at < samples; at += 160) noise.fill(made, at, at + 160)
  return made
}
/** The octet of a reflection coefficient (RFC 3389 3.2). */
const octet = (reflection: number): number => Math.round((reflection * 32_768) / 258) + 127
const reflections = (samples: Int16Array, order: number): number[] => {
  const correlation = new Float64Array(order + 1)
  const into = new Float64Array(order)
  autocorrelate(samples, correlation)
  reflect(correlation, into)
  return [...into]
}

describe('what a payload says is heard', () => {
  it.each([20, 30, 45, 60, 70])('at -%i dBov, white', (level) => {
    const made = noiseOf([level])
    expect(levelDbfs(made)).toBeCloseTo(-level, 0)
    for (const k of reflections(made, 8)) expect(Math.abs(k)).toBeLessThan(0.05)
  })

  it.each([
    ['low', [-0.9, 0.3, -0.1]],
    ['high', [0.8, 0.2]],
    ['of a formant', [-0.6, 0.9, -0.2, 0.1, 0.2, -0.3, 0.1, 0.05, -0.1, 0.1]],
  ])('coloured: %s', (_, spectrum) => {
    const made = noiseOf([40, ...spectrum.map(octet)], 20 * rate)
    expect(Math.abs(levelDbfs(made) + 40)).toBeLessThan(1)
    reflections(made, spectrum.length).forEach((k, i) => {
      expect(Math.abs(k - spectrum[i]!)).toBeLessThan(0.05)
    })
  })

  it('at the quietest as digital silence; the unused bit of the level is ignored', () => {
    expect(noiseOf([127]).every((sample) => sample === 0)).toBe(true)
    expect(noiseOf([]).every((sample) => sample === 0)).toBe(true)
    expect(levelDbfs(noiseOf([0x80 | 50]))).toBeCloseTo(-50, 0)
  })

  it('whatever octets it holds, within bounds, and the next payload is heard as if there had been none', () => {
    const noise = new ComfortNoise()
    const made = new Int16Array(rate)
    let seed = 1
    for (let round = 0; round < 2_000; round++) {
      const payload = Uint8Array.from({ length: round % 300 }, () => {
        seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
        return seed >> 16
      })
      noise.describe(payload)
      noise.fill(made, 0, 160)
    }
    noise.describe(Uint8Array.from([50]))
    noise.fill(made, 0, made.length)
    expect(levelDbfs(made)).toBeCloseTo(-50, 0)
  })
})

describe('what was heard is said', () => {
  const said = (samples: Int16Array): Uint8Array => {
    const measure = new NoiseMeasure()
    for (let at = 0; at + 160 <= samples.length; at += 160) measure.hear(samples.subarray(at, at + 160), 20)
    const payload = new Uint8Array(20)
    return payload.subarray(0, measure.write(payload))
  }

  it('its level and its spectrum, and of silence nothing but that', () => {
    const payload = said(noiseOf([42, octet(-0.8), octet(0.4)]))
    expect(payload).toHaveLength(11)
    expect(Math.abs(payload[0]! - 42)).toBeLessThanOrEqual(2)
    expect(Math.abs(payload[1]! - octet(-0.8))).toBeLessThan(20)
    expect(Math.abs(payload[2]! - octet(0.4))).toBeLessThan(30)
    expect([...said(new Int16Array(rate))]).toEqual([127])
  })

  it('so that both ends hear the same noise', () => {
    const first = noiseOf([45, octet(-0.7), octet(0.5), octet(-0.2)], 20 * rate)
    const second = noiseOf([...said(first)], 20 * rate)
    expect(Math.abs(levelDbfs(second) - levelDbfs(first))).toBeLessThan(2)
    const [a, b] = [reflections(first, 3), reflections(second, 3)]
    a.forEach((k, i) => {
      expect(Math.abs(k - b[i]!)).toBeLessThan(0.2)
    })
  })
})
