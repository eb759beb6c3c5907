// What a session description says about one audio stream, in our own words; the text form is session-description's business.
// Covers RFC 8866, RFC 3264, RFC 8839 (ICE), RFC 8840 (trickle), RFC 6544 (TCP candidates), RFC 5761 (rtcp-mux), RFC 3605 (a=rtcp); keys are keying.ts's,
// and the rest of RTCP is rtcp-attributes.ts's.
import type { TransportAddress } from '../runtime/address.ts'

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** An a=candidate line, field for field (RFC 8839 5.1). */
export interface CandidateAttribute {
  foundation: string
  component: number
  /** Lower case: "udp", "tcp" (RFC 6544); others are kept and ignored. */
  transport: string
  priority: number
  /** An IP literal, or a name (mDNS) to be resolved by whoever pairs it. */
  address: string
  port: number
  type: 'host' | 'srflx' | 'prflx' | 'relay'
  related?: TransportAddress
  /** RFC 6544 4.5. */
  tcpType?: 'active' | 'passive' | 'so'
}

export interface IceDescription {
  ufrag: string
  pwd: string
  lite: boolean
  options: string[]
  candidates: CandidateAttribute[]
  /** a=end-of-candidates (RFC 8840 4.4). */
  endOfCandidates?: boolean
  /** a=ice-pacing: the least time between two checks, in ms (RFC 8839 5.5). */
  pacingMs?: number
  /** a=remote-candidates: what the controlling side has selected (RFC 8839 5.2), by component. Written in offers alone. */
  remoteCandidates?: { component: number; address: string; port: number }[]
}

/** A codec that one side can do, in order of its preference. */
export interface CodecDescription {
  /** Encoding name of the rtpmap; compared without regard to case. */
  name: string
  clockRateHz: number
  channels: number
  /** The static type, or the one to offer. */
  payloadType: number
  fmtp?: string
}

/** Something in the peer's description that was wrong but could be passed over. */
export interface SdpProblem {
  message: string
  /** "RFC 8839 5.1" */
  section: string
}

/** One line of a=crypto: a way in which its writer can send. */
export interface CryptoAttribute {
  tag: number
  suite: string
  /** Master key and master salt, one behind the other. */
  key: Uint8Array
  mki?: Uint8Array
}

export interface FingerprintAttribute {
  /** Lower case, "sha-256". */
  algorithm: string
  value: string
}

/** What we bring. */
export interface LocalKeying {
  /** Without SRTP no media. */
  required: boolean
  /** A key for each suite that we can do; the first `offered` of them are offered. */
  cryptos: readonly CryptoAttribute[]
  offered: number
  /** Whether the handshake is offered; where it is not, it can still be what we answer with. */
  offersDtls: boolean
  dtls?: {
    fingerprint: FingerprintAttribute
    /** The half that we have had since the handshake: it stays (RFC 8842 5.5). */
    role?: DtlsRole
  }
}

export type DtlsRole = 'client' | 'server'

/** What both agree on. Keys are as they stand in a=crypto. */
export type NegotiatedKeying =
  | { type: 'sdes'; suite: string; local: CryptoAttribute; remote: CryptoAttribute }
  | { type: 'dtls'; role: DtlsRole; fingerprints: FingerprintAttribute[] }

/** a=rtcp-xr (RFC 3611 5.1). What its writer wants to be sent. */
export interface ExtendedReportsAttribute {
  /** rcvr-rtt: it answers reference times. */
  roundTrip: boolean
  voipMetrics: boolean
  summary?: { lost: boolean; duplicates: boolean; jitter: boolean }
}

/** What a description says of RTCP beside its port. */
export interface RtcpDescription {
  extendedReports?: ExtendedReportsAttribute
  reducedSize: boolean
  muxOnly: boolean
  /** Bits a second for those who send media, and for those who do not; both 0: no RTCP. */
  bandwidth?: { senders: number; receivers: number }
}

/** What our side brings to an offer or an answer. */
export interface LocalAudio {
  /** Identifies this end. `version` is that of the session's first description; later ones count on from the previous (RFC 3264 8). */
  origin: { sessionId: string; version: number; address: string }
  codecs: CodecDescription[]
  telephoneEvent: boolean
  /** Comfort noise (RFC 3389) that we can take, one for each clock; absent: none. */
  comfortNoise?: { formats: readonly CodecDescription[]; offered: boolean }
  /** What we want to be sent. Absent: 20 in an offer, and in an answer what the peer wants. */
  ptimeMs?: number
  direction: Direction
  /** The default destination of RTP (c= and m=). */
  rtp: TransportAddress
  /** The default destination of RTCP where component 2 has its own; a=rtcp is written for it. */
  rtcp?: TransportAddress
  rtcpMux: boolean
  /** Whether the peer is asked for extended reports. */
  extendedReports?: boolean
  ice?: IceDescription
  /** Absent: no SRTP. */
  keying?: LocalKeying
}

/** What both sides agreed on, seen from ours. */
export interface NegotiatedAudio {
  /** What we send, and the first choice of what we receive. */
  codec: {
    name: string
    clockRateHz: number
    channels: number
    sendPayloadType: number
    receivePayloadType: number
    fmtp?: string
  }
  /** Other codecs the answer kept: the peer may switch to them at any packet (RFC 3264 7). Empty where we answered. */
  alsoReceive: { name: string; clockRateHz: number; channels: number; receivePayloadType: number }[]
  telephoneEvent?: { sendPayloadType: number; receivePayloadType: number }
  /** Of other clock rates, for the codecs of `alsoReceive`. */
  alsoReceiveEvents: { payloadType: number; clockRateHz: number }[]
  /** Comfort noise of the codec's clock; and of others. */
  comfortNoise?: { sendPayloadType: number; receivePayloadType: number }
  alsoReceiveNoise: { payloadType: number; clockRateHz: number }[]
  /** What we send: the peer's a=ptime within its a=maxptime, ours where it names none. A multiple of 10. */
  ptimeMs: number
  /** What we may do: "sendonly" here means that we send. */
  direction: Direction
  /** Where the peer says it listens. `port` 0, address 0.0.0.0 / :: (old-style hold) or a host name leave it absent. */
  remoteRtp?: TransportAddress
  /** Absent with rtcp-mux too: RTCP then shares `remoteRtp`. */
  remoteRtcp?: TransportAddress
  rtcpMux: boolean
  /** What the peer wants to be sent. */
  extendedReports?: ExtendedReportsAttribute
  /** For RTCP, where the peer says so. */
  rtcpBandwidth?: NonNullable<RtcpDescription['bandwidth']>
  /** The peer's half. Absent: ICE is not used, because one side does not speak it or because of a mismatch. */
  ice?: IceDescription
  /** a=ice-mismatch was received, or the peer's default destination is not among its candidates (RFC 8839 4.2.5). */
  iceMismatch: boolean
  /** Absent: RTP in the clear. */
  keying?: NegotiatedKeying
  /** What was passed over in the peer's description. */
  problems: SdpProblem[]
}
