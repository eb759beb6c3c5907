// When to send the next RTCP packet: the randomised interval of RFC 3550 6.3.1 and A.7, with timer reconsideration
// (6.3.3, 6.3.6). Leaves out reverse reconsideration and BYE back-off (6.3.4, 6.3.7): they matter for more than 50 members.
import type { Millis, Random } from '../runtime/runtime.ts'

/** RFC 3550 6.2: the recommended minimum, halved for the first packet. */
const minimumIntervalMs = 5_000
/** RFC 3550 6.2: senders share a quarter of the RTCP bandwidth. */
const senderShare = 0.25
/** e - 3/2: makes up for reconsideration, which converges below the intended rate (RFC 3550 6.3.1). */
const compensation = Math.E - 1.5
/** IPv4 and UDP headers, counted in sizes (RFC 3550 6.3.1). */
const lowerHeadersBytes = 28
/** Members of a session between two. */
const members = 2

export interface IntervalInput {
  senders: number
  weSend: boolean
  /** 5 % of the session's bandwidth (RFC 3550 6.2). */
  rtcpOctetsPerSecond: number
  /** Lower headers included. */
  averageSizeBytes: number
  initial: boolean
}

/** The deterministic interval Td (RFC 3550 6.3.1). */
export function deterministicIntervalMs(input: IntervalInput): Millis {
  let bandwidth = input.rtcpOctetsPerSecond
  let sharing = members
  if (input.senders <= members * senderShare) {
    sharing = input.weSend ? input.senders : members - input.senders
    bandwidth *= input.weSend ? senderShare : 1 - senderShare
  }
  const minimum = input.initial ? minimumIntervalMs / 2 : minimumIntervalMs
  return Math.max(minimum, ((input.averageSizeBytes * sharing) / bandwidth) * 1000)
}

/** Uniform in 0.5 to 1.5 of the deterministic interval, compensated. */
export function randomisedIntervalMs(input: IntervalInput, random: Random): Millis {
  const factor = 0.5 + random.integer(1_000_000) / 1_000_000
  return (deterministicIntervalMs(input) * factor) / compensation
}

export class RtcpSchedule {
  /** Last sent (tp) and next due (tn) of RFC 3550 6.3. */
  private previousAt: Millis
  private dueAt: Millis
  private initial = true
  private averageSizeBytes: number

  /** @param typicalSizeBytes of our first packet, without lower headers */
  constructor(
    now: Millis,
    private readonly random: Random,
    private readonly rtcpOctetsPerSecond: () => number,
    typicalSizeBytes: number,
  ) {
    this.averageSizeBytes = typicalSizeBytes + lowerHeadersBytes
    this.previousAt = now
    this.dueAt = now + this.interval(0, false)
  }

  nextTimeout(): Millis {
    return this.dueAt
  }

  /** Returns whether to send now; otherwise the timer has been reconsidered. */
  handleTimeout(now: Millis, senders: number, weSend: boolean): boolean {
    const due = this.previousAt + this.interval(senders, weSend)
    if (due > now) {
      this.dueAt = due
      return false
    }
    this.previousAt = now
    this.initial = false
    this.dueAt = now + this.interval(senders, weSend)
    return true
  }

  /** Every packet sent or received counts (RFC 3550 6.3.3). */
  observeSize(lengthBytes: number): void {
    this.averageSizeBytes += (lengthBytes + lowerHeadersBytes - this.averageSizeBytes) / 16
  }

  private interval(senders: number, weSend: boolean): Millis {
    return randomisedIntervalMs(
      {
        senders,
        weSend,
        rtcpOctetsPerSecond: this.rtcpOctetsPerSecond(),
        averageSizeBytes: this.averageSizeBytes,
        initial: this.initial,
      },
      this.random,
    )
  }
}
