// Who waits for the next call, the longest first.
import { TimeoutError } from '../errors.ts'
import type { Clock, Millis } from '../runtime/runtime.ts'
import { Deferred } from './deferred.ts'

export class NextCalls<C> {
  private readonly waiting = new Set<Deferred<C>>()

  constructor(private readonly clock: Clock) {}

  get isAwaited(): boolean {
    return this.waiting.size > 0
  }

  /** Rejects with TimeoutError, or with what `giveUp` is told. */
  next(timeoutMs?: Millis): Promise<C> {
    const next = new Deferred<C>()
    this.waiting.add(next)
    if (timeoutMs === undefined) return next.promise
    const timer = this.clock.setTimer(timeoutMs, () => {
      this.waiting.delete(next)
      next.reject(new TimeoutError(`nobody called within ${timeoutMs / 1000} s`, timeoutMs))
    })
    const settled = (): void => timer.cancel()
    next.promise.then(settled, settled)
    return next.promise
  }

  /** Where the next call goes; undefined where nobody waits. */
  shift(): ((call: C) => void) | undefined {
    const [next] = this.waiting
    if (!next) return undefined
    this.waiting.delete(next)
    return (call) => next.resolve(call)
  }

  giveUp(error: Error): void {
    for (const next of this.waiting) next.reject(error)
    this.waiting.clear()
  }
}
