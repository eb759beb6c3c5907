// The clockwork of every media stream of the process: frame n of a stream is due at start + n * period on the monotonic
// clock. One wheel whose slots are spread over the period, so that a thousand streams do not all send at once. What a hiccup
// delays is made up for at once, within what a jitter buffer takes up; after a longer stall frames are skipped, never
// sent in a burst. Where the network keeps departure times, slots are served ahead of their time, several in one go: then
// only what lasts longer than the lead is a hiccup at all.
import type { Clock, Millis, Timer } from '../runtime/runtime.ts'
import { PacingHistogram } from './pacing-histogram.ts'

export interface PacedTask {
  cancel(): void
}

/**
 * Must not throw.
 * @param skipped the number of frames that were due since the last call and are gone
 * @param departAt when the frame is due, where the wheel runs ahead of that; absent: now
 */
type OnDue = (skipped: number, departAt?: Millis) => void

export interface Pacer {
  /** How late frames were. */
  readonly error: PacingHistogram
  /** Calls `onDue` once a period until cancelled. */
  add(periodMs: Millis, onDue: OnDue): PacedTask
}

/** Slots are a millisecond apart: finer than timers can tell, and coarse enough that a slot's streams share a wake-up. */
const slotSpacingMs = 1
/** Where the network keeps departure times somebody else wakes up as well: for every other slot, until so many streams share one. */
const sharingStreams = 16
/** A timer that fires this early serves its slot all the same. */
const toleranceMs = 0.25
/** Of a wheel that runs ahead: slots due within so much are served in one go. */
const batchMs = 4

/** At 20 ms: late by no more than the 60 ms that receivers commonly wait for what is late. */
const madeUpFrames = 2

interface Slot {
  periodMs: Millis
  dueAt: Millis
  tasks: OnDue[]
}

export class WheelPacer implements Pacer {
  readonly error = new PacingHistogram()
  private slots: Slot[] = []
  private timer: Timer | undefined
  private armedFor = Number.POSITIVE_INFINITY

  /** @param leadMs how long before they are due frames should be served; 0: the network sends at once */
  constructor(
    private readonly clock: Clock,
    private readonly leadMs: Millis = 0,
  ) {}

  add(periodMs: Millis, onDue: OnDue): PacedTask {
    const slot = this.leastLoadedSlot(periodMs)
    slot.tasks.push(onDue)
    this.arm()
    return {
      cancel: () => {
        // A copy, because a task may cancel itself or another while its slot is being served.
        slot.tasks = slot.tasks.filter((task) => task !== onDue)
        this.forgetIdleWheel(periodMs)
        this.arm()
      },
    }
  }

  /** The wheel of a period is laid out when its first stream comes. Among equals the slot that is due first. */
  private leastLoadedSlot(periodMs: Millis): Slot {
    const now = this.clock.now()
    let wheel = this.slots.filter((slot) => slot.periodMs === periodMs)
    if (wheel.length === 0) {
      const count = Math.max(1, Math.floor(periodMs / slotSpacingMs))
      wheel = Array.from({ length: count }, (_, index) => ({
        periodMs,
        dueAt: now + (index * periodMs) / count,
        tasks: [],
      }))
      this.slots.push(...wheel)
    }
    for (const slot of wheel) {
      // An empty slot was not served while it was empty.
      if (slot.tasks.length === 0 && slot.dueAt < now)
        slot.dueAt += Math.ceil((now - slot.dueAt) / periodMs) * periodMs
    }
    const shared = wheel.filter((_, index) => index % 2 === 0)
    const hasRoom = this.leadMs > 0 && shared.some(({ tasks }) => tasks.length < sharingStreams)
    return (hasRoom ? shared : wheel).reduce((best, slot) =>
      slot.tasks.length < best.tasks.length ||
      (slot.tasks.length === best.tasks.length && slot.dueAt < best.dueAt)
        ? slot
        : best,
    )
  }

  /** Periods come from peers: one that nobody uses any more must not stay. */
  private forgetIdleWheel(periodMs: Millis): void {
    const inUse = this.slots.some((slot) => slot.periodMs === periodMs && slot.tasks.length > 0)
    if (!inUse) this.slots = this.slots.filter((slot) => slot.periodMs !== periodMs)
  }

  private arm(): void {
    let next = Number.POSITIVE_INFINITY
    for (const slot of this.slots) if (slot.tasks.length > 0 && slot.dueAt < next) next = slot.dueAt
    if (this.timer && next === this.armedFor) return
    this.timer?.cancel()
    this.timer = undefined
    this.armedFor = next
    if (next === Number.POSITIVE_INFINITY) return
    this.timer = this.clock.setTimer(Math.max(0, next - this.leadMs - this.clock.now()), this.serve)
  }

  private readonly serve = (): void => {
    this.timer = undefined
    const { leadMs, clock } = this
    const now = clock.now()
    const until = leadMs > 0 ? now + leadMs + batchMs : now + toleranceMs
    for (const slot of this.slots) {
      if (slot.tasks.length === 0 || slot.dueAt > until) continue
      const overdue = Math.max(0, Math.floor((now - slot.dueAt) / slot.periodMs))
      let skipped = overdue > madeUpFrames ? overdue : 0
      slot.dueAt += skipped * slot.periodMs
      do {
        for (const task of slot.tasks) {
          // A stall shows as what it delayed; the frames it swallowed are counted apart.
          const errorMs = clock.now() - slot.dueAt
          if (leadMs > 0) {
            this.error.record(Math.max(0, errorMs), skipped)
            task(skipped, slot.dueAt)
          } else {
            this.error.record(errorMs, skipped)
            task(skipped)
          }
        }
        skipped = 0
        slot.dueAt += slot.periodMs
      } while (slot.dueAt <= now + leadMs)
    }
    this.arm()
  }
}
