// What a receiver knows of one source: expected, lost, duplicated and reordered packets (RFC 3550 A.3), interarrival
// jitter in ticks of the RTP clock (A.8), and the numbers of a report block (6.4.1). No clock of its own.
import { SequenceTracker } from './sequence.ts'
import { Spread } from './spread.ts'

/** Duplicates are recognised among this many of the newest packets; a power of two above RFC 3550 MAX_MISORDER. */
const historyPackets = 128
const notSeen = Number.MIN_SAFE_INTEGER

/** restarted: the sender began a new sequence; whoever keeps packets in order must forget the old ones. */
export type ArrivalVerdict = 'accepted' | 'duplicate' | 'probation' | 'jump' | 'restarted'

/** The fields of a report block that come from reception (RFC 3550 6.4.1). */
export interface ReceptionReport {
  /** Of 256, since the report before. */
  fractionLost: number
  cumulativeLost: number
  extendedHighestSequence: number
  jitterTicks: number
}

export class ReceiverStatistics {
  readonly sequence: SequenceTracker
  /** Packets accepted, duplicates included (A.3 counts them as received). */
  packets = 0
  octets = 0
  duplicates = 0
  /** Arrived after a packet with a higher sequence number. */
  reordered = 0
  jitterTicks = 0
  /** Extended sequence number of the packet last accepted. */
  latest = 0
  /** Differences in transit between packets, in ticks. */
  readonly transit = new Spread()

  private readonly seen = new Float64Array(historyPackets).fill(notSeen)
  /** NaN before the first packet. */
  private previousTransit = Number.NaN
  private expectedPrior = 0
  private receivedPrior = 0
  /** What was counted before the sender restarted. */
  private earlierExpected = 0
  private packetsAtRestart = 0
  private duplicatesAtRestart = 0
  private earlierLost = 0

  constructor(
    private readonly clockRateHz: number,
    probationPackets?: number,
  ) {
    this.sequence = new SequenceTracker(probationPackets)
  }

  /**
   * @param arrivalMs on a monotonic clock
   * @param timesMedia false for packets whose timestamp is not the time of their sending (RFC 4733 events repeat it)
   */
  receive(
    sequenceNumber: number,
    timestamp: number,
    arrivalMs: number,
    payloadLengthBytes: number,
    timesMedia = true,
  ): ArrivalVerdict {
    const highestBefore = this.sequence.highest
    // The tracker forgets the old sequence when it restarts: keep what it said.
    const expectedBefore = this.expectedSinceRestart()
    const verdict = this.sequence.update(sequenceNumber)
    if (verdict === 'probation' || verdict === 'jump') return verdict
    if (verdict === 'restarted') this.restart(expectedBefore)
    const extended = this.sequence.extend(sequenceNumber)
    this.latest = extended
    this.packets++
    this.octets += payloadLengthBytes
    const slot = extended & (historyPackets - 1)
    if (this.seen[slot] === extended) {
      this.duplicates++
      return 'duplicate'
    }
    this.seen[slot] = extended
    if (verdict === 'accepted' && this.packets > 1 && extended < highestBefore) this.reordered++
    if (timesMedia) this.measureJitter(timestamp, arrivalMs)
    return verdict
  }

  /** Packets that should have come. */
  get expected(): number {
    return this.earlierExpected + this.expectedSinceRestart()
  }

  /** Packets that never came. Unlike RTCP's figure, duplicates do not make up for losses. */
  get lost(): number {
    const unique = this.packets - this.packetsAtRestart - (this.duplicates - this.duplicatesAtRestart)
    return this.earlierLost + Math.max(0, this.expectedSinceRestart() - unique)
  }

  get jitterMs(): number {
    return (this.jitterTicks / this.clockRateHz) * 1000
  }

  /** Closes the interval since the report before (A.3). */
  report(): ReceptionReport {
    const expected = this.expectedSinceRestart()
    const received = this.packets - this.packetsAtRestart
    const expectedInterval = expected - this.expectedPrior
    const lostInterval = expectedInterval - (received - this.receivedPrior)
    this.expectedPrior = expected
    this.receivedPrior = received
    return {
      fractionLost:
        expectedInterval === 0 || lostInterval <= 0
          ? 0
          : Math.min(255, Math.floor((lostInterval << 8) / expectedInterval)),
      // A signed field of 24 bits (RFC 3550 6.4.1).
      cumulativeLost: Math.max(-0x800000, Math.min(0x7fffff, expected - received)),
      extendedHighestSequence: this.sequence.highest >>> 0,
      jitterTicks: Math.floor(this.jitterTicks) >>> 0,
    }
  }

  private expectedSinceRestart(): number {
    return this.packets === this.packetsAtRestart ? 0 : this.sequence.highest - this.sequence.base + 1
  }

  private measureJitter(timestamp: number, arrivalMs: number): void {
    const transit = ((arrivalMs * this.clockRateHz) / 1000 - timestamp) % 4_294_967_296
    // Wrap-around of either number leaves a small difference modulo 2^32.
    let difference = Math.abs(transit - this.previousTransit)
    if (!Number.isNaN(difference)) {
      if (difference > 2_147_483_648) difference = 4_294_967_296 - difference
      this.jitterTicks += (difference - this.jitterTicks) / 16
      this.transit.add(difference)
    }
    this.previousTransit = transit
  }

  private restart(expectedBefore: number): void {
    const unique = this.packets - this.packetsAtRestart - (this.duplicates - this.duplicatesAtRestart)
    this.earlierExpected += expectedBefore
    this.earlierLost += Math.max(0, expectedBefore - unique)
    this.packetsAtRestart = this.packets
    this.duplicatesAtRestart = this.duplicates
    this.expectedPrior = 0
    this.receivedPrior = 0
    this.previousTransit = Number.NaN
    this.seen.fill(notSeen)
  }
}
