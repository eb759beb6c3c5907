// Plays sound a little slower or faster at the same pitch, by repeating or leaving out what the ear does not miss: one period of
// a voice or a tone, faded into the one that it is most like (waveform-similarity overlap-add, Verhelst and Roelands 1993), or
// silence. Works in place on a line of samples, a cut at a time; leaves out how often, which its owner knows.

/** Periods of voices, 66 to 200 Hz; higher ones fit in several times. */
const periodMs = { shortest: 5, longest: 15 }
/** Likeness (normalised correlation) of what is faded into each other that nobody hears, and that is better than a gap. */
const alike = { inaudible: 0.9, tolerable: 0.5 }
/** Mean power of -50 dBFS. */
const quietPower = 32_768 ** 2 * 1e-5
/** Both in the search and in the correlation: finer is decided in a second step. */
const stepsPerMs = 8

export class TimeScaling {
  readonly longestSamples: number
  private readonly shortestSamples: number
  private readonly step: number

  constructor(sampleRateHz: number) {
    const perMs = sampleRateHz / 1000
    this.longestSamples = Math.round(periodMs.longest * perMs)
    this.shortestSamples = Math.round(periodMs.shortest * perMs)
    this.step = Math.max(1, Math.round(perMs / stepsPerMs))
  }

  /** Takes at most `most` samples out of `line[at]` to `line[end]`, of which twice that and `longestSamples` are looked at.
   *  @returns how many; 0 where that would be heard */
  shorten(line: Int16Array, at: number, end: number, most: number, urgent: boolean): number {
    const longest = Math.min(this.longestSamples, most, (end - at) >> 1)
    const period = this.bestPeriod(line, at, longest, 1, urgent)
    for (let i = 0; i < period; i++) line[at + i] = fade(line[at + i]!, line[at + period + i]!, i, period)
    if (period > 0) line.copyWithin(at + period, at + 2 * period, end)
    return period
  }

  /** Puts at most `most` samples in at `line[at]`, before which `longestSamples` have been played; what lies there moves on.
   *  @returns how many; 0 where that would be heard */
  lengthen(line: Int16Array, at: number, end: number, most: number, urgent: boolean): number {
    const longest = Math.min(this.longestSamples, most, end - at, line.length - end)
    const period = this.bestPeriod(line, at, longest, -1, urgent)
    if (period === 0) return 0
    line.copyWithin(at + period, at, end)
    // The sound goes on as it would have, and ends where it was, one period ago.
    for (let i = 0; i < period; i++)
      line[at + i] = fade(line[at + period + i]!, line[at - period + i]!, i, period)
    return period
  }

  /** The length of sound at `at` that is most like what comes after it (1), or before it (-1); 0 where none is. */
  private bestPeriod(line: Int16Array, at: number, longest: number, side: 1 | -1, urgent: boolean): number {
    if (longest < this.shortestSamples) return 0
    if (isQuiet(line, side > 0 ? at : at - longest, 2 * longest)) return longest
    const { step } = this
    let best = urgent ? alike.tolerable : alike.inaudible
    let period = 0
    for (let lag = this.shortestSamples; lag <= longest; lag += step) {
      const likeness = correlation(line, at, at + side * lag, lag, step)
      if (likeness > best) [best, period] = [likeness, lag]
    }
    if (step === 1 || period === 0) return period
    const [from, to] = [Math.max(this.shortestSamples, period - step), Math.min(longest, period + step)]
    for (let lag = from; lag <= to; lag++) {
      const likeness = correlation(line, at, at + side * lag, lag, step)
      if (likeness > best) [best, period] = [likeness, lag]
    }
    return period
  }
}

const fade = (from: number, to: number, at: number, length: number): number =>
  Math.round(from + ((to - from) * (at + 1)) / (length + 1))

/** Of two stretches of sound, whatever their levels: 1 where they have the same shape. */
function correlation(line: Int16Array, one: number, other: number, length: number, step: number): number {
  let product = 0
  let energy = 0
  let otherEnergy = 0
  for (let i = 0; i < length; i += step) {
    const a = line[one + i]!
    const b = line[other + i]!
    product += a * b
    energy += a * a
    otherEnergy += b * b
  }
  return product <= 0 ? 0 : product / Math.sqrt(energy * otherEnergy)
}

/** Whether nobody hears what is done to it. */
export function isQuiet(line: Int16Array, from: number, length: number): boolean {
  let sum = 0
  for (let i = from; i < from + length; i++) sum += line[i]! * line[i]!
  return sum <= quietPower * length
}
