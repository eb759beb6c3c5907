import { describe, expect, it } from 'vitest'
import { ReorderBuffer } from '../../../src/rtp/reorder-buffer.ts'
import { SeededRandom } from '../../../src/sim/random.ts'

const ticks = 160
const payloadOf = (sequence: number) => Uint8Array.of(sequence >> 8, sequence)
const insert = (buffer: ReorderBuffer, sequence: number, timestamp = sequence * ticks, marker = false) =>
  buffer.insert(sequence, timestamp >>> 0, marker, 0, payloadOf(sequence))
/** Plays one packet time; the sequence numbers that came out. */
const play = (buffer: ReorderBuffer): number[] => {
  buffer.advance(ticks)
  const numbers: number[] = []
  for (let due = buffer.next(); due; due = buffer.next())
    numbers.push((due.payload[0]! << 8) | due.payload[1]!)
  return numbers
}

describe('reorder buffer', () => {
  it('plays a packet 60 ms after it came', () => {
    const buffer = new ReorderBuffer(8000)
    insert(buffer, 5)
    expect([play(buffer), play(buffer), play(buffer), play(buffer)]).toEqual([[], [], [], [5]])
  })

  it('restores order and passes over what is missing', () => {
    const buffer = new ReorderBuffer(8000)
    for (const sequence of [10, 12, 11, 15, 13]) expect(insert(buffer, sequence)).toBe('queued')
    const played = Array.from({ length: 10 }, () => play(buffer))
    expect(played.flat()).toEqual([10, 11, 12, 13, 15])
    expect(played[7]).toEqual([])
    expect(played[8]).toEqual([15])
  })

  it('keeps a packet that overtook the first one', () => {
    const buffer = new ReorderBuffer(8000)
    insert(buffer, 21)
    expect(insert(buffer, 20)).toBe('queued')
    expect(Array.from({ length: 4 }, () => play(buffer)).flat()).toEqual([20, 21])
  })

  it('refuses duplicates and what comes too late', () => {
    const buffer = new ReorderBuffer(8000)
    insert(buffer, 1)
    expect(insert(buffer, 1)).toBe('duplicate')
    for (let i = 0; i < 4; i++) play(buffer)
    insert(buffer, 3)
    insert(buffer, 5)
    play(buffer)
    play(buffer)
    expect(insert(buffer, 2)).toBe('late')
    expect(insert(buffer, 3)).toBe('late')
  })

  it('runs over the wrap of sequence numbers and timestamps', () => {
    const buffer = new ReorderBuffer(8000)
    const played: number[] = []
    for (let i = 0; i < 20; i++) {
      buffer.insert(65_530 + i, (2 ** 32 - 5 * ticks + i * ticks) >>> 0, false, 0, payloadOf(65_530 + i))
      played.push(...play(buffer))
    }
    expect(played).toEqual(Array.from({ length: 17 }, (_, i) => (65_530 + i) & 0xffff))
  })

  it('follows a new time line at once when a talkspurt begins it, else after five packets', () => {
    const playedAfterJump = (marker: boolean) => {
      const buffer = new ReorderBuffer(8000)
      insert(buffer, 1)
      const played: number[] = []
      for (let sequence = 2; sequence < 20; sequence++) {
        insert(buffer, sequence, 5_000_000 + sequence * ticks, marker && sequence === 2)
        played.push(...play(buffer))
      }
      return played
    }
    const upTo16From = (first: number) => Array.from({ length: 17 - first }, (_, i) => first + i)
    expect(playedAfterJump(true)).toEqual(upTo16From(2))
    expect(playedAfterJump(false)).toEqual([1, ...upTo16From(6)])
  })

  it('plays what is queued before a new time line begins', () => {
    const buffer = new ReorderBuffer(8000)
    const played: number[][] = []
    for (let sequence = 0; sequence < 20; sequence++) {
      const jump = sequence < 10 ? 0 : 3_000_000_000
      insert(buffer, sequence, jump + sequence * ticks, sequence === 10)
      played.push(play(buffer))
    }
    expect(played).toEqual([[], [], [], ...Array.from({ length: 17 }, (_, i) => [i])])
  })

  /** Packets every 20 ms of the sender's clock that take up to `jitterMs` on the way, for `minutes` of ours. */
  const drifting = (driftPpm: number, jitterMs: number, minutes: number) => {
    let leapt = 0
    const buffer = new ReorderBuffer(8000, 60, () => leapt++)
    const random = new SeededRandom(99)
    const arrivals: { at: number; sequence: number }[] = []
    const packets = minutes * 3000
    for (let sequence = 0; sequence < packets; sequence++)
      arrivals.push({
        at: sequence * 20 * (1 - driftPpm / 1e6) + (random.integer(1000) / 1000) * jitterMs,
        sequence,
      })
    arrivals.sort((a, b) => a.at - b.at)
    let late = 0
    let arrived = 0
    let longestWaitMs = 0
    for (let now = 0; arrived < packets; now += 20) {
      for (let next = arrivals[arrived]; next && next.at <= now; next = arrivals[++arrived])
        if (insert(buffer, next.sequence) !== 'queued') late++
      for (const sequence of play(buffer)) {
        longestWaitMs = Math.max(longestWaitMs, now - sequence * 20 * (1 - driftPpm / 1e6))
      }
    }
    return { late, leapt, packets, longestWaitMs }
  }

  it.each([0, 10, 30])('follows a sender that is 200 ppm slow, with %i ms of jitter', (jitterMs) => {
    const { late, leapt, packets } = drifting(-200, jitterMs, 20)
    expect(late / packets).toBeLessThan(0.001)
    expect(leapt).toBe(0)
  })

  it.each([0, 10, 30])('follows a sender that is 200 ppm fast, with %i ms of jitter', (jitterMs) => {
    const { late, leapt, packets, longestWaitMs } = drifting(200, jitterMs, 20)
    expect(late).toBe(0)
    expect(leapt / packets).toBeLessThan(0.0005)
    // The delay, the jitter, what is worth a leap, what half a minute drifts, and the grid of 20 ms.
    expect(longestWaitMs).toBeLessThan(60 + jitterMs + 20 + 6 + 20)
  })

  it('leaves a sender alone that keeps time, jitter or not', () => {
    for (const jitterMs of [0, 30]) {
      const { late, leapt } = drifting(0, jitterMs, 20)
      expect([late, leapt]).toEqual([0, 0])
    }
  })

  it('grows where more than a few come late, and says by how much it leaps back', () => {
    const buffer = new ReorderBuffer(8000)
    let [late, leapt] = [0, 0]
    for (let sequence = 0; sequence < 4000; sequence++) {
      // For a while every tenth packet comes 200 ms late, and with it those that it holds up.
      const heldUp = sequence < 1000 && sequence % 10 !== 9
      if (!heldUp && sequence < 1000)
        for (let i = sequence - 9; i <= sequence; i++) if (insert(buffer, i) === 'late') late++
      if (sequence >= 1000) insert(buffer, sequence)
      leapt += buffer.advance(ticks)
      while (buffer.next());
    }
    expect(late).toBeLessThan(100)
    expect(leapt).toBeGreaterThan(100 * 8)
  })

  it('is bounded: a flood of future packets keeps only the newest', () => {
    const buffer = new ReorderBuffer(8000)
    for (let sequence = 0; sequence < 10_000; sequence++) insert(buffer, sequence, 0)
    const played: number[] = []
    for (let i = 0; i < 5; i++) played.push(...play(buffer))
    expect(played).toEqual(Array.from({ length: 128 }, (_, i) => 9_872 + i))
  })
})
