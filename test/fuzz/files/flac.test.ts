// Damaged FLAC files: the reader gives samples or one UsageError, never anything else, and never reads for ever. Half of them have a right
// checksum behind what was changed in a frame, so that what nobody would write is decoded too.
// FUZZ_RUNS sets the number of files, FUZZ_SEED repeats a failing run.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { BitReader } from '../../../src/files/bit-reader.ts'
import { FlacReader } from '../../../src/files/flac-reader.ts'
import { MemoryFile } from '../../unit/audio/memory-file.ts'
import { seeded } from '../seeded.ts'
import { playDamaged } from './damaged-file.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 1_000)
const firstSeed = Number(process.env['FUZZ_SEED'] ?? 1)

const file = readFileSync(new URL('../../unit/files/sine.flac', import.meta.url))
/** Without 8 KB of padding: the streaminfo block alone, marked as the last, and the first frames. */
const framesAt = 42
const original = Uint8Array.from([...file.subarray(0, framesAt), ...file.subarray(8_256, 8_256 + 3_000)])
original[4] = 0x80
const firstFrameBytes = 9_687 - 8_256

const checksum = (bytes: Uint8Array, width: 'checksum8' | 'checksum16'): number => {
  const reader = new BitReader(new MemoryFile(bytes))
  for (let i = 0; i < bytes.length; i++) reader.bits(8)
  return reader[width]
}

/** The first frame as if its writer had meant it. */
function signFirstFrame(bytes: Uint8Array): void {
  const frame = bytes.subarray(framesAt, framesAt + firstFrameBytes)
  const headerBytes = frame[2]! >> 4 === 7 ? 7 : frame[2]! >> 4 === 6 ? 6 : 5
  frame[headerBytes] = checksum(frame.subarray(0, headerBytes), 'checksum8')
  new DataView(bytes.buffer, frame.byteOffset).setUint16(
    frame.length - 2,
    checksum(frame.subarray(0, -2), 'checksum16'),
  )
}

it(`${runs} damaged FLAC files are survived`, { timeout: 0 }, async () => {
  const frame = new Int16Array(960)
  const counts = { played: 0, refused: 0 }
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const random = seeded(seed)
    let bytes = Uint8Array.from(original)
    for (let changes = 1 + random(4); changes > 0; changes--) {
      // The headers, of which a frame's first octets are no part of a checksum's luck, or anywhere.
      const at = [8 + random(34), framesAt + random(12), random(bytes.length)][random(3)]!
      if (random(12) === 0) bytes = bytes.slice(0, Math.max(at, framesAt + firstFrameBytes))
      else bytes[at] = random(2) === 0 ? random(256) : bytes[at]! ^ (1 << random(8))
    }
    if (random(2) === 0) signFirstFrame(bytes)
    if (random(12) === 0) bytes = bytes.slice(0, random(bytes.length))
    const file = new MemoryFile(bytes)
    const outcome = await playDamaged(file, seed, async () => {
      const reader = new FlacReader(file)
      return { readFrame: () => reader.read(frame) === frame.length, close: () => reader.close() }
    })
    counts[outcome]++
  }
  expect(counts.played).toBeGreaterThan(runs / 10)
  expect(counts.refused).toBeGreaterThan(0)
})
