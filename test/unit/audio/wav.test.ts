import { describe, expect, it } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { levelDbfs } from '../../../src/audio/level.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { WavReader } from '../../../src/audio/wav-reader.ts'
import { WavWriter } from '../../../src/audio/wav-writer.ts'
import { UsageError } from '../../../src/errors.ts'
import { fileBytes, MemoryFile } from './memory-file.ts'

/** As the writer makes it, with room for ds64. */
const headerBytes = 80
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer)
const chunk = (id: string, data: Uint8Array, declared = data.length): Uint8Array =>
  Buffer.concat([ascii(id), u32(declared), data, new Uint8Array(data.length & 1)])
const riff = (...chunks: Uint8Array[]): Uint8Array => {
  const body = Buffer.concat(chunks)
  return Buffer.concat([ascii('RIFF'), u32(4 + body.length), ascii('WAVE'), body])
}
const format = (tag: number, channels: number, rateHz: number, bits: number): Uint8Array => {
  const view = new DataView(new ArrayBuffer(16))
  view.setUint16(0, tag, true)
  view.setUint16(2, channels, true)
  view.setUint32(4, rateHz, true)
  view.setUint32(8, (rateHz * channels * bits) / 8, true)
  view.setUint16(12, (channels * bits) / 8, true)
  view.setUint16(14, bits, true)
  return chunk('fmt ', new Uint8Array(view.buffer))
}
const bytesOf = (array: { buffer: ArrayBufferLike }): Uint8Array => new Uint8Array(array.buffer)
const samplesOf = (bytes: Uint8Array): number[] => [...readAll(new WavReader(new MemoryFile(bytes)), 1000)]
const mono16 = format(1, 1, 8000, 16)

describe('reading files that SoX wrote', () => {
  // Each holds 1 kHz at half of full scale: -6 dB of a sine's -3 dBFS.
  it.each([
    ['pcm8-8k', 8000, 1, 'PCM 8 bit', 480],
    ['alaw-8k', 8000, 1, 'A-law', 480],
    ['mulaw-8k-stereo', 8000, 2, 'mu-law', 480],
    ['float64-11k', 11_025, 1, 'float 64 bit', 661],
    ['pcm32-16k', 16_000, 1, 'PCM 32 bit', 960],
    ['float32-22k', 22_050, 1, 'float 32 bit', 1323],
    ['pcm16-44k-stereo', 44_100, 2, 'PCM 16 bit', 2646],
    ['pcm24-48k', 48_000, 1, 'PCM 24 bit', 2880],
    ['pcm24-96k-3ch', 96_000, 3, 'PCM 24 bit', 1920],
  ])('%s', (name, sampleRateHz, channels, encoding, totalSamples) => {
    const reader = new WavReader(new MemoryFile(fileBytes(`files/${name}.wav`)))
    expect(reader).toMatchObject({ sampleRateHz, channels, encoding, totalSamples })
    const samples = readAll(reader, 1000)
    expect(samples.length).toBe(totalSamples)
    expect(levelDbfs(samples)).toBeCloseTo(-9.03, 0)
    expect(toneShare(samples, sampleRateHz, 1000, 0, Math.floor(sampleRateHz / 50))).toBeGreaterThan(0.998)
  })
})

describe('reading', () => {
  it('converts each format to 16 bits, rounded and clipped', () => {
    const read = (tag: number, bits: number, data: Uint8Array): number[] =>
      samplesOf(riff(format(tag, 1, 8000, bits), chunk('data', data)))
    expect(read(1, 8, Uint8Array.of(0, 128, 255))).toEqual([-32_768, 0, 32_512])
    expect(read(1, 16, bytesOf(Int16Array.of(-32_768, -1, 0, 1, 32_767)))).toEqual([
      -32_768, -1, 0, 1, 32_767,
    ])
    // -2^23, one and a half steps of 16 bits below zero, half a step above it, the largest.
    const pcm24 = Uint8Array.of(0, 0, 0x80, 0x80, 0xfe, 0xff, 0x80, 0, 0, 0xff, 0xff, 0x7f)
    expect(read(1, 24, pcm24)).toEqual([-32_768, -1, 1, 32_767])
    expect(read(1, 32, bytesOf(Int32Array.of(-(2 ** 31), 65_536, 2 ** 31 - 1)))).toEqual([-32_768, 1, 32_767])
    expect(read(3, 32, bytesOf(Float32Array.of(-2, -0.5, 0, Number.NaN, 0.25, Infinity)))).toEqual([
      -32_768, -16_384, 0, 0, 8192, 32_767,
    ])
    expect(read(3, 64, bytesOf(Float64Array.of(0.5, -1)))).toEqual([16_384, -32_768])
    expect(read(6, 8, Uint8Array.of(0xd5, 0x2a))).toEqual([8, -32_256])
    expect(read(7, 8, Uint8Array.of(0xff, 0x00))).toEqual([0, -32_124])
  })

  it('mixes channels down to their mean', () => {
    const data = bytesOf(Int16Array.of(100, 300, -32_768, -32_768, 7, 8))
    expect(samplesOf(riff(format(1, 2, 8000, 16), chunk('data', data)))).toEqual([200, -32_768, 8])
  })

  it('steps over other chunks, odd ones too, before and after the audio', () => {
    const data = chunk('data', bytesOf(Int16Array.of(1, 2, 3)))
    const file = riff(
      chunk('JUNK', new Uint8Array(7)),
      mono16,
      chunk('LIST', ascii('INFO')),
      data,
      chunk('LIST', ascii('INFOx')),
    )
    expect(samplesOf(file)).toEqual([1, 2, 3])
  })

  it('takes what there is of a file that was cut short', () => {
    const whole = riff(mono16, chunk('data', bytesOf(Int16Array.of(1, 2, 3))))
    expect(samplesOf(whole.subarray(0, whole.length - 3))).toEqual([1])
    expect(samplesOf(whole.subarray(0, whole.length - 6))).toEqual([])
  })

  it('reads to the end where a writer could not go back to fill in the sizes', () => {
    const body = [mono16, chunk('data', bytesOf(Int16Array.of(1, 2)), 0xffff_ffff)]
    expect(samplesOf(riff(...body))).toEqual([1, 2])
    const zero = Buffer.from(riff(mono16, chunk('data', bytesOf(Int16Array.of(5)), 0)))
    zero.writeUInt32LE(0, 4)
    expect(samplesOf(zero)).toEqual([5])
  })

  it('is read as far as it has come where it grows or is cut while it is played', () => {
    const growing = new MemoryFile(riff(mono16, chunk('data', bytesOf(Int16Array.of(1, 2)), 0xffff_ffff)))
    const reader = new WavReader(growing)
    const read = (of: WavReader, length: number) => {
      const into = new Int16Array(length)
      return [...into.subarray(0, of.read(into))]
    }
    expect(reader.totalSamples).toBe(2)
    expect(read(reader, 1)).toEqual([1])
    growing.bytes = Uint8Array.from([...growing.bytes, 3, 0, 4, 0])
    expect(read(reader, 9)).toEqual([2, 3, 4])
    const shrinking = new MemoryFile(riff(mono16, chunk('data', bytesOf(Int16Array.of(1, 2, 3, 4)))))
    const cut = new WavReader(shrinking)
    expect(read(cut, 1)).toEqual([1])
    shrinking.bytes = shrinking.bytes.subarray(0, -3)
    expect(read(cut, 9)).toEqual([2])
    expect(read(cut, 9)).toEqual([])
  })

  it('reads an empty file as empty, not the chunk behind it', () => {
    expect(samplesOf(riff(mono16, chunk('data', new Uint8Array(0)), chunk('LIST', ascii('INFO'))))).toEqual(
      [],
    )
  })

  it.each(['RF64', 'BW64'])('reads %s, with the size of its audio in ds64', (magic) => {
    const sizes = new Uint8Array(28)
    new DataView(sizes.buffer).setBigUint64(8, 4n, true)
    const data = chunk('data', bytesOf(Int16Array.of(1, 2, 3)), 0xffff_ffff)
    const file = Buffer.from(riff(chunk('ds64', sizes), mono16, data))
    file.write(magic, 0)
    expect(samplesOf(file)).toEqual([1, 2])
  })

  it('streams: any size of read gives the same samples', () => {
    const reader = new WavReader(new MemoryFile(fileBytes('media/hello-8k.wav')))
    const whole = new Int16Array(reader.totalSamples)
    expect(reader.read(whole)).toBe(whole.length)
    expect(reader.read(new Int16Array(160))).toBe(0)
    const framed = new WavReader(new MemoryFile(fileBytes('media/hello-8k.wav')))
    const frame = new Int16Array(160)
    const pieces: number[] = []
    for (let length = 160; length === 160; ) {
      length = framed.read(frame)
      pieces.push(...frame.subarray(0, length))
    }
    expect(Int16Array.from(pieces)).toEqual(whole)
  })

  it.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(0), 'the file is empty'],
    ['an MP3', ascii('ID3\u0004\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000'), 'it is not a WAV file'],
    ['a text of three letters', ascii('abc'), 'it is not a WAV file'],
    [
      'a RIFF file that is no WAVE',
      Buffer.concat([ascii('RIFF'), u32(4), ascii('AVI ')]),
      'it is not a WAV file',
    ],
    ['no format', riff(chunk('LIST', ascii('INFO'))), 'the description of its format is missing'],
    [
      'audio before its format',
      riff(chunk('data', new Uint8Array(4)), mono16),
      'comes before the description',
    ],
    ['no audio', riff(mono16), 'it has no audio data'],
    ['a short format', riff(chunk('fmt ', new Uint8Array(8))), 'is cut short'],
    ['an extensible format without its sub-format', riff(format(0xfffe, 1, 8000, 16)), 'is cut short'],
    ['ADPCM', riff(format(2, 1, 8000, 4)), 'tag 2, 4 bits'],
    ['no channel', riff(format(1, 0, 8000, 16)), '0 channels'],
    ['a rate of 0', riff(format(1, 1, 0, 16)), 'sample rate of 0 Hz'],
  ])('refuses %s in one sentence and closes the file', (_, bytes, reason) => {
    const file = new MemoryFile(bytes, 'music.wav')
    expect(() => new WavReader(file)).toThrow(UsageError)
    expect(() => new WavReader(file)).toThrow(reason)
    expect(() => new WavReader(file)).toThrow(/^music\.wav cannot be played: [^\n]*\.$/)
    expect(file.closed).toBe(true)
  })
})

describe('writing', () => {
  const ramp = (length: number, start = 0): Int16Array => Int16Array.from({ length }, (_, i) => start + i)

  it('gives back what was written', () => {
    const file = new MemoryFile()
    const writer = new WavWriter(file, 16_000)
    writer.write(Int16Array.of(-32_768, -1, 0, 1, 32_767))
    expect(writer.durationMs).toBeCloseTo(5 / 16)
    writer.close()
    expect(file.closed).toBe(true)
    const reader = new WavReader(file)
    expect(reader.sampleRateHz).toBe(16_000)
    expect([...readAll(reader, 1000)]).toEqual([-32_768, -1, 0, 1, 32_767])
  })

  it('is a valid file at every moment, missing less than 200 ms of what was written', () => {
    const file = new MemoryFile()
    let written = 0
    const check = (): void => {
      const view = new DataView(file.bytes.buffer)
      const dataBytes = view.getUint32(76, true)
      expect(headerBytes + dataBytes).toBeLessThanOrEqual(file.bytes.length)
      expect(view.getUint32(4, true)).toBe(headerBytes - 8 + dataBytes)
      const samples = readAll(new WavReader(new MemoryFile(file.bytes.slice())), 60_000)
      expect([...samples]).toEqual([...ramp(samples.length)])
    }
    file.onWrite = check
    const writer = new WavWriter(file, 8000)
    for (let frame = 0; frame < 35; frame++) {
      writer.write(ramp(160, written))
      written += 160
      const kept = new WavReader(new MemoryFile(file.bytes)).totalSamples
      expect(written - kept).toBeLessThan(1600)
    }
    writer.close()
    expect(new WavReader(new MemoryFile(file.bytes)).totalSamples).toBe(written)
  })

  it('stays valid where the disk is full, and closes the file', () => {
    const file = new MemoryFile()
    const writer = new WavWriter(file, 8000)
    writer.write(ramp(1600))
    file.onWrite = () => {
      file.bytes = file.bytes.slice(0, headerBytes + 3200)
      throw new UsageError('a.wav cannot be written: no space is left.')
    }
    writer.write(ramp(800))
    expect(() => writer.write(ramp(800))).toThrow(UsageError)
    writer.close()
    expect(file.closed).toBe(true)
    expect(new WavReader(new MemoryFile(file.bytes)).totalSamples).toBe(1600)
  })

  it('becomes RF64 beyond 4 GB', () => {
    const header = new MemoryFile()
    let endBytes = 0
    // A disk that keeps the header and forgets the rest.
    const file = {
      path: 'long.wav',
      sizeBytes: () => endBytes,
      read: (into: Uint8Array, position: number) => header.read(into, position),
      write(data: Uint8Array, position: number) {
        if (position === 0) header.write(data, 0)
        endBytes = Math.max(endBytes, position + data.length)
      },
      close: () => undefined,
    }
    const writer = new WavWriter(file, 768_000, 2)
    const second = new Int16Array(2 * 768_000)
    const state = () =>
      [header.bytes.subarray(0, 4), header.bytes.subarray(12, 16)].map((id) => new TextDecoder().decode(id))
    writer.write(second)
    // As if 4 GB but for two seconds had been written.
    const seconds = Math.floor(2 ** 32 / second.byteLength) - 1
    Object.assign(writer, { dataBytes: seconds * second.byteLength })
    writer.write(second.subarray(0, 1_000_000))
    expect(state()).toEqual(['RIFF', 'fmt '])
    for (let i = 0; i < 3; i++) writer.write(second)
    writer.close()
    expect(state()).toEqual(['RF64', 'ds64'])
    const reader = new WavReader(file)
    expect(reader.totalSamples).toBe((seconds + 3) * 768_000 + 500_000)
    expect(endBytes).toBe(headerBytes + (seconds + 3) * second.byteLength + 2_000_000)
  })

  it('takes another rate as long as nothing is written', () => {
    const file = new MemoryFile()
    const writer = new WavWriter(file, 8_000)
    writer.useRate(16_000)
    writer.write(ramp(320))
    writer.useRate(48_000)
    writer.close()
    const reader = new WavReader(file)
    expect([reader.sampleRateHz, reader.totalSamples]).toEqual([16_000, 320])
  })

  it('ignores what comes after the end, and a second end', () => {
    const file = new MemoryFile()
    const writer = new WavWriter(file, 8000)
    writer.close()
    writer.write(ramp(5000))
    writer.close()
    expect(file.bytes.length).toBe(headerBytes)
    expect(new WavReader(file).totalSamples).toBe(0)
  })
})
