// Proof of hearing by content: whether a recording holds given audio, wherever it starts, after a telephone has been at it
// (G.711, another rate, another gain, lost packets, a cut end). Counting packets or measuring level proves nothing: an echo of
// one's own voice is loud too. Spectrograms are compared by normalised correlation: first as a whole, to find the place, then
// piece by piece around that place, to find how alike they are and how much of the expected audio is there. Leaves out who
// speaks: the same words at the same pace by a voice of the same synthesiser may pass for the same audio.
import { UsageError } from '../errors.ts'
import type { Clock } from '../runtime/runtime.ts'
import { type Hearing, nothingAudible, type Pcm, seconds } from './hearing.ts'
import { recogniseTone, steadyTone } from './recognise-tone.ts'
import { resampleInSteps } from './resample.ts'
import { bands, hopMs, spectrogram, spectrogramRateHz } from './spectrogram.ts'
import { gently, inOneGo, type Steps } from './steps.ts'
import type { Tone } from './tones.ts'

export type { Hearing, Pcm } from './hearing.ts'

export interface HearingOptions {
  /** How much must be recognised. Default: of audio 60 % of what is audible in it but no less than 1 s (90 % of what is
   *  shorter), of a tone 1 s without a break. */
  minimumMs?: number
}

/** Audio is heard from this likeness on. The calibration test holds false pairs below 0.45 and true ones above 0.75. */
export const heardScore = 0.6

const leastMs = 1000
const leastShare = 0.6
const leastShareOfShort = 0.9
/** The coarse search looks at the mean of so many frames, and so many places are then looked at closely. */
const coarse = 4
const closeLooks = 6
/** The piece by which likeness is measured, and how far it may have shifted against its neighbour. */
const pieceFrames = 50
const shiftFrames = 12
/** Less than this of a piece is too short to tell, unless the whole is no longer. */
const leastPieceFrames = 30

/** Whether `recording` holds `expected`: audio, or a tone of exact frequency.
 *  @throws UsageError where what is expected holds nothing audible */
export function hasHeard(recording: Pcm, expected: Pcm | Tone, options: HearingOptions = {}): Hearing {
  return recogniser(expected, options)(recording)
}

/** The same for one who asks often: what is expected is looked at once.
 *  @throws UsageError where what is expected holds nothing audible */
export function recogniser(expected: Pcm | Tone, options: HearingOptions = {}): (recording: Pcm) => Hearing {
  const look = inOneGo(lookFor(expected, options))
  return (recording) => inOneGo(look(recording))
}

/** The same for one who asks while media goes by in the same process: it computes for about 1 ms at a time, then lets everything
 *  else have its turn. Rejects with UsageError where what is expected holds nothing audible. */
export function gentleRecogniser(
  expected: Pcm | Tone,
  clock: Clock,
  options: HearingOptions = {},
): (recording: Pcm) => Promise<Hearing> {
  let look: Promise<Look> | undefined
  return async (recording) => {
    look ??= gently(lookFor(expected, options), clock)
    return gently((await look)(recording), clock)
  }
}

type Look = (recording: Pcm) => Steps<Hearing>

function* lookFor(expected: Pcm | Tone, options: HearingOptions): Steps<Look> {
  if ('frequenciesHz' in expected) {
    const neededMs = options.minimumMs ?? leastMs
    const burstMs = Math.max(...(expected.onOffMs?.filter((_, i) => i % 2 === 0) ?? [neededMs / leastShare]))
    const continuousMs = Math.min(neededMs, leastShare * burstMs)
    return (recording) => recogniseTone(recording, expected, neededMs, continuousMs)
  }
  const expected8k = yield* at8k(expected)
  const want = yield* see(expected8k)
  const audibleMs = count(want.audible) * hopMs
  if (audibleMs === 0) throw new UsageError('There is nothing to recognise: the expected audio is silent.')
  const share = Math.min(leastShareOfShort * audibleMs, Math.max(leastMs, leastShare * audibleMs))
  const neededMs = Math.max(hopMs, options.minimumMs ?? share)
  const steady = yield* steadyTone(expected8k)
  if (steady) {
    const continuousMs = Math.min(neededMs, leastShare * steady.longestMs)
    return function* (recording) {
      return yield* recogniseTone(yield* at8k(recording), steady.tone, neededMs, continuousMs)
    }
  }
  return function* (recording) {
    return yield* recogniseAudio(yield* see(yield* at8k(recording)), want, audibleMs, neededMs)
  }
}

function* at8k({ samples, sampleRateHz }: Pcm): Steps<Pcm> {
  return {
    samples: yield* resampleInSteps(samples, sampleRateHz, spectrogramRateHz),
    sampleRateHz: spectrogramRateHz,
  }
}

/** A spectrogram, ready for both searches. */
interface Seen {
  frames: number
  audible: Uint8Array
  fine: Summed
  rough: Summed
}

function* see(pcm: Pcm): Steps<Seen> {
  const { frames, levels, audible } = yield* spectrogram(pcm.samples)
  const fine = yield* summed(levels)
  return { frames, audible, fine, rough: yield* summed(thin(levels)) }
}

const count = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0)

function* recogniseAudio(got: Seen, want: Seen, audibleMs: number, neededMs: number): Steps<Hearing> {
  if (count(got.audible) === 0) return nothingAudible
  const neededFrames = Math.ceil(neededMs / hopMs)
  const place = yield* findPlace(want, got, neededFrames)
  const { score, coveredFrames, lag } = yield* compare(want, got, place, neededFrames)
  const coveredMs = coveredFrames * hopMs
  const offsetMs = lag * hopMs
  const heard = score >= heardScore && coveredMs >= neededMs
  const likeness = `likeness ${score.toFixed(2)}`
  const detail = heard
    ? `${seconds(coveredMs)} of ${seconds(audibleMs)} recognised, from ${seconds(offsetMs)} on, ${likeness}`
    : coveredMs >= neededMs / 3 && coveredMs < neededMs
      ? `only ${seconds(coveredMs)} recognised where ${seconds(neededMs)} are needed, ${likeness}`
      : `audio was received, but not this: ${likeness} where ${heardScore} is needed`
  return { heard, score, offsetMs, coveredMs, detail }
}

/** Where `want` fits into `got` best: its frame 0 lies on the frame of `got` that is returned. */
function* findPlace(want: Seen, got: Seen, neededFrames: number): Steps<number> {
  const audibleBefore = new Float64Array(want.frames + 1)
  for (let frame = 0; frame < want.frames; frame++) {
    audibleBefore[frame + 1] = audibleBefore[frame]! + want.audible[frame]!
  }
  const places = function* (
    a: Summed,
    b: Summed,
    step: number,
    from: number,
    to: number,
  ): Steps<{ lag: number; fit: number }[]> {
    const found = []
    for (let lag = from; lag <= to; lag += step) {
      yield
      const first = Math.min(want.frames, Math.max(0, -lag))
      const end = Math.max(first, Math.min(want.frames, got.frames - lag))
      const overlap = audibleBefore[end]! - audibleBefore[first]!
      if (overlap === 0) continue
      // An overlap too short to prove anything is easily alike, so it counts for less.
      const weight = Math.sqrt(Math.min(1, overlap / neededFrames))
      found.push({ lag, fit: weight * correlation(a, 0, a.frames, b, lag / step) })
    }
    return found.sort((one, other) => other.fit - one.fit)
  }
  const { rough } = want
  let best = { lag: 0, fit: 0 }
  const roughly = yield* places(rough, got.rough, coarse, -coarse * rough.frames, coarse * got.rough.frames)
  for (const { lag } of roughly.slice(0, closeLooks)) {
    for (const place of yield* places(want.fine, got.fine, 1, lag - coarse, lag + coarse))
      if (place.fit > best.fit) best = place
  }
  return best.lag
}

/**
 * Piece by piece, because a jitter buffer that grows or a recorder that leaves lost packets out shifts what follows: from the
 * piece that fits best at `lag` each way to the ends, and each piece is looked for near the place of its neighbour. Tells how
 * alike the pieces are that overlap, weighted by what is audible in each, the audible frames in those that are recognised,
 * and where the first piece lies.
 */
function* compare(
  want: Seen,
  got: Seen,
  lag: number,
  neededFrames: number,
): Steps<{ score: number; coveredFrames: number; lag: number }> {
  const pieces = Math.max(1, Math.round(want.frames / pieceFrames))
  const leastFrames = Math.min(leastPieceFrames, want.frames)
  const look = (piece: number, near: number): { audible: number; fit: number; lag: number } => {
    const first = Math.max(-near, Math.round((piece * want.frames) / pieces))
    const end = Math.min(got.frames - near, Math.round(((piece + 1) * want.frames) / pieces))
    const best = {
      audible: end - first < leastFrames ? 0 : count(want.audible.subarray(first, end)),
      fit: 0,
      lag: near,
    }
    for (let at = near - shiftFrames; at <= near + shiftFrames && best.audible > 0; at++) {
      const fit = correlation(want.fine, first, end, got.fine, at)
      if (fit > best.fit) [best.fit, best.lag] = [fit, at]
    }
    return best
  }
  let likeness = 0
  let overlap = 0
  let coveredFrames = 0
  const take = function* (piece: number, near: number): Steps<number> {
    yield
    const found = look(piece, near)
    likeness += found.audible * found.fit
    overlap += found.audible
    if (found.fit < heardScore) return near
    coveredFrames += found.audible
    return found.lag
  }
  const fits: number[] = []
  while (fits.length < pieces) {
    yield
    fits.push(look(fits.length, lag).fit)
  }
  const start = fits.indexOf(Math.max(...fits))
  for (let piece = start, near = lag; piece < pieces; piece++) near = yield* take(piece, near)
  let first = look(start, lag).lag
  for (let piece = start - 1; piece >= 0; piece--) first = yield* take(piece, first)
  return { score: likeness / Math.max(overlap, neededFrames), coveredFrames, lag: first }
}

/** The mean of every `coarse` frames. */
function thin(levels: Float32Array): Float32Array {
  const out = new Float32Array(Math.floor(levels.length / bands / coarse) * bands)
  for (let i = 0; i < out.length; i++) {
    const first = Math.floor(i / bands) * coarse * bands + (i % bands)
    for (let k = 0; k < coarse; k++) out[i]! += levels[first + k * bands]! / coarse
  }
  return out
}

/** Levels with running sums: the entry of a frame and band is the sum over the frames before it. */
interface Summed {
  frames: number
  levels: Float32Array
  sums: Float64Array
  squares: Float64Array
}

function* summed(levels: Float32Array): Steps<Summed> {
  const sums = new Float64Array(levels.length + bands)
  const squares = new Float64Array(levels.length + bands)
  for (let i = 0; i < levels.length; i++) {
    if (i % (pieceFrames * bands) === 0) yield
    sums[i + bands] = sums[i]! + levels[i]!
    squares[i + bands] = squares[i]! + levels[i]! ** 2
  }
  return { frames: levels.length / bands, levels, sums, squares }
}

/**
 * Pearson's correlation of frames `from` to `to` of `a` with the frames of `b` that lie `lag` later, where there are such
 * frames; each band about its own mean, so that neither gain nor the sound of the line counts.
 */
function correlation(a: Summed, from: number, to: number, b: Summed, lag: number): number {
  const first = Math.max(from, -lag)
  const end = Math.min(to, b.frames - lag)
  const frames = end - first
  if (frames < 2) return 0
  const [x, y] = [a.levels, b.levels]
  let product = 0
  for (let i = first * bands, j = (first + lag) * bands; i < end * bands; i++, j++) product += x[i]! * y[j]!
  let xVariance = 0
  let yVariance = 0
  for (let band = 0; band < bands; band++) {
    const [i, iEnd] = [first * bands + band, end * bands + band]
    const [j, jEnd] = [i + lag * bands, iEnd + lag * bands]
    const xSum = a.sums[iEnd]! - a.sums[i]!
    const ySum = b.sums[jEnd]! - b.sums[j]!
    product -= (xSum * ySum) / frames
    xVariance += a.squares[iEnd]! - a.squares[i]! - xSum ** 2 / frames
    yVariance += b.squares[jEnd]! - b.squares[j]! - ySum ** 2 / frames
  }
  const scale = xVariance * yVariance
  return scale < 1 ? 0 : product / Math.sqrt(scale)
}
