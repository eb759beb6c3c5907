import { describe, expect, test } from 'vitest'
import { LiveSource } from '../../../src/audio/live-source.ts'

const rate = 8_000
const frame = 160
const ramp = (from: number, length: number) => Int16Array.from({ length }, (_, i) => from + i)
const read = (source: LiveSource) => {
  const into = new Int16Array(frame).fill(-1)
  return { length: source.read(into), into }
}
const silence = new Int16Array(frame)

describe('a live source', () => {
  test('gives silence until a little has come, then every sample in order', () => {
    const source = new LiveSource(rate, { delayMs: 40 })
    source.write(ramp(1, 300))
    expect(read(source)).toEqual({ length: frame, into: silence })
    source.write(ramp(301, 100))
    expect(read(source).into).toEqual(ramp(1, frame))
    expect(read(source).into).toEqual(ramp(161, frame))
  })

  test('fills up with silence where it runs dry, and gathers anew', () => {
    const source = new LiveSource(rate, { delayMs: 20 })
    source.write(ramp(1, 200))
    read(source)
    const { length, into } = read(source)
    expect([length, into[39], into[40]]).toEqual([frame, 200, 0])
    expect(read(source).into).toEqual(silence)
    source.write(ramp(1, 159))
    expect(read(source).into).toEqual(silence)
    source.write(ramp(160, 1))
    expect(read(source).into).toEqual(ramp(1, frame))
  })

  test('leaves out the oldest where nobody reads: what waits is bounded', () => {
    const source = new LiveSource(rate, { delayMs: 20, maximumMs: 100 })
    for (let n = 0; n < 100; n++) source.write(ramp(n * 100, 100))
    const waiting: number[] = []
    for (;;) {
      const { into } = read(source)
      if (into[0] === 0) break
      waiting.push(...into.filter((sample) => sample > 0))
    }
    expect(waiting.length).toBeLessThanOrEqual(800)
    expect(waiting.at(-1)).toBe(9_999)
    expect(waiting).toEqual(waiting.toSorted((a, b) => a - b))
  })

  test('ends with what waits', () => {
    const source = new LiveSource(rate, { delayMs: 60 })
    source.write(ramp(1, 200))
    source.end()
    expect(read(source)).toMatchObject({ length: frame })
    expect(read(source)).toMatchObject({ length: 40 })
    expect(read(source)).toMatchObject({ length: 0 })
  })
})
