import { describe, expect, it } from 'vitest'
import { JitterBuffer } from '../../../src/rtp/jitter-buffer.ts'

const ticks = 160
const fixed = () => new JitterBuffer(8000, { minimumMs: 60, maximumMs: 60 })
const payloadOf = (sequence: number) => Uint8Array.of(sequence >> 8, sequence)
const insert = (buffer: JitterBuffer, sequence: number, timestamp = sequence * ticks, marker = false) =>
  buffer.insert(sequence, timestamp >>> 0, marker, 0, payloadOf(sequence))
/** Plays one packet time; the sequence numbers that came out. */
const play = (buffer: JitterBuffer): number[] => {
  buffer.advance(ticks)
  buffer.elapse(ticks)
  const numbers: number[] = []
  for (let due = buffer.next(); due; due = buffer.next())
    numbers.push((due.payload[0]! << 8) | due.payload[1]!)
  return numbers
}

describe('jitter buffer of a fixed delay', () => {
  it('plays a packet 60 ms after it came', () => {
    const buffer = fixed()
    insert(buffer, 5)
    expect([play(buffer), play(buffer), play(buffer), play(buffer)]).toEqual([[], [], [], [5]])
  })

  it('restores order and passes over what is missing', () => {
    const buffer = fixed()
    for (const sequence of [10, 12, 11, 15, 13]) expect(insert(buffer, sequence)).toBe('queued')
    const played = Array.from({ length: 10 }, () => play(buffer))
    expect(played.flat()).toEqual([10, 11, 12, 13, 15])
    expect(played[7]).toEqual([])
    expect(played[8]).toEqual([15])
  })

  it('keeps a packet that overtook the first one', () => {
    const buffer = fixed()
    insert(buffer, 21)
    expect(insert(buffer, 20)).toBe('queued')
    expect(Array.from({ length: 4 }, () => play(buffer)).flat()).toEqual([20, 21])
  })

  it('refuses duplicates and what comes too late', () => {
    const buffer = fixed()
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
    const buffer = fixed()
    const played: number[] = []
    for (let i = 0; i < 20; i++) {
      buffer.insert(65_530 + i, (2 ** 32 - 5 * ticks + i * ticks) >>> 0, false, 0, payloadOf(65_530 + i))
      played.push(...play(buffer))
    }
    expect(played).toEqual(Array.from({ length: 17 }, (_, i) => (65_530 + i) & 0xffff))
  })

  it('follows a new time line at once when a talkspurt begins it, else after five packets', () => {
    const playedAfterJump = (marker: boolean) => {
      const buffer = fixed()
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
    const buffer = fixed()
    const played: number[][] = []
    for (let sequence = 0; sequence < 20; sequence++) {
      const jump = sequence < 10 ? 0 : 3_000_000_000
      insert(buffer, sequence, jump + sequence * ticks, sequence === 10)
      played.push(play(buffer))
    }
    expect(played).toEqual([[], [], [], ...Array.from({ length: 17 }, (_, i) => [i])])
  })

  it('is bounded: a flood of future packets keeps only the newest', () => {
    const buffer = fixed()
    for (let sequence = 0; sequence < 10_000; sequence++) insert(buffer, sequence, 0)
    const played: number[] = []
    for (let i = 0; i < 5; i++) played.push(...play(buffer))
    expect(played).toEqual(Array.from({ length: 256 }, (_, i) => 9_744 + i))
  })
})

describe('jitter buffer of a delay that follows the jitter', () => {
  const adaptive = () => new JitterBuffer(8000, { minimumMs: 20, maximumMs: 400 })
  const steadily = (buffer: JitterBuffer, from: number, to: number) => {
    for (let sequence = from; sequence < to; sequence++) {
      insert(buffer, sequence)
      play(buffer)
    }
  }

  it('waits for what is held up and nothing has overtaken, as long as it may', () => {
    for (const [frames, isPlayed] of [
      [10, true],
      [30, false],
    ] as const) {
      const buffer = adaptive()
      steadily(buffer, 0, 100)
      const before = buffer.delayMs
      for (let i = 0; i < frames; i++) play(buffer)
      const heldUp = Array.from({ length: frames }, (_, i) => insert(buffer, 100 + i))
      expect(heldUp[0]).toBe(isPlayed ? 'queued' : 'late')
      if (!isPlayed) continue
      expect(heldUp.every((verdict) => verdict === 'queued')).toBe(true)
      expect(buffer.delayMs).toBeGreaterThan(before + 20 * (frames - 4))
      expect(play(buffer)).toEqual([100])
      expect(insert(buffer, 100)).toBe('late')
    }
  })

  it('does not wait for what others have overtaken', () => {
    const buffer = adaptive()
    steadily(buffer, 0, 100)
    for (const sequence of [101, 102, 103]) insert(buffer, sequence)
    const { delayMs } = buffer
    for (let i = 0; i < 4; i++) play(buffer)
    expect(insert(buffer, 100)).toBe('late')
    expect(buffer.delayMs).toBe(delayMs)
  })

  it('tells by how much its delay is off, once there is one', () => {
    const buffer = adaptive()
    expect(buffer.spareTicks).toBeUndefined()
    steadily(buffer, 0, 1)
    expect(buffer.spareTicks).toBe(0)
    expect([buffer.delayMs, buffer.targetDelayMs, buffer.maximumDelayMs]).toEqual([40, 40, 900])
    steadily(buffer, 1, 400)
    expect([buffer.delayMs, buffer.targetDelayMs]).toEqual([40, 20])
    expect(buffer.spareTicks).toBe(20 * 8)
    buffer.reset()
    expect(buffer.spareTicks).toBeUndefined()
  })
})
