// How much of a piece of audio is one frequency: Goertzel's recurrence, which is one bin of a Fourier transform at any frequency.

/**
 * The share of the energy of `samples[start .. start + length)` that is a sine of `frequencyHz`: 1 for the pure tone, about 0 for
 * anything else, 0 for silence. Exact where the piece holds whole cycles of the tone.
 */
export function toneShare(
  samples: Int16Array,
  sampleRateHz: number,
  frequencyHz: number,
  start = 0,
  length = samples.length - start,
): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequencyHz) / sampleRateHz)
  let s1 = 0
  let s2 = 0
  let energy = 0
  for (let i = start; i < start + length; i++) {
    const sample = samples[i]!
    const s0 = sample + coefficient * s1 - s2
    s2 = s1
    s1 = s0
    energy += sample * sample
  }
  if (energy === 0) return 0
  const power = s1 * s1 + s2 * s2 - coefficient * s1 * s2
  return Math.min(1, (2 * power) / (length * energy))
}
