// Files of each kind as they are opened, played once and played over and over.
import { describe, expect, it, vi } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { resampled } from '../../../src/audio/resample.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { UsageError } from '../../../src/errors.ts'
import { Mp3Reader } from '../../../src/files/mp3-reader.ts'
import { openSound, openSource } from '../../../src/files/open-sound.ts'
import type { MemoryFile } from '../audio/memory-file.ts'
import { bytesOf, filesWith } from './files-with.ts'

const opened: MemoryFile[] = []

describe.each([
  ['two-tones.mp3', 44_100],
  ['two-tones.flac', 16_000],
])('%s', (name, rateHz) => {
  it('is read at its rate, from its first octets alone', async () => {
    const sound = openSound('music', filesWith(bytesOf(name), opened))
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
      try {
        const sound = openSound('music', filesWith(damaged, opened))
        await sound.ready
        readAll(resampled(sound.at(8_000), 8_000), 60_000)
        sound.close()
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError)
        expect((error as Error).message).toMatch(/^music cannot be played: [^\n]*\.$/)
      }
      expect(opened.at(-1)!.closed).toBe(true)
    }
  })
})

it('FLAC is read to the sample, and past a damaged frame', () => {
  const read = (bytes: Uint8Array) => readAll(openSource('a', filesWith(bytes), 16_000), 10_000)
  const [whole, original] = [read(bytesOf('sine.flac')), read(bytesOf('sine.wav'))]
  expect(whole).toEqual(original)
  // In the second of its frames of 1,152 samples.
  const damaged = bytesOf('sine.flac')
  damaged[10_000]! ^= 1
  expect(read(damaged)).toEqual(original.filter((_, i) => i < 1_152 || i >= 2_304))
})

/** Each holds 440 Hz for a second or a half, the end of which fits the beginning. */
describe.each([
  ['sine.wav', 1e-6],
  ['sine.flac', 1e-6],
  ['sine.mp3', 1e-3],
  // ffmpeg's encoder hears silence behind the last sample.
  ['sine.opus', 2e-2],
])('%s, over and over', (name, mostElse) => {
  it('has no gap and no click between the rounds, and is opened once', async () => {
    const files: MemoryFile[] = []
    const mp3 = vi.spyOn(Mp3Reader.prototype, 'rewind')
    const sound = openSound('music', filesWith(bytesOf(name), files), { loop: true })
    await sound.ready
    const source = sound.at(8_000)
    const rateHz = source.sampleRateHz
    const samples = new Int16Array(rateHz * 5)
    for (let at = 0; at < samples.length; at += rateHz / 50) {
      expect(source.read(samples.subarray(at, at + rateHz / 50))).toBe(rateHz / 50)
      // A decoder needs its moment between two rounds, as it has it between the packets of a call.
      const reader = mp3.mock.contexts.at(-1) as Mp3Reader | undefined
      do await new Promise((resolve) => setImmediate(resolve))
      while (reader && !reader.rewindsAtOnce)
    }
    for (let at = 0; at + rateHz / 20 <= samples.length; at += rateHz / 100)
      expect(1 - toneShare(samples, rateHz, 440, at, rateHz / 20)).toBeLessThan(mostElse)
    source.close()
    mp3.mockRestore()
    expect(files.map(({ closed }) => closed)).toEqual([true])
  })
})

it('digits over and over, and nothing over and over', () => {
  const digits = openSound('dtmf:1', filesWith(new Uint8Array(0)), { loop: true }).at(8_000)
  expect(digits.read(new Int16Array(80_000))).toBe(80_000)
  const empty = bytesOf('sine.wav').slice(0, 44)
  new DataView(empty.buffer).setUint32(40, 0, true)
  expect(openSound('a', filesWith(empty), { loop: true }).at(8_000).read(new Int16Array(80))).toBe(0)
})

it.each([
  ['nothing', '', 'the file is empty'],
  ['one octet', 'R', 'it is none of WAV, RF64, Ogg/Opus'],
  ['a text', 'Dear reader', 'it is none of WAV, RF64, Ogg/Opus'],
  ['a beginning of FLAC', 'fLaC', 'there is no sound in it'],
  ['a beginning of WAV', 'RIFF', 'it is not a WAV file'],
  ['a beginning of Ogg', 'OggS', 'the file is empty or damaged'],
])('%s is refused in a sentence', (_, text, why) => {
  const files: MemoryFile[] = []
  const open = () => openSound('music.wav', filesWith(Buffer.from(text), files))
  expect(open).toThrow(UsageError)
  expect(open).toThrow(/^music\.wav cannot be played: [^\n]*\.$/)
  expect(open).toThrow(why)
  expect(files.every(({ closed }) => closed)).toBe(true)
})

describe('MP3', () => {
  it('cannot be read at once', () => {
    const files: MemoryFile[] = []
    expect(() => openSource('music', filesWith(bytesOf('sine.mp3'), files), 8_000)).toThrow(
      'music cannot be read at once: MP3 takes a moment to begin with.',
    )
    expect(files.map(({ closed }) => closed)).toEqual([true])
  })

  it('that is none is refused', async () => {
    const files: MemoryFile[] = []
    await expect(openSound('a', filesWith(Buffer.from('ID3, it says'), files)).ready).rejects.toThrow(
      'a cannot be played: there is no sound in it, or it is damaged.',
    )
    expect(files.map(({ closed }) => closed)).toEqual([true])
  })

  it('names the package that is missing', async () => {
    const files: MemoryFile[] = []
    vi.resetModules()
    vi.doMock('mpg123-decoder', () => {
      throw new Error('Cannot find package')
    })
    const { openSound: open } = await import('../../../src/files/open-sound.ts')
    await expect(open('a.mp3', filesWith(bytesOf('sine.mp3'), files)).ready).rejects.toThrow(
      'a.mp3 cannot be played: files of this kind need a package of their own: npm install mpg123-decoder.',
    )
    vi.doUnmock('mpg123-decoder')
    expect(files.map(({ closed }) => closed)).toEqual([true])
  })
})
