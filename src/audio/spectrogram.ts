// What the ear compares: the level of 16 bands between 300 and 3400 Hz every 10 ms, on a logarithmic scale, from Hann windows of
// 20 ms at 8 kHz. What is far below the loudest sound nearby counts as silence, so the same audio looks the same at any gain.

import type { Steps } from './steps.ts'

export const bands = 16
export const hopMs = 10
export const spectrogramRateHz = 8000
const windowSamples = 160
const hopSamples = 80
const fftSize = 256
/** The telephone band, cut in equal steps on the mel scale. */
const lowestHz = 300
const highestHz = 3400
/** Below the loudest frame within `contextFrames` on either side, a band is silent. */
const rangeDb = 40
const contextFrames = 100
/** Nothing below this level is sound: idle noise of an A-law line is -72 dBFS. */
const silenceDb = -70

export interface Spectrogram {
  readonly frames: number
  /** dB above the local floor, 0 to about 40: frame by frame, `bands` values each. */
  readonly levels: Float32Array
  /** 1 where a frame is louder than the floor. */
  readonly audible: Uint8Array
}

/** Of 8 kHz audio. */
export function* spectrogram(pcm: Int16Array): Steps<Spectrogram> {
  const frames = Math.max(0, Math.floor((pcm.length - windowSamples) / hopSamples) + 1)
  const levels = new Float32Array(frames * bands)
  const loudest = new Float32Array(frames)
  for (let frame = 0; frame < frames; frame++) {
    loudest[frame] = analyse(pcm, frame * hopSamples, levels, frame * bands)
    yield
  }
  const audible = new Uint8Array(frames)
  const nearby = slidingMaximum(loudest, contextFrames)
  for (let frame = 0; frame < frames; frame++) {
    const floor = Math.max(silenceDb, nearby[frame]! - rangeDb)
    audible[frame] = loudest[frame]! > floor + 10 ? 1 : 0
    for (let i = frame * bands; i < (frame + 1) * bands; i++) levels[i] = Math.max(0, levels[i]! - floor)
  }
  return { frames, levels, audible }
}

const re = new Float64Array(fftSize)
const im = new Float64Array(fftSize)

/** Writes the level of each band, in dBFS, from `levels[to]` on for the window that begins at `pcm[from]`; returns the highest. */
function analyse(pcm: Int16Array, from: number, levels: Float32Array, to: number): number {
  re.fill(0)
  im.fill(0)
  for (let i = 0; i < windowSamples; i++) re[i] = pcm[from + i]! * hann[i]!
  fft(re, im)
  let peak = silenceDb
  for (let band = 0; band < bands; band++) {
    let power = 0
    for (let bin = Math.ceil(edges[band]!); bin < edges[band + 1]!; bin++)
      power += re[bin]! ** 2 + im[bin]! ** 2
    const level = 10 * Math.log10(power * powerScale + 1e-12)
    levels[to + band] = level
    if (level > peak) peak = level
  }
  return peak
}

/** A full-scale sine in one band reads about 0 dB. */
const hann = Float64Array.from(
  { length: windowSamples },
  (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / windowSamples),
)
const powerScale = 4 / (32_768 * hann.reduce((sum, value) => sum + value, 0)) ** 2

const mel = (hz: number): number => 2595 * Math.log10(1 + hz / 700)
/** FFT bins, fractional, between the bands. */
const edges = Float64Array.from({ length: bands + 1 }, (_, i) => {
  const m = mel(lowestHz) + ((mel(highestHz) - mel(lowestHz)) * i) / bands
  return ((700 * (10 ** (m / 2595) - 1)) / spectrogramRateHz) * fftSize
})

function slidingMaximum(values: Float32Array, reach: number): Float32Array {
  const out = new Float32Array(values.length)
  const queue = new Int32Array(values.length)
  let [head, tail] = [0, 0]
  for (let i = 0; i < values.length + reach; i++) {
    if (i < values.length) {
      while (tail > head && values[queue[tail - 1]!]! <= values[i]!) tail--
      queue[tail++] = i
    }
    const centre = i - reach
    if (centre < 0) continue
    while (queue[head]! < centre - reach) head++
    out[centre] = values[queue[head]!]!
  }
  return out
}

const cosines = Float64Array.from({ length: fftSize / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / fftSize))
const sines = Float64Array.from({ length: fftSize / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / fftSize))

/** In place, radix 2. */
function fft(re: Float64Array, im: Float64Array): void {
  for (let i = 1, j = 0; i < fftSize; i++) {
    let bit = fftSize >> 1
    for (; j & bit; bit >>= 1) j ^= bit
    j ^= bit
    if (i < j) {
      swap(re, i, j)
      swap(im, i, j)
    }
  }
  for (let size = 2; size <= fftSize; size *= 2) {
    const half = size / 2
    const step = fftSize / size
    for (let start = 0; start < fftSize; start += size) {
      for (let k = 0; k < half; k++) {
        const c = cosines[k * step]!
        const s = sines[k * step]!
        const a = start + k
        const b = a + half
        const tr = re[b]! * c - im[b]! * s
        const ti = re[b]! * s + im[b]! * c
        re[b] = re[a]! - tr
        im[b] = im[a]! - ti
        re[a] = re[a]! + tr
        im[a] = im[a]! + ti
      }
    }
  }
}

function swap(values: Float64Array, i: number, j: number): void {
  const kept = values[i]!
  values[i] = values[j]!
  values[j] = kept
}
