// Band-limited conversion of the sample rate: a Kaiser-windowed sinc as a polyphase filter, streaming, without delay between
// input and output. Flat up to 0.425 of the lower of the two rates (3.4 kHz at 8 kHz); what would fold back below that is
// damped by more than 90 dB.
import type { AudioSource } from './frames.ts'
import { samplesSource } from './sources.ts'
import { inOneGo, type Steps } from './steps.ts'

/** Filter length in samples of the lower rate. */
const tapsPerPhase = 40
/** Kaiser's beta for 94 dB in the stop band. With 40 taps the transition is 0.15 of the lower rate, centred on half of it. */
const kaiserBeta = 9.4
/** Exact for all usual rates. Others (44,101 to 48,000 Hz) take the nearest ratio with no more phases, at most 0.05 % off. */
const maximumPhases = 1280
/** Taken from the source in one go. */
const pieceSamples = 1024

/** The source at another rate; the source itself where it has that rate already. Closing it closes the source. */
export function resampled(source: AudioSource, sampleRateHz: number): AudioSource {
  return source.sampleRateHz === sampleRateHz ? source : new ResampledSource(source, sampleRateHz)
}

/** A whole recording at another rate. */
export function resample(pcm: Int16Array, fromHz: number, toHz: number): Int16Array {
  return inOneGo(resampleInSteps(pcm, fromHz, toHz))
}

export function* resampleInSteps(pcm: Int16Array, fromHz: number, toHz: number): Steps<Int16Array> {
  if (fromHz === toHz) return pcm
  const source = resampled(samplesSource(pcm, fromHz), toHz)
  const out = new Int16Array(Math.ceil((pcm.length * toHz) / fromHz) + 1)
  for (let written = 0; ; yield) {
    const piece = out.subarray(written, written + pieceSamples)
    const length = source.read(piece)
    written += length
    if (length < pieceSamples) return out.subarray(0, written)
  }
}

class ResampledSource implements AudioSource {
  private readonly filter: PolyphaseFilter
  /** Input from absolute sample `origin` on; what lies before the beginning and after the end of the source is silence. */
  private readonly window: Float64Array
  private readonly piece = new Int16Array(pieceSamples)
  private origin: number
  private filled: number
  private sourceSamples: number | undefined
  /** Where the next output lies on the input: sample `base` plus `phase` / up. */
  private base = 0
  private phase = 0

  constructor(
    private readonly source: AudioSource,
    readonly sampleRateHz: number,
  ) {
    this.filter = polyphaseFilter(source.sampleRateHz, sampleRateHz)
    const { taps } = this.filter
    this.window = new Float64Array(taps + 2 * pieceSamples)
    this.origin = 1 - taps / 2
    this.filled = taps / 2 - 1
  }

  read(into: Int16Array): number {
    const { up, down, taps, phases } = this.filter
    const { window } = this
    for (let written = 0; written < into.length; written++) {
      const first = this.base + 1 - taps / 2
      while (first + taps > this.origin + this.filled) this.fill(first)
      if (this.sourceSamples !== undefined && this.base >= this.sourceSamples) return written
      const coefficients = phases[this.phase]!
      const start = first - this.origin
      let sum = 0
      for (let tap = 0; tap < taps; tap++) sum += window[start + tap]! * coefficients[tap]!
      into[written] = Math.max(-32_768, Math.min(32_767, Math.round(sum)))
      this.phase += down
      this.base += Math.floor(this.phase / up)
      this.phase %= up
    }
    return into.length
  }

  close(): void {
    this.source.close()
  }

  /** Appends one piece of input, after dropping what lies before absolute sample `first`. */
  private fill(first: number): void {
    const drop = Math.min(first - this.origin, this.filled)
    this.window.copyWithin(0, drop, this.filled)
    this.origin += drop
    this.filled -= drop
    const { piece } = this
    const samples = this.sourceSamples === undefined ? this.source.read(piece) : 0
    for (let i = 0; i < samples; i++) this.window[this.filled + i] = piece[i]!
    if (samples < piece.length) {
      this.window.fill(0, this.filled + samples, this.filled + piece.length)
      this.sourceSamples ??= this.origin + this.filled + samples
    }
    this.filled += piece.length
  }
}

export interface PolyphaseFilter {
  /** Output rate / input rate = up / down. */
  readonly up: number
  readonly down: number
  /** Input samples that make one output sample; even. */
  readonly taps: number
  /** Coefficients for each of the `up` positions of an output between two inputs. */
  readonly phases: readonly Float64Array[]
}

const filters = new Map<string, PolyphaseFilter>()

/** Made once for a ratio, then shared. */
export function polyphaseFilter(fromHz: number, toHz: number): PolyphaseFilter {
  const [up, down] = ratio(toHz / fromHz)
  const key = `${up}/${down}`
  const filter = filters.get(key) ?? designFilter(up, down)
  filters.set(key, filter)
  return filter
}

function designFilter(up: number, down: number): PolyphaseFilter {
  /** Input samples for each sample of the lower rate. */
  const stretch = Math.max(1, down / up)
  const half = Math.ceil((tapsPerPhase * stretch) / 2)
  const taps = 2 * half
  const phases = Array.from({ length: up }, (_, phase) => {
    const row = new Float64Array(taps)
    let sum = 0
    for (let tap = 0; tap < taps; tap++) {
      const distance = tap + 1 - half - phase / up
      const value = sinc(distance / stretch) * kaiser(distance / half)
      row[tap] = value
      sum += value
    }
    for (let tap = 0; tap < taps; tap++) row[tap]! /= sum
    return row
  })
  return { up, down, taps, phases }
}

/** The best rational approximation by continued fractions, with the numerator kept small. */
function ratio(value: number): [number, number] {
  let [p0, q0, p1, q1] = [0, 1, 1, 0]
  let rest = value
  for (;;) {
    const whole = Math.floor(rest)
    const [p, q] = [whole * p1 + p0, whole * q1 + q0]
    if (q1 > 0 && p > maximumPhases) return [p1, q1]
    ;[p0, q0, p1, q1] = [p1, q1, p, q]
    const fraction = rest - whole
    if (fraction < 1e-9 || Math.abs(p / q - value) < 1e-12 * value) return [p1, q1]
    rest = 1 / fraction
  }
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x))

const kaiser = (x: number): number =>
  Math.abs(x) >= 1 ? 0 : bessel(kaiserBeta * Math.sqrt(1 - x * x)) / bessel(kaiserBeta)

/** The modified Bessel function I0, by its power series. */
function bessel(x: number): number {
  let sum = 1
  let term = 1
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= (x / (2 * k)) ** 2
    sum += term
  }
  return sum
}
