// Opus in Ogg: what ffmpeg has written, what we write, damage, chains, and the way through a stream without encoding anew.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { toneBurst } from '../../../src/audio/tones.ts'
import { samplesOf } from '../../../src/codec/opus-packet.ts'
import { UsageError } from '../../../src/errors.ts'
import { OggReader, OggWriter } from '../../../src/files/ogg.ts'
import { OpusFileReader } from '../../../src/files/opus-file.ts'
import { OpusFileWriter } from '../../../src/files/opus-file-writer.ts'
import { MemoryFile } from '../audio/memory-file.ts'

/** One second of 440 Hz, then one of 1000 Hz: mono, 20 ms, by libopus's own tools. */
const twoTones = (): Uint8Array => readFileSync(new URL('two-tones.opus', import.meta.url))

async function opened(bytes: Uint8Array): Promise<OpusFileReader> {
  const reader = new OpusFileReader(new MemoryFile(bytes, 'a.opus'))
  await reader.ready
  return reader
}

/** How much of the middle of each second is its tone. */
const shares = (samples: Int16Array): number[] =>
  [440, 1_000].map((hz, i) => toneShare(samples, 48_000, hz, i * 48_000 + 12_000, 24_000))

describe('pages', () => {
  const packets = [0, 1, 254, 255, 256, 510, 4_000].map((length) => new Uint8Array(length).fill(length))

  it('give back packets of every length', () => {
    const file = new MemoryFile()
    const writer = new OggWriter(file, 7)
    writer.write(packets.slice(0, 1), 0)
    writer.write(packets.slice(1, 5), 100)
    writer.write(packets.slice(5), 200, true)
    const reader = new OggReader(file)
    const read = []
    for (let packet = reader.next(); packet; packet = reader.next()) read.push(packet)
    expect(read.map(({ data }) => [...data])).toEqual(packets.map((data) => [...data]))
    expect(read.map(({ granule }) => granule)).toEqual([
      0,
      undefined,
      undefined,
      undefined,
      100,
      undefined,
      200,
    ])
    expect(read.map(({ begins }) => begins)).toEqual([true, ...new Array(6).fill(false)])
    expect(read.at(-1)!.ends).toBe(true)
  })

  it('put packets together that lie across them, and drop those of which a page is lost', () => {
    // 600 octets over two pages: the first with all its segments full (RFC 3533 5).
    const whole = Uint8Array.from({ length: 600 }, (_, i) => i)
    const pages = [page({ sequence: 0, flags: 2, lacing: [255, 255], body: whole.subarray(0, 510) })]
    pages.push(page({ sequence: 1, flags: 1, lacing: [90, 3], body: [...whole.subarray(510), 1, 2, 3] }))
    const read = (parts: Uint8Array[]) => {
      const reader = new OggReader(new MemoryFile(Buffer.concat(parts)))
      const found = []
      for (let packet = reader.next(); packet; packet = reader.next()) found.push([...packet.data])
      return found
    }
    expect(read(pages)).toEqual([[...whole], [1, 2, 3]])
    const later = page({ sequence: 2, flags: 1, lacing: [90, 3], body: [...whole.subarray(510), 1, 2, 3] })
    expect(read([pages[0]!, later])).toEqual([[1, 2, 3]])
    const damaged = Uint8Array.from(pages[1]!)
    damaged[damaged.length - 1]! ^= 1
    expect(read([pages[0]!, damaged, later])).toEqual([[1, 2, 3]])
    expect(read([pages[0]!, Buffer.from('junk OggS junk'), pages[1]!])).toEqual([[...whole], [1, 2, 3]])
  })
})

function page(p: { sequence: number; flags: number; lacing: number[]; body: Iterable<number> }): Uint8Array {
  // The writer's checksum, over a header of the test's own.
  const file = new MemoryFile()
  new OggWriter(file, 1).write([Uint8Array.from(p.body)], 0)
  const made = Buffer.concat([
    file.bytes.slice(0, 26),
    Uint8Array.of(p.lacing.length, ...p.lacing),
    Uint8Array.from(p.body),
  ])
  made[5] = p.flags
  made.writeUInt32LE(p.sequence, 18)
  made.writeUInt32LE(0, 22)
  let crc = 0
  for (const octet of made) {
    crc ^= octet << 24
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000_0000 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1
  }
  made.writeUInt32LE(crc >>> 0, 22)
  return made
}

describe('an Ogg/Opus file', () => {
  it('is read to the sample, pre-skip and end trimmed', async () => {
    const samples = readAll(await opened(twoTones()), 10_000)
    expect(samples.length).toBe(2 * 48_000)
    for (const share of shares(samples)) expect(share).toBeGreaterThan(0.98)
  })

  it('goes on with the stream that follows it in the file', async () => {
    const samples = readAll(await opened(Buffer.concat([twoTones(), twoTones()])), 10_000)
    expect(samples.length).toBe(4 * 48_000)
    for (const share of shares(samples.subarray(2 * 48_000))) expect(share).toBeGreaterThan(0.98)
  })

  it('is heard as far as it goes where it is cut short, and past a damaged page', async () => {
    const bytes = twoTones()
    const cut = readAll(await opened(bytes.subarray(0, bytes.length * 0.7)), 10_000)
    expect(cut.length).toBeGreaterThan(40_000)
    const damaged = Uint8Array.from(bytes)
    damaged[bytes.length >> 1]! ^= 0xff
    const rest = readAll(await opened(damaged), 10_000)
    expect(rest.length).toBeGreaterThan(40_000)
  })

  it('gives its packets as they are where they fit, and their sound', async () => {
    const reader = await opened(twoTones())
    const sound: number[] = []
    const frame = new Int16Array(960)
    let packets = 0
    for (let packet = reader.readPacket(frame); packet; packet = reader.readPacket(frame)) {
      expect(samplesOf(packet)).toBe(960)
      sound.push(...frame)
      packets++
    }
    // The last one is cut: that is read.
    expect(packets).toBe(100)
    const length = reader.read(frame)
    expect(length).toBeLessThan(960)
    expect(reader.read(frame)).toBe(0)
    for (const share of shares(Int16Array.from(sound))) expect(share).toBeGreaterThan(0.98)
  })

  it('gives no packets where a gain is to be applied to their sound', async () => {
    const file = new MemoryFile()
    const writer = new OggWriter(file, 1)
    const original = new OggReader(new MemoryFile(twoTones()))
    for (let packet = original.next(); packet; packet = original.next()) {
      // -20 dB, in 256ths.
      if (packet.begins) new DataView(packet.data.buffer).setInt16(16, -5_120, true)
      writer.write([packet.data], packet.granule ?? 0, packet.ends)
    }
    const reader = await opened(file.bytes)
    expect(reader.readPacket(new Int16Array(960))).toBeUndefined()
    // Of a stream that follows in the file, from its first packet.
    const chained = await opened(Buffer.concat([twoTones(), file.bytes]))
    chained.read(new Int16Array(2 * 48_000))
    expect(chained.readPacket(new Int16Array(960))).toBeUndefined()
    const loudest = (samples: Int16Array) => Math.max(...samples.subarray(9_600, 38_400))
    const before = loudest(readAll(await opened(twoTones()), 10_000))
    expect(loudest(readAll(reader, 10_000)) / before).toBeCloseTo(0.1, 2)
  })

  it('goes on by samples where packets do not fit, and back at the next boundary', async () => {
    const reader = await opened(twoTones())
    const long = new Int16Array(2_880)
    expect(reader.readPacket(long)).toBeUndefined()
    expect(reader.read(long.subarray(0, 648))).toBe(648)
    expect(reader.readPacket(new Int16Array(960))).toBeDefined()
    expect(reader.read(long.subarray(0, 100))).toBe(100)
    expect(reader.readPacket(new Int16Array(960))).toBeUndefined()
  })

  it.each([
    ['nothing', new Uint8Array(0), 'the file is empty or damaged'],
    ['an Ogg file of something else', vorbis(), 'it is an Ogg file, but not of Opus'],
  ])('is not %s', (_, bytes, reason) => {
    const file = new MemoryFile(bytes, 'a.opus')
    expect(() => new OpusFileReader(file)).toThrow(UsageError)
    expect(() => new OpusFileReader(file)).toThrow(`a.opus cannot be played: ${reason}`)
    expect(file.closed).toBe(true)
  })
})

function vorbis(): Uint8Array {
  const file = new MemoryFile()
  new OggWriter(file, 1).write([Buffer.from('\x01vorbis and more of it')], 0)
  return file.bytes
}

describe('recording', () => {
  it('gives back what was recorded, as long as it was', async () => {
    const file = new MemoryFile()
    const writer = new OpusFileWriter(file, 99)
    for (const hz of [440, 1_000]) {
      const second = readAll(toneBurst({ frequenciesHz: [hz] }, 1_000, 48_000), 1_000)
      for (let at = 0; at < second.length; at += 700) {
        writer.write(second.subarray(at, at + 700))
        await Promise.resolve()
      }
    }
    expect(writer.durationMs).toBe(2_000)
    // Whoever is killed now has all but the last second.
    const soFar = readAll(await opened(file.bytes.slice()), 10_000)
    expect(soFar.length).toBeGreaterThanOrEqual(48_000 - 3_840)
    writer.close()
    const samples = readAll(await opened(file.bytes), 10_000)
    expect(samples.length).toBe(2 * 48_000)
    for (const share of shares(samples)) expect(share).toBeGreaterThan(0.98)
  })

  it('may be empty, and over before libopus is there', async () => {
    const file = new MemoryFile()
    new OpusFileWriter(file, 1).close()
    expect(readAll(await opened(file.bytes), 1_000).length).toBe(0)
  })
})
