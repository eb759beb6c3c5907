// Band-limited conversion of the sample rate: a Kaiser-windowed sinc as a polyphase filter, streaming, without delay between
// input and output. Flat up to 0.425 of the lower of the two rates (3.4 kHz at 8 kHz); what would fold back below that is
// damped by more than 90 dB.
import type { AudioSink, AudioSource } from './frames.ts'
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

/** A sink that takes `sampleRateHz` and gives it to `sink` at that one's rate; the sink itself where the rates are equal. Twenty
 *  samples of the lower rate wait for those that follow them. Closing it closes the sink. */
export function resampledSink(sink: AudioSink, sampleRateHz: number): AudioSink {
  return sink.sampleRateHz === sampleRateHz ? sink : new ResampledSink(sink, sampleRateHz)
}

class ResampledSource implements AudioSource {
  private readonly resampler: Resampler
  private piece = new Int16Array(pieceSamples)
  private sourceSamples = Number.POSITIVE_INFINITY

  constructor(
    private readonly source: AudioSource,
    readonly sampleRateHz: number,
  ) {
    this.resampler = new Resampler(source.sampleRateHz, sampleRateHz)
  }

  read(into: Int16Array): number {
    const { resampler } = this
    for (let written = 0; ; this.fill(into.length - written)) {
      written = resampler.pull(into, written, this.sourceSamples)
      if (written === into.length || resampler.position >= this.sourceSamples) return written
    }
  }

  close(): void {
    this.source.close()
  }

  /** Takes no more than the output needs: of a source that is still being written the rest may not be there yet. After its end
   *  comes silence. */
  private fill(outputSamples: number): void {
    const { resampler } = this
    const needed = Math.min(pieceSamples, resampler.missing(outputSamples))
    if (this.piece.length !== needed) this.piece = new Int16Array(this.piece.buffer, 0, needed)
    const { piece } = this
    const ended = this.sourceSamples !== Number.POSITIVE_INFINITY
    const samples = ended ? 0 : this.source.read(piece)
    if (!ended && samples < piece.length) this.sourceSamples = resampler.pushed + samples
    resampler.push(piece.fill(0, samples))
  }
}

class ResampledSink implements AudioSink {
  private readonly resampler: Resampler
  private readonly piece: Int16Array

  constructor(
    private readonly sink: AudioSink,
    readonly sampleRateHz: number,
  ) {
    this.resampler = new Resampler(sampleRateHz, sink.sampleRateHz)
    this.piece = new Int16Array(Math.ceil((pieceSamples * sink.sampleRateHz) / sampleRateHz) + 1)
  }

  write(samples: Int16Array): void {
    const { resampler, piece } = this
    for (let at = 0; at < samples.length; at += pieceSamples) {
      resampler.push(samples.subarray(at, at + pieceSamples))
      this.sink.write(piece.subarray(0, resampler.pull(piece, 0)))
    }
  }

  close(): void {
    this.sink.close()
  }
}

/** Input is pushed, output pulled: as much as there is input for. */
class Resampler {
  /** Input samples so far. */
  pushed = 0
  /** The next output lies on the input at this sample, plus `phase` / up. */
  position = 0
  private phase = 0
  private readonly filter: PolyphaseFilter
  /** Input from absolute sample `origin` on; what lies before the beginning is silence. */
  private readonly window: Float64Array
  private origin: number
  private filled: number

  constructor(fromHz: number, toHz: number) {
    this.filter = polyphaseFilter(fromHz, toHz)
    const { taps } = this.filter
    this.window = new Float64Array(taps + 2 * pieceSamples)
    this.origin = 1 - taps / 2
    this.filled = taps / 2 - 1
  }

  /** Input samples that must still be pushed before so many can be pulled. */
  missing(outputSamples: number): number {
    const { up, down, taps } = this.filter
    const last = this.position + Math.floor((this.phase + (outputSamples - 1) * down) / up)
    return last + 1 + taps / 2 - this.origin - this.filled
  }

  /** @param samples at most `pieceSamples`; what was pushed before has been pulled */
  push(samples: Int16Array): void {
    const { window } = this
    const drop = Math.min(this.position + 1 - this.filter.taps / 2 - this.origin, this.filled)
    window.copyWithin(0, drop, this.filled)
    this.origin += drop
    this.filled -= drop
    for (let i = 0; i < samples.length; i++) window[this.filled + i] = samples[i]!
    this.filled += samples.length
    this.pushed += samples.length
  }

  /** Fills `into` from `written` on, no further than to input sample `end`; returns how far it is filled. */
  pull(into: Int16Array, written: number, end = Number.POSITIVE_INFINITY): number {
    const { up, down, taps, phases } = this.filter
    const { window } = this
    for (let at = written; at < into.length; at++) {
      const start = this.position + 1 - taps / 2 - this.origin
      if (start + taps > this.filled || this.position >= end) return at
      const coefficients = phases[this.phase]!
      let sum = 0
      for (let tap = 0; tap < taps; tap++) sum += window[start + tap]! * coefficients[tap]!
      into[at] = Math.max(-32_768, Math.min(32_767, Math.round(sum)))
      this.phase += down
      this.position += Math.floor(this.phase / up)
      this.phase %= up
    }
    return into.length
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
