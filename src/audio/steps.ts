// Long computations beside media that must leave on time. They are written as generators that yield wherever they may pause, so
// that the same code runs in one go, or in short stretches between which everything else has its turn.
import type { Clock, Millis } from '../runtime/runtime.ts'

/** A computation that may pause wherever it yields; from one yield to the next it takes less than a millisecond. */
export type Steps<T> = Generator<undefined, T>

/** How long a computation keeps the process to itself. What is due meanwhile is late by little more. */
const stretchMs: Millis = 1

export function inOneGo<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
  }
}

/** What is being computed beside the media that goes by a clock. */
interface Work {
  last: Promise<unknown>
  /** When it is time to give way. */
  until: Millis
}
const works = new WeakMap<Clock, Work>()

/** In short stretches. One computation after the other: the stretches of a hundred would add up to a long one. */
export function gently<T>(steps: Steps<T>, clock: Clock): Promise<T> {
  const work = works.get(clock) ?? { last: Promise.resolve(), until: clock.now() }
  works.set(clock, work)
  const result = work.last.then(() => inStretches(steps, clock, work))
  work.last = result.catch(() => undefined)
  return result
}

async function inStretches<T>(steps: Steps<T>, clock: Clock, work: Work): Promise<T> {
  for (;;) {
    if (clock.now() > work.until) {
      await new Promise<void>((resolve) => clock.setTimer(0, resolve))
      work.until = clock.now() + stretchMs
    }
    const step = steps.next()
    if (step.done) return step.value
  }
}
