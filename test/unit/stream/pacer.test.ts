import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../src/sim/clock.ts'
import { WheelPacer } from '../../../src/stream/pacer.ts'
import { PacingHistogram } from '../../../src/stream/pacing-histogram.ts'
import { StallingClock } from './two-streams.ts'

describe('pacer', () => {
  it('spreads streams over the period and keeps each to its grid', async () => {
    const clock = new VirtualClock()
    const pacer = new WheelPacer(clock)
    const served: number[][] = Array.from({ length: 100 }, () => [])
    for (const times of served) pacer.add(20, () => times.push(clock.now()))
    await clock.advance(1000)
    const perSlot = new Map<number, number>()
    for (const times of served) {
      expect(new Set(times.slice(1).map((t, i) => t - times[i]!))).toEqual(new Set([20]))
      perSlot.set(times[0]!, (perSlot.get(times[0]!) ?? 0) + 1)
    }
    expect([...perSlot.values()]).toEqual(Array(20).fill(5))
    expect(Math.max(...perSlot.keys())).toBeLessThan(20)
    expect(pacer.error).toMatchObject({ skipped: 0, maximumMs: 0 })
  })

  it('does not drift: frame n is due at start + n periods', async () => {
    const clock = new VirtualClock()
    const pacer = new WheelPacer(clock)
    await clock.advance(1.37)
    const times: number[] = []
    pacer.add(30, () => times.push(clock.now()))
    await clock.advance(60_000)
    expect(times.at(-1)).toBeCloseTo(1.37 + 30 * (times.length - 1), 6)
  })

  it('serves periods side by side, and has no timer when nobody is left', async () => {
    const clock = new VirtualClock()
    const pacer = new WheelPacer(clock)
    const counts = { 10: 0, 20: 0, 60: 0 }
    const tasks = ([10, 20, 60] as const).map((period) => pacer.add(period, () => counts[period]++))
    await clock.advance(599)
    expect(counts).toEqual({ 10: 60, 20: 30, 60: 10 })
    for (const task of tasks) task.cancel()
    expect(clock.pendingTimers).toBe(0)
    await clock.advance(12_345)
    pacer.add(20, (skipped) => expect(skipped).toBe(0))
    await clock.advance(100)
  })

  it('lets a stream end itself or its neighbour from within', async () => {
    const clock = new VirtualClock()
    const pacer = new WheelPacer(clock)
    let calls = 0
    const task = pacer.add(1, () => {
      calls++
      task.cancel()
    })
    pacer.add(1, () => calls++)
    await clock.advance(5)
    expect(calls).toBeGreaterThanOrEqual(6)
    expect(calls).toBeLessThanOrEqual(7)
  })

  it('makes up for a hiccup that a jitter buffer takes up', async () => {
    const time = new VirtualClock()
    const clock = new StallingClock(time)
    const pacer = new WheelPacer(clock)
    const calls: [number, number][] = []
    pacer.add(20, (skipped) => calls.push([time.now(), skipped]))
    await time.advance(50)
    clock.stall(55) // until 105: 60, 80 and 100 are served together
    await time.advance(100)
    expect(calls).toEqual([0, 20, 40, 105, 105, 105, 120, 140].map((at) => [at, 0]))
  })

  it('skips what a stall swallowed, and shows it', async () => {
    const time = new VirtualClock()
    const clock = new StallingClock(time)
    const pacer = new WheelPacer(clock)
    const calls: [number, number][] = []
    pacer.add(20, (skipped) => calls.push([time.now(), skipped]))
    await time.advance(50)
    clock.stall(75) // until 125: 60, 80 and 100 are gone, 120 is served
    await time.advance(150)
    expect(calls).toEqual([
      [0, 0],
      [20, 0],
      [40, 0],
      [125, 3],
      [140, 0],
      [160, 0],
      [180, 0],
      [200, 0],
    ])
    expect(pacer.error).toMatchObject({ skipped: 3, maximumMs: 5, frames: 8 })
  })

  it('runs ahead of a network that keeps departure times, each stream on its own grid', async () => {
    const clock = new VirtualClock()
    const pacer = new WheelPacer(clock, 5)
    const served: { at: number; departAt: number }[][] = Array.from({ length: 100 }, () => [])
    for (const times of served)
      pacer.add(20, (_, departAt) => times.push({ at: clock.now(), departAt: departAt! }))
    await clock.advance(1000)
    const perSlot = new Map<number, number>()
    for (const times of served) {
      const first = times[0]!.departAt
      expect(first).toBeLessThan(20)
      expect(times.map(({ departAt }) => departAt)).toEqual(times.map((_, i) => first + 20 * i))
      // The very first may be due at once.
      for (const { at, departAt } of times.slice(1)) {
        expect(departAt - at).toBeGreaterThanOrEqual(5)
        expect(departAt - at).toBeLessThanOrEqual(9)
      }
      perSlot.set(first, (perSlot.get(first) ?? 0) + 1)
    }
    expect([...perSlot.values()]).toEqual(Array(10).fill(10))
    expect(pacer.error).toMatchObject({ skipped: 0, maximumMs: 0 })
  })

  it.each([
    [3, [1, 1, 1]],
    [100, Array(10).fill(10)],
    [400, Array(20).fill(20)],
  ])('shares departure times among streams, and takes all slots for many (%i)', async (count, perSlot) => {
    const clock = new VirtualClock()
    const pacer = new WheelPacer(clock, 5)
    const departures: number[] = []
    for (let i = 0; i < count; i++) pacer.add(20, (_, departAt) => departures.push(departAt!))
    await clock.advance(100)
    const served = new Map<number, number>()
    for (const at of departures) if (at >= 40 && at < 60) served.set(at, (served.get(at) ?? 0) + 1)
    expect([...served.values()]).toEqual(perSlot)
  })

  it('hides a stall that is shorter than the lead, and makes up for a longer one or skips', async () => {
    const time = new VirtualClock()
    const clock = new StallingClock(time)
    const pacer = new WheelPacer(clock, 5)
    const calls: [number, number, number][] = []
    pacer.add(20, (skipped, departAt) => calls.push([time.now(), departAt!, skipped]))
    await time.advance(50)
    clock.stall(9) // until 59: 60 is served in time
    await time.advance(20)
    clock.stall(40) // until 110: 80 and 100 are late
    await time.advance(60)
    clock.stall(75) // until 205: 140, 160 and 180 are gone, 200 is served
    await time.advance(80)
    expect(calls).toEqual([
      [0, 0, 0],
      [15, 20, 0],
      [35, 40, 0],
      [59, 60, 0],
      [110, 80, 0],
      [110, 100, 0],
      [115, 120, 0],
      [205, 200, 3],
    ])
    expect(pacer.error).toMatchObject({ skipped: 3, maximumMs: 30 })
  })
})

describe('pacing histogram', () => {
  it('gives quantiles to a twentieth of a millisecond', () => {
    const histogram = new PacingHistogram()
    expect(histogram.quantileMs(0.5)).toBe(0)
    for (let i = 1; i <= 100; i++) histogram.record(i / 10, 0)
    expect(Math.abs(histogram.quantileMs(0.5) - 5)).toBeLessThan(0.051)
    expect(Math.abs(histogram.quantileMs(0.99) - 9.9)).toBeLessThan(0.051)
    expect(Math.abs(histogram.quantileMs(1) - 10)).toBeLessThan(0.051)
    histogram.record(-400, 2)
    expect(histogram).toMatchObject({ maximumMs: 400, skipped: 2, frames: 101 })
    histogram.reset()
    expect(histogram).toMatchObject({ frames: 0, maximumMs: 0 })
  })
})
