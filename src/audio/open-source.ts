// What a person writes for something to be played or heard, and the source or tone it stands for: a .wav file, "tone:440",
// "busy:de" and other tones (named-tones.ts), "dtmf:12#", "silence".
import type { Files } from '../runtime/runtime.ts'
import type { AudioSource } from './frames.ts'
import { parseTone, playedTone } from './named-tones.ts'
import { resampled } from './resample.ts'
import { dtmfSource, silenceSource } from './tones.ts'
import { WavReader } from './wav-reader.ts'

/** The source of `spec` at a rate. Tones and silence have no end; digits and a file end.
 *  @throws UsageError in one sentence */
export function openSource(spec: string, files: Files, sampleRateHz: number): AudioSource {
  if (spec === 'silence') return silenceSource(sampleRateHz)
  if (spec.startsWith('dtmf:')) return dtmfSource(spec.slice('dtmf:'.length), sampleRateHz)
  const tone = parseTone(spec)
  if (tone) return playedTone(tone, sampleRateHz)
  return resampled(new WavReader(files.openForReading(spec)), sampleRateHz)
}
