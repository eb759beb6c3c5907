// Computed sources: tones of one or more frequencies, silence, sequences of both (DTMF digits), and the marker tone
// of each direction by which a test knows who is heard.
import { UsageError } from '../errors.ts'
import type { AudioSource } from './frames.ts'
import { amplitudeOf } from './level.ts'
import { limited, sequence } from './sources.ts'

/** Of all frequencies together. Loud enough to be clear, low enough to clip nowhere. */
const toneLevelDbfs = -16
/** Tones begin and end within this time, so that they do not click. */
const rampMs = 5

export interface Tone {
  frequenciesHz: readonly number[]
  /** RMS level of all frequencies together. */
  levelDbfs?: number
  /** On and off in turn, from the beginning again; absent: without a break. */
  onOffMs?: readonly number[]
}

/**
 * What each side of a call plays when only the direction is to be proved: one cannot be taken for the other, for a harmonic of
 * it, for DTMF or for a call-progress tone. Multiples of 50 Hz, so that they fall on the centre of a 20 ms analysis bin.
 */
export const markerTones = {
  caller: { frequenciesHz: [550] },
  callee: { frequenciesHz: [1850] },
} as const satisfies Record<string, Tone>

/** ITU-T Q.23. */
export const dtmfRowsHz = [697, 770, 852, 941]
export const dtmfColumnsHz = [1209, 1336, 1477, 1633]
export const dtmfKeys = '123A456B789C*0#D'

/** The two frequencies of a digit (0-9, A-D, * and #).
 *  @throws UsageError for anything else */
export function dtmfTone(digit: string): Tone {
  const key = digit.length === 1 ? dtmfKeys.indexOf(digit.toUpperCase()) : -1
  if (key < 0) throw new UsageError(`"${digit}" is no DTMF digit: use 0-9, A-D, * and #.`)
  return { frequenciesHz: [dtmfRowsHz[key >> 2]!, dtmfColumnsHz[key & 3]!] }
}

/** Without end; the phase runs on from read to read. */
export function toneSource(tone: Tone, sampleRateHz: number): AudioSource {
  const { frequenciesHz, levelDbfs = toneLevelDbfs } = tone
  const steps = frequenciesHz.map((hz) => (2 * Math.PI * hz) / sampleRateHz)
  const amplitude = 32_768 * amplitudeOf(levelDbfs) * Math.sqrt(2 / frequenciesHz.length)
  const rampSamples = (sampleRateHz * rampMs) / 1000
  let n = 0
  return {
    sampleRateHz,
    read(into) {
      for (let i = 0; i < into.length; i++, n++) {
        let sum = 0
        for (const step of steps) sum += Math.sin(step * n)
        const value = sum * amplitude * Math.min(1, n / rampSamples)
        into[i] = Math.max(-32_768, Math.min(32_767, Math.round(value)))
      }
      return into.length
    },
    close() {},
  }
}

/** Without end. */
export function silenceSource(sampleRateHz: number): AudioSource {
  return {
    sampleRateHz,
    read(into) {
      into.fill(0)
      return into.length
    },
    close() {},
  }
}

/** A tone for a time, with a soft end. */
export function toneBurst(tone: Tone, durationMs: number, sampleRateHz: number): AudioSource {
  const source = limited(toneSource(tone, sampleRateHz), durationMs)
  let left = Math.round((sampleRateHz * durationMs) / 1000)
  const rampSamples = (sampleRateHz * rampMs) / 1000
  return {
    sampleRateHz,
    read(into) {
      const length = source.read(into)
      for (let i = 0; i < length; i++, left--) {
        if (left < rampSamples) into[i] = Math.round((into[i]! * left) / rampSamples)
      }
      return length
    },
    close() {},
  }
}

export const silenceFor = (durationMs: number, sampleRateHz: number): AudioSource =>
  limited(silenceSource(sampleRateHz), durationMs)

/** Digits as in-band tones, 100 ms each with 100 ms between (ITU-T Q.24 asks for 40 ms at least).
 *  @throws UsageError where there is none, or what is no digit */
export function dtmfSource(digits: string, sampleRateHz: number): AudioSource {
  if (digits === '') throw new UsageError('There are no DTMF digits to play: write some, as in "dtmf:12#".')
  return sequence(
    sampleRateHz,
    [...digits].flatMap((digit) => {
      const tone = dtmfTone(digit)
      return [() => toneBurst(tone, 100, sampleRateHz), () => silenceFor(100, sampleRateHz)]
    }),
  )
}
