// Damaged and invented WAV files: the reader gives samples or one UsageError, never anything else, and never reads for ever.
// FUZZ_RUNS sets the number of files, FUZZ_SEED repeats a failing run.
import { describe, expect, it } from 'vitest'
import { WavReader } from '../../../src/audio/wav-reader.ts'
import { UsageError } from '../../../src/errors.ts'
import { fileBytes, MemoryFile } from '../../unit/audio/memory-file.ts'
import { seeded } from '../seeded.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 20_000)
const firstSeed = Number(process.env['FUZZ_SEED'] ?? 1)

const names = [
  'pcm8-8k',
  'alaw-8k',
  'mulaw-8k-stereo',
  'pcm24-48k',
  'pcm32-16k',
  'float32-22k',
  'float64-11k',
]
/** Headers and a little audio. */
const originals = names.map((name) => fileBytes(`files/${name}.wav`).slice(0, 400))
const identifiers = ['RIFF', 'RF64', 'WAVE', 'fmt ', 'data', 'ds64', 'JUNK', 'LIST', 'fact'].map((id) =>
  new TextEncoder().encode(id),
)
const edges = [0, 1, 2, 3, 7, 8, 15, 16, 40, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff]

function mutated(random: (exclusiveMax: number) => number): Uint8Array {
  let bytes = Uint8Array.from(originals[random(originals.length)]!)
  for (let changes = 1 + random(6); changes > 0; changes--) {
    // The header is what matters; some of the changes go elsewhere.
    const at = random(random(4) === 0 ? bytes.length : Math.min(bytes.length, 90))
    const view = new DataView(bytes.buffer)
    switch (random(6)) {
      case 0:
        bytes[at] = random(256)
        break
      case 1:
        if (at + 4 <= bytes.length) view.setUint32(at, edges[random(edges.length)]!, true)
        break
      case 2:
        if (at + 2 <= bytes.length) view.setUint16(at, edges[random(edges.length)]! & 0xffff, true)
        break
      case 3:
        if (at + 4 <= bytes.length) bytes.set(identifiers[random(identifiers.length)]!, at)
        break
      case 4:
        bytes = bytes.slice(0, at + 1)
        break
      case 5: {
        const from = random(bytes.length)
        bytes = Uint8Array.from([
          ...bytes.subarray(0, at),
          ...bytes.subarray(from, from + 16),
          ...bytes.subarray(at),
        ])
      }
    }
  }
  return bytes
}

describe('the WAV reader', () => {
  it(`survives ${runs} damaged files`, { timeout: 0 }, () => {
    let played = 0
    let refused = 0
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      const file = new MemoryFile(mutated(seeded(seed)))
      try {
        const reader = new WavReader(file)
        const frame = new Int16Array(777)
        let total = 0
        for (let length = frame.length; length === frame.length; total += length) length = reader.read(frame)
        if (total > file.bytes.length) throw new Error(`${total} samples out of ${file.bytes.length} octets`)
        if (total > reader.totalSamples) throw new Error(`${total} samples, ${reader.totalSamples} announced`)
        reader.close()
        played++
      } catch (error) {
        if (!(error instanceof UsageError)) throw new Error(`FUZZ_SEED=${seed} FUZZ_RUNS=1`, { cause: error })
        if (!/^a\.wav cannot be played: [^\n]+\.$/.test(error.message))
          throw new Error(`FUZZ_SEED=${seed}: ${error.message}`)
        refused++
      }
      if (!file.closed) throw new Error(`FUZZ_SEED=${seed}: the file was left open`)
    }
    // Both happen often: the mutations are neither harmless nor hopeless.
    expect(played).toBeGreaterThan(runs / 20)
    expect(refused).toBeGreaterThan(runs / 20)
  })
})
