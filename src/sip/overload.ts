// When there are more calls than this process can keep up with, some are told 503 before they cost much, so that the others get
// through (RFC 6357, local control by delay). Messages then wait in the socket, where nobody sees them; but the ACKs to our 2xx wait
// too: where even the quickest of many takes longer than T1, after which honest peers repeat everything, and this process has a
// processor for itself and no rest, there is a queue that stands. Where peers are slow, or others have the processor, it is none of
// our calls that costs too much, and refusing them would not help: what comes again is absorbed cheaply.
import type { Clock, Millis } from '../runtime/runtime.ts'

const windowMs: Millis = 200
/** T1 of RFC 3261 17.1.1.1. */
const standingDelayMs: Millis = 500
/** Of the time of a window, on a processor. Not 1: even then the loop looks for something to do now and then. */
const saturated = 0.97
/** Of the share of calls that is taken, in each window: down by the factor while the queue stands, up by the step while not. */
const decrease = 0.8
const increase = 0.05
/** Taken whatever the load: a person's phone on a busy machine never turns a call away, and the delay stays known. */
const alwaysPerWindow = 4
/** Told to those who are turned away, spread so that they do not come back at once. */
const retryAfterSeconds = { from: 2, to: 6 }

export class Overload {
  private windowStart: Millis
  private busyAtStart: Millis
  /** The quickest ACK of this window; undefined where there was none. */
  private quickestMs: Millis | undefined
  private standing = false
  /** Of new calls that are taken. */
  private share = 1
  private credit = 0
  private taken = 0
  private turnedAway = 0

  constructor(private readonly clock: Clock) {
    this.windowStart = clock.now()
    this.busyAtStart = clock.busyMs?.() ?? 0
  }

  /** An ACK came so long after its 2xx. */
  acknowledged(afterMs: Millis): void {
    if (this.quickestMs === undefined || afterMs < this.quickestMs) this.quickestMs = afterMs
  }

  /** Whether one more call may begin now. */
  admits(): boolean {
    if (!this.clock.busyMs) return true
    const now = this.clock.now()
    if (now - this.windowStart >= windowMs) this.closeWindow(now, this.clock.busyMs())
    if (this.share >= 1) return true
    this.credit += this.share
    if (this.credit < 1 && this.taken >= alwaysPerWindow) {
      this.turnedAway++
      return false
    }
    this.credit = Math.max(0, this.credit - 1)
    this.taken++
    return true
  }

  /** In seconds; different for each. */
  get retryAfter(): number {
    const { from, to } = retryAfterSeconds
    return from + (this.turnedAway % (to - from + 1))
  }

  private closeWindow(now: Millis, busy: Millis): void {
    const rested = busy - this.busyAtStart < saturated * (now - this.windowStart)
    // A window without any ACK says nothing new.
    if (rested) this.standing = false
    else if (this.quickestMs !== undefined) this.standing = this.quickestMs > standingDelayMs
    if (this.standing) this.share *= decrease
    // After a long pause one window stands for many.
    else this.share = Math.min(1, this.share + increase * ((now - this.windowStart) / windowMs))
    this.windowStart = now
    this.busyAtStart = busy
    this.quickestMs = undefined
    this.taken = 0
  }
}
