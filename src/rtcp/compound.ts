// RTCP on the wire (RFC 3550 6.4 - 6.6): compound packets of SR or RR, SDES with CNAME, XR (extended-report.ts) and BYE. What
// begins with something else is read all the same (reduced size, RFC 5506): some send it unasked. Reading is bounded by the
// datagram and never throws; feedback (RFC 4585) and APP are stepped over.
import {
  type ExtendedReport,
  extendedReportLengthBytes,
  readExtendedReport,
  writeExtendedReport,
} from './extended-report.ts'

export interface ReportBlock {
  /** The source that is reported on. */
  ssrc: number
  /** Of 256. */
  fractionLost: number
  /** Signed, 24 bits on the wire. */
  cumulativeLost: number
  extendedHighestSequence: number
  jitterTicks: number
  /** Middle 32 bits of the NTP time of the last SR from the source, 0 where there was none. */
  lastSenderReport: number
  /** Since that SR arrived, in 1/65536 s. */
  delaySinceLastSenderReport: number
}

export interface SenderInfo {
  /** Seconds since 1900 and their fraction of 2^32. */
  ntpSeconds: number
  ntpFraction: number
  rtpTimestamp: number
  /** Modulo 2^32. */
  packets: number
  octets: number
}

export interface Compound {
  /** Of the first packet. */
  ssrc: number
  /** Present in an SR. */
  sender?: SenderInfo
  reports: ReportBlock[]
  cname?: string
  extended?: ExtendedReport | undefined
  /** Sources that said BYE. */
  bye: number[]
}

export type RtcpProblem =
  | 'too short'
  | 'not RTCP version 2'
  | 'begins with an unknown type'
  | 'padding before the last packet'
  | 'packet longer than datagram'

/** IANA, RFC 3550 12.1. */
const senderReport = 200
const receiverReport = 201
const sourceDescription = 202
const goodbye = 203
/** RFC 3611 2. The types that are known follow one another: SR to BYE, APP, feedback (RFC 4585), XR. */
const extendedReport = 207
/** RFC 3550 12.2. */
const cnameItem = 1
const reportBlockLengthBytes = 24
const senderInfoLengthBytes = 20
/** Counts and lengths have 5 and 8 bits (RFC 3550 6.4.1, 6.5). */
const maximumReports = 31
const maximumCnameBytes = 255

/** Checks of RFC 3550 A.2, then the contents. Truncated items end their packet; they do not spoil the rest. */
export function parseCompound(data: Uint8Array): Compound | RtcpProblem {
  if (data.length < 8) return 'too short'
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const compound: Compound = { ssrc: view.getUint32(4), reports: [], bye: [] }
  let offset = 0
  while (offset < data.length) {
    if (offset + 4 > data.length) return 'packet longer than datagram'
    const first = view.getUint8(offset)
    const type = view.getUint8(offset + 1)
    const end = offset + 4 + 4 * view.getUint16(offset + 2)
    if (first >> 6 !== 2) return 'not RTCP version 2'
    if (end > data.length) return 'packet longer than datagram'
    if (offset === 0 && (type < senderReport || type > extendedReport)) return 'begins with an unknown type'
    if (offset === 0 && end < 8) return 'too short'
    if (first & 0x20 && end < data.length) return 'padding before the last packet'
    const count = first & 0x1f
    const body = offset + 4
    if (type === senderReport || type === receiverReport) readReport(view, type, body, end, count, compound)
    else if (type === sourceDescription) readCname(data, view, body, end, count, compound)
    else if (type === extendedReport)
      compound.extended = readExtendedReport(view, body, end, compound.extended)
    else if (type === goodbye) {
      for (let i = 0; i < count && body + 4 * i + 4 <= end; i++)
        compound.bye.push(view.getUint32(body + 4 * i))
    }
    offset = end
  }
  return compound
}

function readReport(
  view: DataView,
  type: number,
  start: number,
  end: number,
  count: number,
  into: Compound,
): void {
  let at = start + 4
  if (type === senderReport) {
    if (at + senderInfoLengthBytes > end) return
    into.sender = {
      ntpSeconds: view.getUint32(at),
      ntpFraction: view.getUint32(at + 4),
      rtpTimestamp: view.getUint32(at + 8),
      packets: view.getUint32(at + 12),
      octets: view.getUint32(at + 16),
    }
    at += senderInfoLengthBytes
  }
  for (let i = 0; i < count && at + reportBlockLengthBytes <= end; i++, at += reportBlockLengthBytes) {
    into.reports.push({
      ssrc: view.getUint32(at),
      fractionLost: view.getUint8(at + 4),
      cumulativeLost: (view.getInt32(at + 4) << 8) >> 8,
      extendedHighestSequence: view.getUint32(at + 8),
      jitterTicks: view.getUint32(at + 12),
      lastSenderReport: view.getUint32(at + 16),
      delaySinceLastSenderReport: view.getUint32(at + 20),
    })
  }
}

/** The first CNAME of the first chunks; each chunk ends with a zero octet on a boundary of 4 (RFC 3550 6.5). */
function readCname(
  data: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  count: number,
  into: Compound,
): void {
  let at = start
  for (let chunk = 0; chunk < count && at + 4 < end; chunk++) {
    at += 4
    while (at < end && view.getUint8(at) !== 0) {
      if (at + 2 > end) return
      const length = view.getUint8(at + 1)
      if (at + 2 + length > end) return
      if (view.getUint8(at) === cnameItem)
        into.cname ??= new TextDecoder().decode(data.subarray(at + 2, at + 2 + length))
      at += 2 + length
    }
    at = start + ((at - start + 4) & ~3)
  }
}

export interface OutgoingCompound {
  ssrc: number
  /** With it the report is an SR. */
  sender?: SenderInfo
  reports: readonly ReportBlock[]
  cname: string
  /** Left out where it has no blocks. */
  extended?: ExtendedReport
  bye?: boolean
}

/** A compound packet in a buffer of its own: reports are sent every few seconds. */
export function encodeCompound(compound: OutgoingCompound): Uint8Array {
  const cname = new TextEncoder().encode(compound.cname).subarray(0, maximumCnameBytes)
  const reports = compound.reports.slice(0, maximumReports)
  const reportLength =
    8 + (compound.sender ? senderInfoLengthBytes : 0) + reports.length * reportBlockLengthBytes
  // SSRC, item header and text, and at least one zero octet.
  const chunkLength = (4 + 2 + cname.length + 4) & ~3
  const blocksLength = compound.extended ? extendedReportLengthBytes(compound.extended) : 0
  const extendedLength = blocksLength > 0 ? 8 + blocksLength : 0
  const out = new Uint8Array(reportLength + 4 + chunkLength + extendedLength + (compound.bye ? 8 : 0))
  const view = new DataView(out.buffer)
  const header = (at: number, type: number, count: number, lengthBytes: number): void => {
    view.setUint8(at, 0x80 | count)
    view.setUint8(at + 1, type)
    view.setUint16(at + 2, lengthBytes / 4 - 1)
  }

  header(0, compound.sender ? senderReport : receiverReport, reports.length, reportLength)
  view.setUint32(4, compound.ssrc)
  let at = 8
  if (compound.sender) {
    view.setUint32(at, compound.sender.ntpSeconds)
    view.setUint32(at + 4, compound.sender.ntpFraction)
    view.setUint32(at + 8, compound.sender.rtpTimestamp)
    view.setUint32(at + 12, compound.sender.packets)
    view.setUint32(at + 16, compound.sender.octets)
    at += senderInfoLengthBytes
  }
  for (const report of reports) {
    view.setUint32(at, report.ssrc)
    view.setUint32(at + 4, report.cumulativeLost & 0xffffff)
    view.setUint8(at + 4, report.fractionLost)
    view.setUint32(at + 8, report.extendedHighestSequence)
    view.setUint32(at + 12, report.jitterTicks)
    view.setUint32(at + 16, report.lastSenderReport)
    view.setUint32(at + 20, report.delaySinceLastSenderReport)
    at += reportBlockLengthBytes
  }

  header(at, sourceDescription, 1, 4 + chunkLength)
  view.setUint32(at + 4, compound.ssrc)
  view.setUint8(at + 8, cnameItem)
  view.setUint8(at + 9, cname.length)
  out.set(cname, at + 10)
  at += 4 + chunkLength

  if (compound.extended && extendedLength > 0) {
    header(at, extendedReport, 0, extendedLength)
    writeExtendedReport(view, at + 4, compound.extended)
    at += extendedLength
  }
  if (compound.bye) {
    header(at, goodbye, 1, 8)
    view.setUint32(at + 4, compound.ssrc)
  }
  return out
}
