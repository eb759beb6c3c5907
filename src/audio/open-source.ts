// What a person writes for something to be played, and the source it stands for: a .wav file, "tone:440", "tone:697+1209",
// "silence".
import { UsageError } from '../errors.ts'
import type { Files } from '../runtime/runtime.ts'
import type { AudioSource } from './frames.ts'
import { resampled } from './resample.ts'
import { silenceSource, type Tone, toneSource } from './tones.ts'
import { WavReader } from './wav-reader.ts'

/** Frequencies a telephone can carry. */
const lowestHz = 20
const highestHz = 3999
const maximumFrequencies = 4

/** The source of `spec` at a rate. Tones and silence have no end; a file ends.
 *  @throws UsageError in one sentence */
export function openSource(spec: string, files: Files, sampleRateHz: number): AudioSource {
  if (spec === 'silence') return silenceSource(sampleRateHz)
  const tone = parseTone(spec)
  if (tone) return toneSource(tone, sampleRateHz)
  return resampled(new WavReader(files.openForReading(spec)), sampleRateHz)
}

/** The tone of "tone:440" or "tone:697+1209"; undefined where `spec` does not begin with "tone:".
 *  @throws UsageError where it does, but names no frequency from 20 to 3999 Hz */
export function parseTone(spec: string): Tone | undefined {
  if (!spec.startsWith('tone:')) return undefined
  const parts = spec.slice('tone:'.length).split('+')
  const frequenciesHz = parts.map((part) => (/^\d+(\.\d+)?$/.test(part) ? Number(part) : Number.NaN))
  if (parts.length > maximumFrequencies || !frequenciesHz.every((hz) => hz >= lowestHz && hz <= highestHz)) {
    throw new UsageError(
      `"${spec}" is no tone: write one to four frequencies from ${lowestHz} to ${highestHz} Hz, as in "tone:440" or "tone:697+1209".`,
    )
  }
  return { frequenciesHz }
}
