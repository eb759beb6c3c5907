import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../../src/sim/random.ts'

const draws = (random: SeededRandom): number[] => Array.from({ length: 50 }, () => random.integer(2 ** 32))

describe('seeded randomness', () => {
  it('gives the same sequence for the same seed alone', () => {
    expect(draws(new SeededRandom(7))).toEqual(draws(new SeededRandom(7)))
    expect(draws(new SeededRandom(7))).not.toEqual(draws(new SeededRandom(8)))
  })

  it('forks independent sequences by name', () => {
    const fork = draws(new SeededRandom(7).fork('a'))
    const parent = new SeededRandom(7)
    draws(parent)
    expect(draws(parent.fork('a'))).toEqual(fork)
    expect(draws(parent.fork('b'))).not.toEqual(fork)
    expect(draws(new SeededRandom(8).fork('a'))).not.toEqual(fork)
  })

  it('is uniform to within five standard deviations', () => {
    const random = new SeededRandom(1)
    const runs = 60_000
    const faces = [0, 0, 0, 0, 0, 0]
    for (let i = 0; i < runs; i++) faces[random.integer(6)]!++
    const deviation = Math.sqrt(runs * (1 / 6) * (5 / 6))
    for (const count of faces) expect(Math.abs(count - runs / 6)).toBeLessThan(5 * deviation)
    const bytes = random.bytes(runs)
    const mean = bytes.reduce((sum, byte) => sum + byte, 0) / runs
    expect(Math.abs(mean - 127.5)).toBeLessThan((5 * 73.9) / Math.sqrt(runs))
  })

  it('draws nothing for a certain answer', () => {
    const random = new SeededRandom(3)
    expect([random.chance(0), random.chance(1), random.chance(-1)]).toEqual([false, true, false])
    expect(draws(random)).toEqual(draws(new SeededRandom(3)))
  })
})
