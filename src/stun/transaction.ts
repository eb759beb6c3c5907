// A client transaction over UDP (RFC 8489 6.2.1): when to send the same request again and when to give up. Owns no
// bytes on the wire: whoever holds it sends `request` when told so. Matching responses is the holder's, by transactionKey.
import type { Millis } from '../runtime/runtime.ts'

/** RFC 8489 6.2.1: SHOULD be 500 ms or more where the round trip is not known. */
export const defaultRtoMs = 500
/** RFC 8489 6.2.1 Rc: requests sent at most. */
const defaultRc = 7
/** RFC 8489 6.2.1 Rm: RTOs to wait after the last request. */
const defaultRm = 16

export interface TransactionTiming {
  rtoMs?: Millis
  rc?: number
  rm?: number
  /** Where doubling the interval between requests ends; by default never. */
  longestIntervalMs?: Millis
  /** One more request, this long after the first: sooner than the RTO. */
  earlyMs?: Millis
}

export class ClientTransaction {
  /** Requests sent so far. */
  sent = 1
  /** When `handleTimeout` wants to be called. */
  nextAt: Millis
  private readonly rtoMs: Millis
  private readonly rc: number
  private readonly rm: number
  private readonly longestIntervalMs: Millis
  private intervalMs: Millis
  private lastSentAt: Millis
  private early: boolean

  /** The request goes out at `startedAt`. */
  constructor(
    readonly request: Uint8Array,
    readonly startedAt: Millis,
    timing: TransactionTiming = {},
  ) {
    this.rtoMs = timing.rtoMs ?? defaultRtoMs
    this.early = timing.earlyMs !== undefined
    this.rc = (timing.rc ?? defaultRc) + (this.early ? 1 : 0)
    this.rm = timing.rm ?? defaultRm
    this.longestIntervalMs = timing.longestIntervalMs ?? Number.POSITIVE_INFINITY
    this.intervalMs = this.rtoMs
    this.lastSentAt = startedAt
    this.nextAt = startedAt + (timing.earlyMs ?? this.waitAfterSending())
  }

  handleTimeout(now: Millis): 'wait' | 'retransmit' | 'timed-out' {
    if (now < this.nextAt) return 'wait'
    if (this.sent >= this.rc) return 'timed-out'
    this.sent++
    this.lastSentAt = now
    if (this.early) {
      this.early = false
      this.nextAt = this.startedAt + this.rtoMs
      return 'retransmit'
    }
    this.intervalMs = Math.min(2 * this.intervalMs, Math.max(this.rtoMs, this.longestIntervalMs))
    this.nextAt = now + this.waitAfterSending()
    return 'retransmit'
  }

  /** The round trip that a response at `now` measures, taken to answer the latest request. After a retransmission it may
   *  answer an earlier one (RFC 6298 3), so what comes out is then a lower bound. */
  roundTripMs(now: Millis): Millis {
    return now - this.lastSentAt
  }

  private waitAfterSending(): Millis {
    return this.sent >= this.rc ? this.rm * this.rtoMs : this.intervalMs
  }
}
