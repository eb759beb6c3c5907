// What offer and answer have settled about one audio stream, in the stream's own words (it does not read SDP).
import type { Codec } from '../codec/codec.ts'
import type { Millis } from '../runtime/runtime.ts'

/** Seen from our side: sendonly means that we send. */
export type StreamDirection = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

export interface StreamParameters {
  codec: Codec
  sendPayloadType: number
  /** What the peer asks of our encoder. */
  sendFmtp?: string
  receivePayloadType: number
  /** Other codecs that the peer may switch to at any packet (RFC 3264 7), with other rates too. */
  alsoReceive?: readonly { codec: Codec; payloadType: number }[]
  /** Absent: the peer takes no RFC 4733 events. Their clock is the codec's. */
  telephoneEvent?: { sendPayloadType: number; receivePayloadType: number }
  /** Those that go with the clocks of `alsoReceive` (RFC 4733 2.1). */
  alsoReceiveEvents?: readonly { payloadType: number; clockRateHz: number }[]
  /** Payload types that are comfort noise (RFC 3389), each with its clock. */
  receiveComfortNoise?: readonly { payloadType: number; clockRateHz: number }[]
  /** Present where pauses are not sent, but described as comfort noise of this type. */
  sendComfortNoise?: { payloadType: number }
  /** Length of the frames we send, and of those that sinks get. */
  ptimeMs: Millis
  direction: StreamDirection
  /** Extended reports that the peer wants of us; absent: none. */
  extendedReports?: ExtendedReportsWanted
  /** What the peer grants to RTCP, in bits a second; absent: 5 % of the media (RFC 3550 6.2). */
  rtcpBandwidth?: { senders: number; receivers: number }
  /** Only silence is sent, and what plays waits: the call is held at our end. */
  quiet?: boolean
}

/** RFC 3611 5.1. */
export interface ExtendedReportsWanted {
  /** It answers reference times. */
  roundTrip: boolean
  voipMetrics: boolean
  summary?: { lost: boolean; duplicates: boolean; jitter: boolean }
}

export const frameSamples = ({ codec, ptimeMs }: StreamParameters): number =>
  (codec.sampleRateHz * ptimeMs) / 1000

export const frameTicks = ({ codec, ptimeMs }: StreamParameters): number =>
  (codec.clockRateHz * ptimeMs) / 1000
