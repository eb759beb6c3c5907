// The speech that the benchmarks of the jitter buffer send.
import { readFileSync } from 'node:fs'

const headerBytes = 44

/** Files of media/ one after the other, so many times. */
export function speechSamples(names, sampleRateHz, times = 1) {
  const pieces = names.map((name) => {
    const wav = readFileSync(new URL(`../../media/${name}-${sampleRateHz / 1000}k.wav`, import.meta.url))
    const end = wav.length - (wav.length % 2)
    return new Int16Array(wav.buffer.slice(wav.byteOffset + headerBytes, wav.byteOffset + end))
  })
  const once = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const samples = new Int16Array(times * once)
  let at = 0
  for (let i = 0; i < times; i++)
    for (const piece of pieces) {
      samples.set(piece, at)
      at += piece.length
    }
  return samples
}
