// A client transaction over UDP (RFC 8489 6.2.1): when to send the same request again and when to give up. Owns no
// bytes on the wire: whoever holds it sends `request` when told so. Matching responses is the holder's, by transactionKey.
import type { Millis } from '../runtime/runtime.ts'

/** RFC 8489 6.2.1: SHOULD be 500 ms or more where the round trip is not known. */
export const defaultRtoMs = 500
/** RFC 8489 6.2.1 Rc: requests sent at most. */
export const defaultRc = 7
/** RFC 8489 6.2.1 Rm: RTOs to wait after the last request. */
export const defaultRm = 16

export interface TransactionTiming {
  rtoMs?: Millis
  rc?: number
  rm?: number
}

export class ClientTransaction {
  /** Requests sent so far. */
  sent = 1
  /** When `handleTimeout` wants to be called. */
  nextAt: Millis
  private readonly rtoMs: Millis
  private readonly rc: number
  private readonly rm: number
  private intervalMs: Millis

  /** The request goes out at `startedAt`. */
  constructor(
    readonly request: Uint8Array,
    readonly startedAt: Millis,
    timing: TransactionTiming = {},
  ) {
    this.rtoMs = timing.rtoMs ?? defaultRtoMs
    this.rc = timing.rc ?? defaultRc
    this.rm = timing.rm ?? defaultRm
    this.intervalMs = this.rtoMs
    this.nextAt = startedAt + this.waitAfterSending()
  }

  handleTimeout(now: Millis): 'wait' | 'retransmit' | 'timed-out' {
    if (now < this.nextAt) return 'wait'
    if (this.sent >= this.rc) return 'timed-out'
    this.sent++
    this.intervalMs *= 2
    this.nextAt = now + this.waitAfterSending()
    return 'retransmit'
  }

  /** The round trip that a response at `now` measures; undefined after a retransmission, which makes it ambiguous (RFC 6298 3). */
  roundTripMs(now: Millis): Millis | undefined {
    return this.sent === 1 ? now - this.startedAt : undefined
  }

  private waitAfterSending(): Millis {
    return this.sent >= this.rc ? this.rm * this.rtoMs : this.intervalMs
  }
}
