// What a session description says about one audio stream, in our own words; the text form is session-description's business.
// Covers RFC 8866, RFC 3264, RFC 8839 (ICE), RFC 5761 (rtcp-mux), RFC 3605 (a=rtcp).
import type { TransportAddress } from '../runtime/address.ts'

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** An a=candidate line, field for field (RFC 8839 5.1). */
export interface CandidateAttribute {
  foundation: string
  component: number
  transport: string
  priority: number
  address: string
  port: number
  type: 'host' | 'srflx' | 'prflx' | 'relay'
  related?: TransportAddress
}

export interface IceDescription {
  ufrag: string
  pwd: string
  lite: boolean
  options: string[]
  candidates: CandidateAttribute[]
  /** a=remote-candidates: what the controlling side has selected (RFC 8839 5.2), by component. */
  remoteCandidates?: { component: number; address: string; port: number }[]
}

/** A codec that one side can do, in order of its preference. */
export interface CodecDescription {
  name: string
  clockRateHz: number
  channels: number
  /** The static type, or the one to offer. */
  payloadType: number
  fmtp?: string
}

/** What our side brings to an offer or an answer. */
export interface LocalAudio {
  /** Identifies this end; the version rises with each changed description (RFC 3264 8). */
  origin: { sessionId: string; version: number; address: string }
  codecs: CodecDescription[]
  telephoneEvent: boolean
  ptimeMs: number
  direction: Direction
  /** The default destination of RTP (c= and m=). */
  rtp: TransportAddress
  /** The default destination of RTCP where component 2 has its own; a=rtcp is written for it. */
  rtcp?: TransportAddress
  rtcpMux: boolean
  ice?: IceDescription
}

/** What both sides agreed on, seen from ours. */
export interface NegotiatedAudio {
  codec: {
    name: string
    clockRateHz: number
    channels: number
    sendPayloadType: number
    receivePayloadType: number
    fmtp?: string
  }
  telephoneEvent?: { sendPayloadType: number; receivePayloadType: number }
  ptimeMs: number
  /** What we may do: "sendonly" here means that we send. */
  direction: Direction
  /** Where the peer says it listens. `port` 0 or address 0.0.0.0 / :: (old-style hold) leave it absent. */
  remoteRtp?: TransportAddress
  remoteRtcp?: TransportAddress
  rtcpMux: boolean
  /** Absent: the peer does not speak ICE. */
  ice?: IceDescription
  /** a=ice-mismatch was received, or the peer's default destination is not among its candidates (RFC 8839 4.2.5). */
  iceMismatch: boolean
}
