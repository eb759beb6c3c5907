// Comfort noise (RFC 3389) between floe and ffmpeg's codec for it: what one says of a noise, the other makes of that noise's level and
// spectrum. No call is needed.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { ComfortNoise, NoiseMeasure } from '../../../src/audio/comfort-noise.ts'
import { levelDbfs } from '../../../src/audio/level.ts'
import { autocorrelate, reflect } from '../../../src/audio/linear-prediction.ts'
import { interop } from '../case.ts'

const rate = 8_000
/** Of ffmpeg's packets: ten coefficients beside the level. */
const packetBytes = 11
const pcm = ['-f', 's16le', '-ar', String(rate), '-ac', '1']
const colours = { low: 'lowpass=f=600', high: 'highpass=f=2500', hollow: 'bandreject=f=1200:w=900' }

const ffmpeg = (...args: string[]): void => {
  execFileSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', ...args])
}
const samplesOf = (path: string): Int16Array => {
  const octets = readFileSync(path)
  return Int16Array.from({ length: octets.length >> 1 }, (_, i) => octets.readInt16LE(2 * i))
}
/** The first few: they are the shape. */
const spectrum = (samples: Int16Array): number[] => {
  const correlation = new Float64Array(packetBytes)
  const reflections = new Float64Array(4)
  autocorrelate(samples, correlation)
  reflect(correlation, reflections)
  return [...reflections]
}
const expectAlike = (made: Int16Array, original: Int16Array): void => {
  expect(Math.abs(levelDbfs(made) - levelDbfs(original))).toBeLessThan(1.5)
  expectSameColour(made, original)
}
const expectSameColour = (made: Int16Array, original: Int16Array): void => {
  const [a, b] = [spectrum(made), spectrum(original)]
  a.forEach((reflection, i) => {
    expect(Math.abs(reflection - b[i]!), `${a} and ${b}`).toBeLessThan(0.2)
  })
}

interop(
  Object.entries(colours).flatMap(([colour, filter]) => {
    /** Four seconds of it, and what ffmpeg says of them: in a container, and packet behind packet. */
    const noise = (folder: string) => {
      const [original, container, packets] = ['noise.raw', 'noise.nut', 'noise.cn'].map((file) =>
        join(folder, file),
      ) as [string, string, string]
      ffmpeg('-f', 'lavfi', '-i', `anoisesrc=d=4:r=${rate}:a=0.05:seed=1,${filter}`, ...pcm, original)
      const encode = [...pcm, '-i', original, '-c:a', 'comfortnoise', '-f']
      ffmpeg(...encode, 'nut', container)
      // The muxer writes packets as they are.
      ffmpeg(...encode, 'mulaw', packets)
      return { original: samplesOf(original), container, packets: readFileSync(packets) }
    }
    return [
      {
        peer: 'ffmpeg, comfort noise',
        name: `${colour} noise: ffmpeg describes it, floe makes it`,
        needs: ['ffmpeg'] as const,
        run: async ({ folder }) => {
          const { original, packets } = noise(folder)
          expect(packets.length % packetBytes).toBe(0)
          const comfortNoise = new ComfortNoise()
          comfortNoise.describe(packets.subarray(-packetBytes))
          const made = new Int16Array(4 * rate)
          comfortNoise.fill(made, 0, made.length)
          expectAlike(made, original)
        },
      },
      {
        peer: 'ffmpeg, comfort noise',
        name: `${colour} noise: floe describes it, ffmpeg makes it`,
        needs: ['ffmpeg'] as const,
        run: async ({ folder }) => {
          const { original, container, packets } = noise(folder)
          const measure = new NoiseMeasure()
          for (let at = 0; at + 160 <= original.length; at += 160)
            measure.hear(original.subarray(at, at + 160), 20)
          const payload = new Uint8Array(packetBytes)
          expect(measure.write(payload)).toBe(packetBytes)
          // Each packet of ffmpeg's in its container becomes ours.
          const octets = readFileSync(container)
          let from = 0
          for (let at = 0; at < packets.length; at += packetBytes) {
            from = octets.indexOf(packets.subarray(at, at + packetBytes), from)
            expect(from).toBeGreaterThan(0)
            octets.set(payload, from)
            from += packetBytes
          }
          const makes = (name: string): Int16Array => {
            const made = join(folder, name)
            ffmpeg('-i', container, ...pcm, made)
            // It comes to the level gently.
            return samplesOf(made).subarray(rate)
          }
          // ffmpeg's noise is 6 dB softer than it says itself: the measure is what it makes of its own description.
          const own = makes('own.raw')
          writeFileSync(container, octets)
          const ours = makes('ours.raw')
          expectAlike(ours, own)
          expectSameColour(ours, original)
        },
      },
    ]
  }),
)
