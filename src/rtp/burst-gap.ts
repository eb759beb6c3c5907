// What became of the packets of one source, in their order: received, lost, or discarded because they came too late; and from that
// the bursts and gaps of RFC 3611 4.7.2. A burst begins and ends with a packet that was not played and holds no Gmin packets in
// a row that were; a single one between so many belongs to the gap, as in the RFC's example. Bounded: counts and a small window.

/** Gmin (RFC 3611 4.7.2). */
export const gapThresholdPackets = 16
/** A packet may come this much later than others and still be known as late, not lost; a power of two. */
const windowPackets = 128

const missing = 0
const received = 1
const discarded = 2

export interface BurstGapMetrics {
  packets: number
  lost: number
  discarded: number
  /** Bursts, and the packets in all of them; `unplayed` are those lost and discarded. */
  bursts: number
  burstPackets: number
  burstUnplayed: number
  gapPackets: number
  gapUnplayed: number
  /** Runs of unplayed packets without a played one between. */
  runs: number
}

export class BurstGap {
  private readonly window = new Uint8Array(windowPackets)
  /** Extended sequence numbers: the oldest in the window, and the one after the newest. */
  private oldest = 0
  private next = 0
  private counts = new Counts()

  arrived(sequence: number): void {
    if (sequence < this.oldest && this.next > 0) return
    if (this.next === this.oldest) this.oldest = this.next = sequence
    for (; this.next <= sequence; this.next++) {
      if (this.next - this.oldest === windowPackets) this.settleOldest()
      this.window[this.next & (windowPackets - 1)] = missing
    }
    this.window[sequence & (windowPackets - 1)] = received
  }

  /** It has arrived, and was of no use. */
  discarded(sequence: number): void {
    if (sequence >= this.oldest && sequence < this.next)
      this.window[sequence & (windowPackets - 1)] = discarded
  }

  /** Another source, or its numbers anew: what was counted stays. */
  restart(): void {
    while (this.oldest < this.next) this.settleOldest()
    this.oldest = this.next = 0
  }

  /** Up to the newest packet, as though enough received ones followed. */
  metrics(): BurstGapMetrics {
    const counts = this.counts.copy()
    for (let i = this.oldest; i < this.next; i++) counts.add(this.window[i & (windowPackets - 1)]!)
    return counts.metrics()
  }

  private settleOldest(): void {
    this.counts.add(this.window[this.oldest & (windowPackets - 1)]!)
    this.oldest++
  }
}

class Counts {
  packets = 0
  lost = 0
  discarded = 0
  bursts = 0
  burstPackets = 0
  burstUnplayed = 0
  gapPackets = 0
  gapUnplayed = 0
  runs = 0
  /** Played in a row up to now. */
  played = 0
  /** What began with an unplayed packet and has not met Gmin played ones: a burst, or a single one. */
  openPackets = 0
  openUnplayed = 0

  copy(): Counts {
    return Object.assign(new Counts(), this)
  }

  add(fate: number): void {
    this.packets++
    if (fate === received) {
      this.played++
      return
    }
    if (fate === discarded) this.discarded++
    else this.lost++
    if (this.played > 0 || this.packets === 1) this.runs++
    if (this.openUnplayed > 0 && this.played < gapThresholdPackets) {
      this.openPackets += this.played + 1
      this.openUnplayed++
    } else {
      this.close()
      this.gapPackets += this.played
      this.openPackets = this.openUnplayed = 1
    }
    this.played = 0
  }

  metrics(): BurstGapMetrics {
    this.close()
    this.gapPackets += this.played
    const { packets, lost, discarded, bursts, burstPackets, burstUnplayed, gapPackets, gapUnplayed, runs } =
      this
    return { packets, lost, discarded, bursts, burstPackets, burstUnplayed, gapPackets, gapUnplayed, runs }
  }

  private close(): void {
    if (this.openUnplayed > 1) {
      this.bursts++
      this.burstPackets += this.openPackets
      this.burstUnplayed += this.openUnplayed
    } else {
      this.gapPackets += this.openPackets
      this.gapUnplayed += this.openUnplayed
    }
    this.openPackets = this.openUnplayed = 0
  }
}
