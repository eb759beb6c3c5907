// What the media path carries between files, codecs and people: mono 16-bit PCM.

export interface AudioSource {
  readonly sampleRateHz: number
  /** Fills `into` from the start; returns the samples written. Fewer than `into.length` means the source has ended. */
  read(into: Int16Array): number
  close(): void
}

export interface AudioSink {
  readonly sampleRateHz: number
  /** The samples are the caller's again after the call: copy what is kept. */
  write(samples: Int16Array): void
  close(): void
}
