import { describe, expect, it } from 'vitest'
import { PlayoutDelay } from '../../../src/rtp/playout-delay.ts'
import { SeededRandom } from '../../../src/sim/random.ts'

const ms = 8
const bounds = { minimumMs: 20, maximumMs: 400 }
/** After packets that took so many ms: how much above the usual the delay is, in ms. */
const targetAfter = (transitMs: number[], delay = new PlayoutDelay(8000, bounds), base = 0) => {
  transitMs.forEach((transit, i) => {
    const ticks = (base + transit * ms) | 0
    if (i === 0) delay.begin(ticks)
    else delay.observe(ticks)
  })
  return ((delay.targetTicks - delay.usualTicks) | 0) / ms
}
const repeated = (count: number, transit: (index: number) => number) =>
  Array.from({ length: count }, (_, index) => transit(index))

describe('playout delay', () => {
  it('begins with 40 ms and comes down to the minimum where nothing jitters', () => {
    expect(targetAfter([5])).toBe(40)
    expect(targetAfter(repeated(100, () => 5))).toBe(40)
    expect(targetAfter(repeated(200, () => 5))).toBe(20)
  })

  it('a per cent of late packets is worth 30 ms', () => {
    const everyNth = (every: number, lateMs: number) =>
      targetAfter(repeated(3000, (i) => (i % every === every - 1 ? lateMs : 0)))
    expect(everyNth(25, 100)).toBe(100)
    expect(everyNth(100, 100)).toBe(20)
    expect(everyNth(100, 45)).toBe(45)
  })

  it('follows jitter up and forgets it', () => {
    const random = new SeededRandom(5)
    const delay = new PlayoutDelay(8000, bounds)
    const jittering = targetAfter(
      repeated(1000, () => random.integer(120)),
      delay,
    )
    expect(jittering).toBeGreaterThan(50)
    expect(jittering).toBeLessThanOrEqual(70)
    for (let i = 0; i < 5000; i++) delay.observe(0)
    expect((delay.targetTicks - delay.usualTicks) / ms).toBe(20)
  })

  it('is not below what even the quickest of ten packets take', () => {
    const delay = new PlayoutDelay(8000, bounds)
    targetAfter(
      repeated(2000, () => 0),
      delay,
    )
    for (let i = 0; i < 9; i++) delay.observe(150 * ms)
    expect(delay.targetTicks).toBe(20 * ms)
    delay.observe(150 * ms)
    expect(delay.targetTicks).toBe(150 * ms)
    delay.observe(0)
    expect(delay.targetTicks).toBeLessThan(150 * ms)
  })

  it('keeps to its bounds, which can be one', () => {
    const wild = repeated(2000, (i) => (i % 3 === 0 ? 900 : 0))
    expect(targetAfter(wild)).toBeLessThanOrEqual(400)
    const fixed = new PlayoutDelay(8000, { minimumMs: 60, maximumMs: 60 })
    fixed.begin(0)
    for (const transit of wild) {
      fixed.observe(transit * ms)
      expect(fixed.targetTicks - fixed.usualTicks).toBe(60 * ms)
    }
  })

  it('goes on over the wrap of ticks, and after drifts of hours', () => {
    for (const base of [2 ** 31 - 800, -(2 ** 31), 2 ** 32 - 50]) {
      const target = targetAfter(
        repeated(2000, (i) => Math.round((i % 2) * 50 + i / 50)),
        new PlayoutDelay(8000, bounds),
        base,
      )
      expect(target, `${base}`).toBeGreaterThan(20)
      expect(target, `${base}`).toBeLessThan(100)
    }
  })

  it('goes with a time line that continues elsewhere', () => {
    const delay = new PlayoutDelay(8000, bounds)
    const before = targetAfter(
      repeated(1000, (i) => (i % 2) * 80),
      delay,
    )
    delay.shift(1_000_000)
    expect((delay.targetTicks - delay.usualTicks) / ms).toBe(before)
    delay.observe(1_000_000)
    expect((delay.targetTicks - delay.usualTicks) / ms).toBe(before)
  })
})
