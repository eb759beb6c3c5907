// Noise of a seed, for tests of what must be told from it.
import { amplitudeOf } from '../../../src/audio/level.ts'
import { SeededRandom } from '../../../src/sim/random.ts'

/** white: as amplifiers hiss. pink: as rooms and streets sound. brown: as engines rumble. */
export type NoiseColour = 'white' | 'pink' | 'brown'

export function noise(
  colour: NoiseColour,
  durationMs: number,
  levelDbfs: number,
  sampleRateHz = 8000,
  seed = 1,
): Int16Array {
  const random = new SeededRandom(seed)
  const shaped = new Float64Array(Math.round((sampleRateHz * durationMs) / 1000))
  const memory = [0, 0, 0]
  for (let i = 0; i < shaped.length; i++) {
    const white = (random.integer(65_536) + random.integer(65_536) + random.integer(65_536)) / 98_304 - 1
    if (colour === 'white') shaped[i] = white
    else if (colour === 'brown') shaped[i] = memory[0] = 0.98 * memory[0]! + white
    else {
      memory[0] = 0.997_65 * memory[0]! + white * 0.099
      memory[1] = 0.963 * memory[1]! + white * 0.2965
      memory[2] = 0.57 * memory[2]! + white * 1.0526
      shaped[i] = memory[0] + memory[1] + memory[2] + white * 0.1848
    }
  }
  const power = shaped.reduce((sum, value) => sum + value * value, 0) / shaped.length
  const gain = (32_768 * amplitudeOf(levelDbfs)) / Math.sqrt(power)
  return Int16Array.from(shaped, (value) => Math.max(-32_768, Math.min(32_767, Math.round(value * gain))))
}

/** One over the other, from `offset` on. */
export function over(ground: Int16Array, figure: Int16Array, offset = 0): Int16Array {
  const sum = ground.slice()
  for (let i = 0; i < figure.length && offset + i < sum.length; i++)
    sum[offset + i] = Math.max(-32_768, Math.min(32_767, sum[offset + i]! + figure[i]!))
  return sum
}
