// How loud a piece of audio is. 0 dBFS is an RMS of full scale, what RFC 6465 calls 0 dBov; a sine of full amplitude is -3 dBFS.

const fullScale = 32_768

/** What is louder is heard. Above the idle noise of an A-law line (-72 dBFS), comfort noise and hiss (around -60), below the softest speech one can follow. */
export const audibleDbfs = -50

/** RMS level; -Infinity for digital silence. */
export function levelDbfs(samples: Int16Array): number {
  return 10 * Math.log10(meanPower(samples))
}

/** 1 is full scale. */
function meanPower(samples: Int16Array): number {
  let sum = 0
  for (let i = 0; i < samples.length; i++) sum += samples[i]! * samples[i]!
  return sum === 0 ? 0 : sum / samples.length / fullScale ** 2
}

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

  /** Digital silence is `undefined`, which costs nothing. */
  hear(frame: Int16Array | undefined, durationMs: number): void {
    this.power *= 10 ** ((-fallDbPerSecond * durationMs) / 10_000)
    this.peakPower *= 10 ** ((-peakFallDbPerSecond * durationMs) / 10_000)
    if (!frame || frame.length === 0) return
    let sum = 0
    let peak = 0
    for (let i = 0; i < frame.length; i++) {
      const square = frame[i]! * frame[i]!
      sum += square
      if (square > peak) peak = square
      if (square >= clippedFrom) this.clippedSamples++
    }
    this.power = Math.max(this.power, sum / frame.length / fullScale ** 2)
    this.peakPower = Math.max(this.peakPower, peak / fullScale ** 2)
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
  power === 0 ? silenceDbov : Math.max(silenceDbov, Math.round(10 * Math.log10(power)) + 0)

/** Factor on amplitudes for a level: -6 dB is about one half. */
export const amplitudeOf = (db: number): number => 10 ** (db / 20)
