// The RTP packet on the wire (RFC 3550 5.1, header extension 5.3.1) and how RTP and RTCP on one port are told apart
// (RFC 5761 4). Reading fills a view that is used again for every packet; writing goes into the caller's buffer.
// Leaves out the meaning of header extensions (RFC 8285).

/** RFC 3550 5.1. */
export const rtpHeaderLengthBytes = 12
const version = 2
const paddingBit = 0x20
const extensionBit = 0x10
const markerBit = 0x80

/** What a packet says. The fields are valid until the view is filled again; `data` is the buffer that was parsed. */
export interface RtpView {
  data: Uint8Array
  marker: boolean
  /** 0..127. */
  payloadType: number
  sequenceNumber: number
  /** Unsigned 32 bits, in ticks of the payload format's clock. */
  timestamp: number
  ssrc: number
  /** 0..15 contributing sources start at byte 12 of `data`. */
  csrcCount: number
  /** The "defined by profile" field of the header extension, undefined where there is none. */
  extensionProfile: number | undefined
  extensionOffset: number
  extensionLengthBytes: number
  payloadOffset: number
  payloadLengthBytes: number
}

export const createRtpView = (): RtpView => ({
  data: new Uint8Array(0),
  marker: false,
  payloadType: 0,
  sequenceNumber: 0,
  timestamp: 0,
  ssrc: 0,
  csrcCount: 0,
  extensionProfile: undefined,
  extensionOffset: 0,
  extensionLengthBytes: 0,
  payloadOffset: 0,
  payloadLengthBytes: 0,
})

export type RtpProblem = 'too short' | 'not RTP version 2' | 'header longer than packet' | 'bad padding'

const readUint16 = (data: Uint8Array, at: number): number => (data[at]! << 8) | data[at + 1]!
const readUint32 = (data: Uint8Array, at: number): number =>
  ((data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!) >>> 0

/** Fills `into`; returns what is wrong with the packet, or undefined. After a problem the view's content means nothing. */
export function parseRtp(data: Uint8Array, into: RtpView): RtpProblem | undefined {
  if (data.length < rtpHeaderLengthBytes) return 'too short'
  const first = data[0]!
  const second = data[1]!
  if (first >> 6 !== version) return 'not RTP version 2'
  into.data = data
  into.marker = (second & markerBit) !== 0
  into.payloadType = second & 0x7f
  into.sequenceNumber = readUint16(data, 2)
  into.timestamp = readUint32(data, 4)
  into.ssrc = readUint32(data, 8)
  into.csrcCount = first & 0x0f
  let offset = rtpHeaderLengthBytes + 4 * into.csrcCount
  into.extensionProfile = undefined
  into.extensionOffset = offset
  into.extensionLengthBytes = 0
  if (first & extensionBit) {
    if (offset + 4 > data.length) return 'header longer than packet'
    into.extensionProfile = readUint16(data, offset)
    into.extensionLengthBytes = 4 * readUint16(data, offset + 2)
    into.extensionOffset = offset + 4
    offset = into.extensionOffset + into.extensionLengthBytes
  }
  if (offset > data.length) return 'header longer than packet'
  let end = data.length
  if (first & paddingBit) {
    // The last octet counts the padding, itself included (RFC 3550 5.1).
    const padding = data[data.length - 1]!
    if (padding === 0 || offset + padding > data.length) return 'bad padding'
    end -= padding
  }
  into.payloadOffset = offset
  into.payloadLengthBytes = end - offset
  return undefined
}

export const csrcOf = (view: RtpView, index: number): number =>
  readUint32(view.data, rtpHeaderLengthBytes + 4 * index)

export interface RtpHeader {
  marker: boolean
  payloadType: number
  sequenceNumber: number
  timestamp: number
  ssrc: number
  csrc?: readonly number[]
  /** `data` must be a multiple of 4 octets long. */
  extension?: { profile: number; data: Uint8Array }
}

/** Writes the header at the start of `out` and returns its length: the payload begins there. Numbers wrap to their field. */
export function writeRtpHeader(out: Uint8Array, header: RtpHeader): number {
  const { csrc, extension } = header
  out[0] = (version << 6) | (extension ? extensionBit : 0) | (csrc?.length ?? 0)
  out[1] = (header.marker ? markerBit : 0) | (header.payloadType & 0x7f)
  writeUint16(out, 2, header.sequenceNumber)
  writeUint32(out, 4, header.timestamp)
  writeUint32(out, 8, header.ssrc)
  let offset = rtpHeaderLengthBytes
  for (const source of csrc ?? []) {
    writeUint32(out, offset, source)
    offset += 4
  }
  if (extension) {
    writeUint16(out, offset, extension.profile)
    writeUint16(out, offset + 2, extension.data.length / 4)
    out.set(extension.data, offset + 4)
    offset += 4 + extension.data.length
  }
  return offset
}

const writeUint16 = (out: Uint8Array, at: number, value: number): void => {
  out[at] = value >> 8
  out[at + 1] = value
}
const writeUint32 = (out: Uint8Array, at: number, value: number): void => {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
}

/** Tells RTCP from RTP on one port; `data` is already known to be one of the two (first octet 128..191, RFC 7983 7). */
export function isRtcp(data: Uint8Array): boolean {
  // RTCP packet types 192..223 are the RTP payload types 64..95 with the marker bit, which nobody assigns (RFC 5761 4).
  const second = data[1]
  return second !== undefined && second >= 192 && second <= 223
}
