// What every reader of files does with a damaged one: it gives samples, or one UsageError in a sentence; it never reads for ever, and
// leaves nothing open.
import { expect } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import type { MemoryFile } from '../../unit/audio/memory-file.ts'

const mostFrames = 10_000

/** @param open takes the file over; `readFrame` tells whether there may be more */
export async function playDamaged(
  file: MemoryFile,
  seed: number,
  open: () => Promise<{ readFrame(): boolean; close(): void }>,
): Promise<'played' | 'refused'> {
  let outcome: 'played' | 'refused' = 'played'
  try {
    const reader = await open()
    let frames = 0
    while (frames < mostFrames && reader.readFrame()) frames++
    expect(frames, `seed ${seed}`).toBeLessThan(mostFrames)
    reader.close()
  } catch (error) {
    expect(error, `seed ${seed}`).toBeInstanceOf(UsageError)
    expect((error as Error).message).toMatch(/^a\.wav cannot be played: [^\n]*\.$/)
    outcome = 'refused'
  }
  expect(file.closed, `seed ${seed}`).toBe(true)
  return outcome
}
