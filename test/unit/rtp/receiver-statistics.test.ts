import { describe, expect, it } from 'vitest'
import { ReceiverStatistics } from '../../../src/rtp/receiver-statistics.ts'

const clockRateHz = 8000
/** Packets of 160 ticks, numbered as given, arriving on time for their number. */
const receiveAll = (statistics: ReceiverStatistics, numbers: number[], first = numbers[0]!) =>
  numbers.map((number) => {
    const index = ((number - first) << 16) >> 16
    return statistics.receive(number & 0xffff, index * 160, 1000 + index * 20, 160)
  })

describe('receiver statistics', () => {
  it('computes jitter as RFC 3550 A.8 does: worked by hand', () => {
    const statistics = new ReceiverStatistics(clockRateHz, 1)
    // Transit in ticks: 0, +40 (5 ms late), +40, 0, -16 (2 ms early). |D|: 40, 0, 40, 16.
    const arrivals = [0, 25, 45, 60, 78]
    const expected = [
      0,
      40 / 16, // 2.5
      2.5 - 2.5 / 16, // 2.34375
      2.34375 + (40 - 2.34375) / 16, // 4.697265625
      4.697265625 + (16 - 4.697265625) / 16, // 5.4036865234375
    ]
    for (const [index, arrival] of arrivals.entries()) {
      statistics.receive(index, index * 160, arrival, 160)
      expect(statistics.jitterTicks).toBeCloseTo(expected[index]!, 10)
    }
    expect(statistics.jitterMs).toBeCloseTo(5.4036865234375 / 8, 10)
  })

  it('sees no jitter in a timestamp that wraps, nor in repeated timestamps of events', () => {
    const statistics = new ReceiverStatistics(clockRateHz, 1)
    for (let i = 0; i < 10; i++) statistics.receive(i, (2 ** 32 - 800 + i * 160) >>> 0, i * 20, 160)
    for (let i = 10; i < 20; i++) statistics.receive(i, 800, i * 20, 4, false)
    expect(statistics.jitterTicks).toBeCloseTo(0, 3)
  })

  it('counts loss, duplicates and reordering', () => {
    const statistics = new ReceiverStatistics(clockRateHz, 1)
    const verdicts = receiveAll(statistics, [10, 11, 13, 12, 12, 16])
    expect(verdicts).toEqual(['accepted', 'accepted', 'accepted', 'accepted', 'duplicate', 'accepted'])
    expect(statistics).toMatchObject({ packets: 6, duplicates: 1, reordered: 1, expected: 7, lost: 2 })
  })

  it('extends sequence numbers over the wrap, also for a packet that comes late from before it', () => {
    const statistics = new ReceiverStatistics(clockRateHz, 1)
    receiveAll(statistics, [65_533, 65_534, 65_536, 65_537], 65_533)
    expect(statistics.receive(65_535, 320, 1100, 160)).toBe('accepted')
    expect(statistics.latest).toBe(65_535)
    expect(statistics).toMatchObject({ expected: 5, lost: 0, reordered: 1 })
    expect(statistics.report().extendedHighestSequence).toBe(65_537)
  })

  it('reports the fraction lost per interval and the cumulative loss (RFC 3550 A.3)', () => {
    const statistics = new ReceiverStatistics(clockRateHz, 1)
    receiveAll(statistics, [0, 1, 2, 3])
    expect(statistics.report()).toMatchObject({ fractionLost: 0, cumulativeLost: 0 })
    receiveAll(statistics, [4, 7], 0) // 2 of 4 lost
    expect(statistics.report()).toMatchObject({ fractionLost: 128, cumulativeLost: 2 })
    receiveAll(statistics, [8, 8, 8], 0) // duplicates: more received than expected
    expect(statistics.report()).toMatchObject({ fractionLost: 0, cumulativeLost: 0 })
    expect(statistics.lost).toBe(2)
  })

  it('goes on counting when the sender restarts its numbers', () => {
    const statistics = new ReceiverStatistics(clockRateHz, 1)
    receiveAll(statistics, [100, 101, 103])
    expect(receiveAll(statistics, [30_000, 30_001, 30_002, 30_004])).toEqual([
      'jump',
      'restarted',
      'accepted',
      'accepted',
    ])
    expect(statistics).toMatchObject({ packets: 6, expected: 4 + 4, lost: 2 })
  })
})
