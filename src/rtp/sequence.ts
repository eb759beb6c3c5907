// Sequence numbers of one source, extended beyond 16 bits and checked for plausibility: RFC 3550 appendix A.1,
// with its probation of new sources and its two-in-a-row rule for a sender that starts again elsewhere.

const sequenceModulus = 65_536
/** Largest forward step that is loss and not a restart, in packets (RFC 3550 A.1 MAX_DROPOUT). */
const maximumDropout = 3_000
/** Largest backward step that is reordering and not a restart, in packets (RFC 3550 A.1 MAX_MISORDER). */
const maximumMisorder = 100
/** Packets in sequence before a source is believed (RFC 3550 A.1 MIN_SEQUENTIAL). */
export const minimumSequential = 2

/** probation: not believed yet. jump: out of all proportion, not counted. restarted: the second in a row after a jump. */
export type SequenceVerdict = 'accepted' | 'probation' | 'jump' | 'restarted'

export class SequenceTracker {
  /** Extended numbers: cycles of 65536 plus the number on the wire. */
  base = 0
  highest = 0
  private probation: number
  private started = false
  private badSequence: number | undefined

  /** @param probationPackets packets in sequence before a source counts; 1 believes the first packet */
  constructor(private readonly probationPackets = minimumSequential) {
    this.probation = probationPackets
  }

  update(sequenceNumber: number): SequenceVerdict {
    if (!this.started) {
      this.started = true
      this.highest = sequenceNumber - 1
    }
    if (this.probation > 0) {
      const inSequence = sequenceNumber === ((this.highest + 1) & 0xffff)
      this.probation = inSequence ? this.probation - 1 : this.probationPackets - 1
      this.highest = sequenceNumber
      if (this.probation > 0) return 'probation'
      this.begin(sequenceNumber)
      return 'accepted'
    }
    const forward = (sequenceNumber - this.highest) & 0xffff
    if (forward < maximumDropout) {
      this.highest += forward
      this.badSequence = undefined
      return 'accepted'
    }
    if (forward > sequenceModulus - maximumMisorder) return 'accepted'
    if (sequenceNumber === this.badSequence) {
      this.begin(sequenceNumber)
      return 'restarted'
    }
    this.badSequence = (sequenceNumber + 1) & 0xffff
    return 'jump'
  }

  /** The extended number of a packet near the highest one. */
  extend(sequenceNumber: number): number {
    return this.highest + (((sequenceNumber - this.highest) << 16) >> 16)
  }

  private begin(sequenceNumber: number): void {
    this.base = sequenceNumber
    this.highest = sequenceNumber
    this.badSequence = undefined
  }
}
