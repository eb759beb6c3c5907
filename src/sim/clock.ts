// Virtual time: nothing passes until the clock is advanced, and then only from event to event. Between two events every
// promise that can go on does, so asynchronous code runs as it would in real time. Events of one instant keep their order.
// Left out: real I/O. A task that awaits a real socket or file leaves the simulation standing still.
import { InvariantError, TimeoutError } from '../errors.ts'
import type { Clock, Millis, Timer } from '../runtime/runtime.ts'

/** 2026-01-01 00:00 UTC: where virtual wall time starts unless told otherwise. */
const DEFAULT_EPOCH_MS = Date.UTC(2026, 0, 1)
const HOUR_MS = 3_600_000
/** More events than this at one instant: a timer is armed for now again and again. */
const MAXIMUM_AT_ONCE = 1_000_000

// Taken when this module loads: globals may be bound to a virtual clock later.
const realSetImmediate = setImmediate

/** A macrotask: every microtask that is due has run when it resolves. */
const settlePromises = (): Promise<void> => new Promise((resolve) => realSetImmediate(resolve))

class Scheduled implements Timer {
  /** Undefined once it was cancelled or has run. */
  callback: (() => void) | undefined

  constructor(
    readonly at: Millis,
    readonly order: number,
    callback: () => void,
    private readonly onCancel: () => void,
  ) {
    this.callback = callback
  }

  cancel(): void {
    if (!this.callback) return
    this.callback = undefined
    this.onCancel()
  }

  isBefore(other: Scheduled): boolean {
    return this.at < other.at || (this.at === other.at && this.order < other.order)
  }
}

export class VirtualClock implements Clock {
  /** A binary heap, the earliest first. */
  private readonly heap: Scheduled[] = []
  private time: Millis = 0
  private scheduled = 0
  private pending = 0
  private atOnce = 0

  constructor(private readonly epochMs: number = DEFAULT_EPOCH_MS) {}

  now(): Millis {
    return this.time
  }

  wallTime(): number {
    return this.epochMs + this.time
  }

  setTimer(delayMs: Millis, callback: () => void): Timer {
    const timer = new Scheduled(this.time + Math.max(0, delayMs), this.scheduled++, callback, () => {
      this.pending--
    })
    this.pending++
    this.push(timer)
    return timer
  }

  /** Timers that are armed now; 0 after everything was closed. */
  get pendingTimers(): number {
    return this.pending
  }

  /** Runs the next event, without waiting for promises; false where there is none. For runs without promises. */
  step(): boolean {
    const next = this.peek()
    if (!next) return false
    this.pop()
    this.atOnce = next.at > this.time ? 0 : this.atOnce + 1
    if (this.atOnce > MAXIMUM_AT_ONCE)
      throw new InvariantError(
        `time stands still at ${next.at} ms: ${MAXIMUM_AT_ONCE} events at once, a timer is armed for now again and again`,
      )
    this.time = next.at
    this.pending--
    const callback = next.callback!
    next.callback = undefined
    callback()
    return true
  }

  /** Lets `durationMs` pass, with every event and promise in it. Rejects with what an event throws. */
  async advance(durationMs: Millis): Promise<void> {
    const until = this.time + durationMs
    for (;;) {
      await settlePromises()
      const next = this.peek()
      if (!next || next.at > until) break
      this.step()
    }
    this.time = until
  }

  /** Lets time pass until `task` settles, and gives its outcome.
   *  Rejects with TimeoutError where no event is left that could settle it, or `limitMs` of virtual time have passed. */
  async run<T>(task: Promise<T>, limitMs: Millis = HOUR_MS): Promise<T> {
    let settled = false
    const settle = (): void => {
      settled = true
    }
    task.then(settle, settle)
    const start = this.time
    for (;;) {
      await settlePromises()
      if (settled) return task
      const next = this.peek()
      if (!next)
        throw new TimeoutError(
          `the simulation stands still after ${this.time - start} ms: no timer is armed and no packet is on its way`,
          this.time - start,
        )
      if (next.at > start + limitMs)
        throw new TimeoutError(`the simulated task did not end within ${limitMs} ms of virtual time`, limitMs)
      this.step()
    }
  }

  /** Binds the global setTimeout, setInterval, their clear functions and Date.now to this clock, for libraries that read
   *  them at call time (sip.js does). Returns the function that puts the real ones back. */
  installGlobals(): () => void {
    const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis
    const { now } = Date
    const clear = (timer: unknown): void => (timer as Timer | undefined)?.cancel()
    const virtual = {
      setTimeout: (callback: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]): Timer =>
        this.setTimer(delayMs, () => callback(...args)),
      clearTimeout: clear,
      setInterval: (callback: (...args: unknown[]) => void, periodMs = 0, ...args: unknown[]): Timer => {
        let current: Timer
        const arm = (): void => {
          current = this.setTimer(Math.max(1, periodMs), () => {
            arm()
            callback(...args)
          })
        }
        arm()
        return { cancel: () => current.cancel() }
      },
      clearInterval: clear,
    }
    Object.assign(globalThis, virtual)
    Date.now = () => Math.floor(this.wallTime())
    return () => {
      Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval })
      Date.now = now
    }
  }

  /** The earliest timer that was not cancelled. */
  private peek(): Scheduled | undefined {
    while (this.heap.length > 0 && !this.heap[0]!.callback) this.pop()
    return this.heap[0]
  }

  private push(timer: Scheduled): void {
    const { heap } = this
    let index = heap.length
    heap.push(timer)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!timer.isBefore(heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = timer
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop()!
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.isBefore(heap[child]!)) child++
      if (!heap[child]!.isBefore(last)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
  }
}
