// What a person writes for something to be played or heard, and the source or tone it stands for: a .wav file, "tone:440",
// "tone:697+1209", "marker:caller", "marker:callee", "dtmf:12#", "ring-back", "silence".
import { UsageError } from '../errors.ts'
import type { Files } from '../runtime/runtime.ts'
import type { AudioSource } from './frames.ts'
import { resampled } from './resample.ts'
import { repeated } from './sources.ts'
import {
  dtmfSource,
  markerTones,
  ringBackSource,
  ringBackTone,
  silenceSource,
  type Tone,
  toneSource,
} from './tones.ts'
import { WavReader } from './wav-reader.ts'

/** Frequencies a telephone can carry. */
const lowestHz = 20
const highestHz = 3999
const maximumFrequencies = 4

/** The source of `spec` at a rate. Tones, ring-back and silence have no end; digits and a file end.
 *  @throws UsageError in one sentence */
export function openSource(spec: string, files: Files, sampleRateHz: number): AudioSource {
  if (spec === 'silence') return silenceSource(sampleRateHz)
  if (spec === 'ring-back') return repeated(() => ringBackSource(sampleRateHz))
  if (spec.startsWith('dtmf:')) return dtmfSource(spec.slice('dtmf:'.length), sampleRateHz)
  const tone = parseTone(spec)
  if (tone) return toneSource(tone, sampleRateHz)
  return resampled(new WavReader(files.openForReading(spec)), sampleRateHz)
}

/** The tone by which "tone:440", "tone:697+1209", "marker:caller", "marker:callee" or "ring-back" is recognised; undefined for
 *  any other spec.
 *  @throws UsageError where "tone:" names no frequency from 20 to 3999 Hz, and "marker:" neither side */
export function parseTone(spec: string): Tone | undefined {
  if (spec === 'ring-back') return ringBackTone
  if (spec.startsWith('marker:')) {
    if (spec === 'marker:caller') return markerTones.caller
    if (spec === 'marker:callee') return markerTones.callee
    throw new UsageError(`"${spec}" is no marker tone: there are "marker:caller" and "marker:callee".`)
  }
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
