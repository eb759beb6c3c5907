// What a person writes for something to be played or heard, and the source or tone it stands for: a file (formats.ts), told by its first
// octets, "tone:440", "busy:de" and other tones (named-tones.ts), "dtmf:12#", "silence".
import type { AudioSource } from '../audio/frames.ts'
import { parseTone, playedTone } from '../audio/named-tones.ts'
import { resampled } from '../audio/resample.ts'
import { dtmfSource, silenceSource } from '../audio/tones.ts'
import { WavReader } from '../audio/wav-reader.ts'
import { UsageError } from '../errors.ts'
import type { Files, RandomAccessFile } from '../runtime/runtime.ts'
import { DecodedFile } from './decoded-file.ts'
import { formatOf } from './formats.ts'
import { OpusFileReader } from './opus-file.ts'

/** A sound that is there, before it is known at which rate it will be wanted. */
export interface OpenedSound {
  /** Once: a file comes at its own rate, what is made at the one that is asked for. */
  at(sampleRateHz: number): AudioSource
  /** It can be read from then on; absent: at once. */
  readonly ready?: Promise<void>
  close(): void
}

/** Tones and silence have no end; digits and a file end.
 *  @throws UsageError in one sentence */
export function openSound(spec: string, files: Files): OpenedSound {
  const made = madeSound(spec)
  if (made) return { at: made, close: () => undefined }
  const reader = openFile(files.openForReading(spec))
  return {
    at: () => reader,
    ...('ready' in reader && { ready: reader.ready }),
    close: () => reader.close(),
  }
}

function openFile(file: RandomAccessFile): WavReader | OpusFileReader | DecodedFile {
  const octets = new Uint8Array(4)
  file.read(octets, 0)
  const format = formatOf(octets)
  if (format === 'opus') return new OpusFileReader(file)
  if (format === 'mp3' || format === 'flac') return new DecodedFile(file, format)
  // What is none of them is told by who knows WAV.
  return new WavReader(file)
}

/** The same at a rate, to be read at once: of an Ogg/Opus file silence comes until its decoder is there.
 *  @throws UsageError in one sentence; MP3 and FLAC cannot be read at once */
export function openSource(spec: string, files: Files, sampleRateHz: number): AudioSource {
  const source = openSound(spec, files).at(sampleRateHz)
  if (source.sampleRateHz > 0) return resampled(source, sampleRateHz)
  source.close()
  throw new UsageError(`${spec} cannot be read at once: only WAV and Ogg/Opus files can.`)
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
