// A codec as RTP sees it. Two rates: samples of PCM a second, and ticks of the RTP timestamp a second
// (they differ for G.722, RFC 3551 4.5.2).

export interface Encoder {
  /** Encodes one frame; returns the octets written into `out`. */
  encode(pcm: Int16Array, out: Uint8Array): number
}

export interface Decoder {
  /** Decodes one payload; returns the samples written into `out`. Never throws on a peer's octets. */
  decode(payload: Uint8Array, out: Int16Array): number
}

export interface Codec {
  /** Encoding name of the rtpmap (IANA), e.g. "PCMU". */
  readonly name: string
  readonly sampleRateHz: number
  readonly clockRateHz: number
  readonly channels: 1 | 2
  /** RFC 3551 table 4, where the payload type is static. */
  readonly staticPayloadType?: number
  createEncoder(): Encoder
  createDecoder(): Decoder
}
