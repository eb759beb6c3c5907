// Computations beside media: cut into stretches, one after the other, with the result of one go.
import { describe, expect, it } from 'vitest'
import { gentleRecogniser, hasHeard, type Pcm } from '../../../src/audio/recognise.ts'
import { resample, resampleInSteps } from '../../../src/audio/resample.ts'
import { gently, inOneGo, type Steps } from '../../../src/audio/steps.ts'
import { markerTones, type Tone } from '../../../src/audio/tones.ts'
import { UsageError } from '../../../src/errors.ts'
import type { Clock } from '../../../src/runtime/runtime.ts'
import { load } from './memory-file.ts'

/** Every look at this clock takes a tenth of a millisecond; timers fire when the event loop turns. */
class WorkingClock implements Clock {
  turns = 0
  longestMs = 0
  private time = 0
  private turnedAt = 0
  now(): number {
    this.time += 0.1
    this.longestMs = Math.max(this.longestMs, this.time - this.turnedAt)
    return this.time
  }
  wallTime = () => 0
  setTimer(delayMs: number, callback: () => void) {
    expect(delayMs).toBe(0)
    const immediate = setImmediate(() => {
      this.turns++
      this.turnedAt = this.time
      callback()
    })
    return { cancel: () => clearImmediate(immediate) }
  }
}

function* counting(to: number, seen?: (count: number) => void): Steps<number> {
  for (let count = 1; count <= to; count++) {
    seen?.(count)
    yield
  }
  return to
}

describe('gently', () => {
  it('gives way every millisecond and returns what one go returns', async () => {
    const clock = new WorkingClock()
    expect(await gently(counting(1000), clock)).toBe(inOneGo(counting(1000)))
    expect(clock.turns).toBeGreaterThan(80)
    expect(clock.longestMs).toBeLessThan(1.5)
  })

  it('does one computation after the other, and goes on after one that fails', async () => {
    const clock = new WorkingClock()
    const order: string[] = []
    const named = (name: string) =>
      gently(
        counting(30, (count) => (count % 30 === 1 || count === 30 ? order.push(`${name}${count}`) : 0)),
        clock,
      )
    const failing = gently(
      (function* (): Steps<number> {
        yield
        throw new UsageError('no')
      })(),
      clock,
    )
    const outcomes = await Promise.allSettled([named('a'), failing, named('b')])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(order).toEqual(['a1', 'a30', 'b1', 'b30'])
  })

  it('never waits where no time passes, as in a simulation', async () => {
    const clock: Clock = {
      now: () => 0,
      wallTime: () => 0,
      setTimer: () => expect.fail('nothing to wait for'),
    }
    expect(await gently(counting(1000), clock)).toBe(1000)
  })
})

describe('hearing gently', () => {
  const hello = load('media/hello-48k.wav')
  const recordings = ['hello-8k', 'reply-16k', 'music-8k', 'tone-440-8k'].map((name) =>
    load(`media/${name}.wav`),
  )

  it.each<[string, Pcm | Tone]>([
    ['a file', hello],
    ['a file that is a tone', load('media/tone-440-8k.wav')],
    ['a tone', markerTones.caller],
  ])('hears of %s what hasHeard hears', async (_, expected) => {
    const clock = new WorkingClock()
    const recognise = gentleRecogniser(expected, clock)
    for (const recording of recordings) {
      const before = clock.turns
      expect(await recognise(recording)).toEqual(hasHeard(recording, expected))
      expect(clock.turns - before).toBeGreaterThan(5)
    }
    expect(clock.longestMs).toBeLessThan(1.5)
  })

  it('may pause often enough: no step is a large part of the whole', () => {
    // 60 s of a file at 48 kHz, the heaviest there is to convert.
    const long = new Int16Array(60 * 48_000).map((_, i) => hello.samples[i % hello.samples.length]!)
    const steps = resampleInSteps(long, 48_000, 8000)
    let count = 0
    for (let step = steps.next(); !step.done; step = steps.next()) count++
    expect(count).toBe(Math.floor((60 * 8000) / 1024))
    expect(inOneGo(resampleInSteps(hello.samples, 48_000, 8000))).toEqual(
      resample(hello.samples, 48_000, 8000),
    )
  })

  it('rejects where there is nothing to recognise, every time', async () => {
    const recognise = gentleRecogniser(
      { samples: new Int16Array(8000), sampleRateHz: 8000 },
      new WorkingClock(),
    )
    await expect(recognise(hello)).rejects.toBeInstanceOf(UsageError)
    await expect(recognise(hello)).rejects.toBeInstanceOf(UsageError)
  })
})
