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
