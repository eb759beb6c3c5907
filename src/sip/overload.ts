// When there are more calls than this process can keep up with, some are told 503 before they cost much, so that the others get
// through (RFC 6357: local overload control by occupancy). The measure is the share of time for which the event loop had no rest:
// messages wait in the socket then, and soon so long that honest peers send everything again.
import type { Clock, Millis } from '../runtime/runtime.ts'

const windowMs: Millis = 100
/** Full occupancy. Not 1: even then the loop looks for something to do now and then. */
const saturated = 0.97
/** Of saturation: so long nobody repeats anything more than once (3 T1, RFC 3261 17.1.1.2), and a call that is late is better than none. */
const patienceMs: Millis = 1_500
/** Of the share of calls that is taken, in each window: down by the factor while saturated, up by the step while not. */
const decrease = 0.8
const increase = 0.04
/** Taken whatever the load: a person's phone on a busy machine never turns a call away. */
const alwaysPerWindow = 2
/** Told to those who are turned away: the least that Retry-After can say twice (RFC 3261 20.33), and spread. */
const retryAfterSeconds = { from: 2, to: 6 }

export class Overload {
  private windowStart: Millis
  private busyAtStart: Millis
  private saturatedSince: Millis | undefined
  /** Of new calls that are taken. */
  private share = 1
  private credit = 0
  private taken = 0
  private turnedAway = 0

  constructor(private readonly clock: Clock) {
    this.windowStart = clock.now()
    this.busyAtStart = clock.busyMs?.() ?? 0
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

  /** In seconds; different for each, so that they do not come back at once. */
  get retryAfter(): number {
    const { from, to } = retryAfterSeconds
    return from + (this.turnedAway % (to - from + 1))
  }

  private closeWindow(now: Millis, busy: Millis): void {
    const occupancy = (busy - this.busyAtStart) / (now - this.windowStart)
    if (occupancy < saturated) {
      this.saturatedSince = undefined
      // After a long pause one window stands for many.
      this.share = Math.min(1, this.share + increase * ((now - this.windowStart) / windowMs))
    } else {
      this.saturatedSince ??= this.windowStart
      if (now - this.saturatedSince >= patienceMs) this.share *= decrease
    }
    this.windowStart = now
    this.busyAtStart = busy
    this.taken = 0
  }
}
