// How loud a piece of audio is. 0 dBFS is an RMS of full scale, what RFC 6465 calls 0 dBov; a sine of full amplitude is -3 dBFS.

const fullScale = 32_768

/** What is louder is heard. Above the idle noise of an A-law line (-72 dBFS), comfort noise and hiss (around -60), below the softest speech one can follow. */
export const audibleDbfs = -50

/** RMS level; -Infinity for digital silence. */
export function levelDbfs(samples: Int16Array): number {
  let sum = 0
  for (let i = 0; i < samples.length; i++) sum += samples[i]! * samples[i]!
  return sum === 0 ? Number.NEGATIVE_INFINITY : 10 * Math.log10(sum / samples.length / fullScale ** 2)
}

/** Whether a frame (20 ms, say) holds something that a person would hear: its level is above `audibleDbfs`. */
export const isAudible = (frame: Int16Array): boolean => levelDbfs(frame) > audibleDbfs

/** Factor on amplitudes for a level: -6 dB is about one half. */
export const amplitudeOf = (db: number): number => 10 ** (db / 20)
