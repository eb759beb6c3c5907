// Who is being heard: the one source (SSRC) whose packets count, its statistics, and the rules by which another source
// takes its place (RFC 3550 A.1 probation). Totals go on when the source changes. Bounded: one source and one candidate.

import { BurstGap } from '../rtp/burst-gap.ts'
import { type ArrivalVerdict, ReceiverStatistics } from '../rtp/receiver-statistics.ts'
import { minimumSequential, SequenceTracker } from '../rtp/sequence.ts'
import type { Millis } from '../runtime/runtime.ts'

/** The current source must have been silent this long before another one takes over: two interleaved senders must not alternate. */
const takeOverAfterSilenceMs = 60

/** RFC 3551 4.2. */
const longestPacketMs = 200

export interface ReceivedTotals {
  packets: number
  octets: number
  expected: number
  lost: number
  duplicates: number
  reordered: number
}

const noTotals = (): ReceivedTotals => ({
  packets: 0,
  octets: 0,
  expected: 0,
  lost: 0,
  duplicates: 0,
  reordered: 0,
})

export class ReceivedMedia {
  ssrc: number | undefined
  statistics: ReceiverStatistics | undefined
  lastPacketAt: Millis = Number.NEGATIVE_INFINITY
  /** Whether another source need not wait until this one is silent. */
  yields = false
  /** What became of the packets. */
  readonly fates = new BurstGap()
  /** Between two packets in a row, by their timestamps. */
  packetMs: Millis | undefined
  private previousSequence = -1
  private previousTimestamp = 0
  private earlier = noTotals()
  private candidate: { ssrc: number; sequence: SequenceTracker } | undefined

  constructor(private clockRateHz: number) {}

  /** Whether a packet of `ssrc` is the source's: 'new' where it has just become so. */
  admit(ssrc: number, sequenceNumber: number, now: Millis): 'current' | 'new' | 'foreign' {
    if (ssrc === this.ssrc) {
      this.lastPacketAt = now
      return 'current'
    }
    // The first source is believed at once: the transport has checked where packets come from, and a stray is soon replaced.
    if (this.ssrc !== undefined) {
      if (this.candidate?.ssrc !== ssrc)
        this.candidate = { ssrc, sequence: new SequenceTracker(minimumSequential) }
      const verdict = this.candidate.sequence.update(sequenceNumber)
      const isFree = this.yields || now - this.lastPacketAt >= takeOverAfterSilenceMs
      if (verdict !== 'accepted' || !isFree) return 'foreign'
    }
    this.begin(ssrc)
    this.lastPacketAt = now
    return 'new'
  }

  receive(
    sequenceNumber: number,
    timestamp: number,
    now: Millis,
    payloadLengthBytes: number,
    timesMedia: boolean,
  ): ArrivalVerdict {
    const statistics = this.statistics!
    const verdict = statistics.receive(sequenceNumber, timestamp, now, payloadLengthBytes, timesMedia)
    if (verdict === 'restarted') this.fates.restart()
    if (verdict === 'restarted' || verdict === 'accepted') this.fates.arrived(statistics.latest)
    if (timesMedia) this.measurePacket(sequenceNumber, timestamp)
    return verdict
  }

  /** The packet received last is of no use: its time is over. */
  discardLatest(): void {
    this.fates.discarded(this.latestSequence)
  }

  /** Extended number of the packet received last. */
  get latestSequence(): number {
    return this.statistics?.latest ?? 0
  }

  get jitterMs(): Millis {
    return this.statistics?.jitterMs ?? 0
  }

  /** Another RTP clock rate: jitter is measured anew. */
  changeClockRate(clockRateHz: number): void {
    if (clockRateHz === this.clockRateHz) return
    this.clockRateHz = clockRateHz
    if (this.ssrc !== undefined) this.begin(this.ssrc)
  }

  totals(): ReceivedTotals {
    const { earlier, statistics } = this
    if (!statistics) return { ...earlier }
    return {
      packets: earlier.packets + statistics.packets,
      octets: earlier.octets + statistics.octets,
      expected: earlier.expected + statistics.expected,
      lost: earlier.lost + statistics.lost,
      duplicates: earlier.duplicates + statistics.duplicates,
      reordered: earlier.reordered + statistics.reordered,
    }
  }

  private measurePacket(sequenceNumber: number, timestamp: number): void {
    if (this.previousSequence >= 0 && sequenceNumber === ((this.previousSequence + 1) & 0xffff)) {
      const ms = (((timestamp - this.previousTimestamp) | 0) / this.clockRateHz) * 1000
      // What is longer is a pause.
      if (ms > 0 && ms <= longestPacketMs) this.packetMs = ms
    }
    this.previousSequence = sequenceNumber
    this.previousTimestamp = timestamp
  }

  private begin(ssrc: number): void {
    this.earlier = this.totals()
    this.ssrc = ssrc
    this.yields = false
    this.candidate = undefined
    this.statistics = new ReceiverStatistics(this.clockRateHz, 1)
    this.fates.restart()
    this.previousSequence = -1
  }
}
