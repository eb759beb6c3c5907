// Concealment of lost speech in the manner of ITU-T G.711 Appendix I, at any sampling rate: the last pitch period is repeated,
// joined without a click, and fades; after 60 ms there is silence. What comes next is joined without a click too.
// Unlike there, nothing is delayed: the join with what was played is made inside the gap.

/** Pitch periods of voices: 66 to 200 Hz (Appendix I 3.2). */
const pitchMs = { shortest: 5, longest: 15 }
/** What the pitch is searched in. */
const correlationMs = 20
/** Appendix I 3.6: full for so long, then a fifth less every 10 ms. */
const fullMs = 10
const silentAfterMs = 60
/** Of the joins: a quarter of the shortest period at least, and longer the longer the gap was (Appendix I 3.7). */
const joinMs = { shortest: 2.5, longest: 10 }

export class Concealment {
  /** What was played last, the newest at the end. */
  private readonly history: Float32Array
  private filled = 0
  /** Since when nothing has come; 0 while packets come. */
  private missingSamples = 0
  private pitchSamples = 0
  /** One period, ready to be repeated. */
  private period = new Float32Array(0)
  private readonly perMs: number

  constructor(sampleRateHz: number) {
    this.perMs = sampleRateHz / 1_000
    this.history = new Float32Array(Math.round((correlationMs + 2 * pitchMs.longest) * this.perMs))
  }

  /** Sound that came: the first `count` samples. Its beginning is joined to what stood in for the gap before it. */
  heard(samples: Int16Array, count = samples.length): void {
    if (this.missingSamples > 0 && this.gainAt(this.missingSamples) > 0) {
      const gapMs = this.missingSamples / this.perMs
      const length = Math.min(
        count,
        Math.round(Math.min(joinMs.longest, joinMs.shortest + gapMs / 4) * this.perMs),
      )
      for (let i = 0; i < length; i++) {
        const weight = (i + 1) / (length + 1)
        samples[i] = Math.round(weight * samples[i]! + (1 - weight) * this.standIn(this.missingSamples + i))
      }
    }
    this.missingSamples = 0
    this.keep(samples, count)
  }

  /** Fills a gap. Returns whether it is anything but silence. */
  fill(gap: Int16Array): boolean {
    if (this.missingSamples === 0) this.findPitch()
    let isAudible = false
    for (let i = 0; i < gap.length; i++) {
      const value = Math.round(this.standIn(this.missingSamples + i))
      gap[i] = value
      isAudible ||= value !== 0
    }
    this.missingSamples += gap.length
    this.keep(gap, gap.length)
    return isAudible
  }

  /** Another source, or another time line: nothing of before may be heard. */
  reset(): void {
    this.filled = 0
    this.missingSamples = 0
    this.pitchSamples = 0
  }

  private standIn(at: number): number {
    const gain = this.gainAt(at)
    return gain === 0 ? 0 : gain * this.period[at % this.pitchSamples]!
  }

  private gainAt(at: number): number {
    if (this.pitchSamples === 0) return 0
    const ms = at / this.perMs
    return ms < fullMs ? 1 : Math.max(0, 1 - (ms - fullMs) / (silentAfterMs - fullMs))
  }

  /** The lag at which the last sounds are most like themselves, and one such period whose end meets its beginning. The lag is searched
   *  among every other one, by every other sample, and then around the best of those (Appendix I 3.2). */
  private findPitch(): void {
    const { history, perMs } = this
    const shortest = Math.round(pitchMs.shortest * perMs)
    const longest = Math.round(pitchMs.longest * perMs)
    this.pitchSamples = 0
    if (this.filled < Math.round(correlationMs * perMs) + longest) return
    const end = history.length
    const fine = Math.max(1, Math.round(perMs / 8))
    const coarse = 2 * fine
    const near = this.mostAlike(shortest, longest, coarse)
    this.pitchSamples = this.mostAlike(Math.max(shortest, near - fine), Math.min(longest, near + fine), fine)
    const pitch = this.pitchSamples
    const join = Math.round(pitch / 4)
    this.period = history.slice(end - pitch)
    // The end of the period runs into what was before its beginning, so that repeating it makes no step.
    for (let i = 0; i < join; i++) {
      const weight = (i + 1) / (join + 1)
      const at = pitch - join + i
      this.period[at] = (1 - weight) * this.period[at]! + weight * history[end - 2 * pitch + at]!
    }
  }

  /** Of the lags from one to another, `step` apart, that at which every `step`th sample is most like those before. */
  private mostAlike(from: number, to: number, step: number): number {
    const { history } = this
    const end = history.length
    const start = end - Math.round(correlationMs * this.perMs)
    let most = Number.NEGATIVE_INFINITY
    let found = from
    for (let lag = from; lag <= to; lag += step) {
      let product = 0
      let energy = 1
      for (let i = start; i < end; i += step) {
        const earlier = history[i - lag]!
        product += history[i]! * earlier
        energy += earlier * earlier
      }
      const likeness = product <= 0 ? product : (product * product) / energy
      if (likeness > most) {
        most = likeness
        found = lag
      }
    }
    return found
  }

  private keep(samples: Int16Array, count: number): void {
    const { history } = this
    const length = Math.min(count, history.length)
    history.copyWithin(0, length)
    const start = history.length - length
    for (let i = 0; i < length; i++) history[start + i] = samples[count - length + i]!
    this.filled = Math.min(history.length, this.filled + length)
  }
}
