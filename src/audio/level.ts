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

/** How fast a meter falls after a peak: a person sees a syllable, and sees that it is over. */
const fallDbPerSecond = 60

/** What a level meter shows: up at once, down slowly; in dBov, from 0 (an RMS of full scale) to -127 (RFC 6465 3). */
export class LevelMeter {
  private power = 0

  /** Digital silence is `undefined`, which costs nothing. */
  hear(frame: Int16Array | undefined, durationMs: number): void {
    const fallen = this.power * 10 ** ((-fallDbPerSecond * durationMs) / 10_000)
    this.power = Math.max(frame ? meanPower(frame) : 0, fallen)
  }

  get dbov(): number {
    return this.power === 0 ? silenceDbov : Math.max(silenceDbov, Math.round(10 * Math.log10(this.power)))
  }
}

/** Factor on amplitudes for a level: -6 dB is about one half. */
export const amplitudeOf = (db: number): number => 10 ** (db / 20)
