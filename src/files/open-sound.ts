// What a person writes for something to be played or heard, and the source or tone it stands for: a file (formats.ts), told by its first
// octets, "tone:440", "busy:de" and other tones (named-tones.ts), "dtmf:12#", "silence".
import type { AudioSource, RewindableSource } from '../audio/frames.ts'
import { parseTone, playedTone } from '../audio/named-tones.ts'
import { resampled } from '../audio/resample.ts'
import { looped, repeated } from '../audio/sources.ts'
import { dtmfSource, silenceSource } from '../audio/tones.ts'
import { WavReader } from '../audio/wav-reader.ts'
import { UsageError } from '../errors.ts'
import type { Files, RandomAccessFile } from '../runtime/runtime.ts'
import { FlacReader } from './flac-reader.ts'
import { fileFormats, formatOf } from './formats.ts'
import { Mp3Reader } from './mp3-reader.ts'
import { OpusFileReader } from './opus-file.ts'

/** A sound that is there, before it is known at which rate it will be wanted. */
export interface OpenedSound {
  /** Once: a file comes at its own rate, what is made at the one that is asked for.
   *  @throws UsageError in one sentence where it is not ready */
  at(sampleRateHz: number): AudioSource
  /** It can be read from then on; absent: at once. */
  readonly ready?: Promise<void>
  close(): void
}

export interface SoundOptions {
  /** From the beginning again, without a gap, for ever. */
  loop?: boolean
}

/** Tones and silence have no end; digits and a file end.
 *  @throws UsageError in one sentence */
export function openSound(spec: string, files: Files, { loop = false }: SoundOptions = {}): OpenedSound {
  const made = madeSound(spec)
  if (made)
    return {
      at: (sampleRateHz) => (loop ? repeated(() => made(sampleRateHz)) : made(sampleRateHz)),
      close: () => undefined,
    }
  const reader = openFile(files.openForReading(spec), loop)
  return {
    at: () => {
      if (reader.sampleRateHz === 0)
        throw new UsageError(`${spec} cannot be read at once: MP3 takes a moment to begin with.`)
      return loop ? looped(reader) : reader
    },
    ...(reader.ready && { ready: reader.ready }),
    close: () => reader.close(),
  }
}

/** @property ready where it cannot be read at once; until then an unknown rate is 0 */
type FileReader = RewindableSource & { readonly ready?: Promise<void> }

const readers: Record<keyof typeof fileFormats, (file: RandomAccessFile, loop: boolean) => FileReader> = {
  wav: (file) => new WavReader(file),
  opus: (file) => new OpusFileReader(file),
  mp3: (file, loop) => new Mp3Reader(file, loop),
  flac: (file) => new FlacReader(file),
}

function openFile(file: RandomAccessFile, loop: boolean): FileReader {
  const octets = new Uint8Array(4)
  const length = file.read(octets, 0)
  const format = formatOf(octets)
  if (format) return readers[format](file, loop)
  file.close()
  const names = Object.values(fileFormats).map(({ name }) => name.replaceAll('`', ''))
  throw new UsageError(
    length === 0
      ? `${file.path} cannot be played: the file is empty.`
      : `${file.path} cannot be played: it is none of ${names.join(', ')}; convert it first, for instance with "ffmpeg -i input output.wav".`,
  )
}

/** The same at a rate, to be read at once: of an Ogg/Opus file silence comes until its decoder is there.
 *  @throws UsageError in one sentence; MP3 cannot be read at once */
export function openSource(spec: string, files: Files, sampleRateHz: number): AudioSource {
  const sound = openSound(spec, files)
  try {
    return resampled(sound.at(sampleRateHz), sampleRateHz)
  } catch (error) {
    sound.close()
    throw error
  }
}

function madeSound(spec: string): ((sampleRateHz: number) => AudioSource) | undefined {
  if (spec === 'silence') return silenceSource
  if (spec.startsWith('dtmf:')) {
    const digits = spec.slice('dtmf:'.length)
    // What are no digits is told now.
    dtmfSource(digits, 8_000).close()
    return (sampleRateHz) => dtmfSource(digits, sampleRateHz)
  }
  const tone = parseTone(spec)
  return tone && ((sampleRateHz) => playedTone(tone, sampleRateHz))
}
