// How loud a piece of audio is. 0 dBFS is an RMS of full scale, what RFC 6465 calls 0 dBov; a sine of full amplitude is -3 dBFS.

const fullScale = 32_768

/** What is louder is heard. Above the idle noise of an A-law line (-72 dBFS), comfort noise and hiss (around -60), below the softest speech one can follow. */
export const audibleDbfs = -50

/** RMS level; -Infinity for digital silence. */
export function levelDbfs(samples: Int16Array): number {
  let sum = 0
  for (let i = 0; i < samples.length; i++) sum += samples[i]! * samples[i]!
  return dbfsOf(meanOf(sum, samples.length))
}

/** Of squares: 0 for digital silence alone, and 2^30 at most. Whole numbers up to there leave nothing to the garbage collector. */
const meanOf = (sum: number, count: number): number => (sum === 0 ? 0 : Math.ceil(sum / count) | 0)

/** The level of samples with that mean square. */
export const dbfsOf = (meanSquare: number): number => 10 * Math.log10(meanSquare / fullScale ** 2)

/** Of `audibleDbfs`. */
export const audibleMeanSquare = fullScale ** 2 * 10 ** (audibleDbfs / 10)

/** Whether a frame (20 ms, say) holds something that a person would hear: its level is above `audibleDbfs`. */
export const isAudible = (frame: Int16Array): boolean => levelDbfs(frame) > audibleDbfs

/** The least that RFC 6465 can say: digital silence. */
export const silenceDbov = -127

/** How fast the level of a meter falls: a person sees a syllable, and sees that it is over. */
const fallDbPerSecond = 60
/** How fast its peak falls: 20 dB in 1.7 s (IEC 60268-10, type I). */
const peakFallDbPerSecond = 20 / 1.7
/** The square of what G.711 makes of all that is too loud for it (mu-law; A-law a little more). */
const clippedFrom = 32_124 ** 2

/** What a level meter shows, up at once and down slowly, in dBov from 0 to -127 (RFC 6465 3): the RMS, and the peak, which for a sine
 *  is 3 dB above it. */
export class LevelMeter {
  /** So many samples were as loud as can be, or so loud as G.711 can say. */
  clippedSamples = 0
  private power = 0
  private peakPower = 0

  /** Digital silence is `undefined`, which costs nothing.
   *  @returns the mean square of the frame */
  hear(frame: Int16Array | undefined, durationMs: number): number {
    this.power *= 10 ** ((-fallDbPerSecond * durationMs) / 10_000)
    this.peakPower *= 10 ** ((-peakFallDbPerSecond * durationMs) / 10_000)
    if (!frame || frame.length === 0) return 0
    let sum = 0
    let peak = 0
    for (let i = 0; i < frame.length; i++) {
      const square = frame[i]! * frame[i]!
      sum += square
      if (square > peak) peak = square
      if (square >= clippedFrom) this.clippedSamples++
    }
    const power = meanOf(sum, frame.length)
    this.power = Math.max(this.power, power)
    this.peakPower = Math.max(this.peakPower, peak)
    return power
  }

  get dbov(): number {
    return dbovOf(this.power)
  }

  get peakDbov(): number {
    return dbovOf(this.peakPower)
  }
}

/** Adding 0 makes 0 of -0. */
const dbovOf = (power: number): number =>
  power === 0 ? silenceDbov : Math.max(silenceDbov, Math.round(dbfsOf(power)) + 0)

/** Factor on amplitudes for a level: -6 dB is about one half. */
export const amplitudeOf = (db: number): number => 10 ** (db / 20)
