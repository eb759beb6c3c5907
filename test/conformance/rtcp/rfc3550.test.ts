// RFC 3550: the round trip worked out in 6.4.1 (figure 2), and the interval rules of 6.2, 6.3 and A.7.
import { describe, expect, it } from 'vitest'
import { deterministicIntervalMs, RtcpSchedule, randomisedIntervalMs } from '../../../src/rtcp/interval.ts'
import { compactDelay, compactNtp, ntpTime, roundTripMs } from '../../../src/rtcp/ntp-time.ts'
import { SeededRandom } from '../../../src/sim/random.ts'

describe('RFC 3550 6.4.1, figure 2', () => {
  it('gives the round trip of 6.125 s', () => {
    // n sends SR at 0xb44db705:20000000; r reports with DLSR 5.250 s; n receives at 0xb710:8000 (46864.500 s).
    const lsr = compactNtp({ seconds: 0xb44db705, fraction: 0x20000000 })
    expect(lsr).toBe(0xb7052000)
    expect(compactDelay(5250)).toBe(0x00054000)
    expect(roundTripMs(0xb7108000, lsr, 0x00054000)).toBe(6125)
  })

  it('knows none without an SR, and believes no nonsense', () => {
    expect(roundTripMs(0xb7108000, 0, 0)).toBeUndefined()
    expect(roundTripMs(0xb7108000, 0xb7105000, 0x7fff0000)).toBeUndefined()
  })

  it('runs over the wrap of the compact time', () => {
    expect(roundTripMs(0x00004000, 0xffffc000, 0x4000)).toBe(250)
  })

  it('counts NTP seconds from 1900', () => {
    // RFC 868: 1970-01-01 is 2,208,988,800.
    expect(ntpTime(0)).toEqual({ seconds: 2_208_988_800, fraction: 0 })
    expect(ntpTime(500)).toEqual({ seconds: 2_208_988_800, fraction: 0x80000000 })
    // RFC 5905 figure 4: 2036-02-07 06:28:16 begins era 1.
    expect(ntpTime(Date.UTC(2036, 1, 7, 6, 28, 16))).toEqual({ seconds: 0, fraction: 0 })
  })
})

describe('RFC 3550 6.2, 6.3: when to report', () => {
  const input = {
    senders: 2,
    weSend: true,
    rtcpOctetsPerSecond: 400,
    averageSizeBytes: 108,
    initial: false,
  }

  it('keeps the minimum of 5 s, halved for the first report', () => {
    expect(deterministicIntervalMs(input)).toBe(5000)
    expect(deterministicIntervalMs({ ...input, initial: true })).toBe(2500)
  })

  it('stretches when the bandwidth asks for it; few senders share a quarter, receivers the rest', () => {
    const narrow = { ...input, rtcpOctetsPerSecond: 10 }
    // 2 of 2 send: everybody shares everything. 108 * 2 / 10 s.
    expect(deterministicIntervalMs(narrow)).toBeCloseTo(21_600)
    // Nobody sends: the share of the receivers. 108 * 2 / 7.5 s.
    expect(deterministicIntervalMs({ ...narrow, senders: 0, weSend: false })).toBeCloseTo(28_800)
  })

  it('is spread over 0.5 to 1.5 of the interval, divided by e - 3/2', () => {
    const random = new SeededRandom(62)
    const all = Array.from({ length: 10_000 }, () => randomisedIntervalMs(input, random))
    const factor = Math.E - 1.5
    expect(Math.min(...all)).toBeGreaterThanOrEqual(2500 / factor)
    expect(Math.max(...all)).toBeLessThan(7500 / factor)
    expect(Math.min(...all)).toBeLessThan(2600 / factor)
    expect(Math.max(...all)).toBeGreaterThan(7400 / factor)
  })

  it('reconsiders, and so comes to about one report in 5 s', () => {
    const schedule = new RtcpSchedule(0, new SeededRandom(63), () => 400, 80)
    const sentAt: number[] = []
    for (let now = schedule.nextTimeout(); now < 3_600_000; now = schedule.nextTimeout())
      if (schedule.handleTimeout(now, 2, true)) sentAt.push(now)
    const mean = (sentAt.at(-1)! - sentAt[0]!) / (sentAt.length - 1)
    expect(sentAt[0]).toBeLessThan(3750)
    expect(mean).toBeGreaterThan(4500)
    expect(mean).toBeLessThan(5500)
  })
})
