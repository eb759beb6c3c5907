// MP3 and FLAC files by the packages that are optional.
import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { resampled } from '../../../src/audio/resample.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { UsageError } from '../../../src/errors.ts'
import { openSound, openSource } from '../../../src/files/open-sound.ts'
import type { Files } from '../../../src/runtime/runtime.ts'
import { MemoryFile } from '../audio/memory-file.ts'

const bytesOf = (name: string): Uint8Array => readFileSync(new URL(name, import.meta.url))
const opened: MemoryFile[] = []
const filesWith = (bytes: Uint8Array): Files =>
  ({
    openForReading: (path: string) => {
      const file = new MemoryFile(bytes, path)
      opened.push(file)
      return file
    },
  }) as unknown as Files

describe.each([
  ['two-tones.mp3', 44_100],
  ['two-tones.flac', 16_000],
])('%s', (name, rateHz) => {
  it('is read at its rate, from its first octets alone', async () => {
    const sound = openSound('music', filesWith(bytesOf(name)))
    await sound.ready
    const source = sound.at(8_000)
    expect(source.sampleRateHz).toBe(rateHz)
    const samples = readAll(resampled(source, 8_000), 10_000)
    expect(samples.length / 8_000).toBeGreaterThan(1.9)
    expect(samples.length / 8_000).toBeLessThan(2.1)
    expect(toneShare(samples, 8_000, 440, 2_000, 4_000)).toBeGreaterThan(0.95)
    expect(toneShare(samples, 8_000, 1_000, 10_000, 4_000)).toBeGreaterThan(0.95)
    expect(opened.at(-1)!.closed).toBe(true)
  })

  it('may be damaged or cut short, and is never read for ever', async () => {
    const bytes = bytesOf(name)
    for (let seed = 1; seed <= 30; seed++) {
      const damaged = Uint8Array.from(bytes.subarray(0, 4 + ((seed * 7_919) % bytes.length)))
      for (let i = 0; i < 20; i++)
        damaged[4 + ((seed * 104_729 + i * 15_485_863) % damaged.length)] = i * seed
      const sound = openSound('music', filesWith(damaged))
      try {
        await sound.ready
        readAll(resampled(sound.at(8_000), 8_000), 60_000)
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError)
        expect((error as Error).message).toMatch(/^music cannot be played: [^\n]*\.$/)
      }
      sound.close()
      expect(opened.at(-1)!.closed).toBe(true)
    }
  })

  it('cannot be read at once', () => {
    expect(() => openSource('music', filesWith(bytesOf(name)), 8_000)).toThrow(
      'music cannot be read at once: only WAV and Ogg/Opus files can.',
    )
  })
})

it('the package that is missing is named', async () => {
  vi.resetModules()
  vi.doMock('mpg123-decoder', () => {
    throw new Error('Cannot find package')
  })
  const { openSound: open } = await import('../../../src/files/open-sound.ts')
  await expect(open('music.mp3', filesWith(bytesOf('two-tones.mp3'))).ready).rejects.toThrow(
    'music.mp3 cannot be played: files of this kind need a package of their own: npm install mpg123-decoder.',
  )
  vi.doUnmock('mpg123-decoder')
  expect(opened.at(-1)!.closed).toBe(true)
})
