// A codec as RTP sees it. Two rates: samples of PCM a second, and ticks of the RTP timestamp a second
// (they differ for G.722, RFC 3551 4.5.2).

export interface Encoder {
  /** Encodes one frame; returns the octets written into `out`, 0 where nothing need be sent. */
  encode(pcm: Int16Array, out: Uint8Array): number
  /** How much of what is sent the peer's reports let expect to be lost, for a codec that can arm itself against it. */
  expectLoss?(percent: number): void
  /** Whether the peer takes a packet that was encoded elsewhere as it is; absent: any. */
  takes?(packet: Uint8Array): boolean
  /** Frees what the garbage collector does not see. */
  close?(): void
}

/** An encoder that another thread runs, a packet time behind: a frame is handed over when it is made, and its packet is taken when
 *  the next frame is due. */
export interface PipelinedEncoder extends Pick<Encoder, 'expectLoss' | 'takes'> {
  /** Copies the frame. Only after the packet of the one before has been taken. */
  begin(pcm: Int16Array): void
  /** What `Encoder.encode` would have returned; undefined where the packet is not ready yet: ask again. */
  finish(out: Uint8Array): number | undefined
  close(): void
}

export interface Decoder {
  /** Decodes one payload; returns the samples written into `out`. Never throws on a peer's octets. */
  decode(payload: Uint8Array, out: Int16Array): number
  /** Fills a gap that packets have left, by what was decoded last; where the codec knows a way of its own. */
  conceal?(gap: Int16Array): void
  /** Fills a gap of one packet from what the next packet says of it (forward error correction); false where it says nothing. */
  recover?(next: Uint8Array, gap: Int16Array): boolean
  close?(): void
}

export interface Codec {
  /** Encoding name of the rtpmap (IANA), e.g. "PCMU". */
  readonly name: string
  readonly sampleRateHz: number
  readonly clockRateHz: number
  /** As the rtpmap has it; what is encoded is mono. */
  readonly channels: 1 | 2
  /** RFC 3551 table 4, where the payload type is static. */
  readonly staticPayloadType?: number
  /** Packet times that a packet can have, ascending; absent: any. */
  readonly packetTimesMs?: readonly number[]
  /** How gaps are filled: by repeating the waveform, or by the decoder's own way; absent: with silence. */
  readonly concealment?: 'waveform' | 'own'
  /** Where to encode a frame takes far longer than to hand it to another thread: the name by which `codecByName` makes the codec
   *  there. */
  readonly threadName?: string
  /** Whether its encoder pauses by itself while nobody speaks (DTX), and so has no use for comfort noise (RFC 3389). */
  readonly discontinuous?: boolean
  /** What we ask of those who send to us. */
  readonly fmtp?: string
  /** Awaited once before the first encoder or decoder is made. */
  load?(): Promise<void>
  /** @param fmtp what the receiver asks of its sender */
  createEncoder(fmtp?: string): Encoder
  /** Preferred where it is there, and where it makes one. All frames have so many samples. */
  createPipelinedEncoder?(frameSamples: number, fmtp?: string): PipelinedEncoder | undefined
  createDecoder(): Decoder
}
