// The files that can be played and written, as they are told apart and as the README tells of them.

/** A kind of file. `magic`: its first octets. */
export interface FileFormat {
  readonly name: string
  readonly magic: readonly string[]
  readonly reads: string
  readonly writes: string
}

export const fileFormats = {
  wav: {
    name: 'WAV, RF64',
    magic: ['RIFF', 'RF64'],
    reads:
      'PCM of 8, 16, 24, 32 bits, float of 32 and 64, A-law, mu-law; any rate and channels (mixed to mono); growing and cut files',
    writes:
      '16 bits at the codec’s rate, mono or both directions as stereo; RF64 beyond 4 GB; whole at every moment',
  },
  opus: {
    name: 'Ogg/Opus (`.opus`)',
    magic: ['OggS'],
    reads:
      'mono and stereo, chained streams, output gain; in a call with Opus and the same packet time the packets go out as they are',
    writes: 'mono, 48 kHz, 32 kbit/s; whole to the last second at every moment',
  },
} as const satisfies Record<string, FileFormat>

export const formatOf = (magic: string): keyof typeof fileFormats | undefined =>
  Object.entries(fileFormats).find(([, format]) =>
    (format.magic as readonly string[]).includes(magic),
  )?.[0] as keyof typeof fileFormats | undefined
