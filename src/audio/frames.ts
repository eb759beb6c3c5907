// What the media path carries between files, codecs and people: mono 16-bit PCM.

export interface AudioSource {
  readonly sampleRateHz: number
  /** Fills `into` from the start; returns the samples written. Fewer than `into.length` means the source has ended. */
  read(into: Int16Array): number
  close(): void
}

/** A source that can begin anew, as a file can. */
export interface RewindableSource extends AudioSource {
  rewind(): void
}

/** Sound that is encoded already, so that a stream of the same codec and packet time can send it as it is. */
export interface EncodedSource extends AudioSource {
  /** The codec's name in the rtpmap. */
  readonly encoding: string
  /** Fills `into` as `read` does and returns the packet that holds just that; undefined where none does or it is not taken, and
   *  `read` goes on from the same place. */
  readPacket(into: Int16Array, takes?: (packet: Uint8Array) => boolean): Uint8Array | undefined
}

export const isEncoded = (source: AudioSource): source is EncodedSource => 'readPacket' in source

export interface AudioSink {
  readonly sampleRateHz: number
  /** The samples are the caller's again after the call: copy what is kept. */
  write(samples: Int16Array): void
  close(): void
}

/** A sink that keeps sound as it came where it came in its encoding: packets then, in order, and the time that passes meanwhile;
 *  samples where it came in another. */
export interface EncodedSink extends AudioSink {
  /** The codec's name in the rtpmap. */
  readonly encoding: string
  /** Its octets are the caller's again after the call.
   *  @param timestamp of RTP */
  writePacket(packet: Uint8Array, timestamp: number): void
  /** So many samples of time have passed, whose sound came in packets or not at all. */
  elapse(samples: number): void
}

export const takesPackets = (sink: AudioSink): sink is EncodedSink => 'writePacket' in sink
