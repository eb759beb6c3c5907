// The RTCP side of one stream: sends SR or RR with CNAME and XR when the schedule says so and BYE at the end, and learns from the
// peer's reports what became of our media (RFC 3550 6). Round trips come from LSR and DLSR, or from XR, on one steady clock.
import { type Compound, encodeCompound, parseCompound, type ReportBlock } from '../rtcp/compound.ts'
import { RtcpSchedule } from '../rtcp/interval.ts'
import { compactDelay, compactNtp, type NtpTime, ntpTime, roundTripMs } from '../rtcp/ntp-time.ts'
import type { Clock, Millis, Random, Timer } from '../runtime/runtime.ts'
import type { StreamStatistics } from '../trace/facts.ts'
import { ExtendedReports, type ExtendedReportsOptions } from './extended-reports.ts'
import { remoteQuality } from './quality.ts'
import type { ReceivedMedia } from './received-media.ts'

/** RFC 3550 6.2: RTCP's share of the session's bandwidth. */
const rtcpShare = 0.05
/** SR with one block, SDES with a CNAME of usual length. */
const typicalSizeBytes = 80

/** What the stream has sent so far. */
export interface SentMedia {
  readonly ssrc: number
  readonly packets: number
  readonly octets: number
  /** Of these, what was sent as another source. */
  readonly former: { readonly packets: number; readonly octets: number }
  readonly firstSequenceNumber: number
  /** When the last packet leaves: it may have been handed over ahead of that. */
  readonly leavesAt: Millis
  /** Of this very instant, whether or not a packet is due (RFC 3550 6.4.1). */
  timestampAt(now: Millis): number
  /** So much of it was lost since the peer's report before. @param fraction of 256 */
  learnLoss(fraction: number): void
}

export interface ReportsOptions {
  clock: Clock
  random: Random
  cname: string
  /** Returns whether the octets left. */
  send: (packet: Uint8Array, departAt?: Millis) => boolean
  sent: SentMedia
  received: ReceivedMedia
  clockRateHz: () => number
  /** What both ends send, lower headers included. */
  octetsPerSecond: () => number
  /** What the peer grants, in bits a second (RFC 3556); absent: a share of the media. */
  bandwidth: () => { senders: number; receivers: number } | undefined
  extended: Pick<ExtendedReportsOptions, 'wanted' | 'metrics'>
  /** Whether it is the peer's, and not ours sent back. */
  admits: (compound: Compound) => boolean
  drop: (reason: string) => void
}

export class Reports {
  /** The newest there is. */
  roundTripMs: Millis | undefined
  private heard: { lossPercent: number; jitterMs: Millis } | undefined
  private readonly extended: ExtendedReports
  private readonly schedule: RtcpSchedule
  /** NTP time is the wall clock of the beginning plus monotonic time: a stepped wall clock must not spoil round trips. */
  private readonly wallTimeOffsetMs: number
  private timer: Timer | undefined
  private hasReported = false
  /** Packets sent and received by the time of our last report, and of the one before it. */
  private sentAtReport = [0, 0]
  private receivedAtReport = 0
  private lastSenderReport: { ssrc: number; compact: number; arrivedAt: Millis } | undefined

  constructor(private readonly options: ReportsOptions) {
    const { clock, random, sent, received, extended } = options
    this.wallTimeOffsetMs = clock.wallTime() - clock.now()
    this.extended = new ExtendedReports({
      ...extended,
      ssrc: () => sent.ssrc,
      received,
      ntpAt: (now) => this.ntpAt(now),
    })
    this.schedule = new RtcpSchedule(clock.now(), random, () => this.octetsPerSecond(), typicalSizeBytes)
    this.arm()
  }

  /** What the peer says of our media; undefined until it does. */
  get remote(): StreamStatistics['remote'] {
    const metrics = this.extended.remote
    return this.heard && { ...this.heard, ...(metrics && { quality: remoteQuality(metrics) }) }
  }

  receive(data: Uint8Array, arrivedAt?: Millis): void {
    const { clock, sent, received, drop } = this.options
    const compound = parseCompound(data)
    if (typeof compound === 'string') {
      drop(`RTCP ${compound}`)
      return
    }
    if (!this.options.admits(compound)) return
    this.schedule.observeSize(data.length)
    const now = arrivedAt ?? clock.now()
    // Who has said BYE need not be waited for.
    if (received.ssrc !== undefined && compound.bye.includes(received.ssrc)) received.yields = true
    if (compound.sender && compound.ssrc === received.ssrc) {
      const { ntpSeconds: seconds, ntpFraction: fraction } = compound.sender
      this.lastSenderReport = {
        ssrc: compound.ssrc,
        compact: compactNtp({ seconds, fraction }),
        arrivedAt: now,
      }
    }
    for (const block of compound.reports) if (block.ssrc === sent.ssrc) this.learn(block, now)
    if (compound.extended)
      this.roundTripMs = this.extended.receive(compound.extended, now) ?? this.roundTripMs
  }

  /** Says BYE where the peer has heard of us at all (RFC 3550 6.3.7). */
  stop(): void {
    this.timer?.cancel()
    this.timer = undefined
    this.sayBye()
  }

  /** For the source that we have been until now (RFC 3550 8.2). */
  sayBye(): void {
    if (this.hasReported || this.options.sent.packets > 0) this.send(this.options.clock.now(), true)
  }

  private arm(): void {
    const { clock } = this.options
    this.timer = clock.setTimer(Math.max(0, this.schedule.nextTimeout() - clock.now()), () => {
      const now = clock.now()
      const weSend = this.weSend()
      const senders = (weSend ? 1 : 0) + (this.hasReceivedSinceReport() ? 1 : 0)
      if (this.schedule.handleTimeout(now, senders, weSend)) this.send(now, false)
      this.arm()
    })
  }

  private send(now: Millis, bye: boolean): void {
    const { sent, received, cname } = this.options
    const time = this.ntpAt(now)
    const weSend = this.weSend()
    if (!this.isGranted(weSend)) return
    const packet = encodeCompound({
      ssrc: sent.ssrc,
      ...(weSend && {
        sender: {
          ntpSeconds: time.seconds,
          ntpFraction: time.fraction,
          rtpTimestamp: sent.timestampAt(now),
          packets: sent.packets - sent.former.packets,
          octets: sent.octets - sent.former.octets,
        },
      }),
      reports: this.hasReceivedSinceReport() ? [this.reportBlock(now)] : [],
      cname,
      extended: this.extended.compose(now, weSend),
      bye,
    })
    // What speaks of this very moment must not wait; a BYE is the last to leave.
    if (!this.options.send(packet, bye ? sent.leavesAt : undefined)) return
    this.schedule.observeSize(packet.length)
    this.hasReported = true
    this.sentAtReport = [sent.packets, this.sentAtReport[0]!]
    this.receivedAtReport = received.totals().packets
  }

  private reportBlock(now: Millis): ReportBlock {
    const { received } = this.options
    const last = this.lastSenderReport?.ssrc === received.ssrc ? this.lastSenderReport : undefined
    return {
      ssrc: received.ssrc!,
      ...received.statistics!.report(),
      lastSenderReport: last?.compact ?? 0,
      delaySinceLastSenderReport: last ? compactDelay(now - last.arrivedAt) : 0,
    }
  }

  /** Of RTCP. Nothing is granted rather than little: the timer still looks whether that changes. */
  private octetsPerSecond(): number {
    const granted = this.options.bandwidth()
    return (
      (granted && (granted.senders + granted.receivers) / 8) || rtcpShare * this.options.octetsPerSecond()
    )
  }

  private isGranted(weSend: boolean): boolean {
    const granted = this.options.bandwidth()
    return !granted || (weSend ? granted.senders : granted.receivers) > 0
  }

  /** RFC 3550 6.3.8: a sender is one who has sent since the second last report. */
  private weSend(): boolean {
    return this.options.sent.packets > this.sentAtReport[1]!
  }

  private hasReceivedSinceReport(): boolean {
    return this.options.received.totals().packets > this.receivedAtReport
  }

  private learn(block: ReportBlock, now: Millis): void {
    const { sent } = this.options
    const expected = block.extendedHighestSequence - sent.firstSequenceNumber + 1
    const lossPercent = expected > 0 ? (Math.max(0, block.cumulativeLost) / expected) * 100 : 0
    this.roundTripMs =
      roundTripMs(compactNtp(this.ntpAt(now)), block.lastSenderReport, block.delaySinceLastSenderReport) ??
      this.roundTripMs
    sent.learnLoss(block.fractionLost)
    this.heard = {
      lossPercent: Math.min(100, lossPercent),
      jitterMs: (block.jitterTicks / this.options.clockRateHz()) * 1000,
    }
  }

  private ntpAt(now: Millis): NtpTime {
    return ntpTime(now + this.wallTimeOffsetMs)
  }
}
