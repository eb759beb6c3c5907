// What came of one source since the last summary: numbers for the statistics summary of RFC 3611 4.6.
import type { ReceiverStatistics } from './receiver-statistics.ts'

export class IntervalSummary {
  private begin: number | undefined
  private lostBefore = 0
  private duplicatesBefore = 0

  constructor(private readonly statistics: ReceiverStatistics) {}

  /** Undefined where nothing new has come. Sequence numbers as on the wire, the last one not included. */
  take() {
    const { sequence, lost, duplicates, transit } = this.statistics
    const end = sequence.highest + 1
    // A sender that began anew has other numbers.
    const begin = this.begin === undefined || this.begin > end ? sequence.base : this.begin
    if (begin === end) return undefined
    const summary = {
      beginSequence: begin & 0xffff,
      endSequence: end & 0xffff,
      lost: Math.max(0, lost - this.lostBefore),
      duplicates: duplicates - this.duplicatesBefore,
      jitterTicks: transit.take(),
    }
    this.begin = end
    this.lostBefore = lost
    this.duplicatesBefore = duplicates
    return summary
  }
}
