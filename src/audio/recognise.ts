// Proof of hearing by content: whether a recording holds given audio, wherever it starts, after a telephone has been at it
// (G.711, another rate, another gain, lost packets, a cut end). Counting packets or measuring level proves nothing: an echo of
// one's own voice is loud too. Spectrograms are compared by normalised correlation, first as a whole, then piece by piece.
import { UsageError } from '../errors.ts'
import { toneShare } from './goertzel.ts'
import { levelDbfs } from './level.ts'
import { resample } from './resample.ts'
import { bands, hopMs, type Spectrogram, spectrogram, spectrogramRateHz } from './spectrogram.ts'
import type { Tone } from './tones.ts'

export interface Pcm {
  samples: Int16Array
  sampleRateHz: number
}

export interface Hearing {
  heard: boolean
  /** How alike the two are where they overlap best, 0 to 1. */
  score: number
  /** Where in the recording the expected audio begins; negative where its beginning is missing. */
  offsetMs: number
  /** How much of the expected audio was recognised. */
  coveredMs: number
  /** One sentence for a person. */
  detail: string
}

export interface HearingOptions {
  /** How much must be recognised. Default: of audio 60 % of what is audible in it, but no less than 1 s (all of what is
   *  shorter); of a tone 1 s. */
  minimumMs?: number
}

/** True pairs score above 0.8, false ones below 0.5: see the calibration in test/unit/audio/recognise.test.ts. */
export const heardScore = 0.65

/** Whether `recording` holds `expected`: audio, or a tone of exact frequency.
 *  @throws UsageError where what is expected holds nothing audible */
export function hasHeard(recording: Pcm, expected: Pcm | Tone, options: HearingOptions = {}): Hearing {
  return 'frequenciesHz' in expected
    ? hasHeardTone(recording, expected, options.minimumMs ?? 1000)
    : hasHeardAudio(recording, expected, options.minimumMs)
}

// ---- audio -------------------------------------------------------------------------------------------------------------

const coverageShare = 0.6
const coverageMs = 1000
/** The coarse search looks at the mean of so many frames. */
const coarse = 4
/** Places of the coarse search that are looked at closely. */
const places = 6
/** The piece by which coverage is counted, and how far a jitter buffer may have shifted it. */
const pieceFrames = 50
const shiftFrames = 10

function hasHeardAudio(recording: Pcm, expected: Pcm, minimumMs: number | undefined): Hearing {
  const want = spectrogram(resample(expected.samples, expected.sampleRateHz, spectrogramRateHz))
  const got = spectrogram(resample(recording.samples, recording.sampleRateHz, spectrogramRateHz))
  const audibleMs = count(want.audible) * hopMs
  if (audibleMs === 0) throw new UsageError('There is nothing to recognise: the expected audio is silent.')
  const neededMs = minimumMs ?? Math.min(audibleMs, Math.max(coverageMs, coverageShare * audibleMs))
  if (count(got.audible) === 0) return nothing('Nothing audible was received.')
  const neededFrames = Math.min(want.frames, Math.ceil(neededMs / hopMs))
  const best = findPlace(want, got, neededFrames)
  const coveredMs = covered(want, got, best.lag) * hopMs
  const score = Math.max(0, best.correlation)
  const offsetMs = best.lag * hopMs
  const alike = score >= heardScore
  const heard = alike && coveredMs >= neededMs
  const detail = heard
    ? `Heard ${seconds(coveredMs)} of ${seconds(audibleMs)}, from ${seconds(offsetMs)} into the recording (likeness ${score.toFixed(2)}).`
    : alike
      ? `Only ${seconds(coveredMs)} of the ${seconds(neededMs)} needed were recognised (likeness ${score.toFixed(2)}).`
      : `Audio was received, but not what was expected (likeness ${score.toFixed(2)}, ${heardScore} is needed).`
  return { heard, score, offsetMs, coveredMs, detail }
}

const nothing = (detail: string): Hearing => ({ heard: false, score: 0, offsetMs: 0, coveredMs: 0, detail })
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
const count = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0)

interface Place {
  lag: number
  correlation: number
}

/** Where `want` fits into `got` best: frame 0 of the one lies on frame `lag` of the other. Short overlaps count for less. */
function findPlace(want: Spectrogram, got: Spectrogram, neededFrames: number): Place {
  const weight = (place: Place): number => {
    const overlap = Math.min(want.frames, got.frames - place.lag) - Math.max(0, -place.lag)
    return place.correlation * Math.min(1, Math.sqrt(overlap / neededFrames))
  }
  const search = (a: Correlator, from: number, to: number): Place[] => {
    const found: Place[] = []
    for (let lag = from; lag <= to; lag++) found.push({ lag, correlation: a.at(lag) })
    return found
  }
  const rough = new Correlator(thin(want.levels), thin(got.levels))
  const candidates = search(rough, 1 - rough.wantFrames, rough.gotFrames - 1)
    .map(({ lag, correlation }) => ({ lag: lag * coarse, correlation }))
    .sort((a, b) => weight(b) - weight(a))
    .slice(0, places)
  const fine = new Correlator(want.levels, got.levels)
  return candidates
    .flatMap(({ lag }) => search(fine, lag - coarse, lag + coarse))
    .reduce((best, place) => (weight(place) > weight(best) ? place : best))
}

function thin(levels: Float32Array): Float32Array {
  const frames = Math.floor(levels.length / bands / coarse)
  const out = new Float32Array(frames * bands)
  for (let i = 0; i < out.length; i++) {
    const frame = Math.floor(i / bands)
    for (let k = 0; k < coarse; k++) out[i]! += levels[(frame * coarse + k) * bands + (i % bands)]! / coarse
  }
  return out
}

/** Pearson's correlation of two spectrograms at a lag, each band about its own mean over the overlap. */
class Correlator {
  readonly wantFrames: number
  readonly gotFrames: number
  private readonly wantSums: Sums
  private readonly gotSums: Sums

  constructor(
    private readonly want: Float32Array,
    private readonly got: Float32Array,
  ) {
    this.wantFrames = want.length / bands
    this.gotFrames = got.length / bands
    this.wantSums = runningSums(want)
    this.gotSums = runningSums(got)
  }

  at(lag: number): number {
    const first = Math.max(0, -lag)
    const end = Math.min(this.wantFrames, this.gotFrames - lag)
    const frames = end - first
    if (frames < 2) return 0
    const { want, got } = this
    let product = 0
    for (let i = first * bands, j = (first + lag) * bands; i < end * bands; i++, j++)
      product += want[i]! * got[j]!
    let wantVariance = 0
    let gotVariance = 0
    for (let band = 0; band < bands; band++) {
      const w = between(this.wantSums, band, first, end)
      const g = between(this.gotSums, band, first + lag, end + lag)
      product -= (w.sum * g.sum) / frames
      wantVariance += w.squares - w.sum ** 2 / frames
      gotVariance += g.squares - g.sum ** 2 / frames
    }
    const scale = wantVariance * gotVariance
    return scale < 1 ? 0 : product / Math.sqrt(scale)
  }
}

interface Sums {
  sum: Float64Array
  squares: Float64Array
}

/** Entry `frame` of a band is the sum of the frames before it. */
function runningSums(levels: Float32Array): Sums {
  const sum = new Float64Array(levels.length + bands)
  const squares = new Float64Array(levels.length + bands)
  for (let i = 0; i < levels.length; i++) {
    sum[i + bands] = sum[i]! + levels[i]!
    squares[i + bands] = squares[i]! + levels[i]! ** 2
  }
  return { sum, squares }
}

function between(sums: Sums, band: number, first: number, end: number): { sum: number; squares: number } {
  const [a, b] = [first * bands + band, end * bands + band]
  return { sum: sums.sum[b]! - sums.sum[a]!, squares: sums.squares[b]! - sums.squares[a]! }
}

/** Frames of `want` that are audible and lie in a piece that is recognised near its place. */
function covered(want: Spectrogram, got: Spectrogram, lag: number): number {
  let frames = 0
  for (let first = 0; first < want.frames; first += pieceFrames) {
    const end = Math.min(want.frames, first + pieceFrames)
    const audible = count(want.audible.subarray(first, end))
    if (audible === 0) continue
    const piece = new Correlator(want.levels.subarray(first * bands, end * bands), got.levels)
    let best = 0
    for (let shift = -shiftFrames; shift <= shiftFrames; shift++) {
      best = Math.max(best, piece.at(first + lag + shift))
    }
    if (best >= heardScore) frames += audible
  }
  return frames
}

// ---- tones -------------------------------------------------------------------------------------------------------------

/** Long enough to tell 440 from 450 Hz. */
const toneWindowMs = 100
const toneHopMs = 20
/** Of a window's energy in the tone's frequencies together; a lost packet in the window leaves 0.8. */
const toneEnergyShare = 0.6
const toneAudibleDbfs = -55

function hasHeardTone(recording: Pcm, { frequenciesHz }: Tone, neededMs: number): Hearing {
  const { samples, sampleRateHz } = recording
  const windowSamples = Math.round((sampleRateHz * toneWindowMs) / 1000)
  const hopSamples = Math.round((sampleRateHz * toneHopMs) / 1000)
  const name = frequenciesHz.map((hz) => `${hz}`).join(' + ')
  let score = 0
  let first: number | undefined
  let coveredTo = 0
  let coveredSamples = 0
  let audible = false
  for (let start = 0; start + windowSamples <= samples.length; start += hopSamples) {
    if (levelDbfs(samples.subarray(start, start + windowSamples)) < toneAudibleDbfs) continue
    audible = true
    const shares = frequenciesHz.map((hz) => toneShare(samples, sampleRateHz, hz, start, windowSamples))
    const share = Math.min(
      1,
      shares.reduce((sum, one) => sum + one, 0),
    )
    const allThere = shares.every((one) => one >= toneEnergyShare / (4 * shares.length))
    if (!allThere) continue
    score = Math.max(score, share)
    if (share < toneEnergyShare) continue
    first ??= start
    coveredSamples += start + windowSamples - Math.max(start, coveredTo)
    coveredTo = start + windowSamples
  }
  if (!audible) return nothing('Nothing audible was received.')
  const coveredMs = Math.round((coveredSamples / sampleRateHz) * 1000)
  const offsetMs = Math.round(((first ?? 0) / sampleRateHz) * 1000)
  const heard = coveredMs >= neededMs
  const detail = heard
    ? `Heard the tone of ${name} Hz for ${seconds(coveredMs)}, from ${seconds(offsetMs)} into the recording.`
    : coveredMs > 0
      ? `The tone of ${name} Hz was there for ${seconds(coveredMs)} only; ${seconds(neededMs)} are needed.`
      : `Audio was received, but not the tone of ${name} Hz.`
  return { heard, score, offsetMs, coveredMs, detail }
}
