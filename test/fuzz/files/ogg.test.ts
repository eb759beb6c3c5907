// Damaged and invented Ogg/Opus files: the reader gives samples or one UsageError, never anything else, and never reads for ever.
// FUZZ_RUNS sets the number of files, FUZZ_SEED repeats a failing run.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { OggWriter } from '../../../src/files/ogg.ts'
import { OpusFileReader } from '../../../src/files/opus-file.ts'
import { MemoryFile } from '../../unit/audio/memory-file.ts'
import { seeded } from '../seeded.ts'
import { playDamaged } from './damaged-file.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 2_000)
const firstSeed = Number(process.env['FUZZ_SEED'] ?? 1)

const original = readFileSync(new URL('../../unit/files/two-tones.opus', import.meta.url)).subarray(0, 4_000)
const head = original.subarray(28, 28 + 19)
const edges = [0, 1, 2, 3, 27, 254, 255, 0x7fff, 0xffff]

/** Octets of a real file changed, moved and cut: mostly a page whose checksum is wrong. */
function mutated(random: (exclusiveMax: number) => number): Uint8Array {
  let bytes = Uint8Array.from(original)
  for (let changes = 1 + random(6); changes > 0; changes--) {
    const at = random(bytes.length)
    switch (random(4)) {
      case 0:
        bytes[at] = random(256)
        break
      case 1:
        bytes[at] = edges[random(edges.length)]! & 0xff
        break
      case 2:
        bytes = bytes.slice(0, at + 1)
        break
      case 3: {
        const from = random(bytes.length)
        bytes = Uint8Array.from([
          ...bytes.subarray(0, at),
          ...bytes.subarray(from, from + 300),
          ...bytes.subarray(at),
        ])
      }
    }
  }
  return bytes
}

/** Pages whose checksums are right, with packets that nobody would write. */
function invented(random: (exclusiveMax: number) => number): Uint8Array {
  const file = new MemoryFile()
  const writer = new OggWriter(file, random(3))
  const first = Uint8Array.from(head)
  if (random(3) === 0) first[random(19)] = edges[random(edges.length)]! & 0xff
  writer.write([first], random(1_000))
  for (let pages = random(6); pages > 0; pages--) {
    const packets = Array.from({ length: random(4) }, () =>
      Uint8Array.from({ length: random(300) }, () => random(256)),
    )
    writer.write(packets, random(100_000), random(4) === 0)
  }
  return file.bytes
}

it(`${runs} damaged and invented Ogg/Opus files are survived`, { timeout: 0 }, async () => {
  const frame = new Int16Array(960)
  const counts = { played: 0, refused: 0 }
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const random = seeded(seed)
    const file = new MemoryFile(random(2) === 0 ? mutated(random) : invented(random))
    const outcome = await playDamaged(file, seed, async () => {
      const reader = new OpusFileReader(file)
      if (random(8) > 0) await reader.ready
      return {
        readFrame: () =>
          (random(2) === 0 && reader.readPacket(frame) !== undefined) || reader.read(frame) === frame.length,
        close: () => reader.close(),
      }
    })
    counts[outcome]++
  }
  expect(counts.played).toBeGreaterThan(runs / 10)
  expect(counts.refused).toBeGreaterThan(0)
})
