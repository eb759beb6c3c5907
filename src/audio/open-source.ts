// What a person writes for something to be played or heard, and the source or tone it stands for: a .wav file, "tone:440",
// "busy:de" and other tones (named-tones.ts), "dtmf:12#", "silence".
import type { Files } from '../runtime/runtime.ts'
import type { AudioSource } from './frames.ts'
import { parseTone, playedTone } from './named-tones.ts'
import { resampled } from './resample.ts'
import { dtmfSource, silenceSource } from './tones.ts'
import { WavReader } from './wav-reader.ts'

/** A sound that is there, before it is known at which rate it will be wanted. */
export interface OpenedSound {
  /** Once: a file comes at its own rate, what is made at the one that is asked for. */
  at(sampleRateHz: number): AudioSource
  close(): void
}

/** Tones and silence have no end; digits and a file end.
 *  @throws UsageError in one sentence */
export function openSound(spec: string, files: Files): OpenedSound {
  const made = madeSound(spec)
  if (made) return { at: made, close: () => undefined }
  const file = new WavReader(files.openForReading(spec))
  return { at: () => file, close: () => file.close() }
}

/** The same at a rate.
 *  @throws UsageError in one sentence */
export const openSource = (spec: string, files: Files, sampleRateHz: number): AudioSource =>
  resampled(openSound(spec, files).at(sampleRateHz), sampleRateHz)

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
