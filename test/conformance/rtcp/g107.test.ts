// ITU-T G.107 (06/2015): the rating of the default connection that 7.7 states, the scores of annex B (table B.1), and, where the
// recommendation prints formulas alone, values that follow from them by hand.
import { describe, expect, it } from 'vitest'
import {
  concealedLosses,
  opinionScore,
  silentLosses,
  type Transmission,
  transmissionRating,
} from '../../../src/rtcp/e-model.ts'

const clean: Transmission = { codec: concealedLosses, lossPercent: 0, burstRatio: 1, delayMs: 0 }
const rating = (change: Partial<Transmission>): number => transmissionRating({ ...clean, ...change })

describe('ITU-T G.107', () => {
  it('rates the default connection with 93.2', () => {
    expect(rating({})).toBeCloseTo(93.2, 1)
    expect(opinionScore(rating({}))).toBeCloseTo(4.41, 2)
  })

  it.each([
    [90, 4.34],
    [80, 4.03],
    [70, 3.6],
    [60, 3.1],
    [50, 2.58],
  ])('annex B: R = %d is a MOS of %d', (r, mos) => {
    expect(Math.abs(opinionScore(r) - mos)).toBeLessThan(0.01)
  })

  it('annex B: 1 and 4.5 are the ends', () => {
    expect(opinionScore(-20)).toBe(1)
    expect(opinionScore(0)).toBe(1)
    expect(opinionScore(100)).toBe(4.5)
    for (let r = 0; r <= 100; r++) expect(opinionScore(r)).toBeGreaterThanOrEqual(1)
  })

  /** Ie-eff = Ie + (95 - Ie) Ppl / (Ppl / BurstR + Bpl). */
  it.each([
    ['1 % at random', { lossPercent: 1 }, 95 / 26.1],
    ['5 % at random', { lossPercent: 5 }, (95 * 5) / 30.1],
    ['5 % in bursts twice as long', { lossPercent: 5, burstRatio: 2 }, (95 * 5) / 27.6],
    ['5 % left silent', { lossPercent: 5, codec: silentLosses }, (95 * 5) / 9.3],
    ['all', { lossPercent: 100 }, 9500 / 125.1],
  ])('7.5, by hand: %s', (_, change, impairment) => {
    expect(rating({}) - rating(change)).toBeCloseTo(impairment, 6)
  })

  it('7.4, by hand: 250 ms one way cost echo and delay', () => {
    // TERV = 65 - 40 lg(26 / 2.667) = 25.44, Re = 108.6, Idte = 4.24; Idle = 1.02 instead of 0.15; X = 1.322, Idd = 8.92.
    expect(rating({}) - rating({ delayMs: 250 })).toBeCloseTo(4.24 + 0.87 + 8.92, 1)
  })

  it('never rises with delay, loss or bursts', () => {
    let before = Number.POSITIVE_INFINITY
    for (let delayMs = 0; delayMs <= 2000; delayMs += 10) {
      const now = rating({ delayMs })
      expect(now).toBeLessThanOrEqual(before + 1e-9)
      before = now
    }
    for (let lossPercent = 1; lossPercent <= 100; lossPercent++) {
      expect(rating({ lossPercent })).toBeLessThan(rating({ lossPercent: lossPercent - 1 }))
      expect(rating({ lossPercent, burstRatio: 3 })).toBeLessThan(rating({ lossPercent }))
    }
  })
})
