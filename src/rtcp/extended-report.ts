// Extended reports on the wire (RFC 3611): receiver reference time (4.4), DLRR (4.5), statistics summary (4.6) and VoIP metrics
// (4.7), read and written. Reading is bounded by the packet and never throws; other blocks are stepped over, and one whose
// length is not its type's is passed over. Leaves out the run lengths and receipt times (4.1 to 4.3), which serve multicast.

/** When its sender sent it, by its own clock: who answers by a DLRR gives it its round trip. */
export interface ReferenceTime {
  ntpSeconds: number
  ntpFraction: number
}

/** What a reference time was answered with. */
export interface ReferenceDelay {
  /** Whose reference time. */
  ssrc: number
  /** Its middle 32 bits. */
  lastReferenceTime: number
  /** Since it arrived, in 1/65536 s. */
  delaySinceLastReferenceTime: number
}

/** Of the packets from one number to another, the last not included (4.6). */
export interface StatisticsSummary {
  ssrc: number
  beginSequence: number
  endSequence: number
  lost?: number
  duplicates?: number
  /** Of the differences in transit between packets, in ticks of the RTP clock. */
  jitterTicks?: { minimum: number; maximum: number; mean: number; deviation: number }
}

/** Since reception began. What is unavailable is absent. */
export interface VoipMetrics {
  ssrc: number
  /** Of 256, as are the densities. */
  lossRate: number
  discardRate: number
  /** Lost and discarded within bursts, and within the gaps between them. */
  burstDensity: number
  gapDensity: number
  burstDurationMs: number
  gapDurationMs: number
  /** 0 where it is not known. */
  roundTripMs: number
  endSystemDelayMs: number
  /** Relative to 0 dBm0. */
  signalLevelDbm?: number
  noiseLevelDbm?: number
  echoReturnLossDb?: number
  /** Gmin: so many packets received in a row end a burst. */
  gapThreshold: number
  rFactor?: number
  externalRFactor?: number
  /** 1.0 to 5.0. */
  mosListening?: number
  mosConversational?: number
  concealment: Concealment
  jitterBuffer: JitterBufferKind
  /** 0 to 15. */
  adjustmentRate: number
  jitterBufferNominalMs: number
  jitterBufferMaximumMs: number
  jitterBufferAbsoluteMaximumMs: number
}

/** In the order of their numbers (4.7.6). */
const concealments = ['unspecified', 'disabled', 'enhanced', 'standard'] as const
export type Concealment = (typeof concealments)[number]
const jitterBuffers = ['unknown', 'reserved', 'fixed', 'adaptive'] as const
export type JitterBufferKind = (typeof jitterBuffers)[number]

export interface ExtendedReport {
  /** Who says it. */
  ssrc: number
  referenceTime?: ReferenceTime
  delays: ReferenceDelay[]
  summaries: StatisticsSummary[]
  voipMetrics: VoipMetrics[]
}

/** IANA, RFC 3611 6.2. */
const blockTypes = { referenceTime: 4, delays: 5, summary: 6, voipMetrics: 7 } as const
/** Lengths without the header of a block, in octets. */
const referenceTimeBytes = 8
const delayBytes = 12
const summaryBytes = 36
const voipMetricsBytes = 32
const blockHeaderBytes = 4
/** L, D and J of 4.6. */
const flags = { lost: 0x80, duplicates: 0x40, jitter: 0x20 } as const
/** 4.7.4, 4.7.5. */
const unavailable = 127

/**
 * @param at where the packet's SSRC stands
 * @param end of the packet
 * @param before what other XR packets of the same compound have said: some have one for each block
 */
export function readExtendedReport(
  view: DataView,
  at: number,
  end: number,
  before: ExtendedReport | undefined,
): ExtendedReport | undefined {
  if (at + 4 > end) return before
  const ssrc = view.getUint32(at)
  // Nobody speaks for another.
  if (before && before.ssrc !== ssrc) return before
  const report = before ?? { ssrc, delays: [], summaries: [], voipMetrics: [] }
  let block = at + 4
  while (block + blockHeaderBytes <= end) {
    const body = block + blockHeaderBytes
    const next = body + 4 * view.getUint16(block + 2)
    if (next > end) break
    readBlock(view, block, body, next, report)
    block = next
  }
  return report
}

function readBlock(view: DataView, block: number, at: number, end: number, into: ExtendedReport): void {
  const length = end - at
  switch (view.getUint8(block)) {
    case blockTypes.referenceTime:
      if (length === referenceTimeBytes)
        into.referenceTime = { ntpSeconds: view.getUint32(at), ntpFraction: view.getUint32(at + 4) }
      break
    case blockTypes.delays:
      for (let i = at; i + delayBytes <= end; i += delayBytes)
        into.delays.push({
          ssrc: view.getUint32(i),
          lastReferenceTime: view.getUint32(i + 4),
          delaySinceLastReferenceTime: view.getUint32(i + 8),
        })
      break
    case blockTypes.summary:
      if (length === summaryBytes) into.summaries.push(readSummary(view, view.getUint8(block + 1), at))
      break
    case blockTypes.voipMetrics:
      if (length === voipMetricsBytes) into.voipMetrics.push(readVoipMetrics(view, at))
      break
  }
}

function readSummary(view: DataView, has: number, at: number): StatisticsSummary {
  return {
    ssrc: view.getUint32(at),
    beginSequence: view.getUint16(at + 4),
    endSequence: view.getUint16(at + 6),
    ...(has & flags.lost && { lost: view.getUint32(at + 8) }),
    ...(has & flags.duplicates && { duplicates: view.getUint32(at + 12) }),
    ...(has & flags.jitter && {
      jitterTicks: {
        minimum: view.getUint32(at + 16),
        maximum: view.getUint32(at + 20),
        mean: view.getUint32(at + 24),
        deviation: view.getUint32(at + 28),
      },
    }),
  }
}

function readVoipMetrics(view: DataView, at: number): VoipMetrics {
  const known = <Name extends string>(name: Name, value: number, scale = 1): { [K in Name]?: number } =>
    value === unavailable ? {} : ({ [name]: value / scale } as { [K in Name]?: number })
  const receiver = view.getUint8(at + 24)
  return {
    ssrc: view.getUint32(at),
    lossRate: view.getUint8(at + 4),
    discardRate: view.getUint8(at + 5),
    burstDensity: view.getUint8(at + 6),
    gapDensity: view.getUint8(at + 7),
    burstDurationMs: view.getUint16(at + 8),
    gapDurationMs: view.getUint16(at + 10),
    roundTripMs: view.getUint16(at + 12),
    endSystemDelayMs: view.getUint16(at + 14),
    ...known('signalLevelDbm', view.getInt8(at + 16)),
    ...known('noiseLevelDbm', view.getInt8(at + 17)),
    ...known('echoReturnLossDb', view.getUint8(at + 18)),
    gapThreshold: view.getUint8(at + 19),
    ...known('rFactor', view.getUint8(at + 20)),
    ...known('externalRFactor', view.getUint8(at + 21)),
    ...known('mosListening', view.getUint8(at + 22), 10),
    ...known('mosConversational', view.getUint8(at + 23), 10),
    concealment: concealments[receiver >> 6]!,
    jitterBuffer: jitterBuffers[(receiver >> 4) & 3]!,
    adjustmentRate: receiver & 15,
    jitterBufferNominalMs: view.getUint16(at + 26),
    jitterBufferMaximumMs: view.getUint16(at + 28),
    jitterBufferAbsoluteMaximumMs: view.getUint16(at + 30),
  }
}

/** Octets of the blocks; 0 where there are none, and then there is no packet. */
export const extendedReportLengthBytes = (report: ExtendedReport): number =>
  (report.referenceTime ? blockHeaderBytes + referenceTimeBytes : 0) +
  (report.delays.length > 0 ? blockHeaderBytes + delayBytes * report.delays.length : 0) +
  (blockHeaderBytes + summaryBytes) * report.summaries.length +
  (blockHeaderBytes + voipMetricsBytes) * report.voipMetrics.length

/** Writes the SSRC and the blocks. */
export function writeExtendedReport(view: DataView, start: number, report: ExtendedReport): void {
  view.setUint32(start, report.ssrc)
  let at = start + 4
  const header = (type: number, specific: number, lengthBytes: number): void => {
    view.setUint8(at, type)
    view.setUint8(at + 1, specific)
    view.setUint16(at + 2, lengthBytes / 4)
    at += blockHeaderBytes
  }
  const { referenceTime, delays, summaries, voipMetrics } = report
  if (referenceTime) {
    header(blockTypes.referenceTime, 0, referenceTimeBytes)
    view.setUint32(at, referenceTime.ntpSeconds)
    view.setUint32(at + 4, referenceTime.ntpFraction)
    at += referenceTimeBytes
  }
  if (delays.length > 0) header(blockTypes.delays, 0, delayBytes * delays.length)
  for (const delay of delays) {
    view.setUint32(at, delay.ssrc)
    view.setUint32(at + 4, delay.lastReferenceTime)
    view.setUint32(at + 8, delay.delaySinceLastReferenceTime)
    at += delayBytes
  }
  for (const summary of summaries) {
    const { lost, duplicates, jitterTicks } = summary
    header(
      blockTypes.summary,
      (lost === undefined ? 0 : flags.lost) |
        (duplicates === undefined ? 0 : flags.duplicates) |
        (jitterTicks ? flags.jitter : 0),
      summaryBytes,
    )
    writeSummary(view, at, summary)
    at += summaryBytes
  }
  for (const metrics of voipMetrics) {
    header(blockTypes.voipMetrics, 0, voipMetricsBytes)
    writeVoipMetrics(view, at, metrics)
    at += voipMetricsBytes
  }
}

function writeSummary(view: DataView, at: number, summary: StatisticsSummary): void {
  const { lost = 0, duplicates = 0, jitterTicks } = summary
  view.setUint32(at, summary.ssrc)
  view.setUint16(at + 4, summary.beginSequence)
  view.setUint16(at + 6, summary.endSequence)
  view.setUint32(at + 8, lost)
  view.setUint32(at + 12, duplicates)
  view.setUint32(at + 16, jitterTicks?.minimum ?? 0)
  view.setUint32(at + 20, jitterTicks?.maximum ?? 0)
  view.setUint32(at + 24, jitterTicks?.mean ?? 0)
  view.setUint32(at + 28, jitterTicks?.deviation ?? 0)
}

function writeVoipMetrics(view: DataView, at: number, metrics: VoipMetrics): void {
  const octet = (value: number): number => Math.min(255, Math.max(0, Math.round(value)))
  const word = (value: number): number => Math.min(65_535, Math.max(0, Math.round(value)))
  /** 127 is no level. */
  const level = (value: number | undefined): number =>
    value === undefined ? unavailable : Math.min(unavailable - 1, Math.max(-128, Math.round(value)))
  const score = (value: number | undefined, scale = 1): number =>
    value === undefined ? unavailable : octet(value * scale)
  view.setUint32(at, metrics.ssrc)
  view.setUint8(at + 4, octet(metrics.lossRate))
  view.setUint8(at + 5, octet(metrics.discardRate))
  view.setUint8(at + 6, octet(metrics.burstDensity))
  view.setUint8(at + 7, octet(metrics.gapDensity))
  view.setUint16(at + 8, word(metrics.burstDurationMs))
  view.setUint16(at + 10, word(metrics.gapDurationMs))
  view.setUint16(at + 12, word(metrics.roundTripMs))
  view.setUint16(at + 14, word(metrics.endSystemDelayMs))
  view.setInt8(at + 16, level(metrics.signalLevelDbm))
  view.setInt8(at + 17, level(metrics.noiseLevelDbm))
  view.setUint8(at + 18, score(metrics.echoReturnLossDb))
  view.setUint8(at + 19, octet(metrics.gapThreshold))
  view.setUint8(at + 20, score(metrics.rFactor))
  view.setUint8(at + 21, score(metrics.externalRFactor))
  view.setUint8(at + 22, score(metrics.mosListening, 10))
  view.setUint8(at + 23, score(metrics.mosConversational, 10))
  view.setUint8(
    at + 24,
    (concealments.indexOf(metrics.concealment) << 6) |
      (jitterBuffers.indexOf(metrics.jitterBuffer) << 4) |
      (metrics.adjustmentRate & 15),
  )
  view.setUint16(at + 26, word(metrics.jitterBufferNominalMs))
  view.setUint16(at + 28, word(metrics.jitterBufferMaximumMs))
  view.setUint16(at + 30, word(metrics.jitterBufferAbsoluteMaximumMs))
}
