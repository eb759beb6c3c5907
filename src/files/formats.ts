// The files that can be played and written, as they are told apart and as the README tells of them.

interface FileFormat {
  readonly name: string
  /** Whether a file that begins with these four octets is one. */
  readonly begins: (octets: Uint8Array) => boolean
  readonly reads: string
  readonly writes: string
}

const text = (octets: Uint8Array): string => String.fromCharCode(...octets)

export const fileFormats = {
  wav: {
    name: 'WAV, RF64',
    begins: (octets) => ['RIFF', 'RF64', 'BW64'].includes(text(octets)),
    reads:
      'PCM of 8, 16, 24, 32 bits, float of 32 and 64, A-law, mu-law; any rate and channels (mixed to mono); growing and cut files',
    writes:
      '16 bits at the codec’s rate, mono or both directions as stereo; RF64 beyond 4 GB; whole at every moment',
  },
  opus: {
    name: 'Ogg/Opus (`.opus`)',
    begins: (octets) => text(octets) === 'OggS',
    reads:
      'mono and stereo, chained streams, output gain; in a call with Opus and the same packet time the packets go out as they are, where bitrate and channels suit the far end',
    writes:
      'in a call with Opus the packets as they came, gaps as requests for concealment; else encoded, mono, 32 kbit/s; whole to the last second at every moment',
  },
  mp3: {
    name: 'MP3',
    // An ID3 tag, or the sync word of a frame that is of layer III.
    begins: (octets) =>
      text(octets.subarray(0, 3)) === 'ID3' || (octets[0] === 0xff && (octets[1]! & 0xe6) === 0xe2),
    reads: 'with the package `mpg123-decoder`',
    writes: '-',
  },
  flac: {
    name: 'FLAC',
    begins: (octets) => text(octets) === 'fLaC',
    reads: '4 to 32 bits; any rate and channels (mixed to mono); cut and damaged files',
    writes: '-',
  },
} as const satisfies Record<string, FileFormat>

export type FormatName = keyof typeof fileFormats

/** @param octets the first four */
export const formatOf = (octets: Uint8Array): FormatName | undefined =>
  (Object.keys(fileFormats) as FormatName[]).find((name) => fileFormats[name].begins(octets))
