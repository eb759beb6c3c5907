// The XR side of one stream (RFC 3611): what the peer wants to be told goes out with our reports, and what it tells is read. A
// reference time of a peer is answered once, with our next report; ours goes out while we send nothing, which is when SR and RR
// give no round trip. What we are not asked for we do not send.
import type { ExtendedReport, ReferenceTime, VoipMetrics } from '../rtcp/extended-report.ts'
import { compactDelay, compactNtp, type NtpTime, roundTripMs } from '../rtcp/ntp-time.ts'
import { IntervalSummary } from '../rtp/interval-summary.ts'
import type { ReceiverStatistics } from '../rtp/receiver-statistics.ts'
import type { Millis } from '../runtime/runtime.ts'
import type { ExtendedReportsWanted } from './parameters.ts'

export interface ExtendedReportsOptions {
  /** Our source now. */
  ssrc: () => number
  received: { readonly ssrc: number | undefined; readonly statistics: ReceiverStatistics | undefined }
  /** Undefined: nothing. */
  wanted: () => ExtendedReportsWanted | undefined
  /** Undefined where nothing has come yet. */
  metrics: () => VoipMetrics | undefined
  /** The NTP time that reports carry. */
  ntpAt: (now: Millis) => NtpTime
}

export class ExtendedReports {
  /** What the peer said last of our packets. */
  remote: VoipMetrics | undefined
  private unanswered: { ssrc: number; time: ReferenceTime; arrivedAt: Millis } | undefined
  private summary: { of: ReceiverStatistics; interval: IntervalSummary } | undefined

  constructor(private readonly options: ExtendedReportsOptions) {}

  /** Returns a round trip where the peer has answered our reference time. */
  receive(report: ExtendedReport, now: Millis): Millis | undefined {
    const { ssrc, ntpAt } = this.options
    const own = ssrc()
    if (report.referenceTime)
      this.unanswered = { ssrc: report.ssrc, time: report.referenceTime, arrivedAt: now }
    this.remote = report.voipMetrics.find((metrics) => metrics.ssrc === own) ?? this.remote
    const answer = report.delays.find((delay) => delay.ssrc === own)
    return (
      answer &&
      roundTripMs(compactNtp(ntpAt(now)), answer.lastReferenceTime, answer.delaySinceLastReferenceTime)
    )
  }

  /** What goes out now. @param weSend whether our report is an SR */
  compose(now: Millis, weSend: boolean): ExtendedReport {
    const { ssrc, wanted, metrics, ntpAt } = this.options
    const asked = wanted()
    const report: ExtendedReport = { ssrc: ssrc(), delays: [], summaries: [], voipMetrics: [] }
    if (asked?.roundTrip && !weSend) {
      const { seconds, fraction } = ntpAt(now)
      report.referenceTime = { ntpSeconds: seconds, ntpFraction: fraction }
    }
    if (this.unanswered) {
      const { ssrc: from, time, arrivedAt } = this.unanswered
      report.delays.push({
        ssrc: from,
        lastReferenceTime: compactNtp({ seconds: time.ntpSeconds, fraction: time.ntpFraction }),
        delaySinceLastReferenceTime: compactDelay(now - arrivedAt),
      })
      this.unanswered = undefined
    }
    if (asked?.summary) this.summarise(asked.summary, report)
    const told = asked?.voipMetrics && metrics()
    if (told) report.voipMetrics.push(told)
    return report
  }

  private summarise(wanted: NonNullable<ExtendedReportsWanted['summary']>, report: ExtendedReport): void {
    const { ssrc, statistics } = this.options.received
    if (ssrc === undefined || !statistics) return
    if (this.summary?.of !== statistics)
      this.summary = { of: statistics, interval: new IntervalSummary(statistics) }
    const found = this.summary.interval.take()
    if (!found) return
    const { beginSequence, endSequence, lost, duplicates, jitterTicks } = found
    report.summaries.push({
      ssrc,
      beginSequence,
      endSequence,
      ...(wanted.lost && { lost }),
      ...(wanted.duplicates && { duplicates }),
      ...(wanted.jitter && jitterTicks && { jitterTicks }),
    })
  }
}
