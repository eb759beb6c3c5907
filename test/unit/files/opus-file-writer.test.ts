// Recordings of packets as they came: everything at its time, whatever was lost, paused, sent anew or in another codec.
import { createDecoder, createEncoder } from 'libopus-wasm'
import { describe, expect, it } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { samplesOf } from '../../../src/codec/opus-packet.ts'
import { OggReader } from '../../../src/files/ogg.ts'
import { OpusFileReader } from '../../../src/files/opus-file.ts'
import { OpusFileWriter } from '../../../src/files/opus-file-writer.ts'
import { MemoryFile } from '../audio/memory-file.ts'

const tone = (hz: number, samples: number, from = 0): Int16Array =>
  Int16Array.from({ length: samples }, (_, i) =>
    Math.round(8_000 * Math.sin((2 * Math.PI * hz * (from + i)) / 48_000)),
  )

/** A second of each tone, in packets of 20 ms; timestamps wrap in the first. */
async function encoded(tonesHz: readonly number[]): Promise<{ packet: Uint8Array; timestamp: number }[]> {
  const encoder = await createEncoder({ sampleRate: 48_000, channels: 1, bitrate: 48_000 })
  const packets = tonesHz.flatMap((hz, second) =>
    Array.from({ length: 50 }, (_, n) => ({
      packet: encoder.encode(tone(hz, 960, n * 960), { frameSize: 960 }).slice(),
      timestamp: (second * 48_000 + n * 960 - 9_600) >>> 0,
    })),
  )
  encoder.free()
  return packets
}

async function samplesIn(file: MemoryFile): Promise<Int16Array> {
  const reader = new OpusFileReader(new MemoryFile(file.bytes.slice(), 'a.opus'))
  await reader.ready
  return readAll(reader, 120_000)
}

function packetsIn(file: MemoryFile) {
  const ogg = new OggReader(new MemoryFile(file.bytes.slice()))
  const packets = []
  for (let packet = ogg.next(); packet; packet = ogg.next()) packets.push(packet)
  return { head: packets[0]!, sound: packets.slice(2) }
}

/** Granule positions count what is on the pages so far (RFC 7845 4). */
function expectHonestPages(file: MemoryFile): void {
  let position = 0
  for (const { data, granule, ends } of packetsIn(file).sound) {
    expect(samplesOf(data)).toBeGreaterThan(0)
    position += samplesOf(data)
    if (granule !== undefined && !ends) expect(granule).toBe(position)
    if (ends) expect(granule).toBeLessThanOrEqual(position)
  }
}

const share = (samples: Int16Array, hz: number, fromMs: number, ms: number): number =>
  toneShare(samples, 48_000, hz, fromMs * 48, ms * 48)

describe('packets of Opus', () => {
  it('are kept octet by octet, and play at their time', async () => {
    const file = new MemoryFile()
    const writer = new OpusFileWriter(file, 1)
    const packets = await encoded([440, 1_000])
    // A quarter of a second passes before the first.
    writer.elapse(12_000)
    for (const { packet, timestamp } of packets) {
      writer.writePacket(packet, timestamp)
      writer.elapse(960)
    }
    // Whoever is killed now has all but the last second.
    expect((await samplesIn(file)).length).toBeGreaterThan(48_000)
    writer.close()
    expect(writer.durationMs).toBe(2_250)
    expectHonestPages(file)
    const { head, sound } = packetsIn(file)
    expect(head.data[9]).toBe(1)
    const own = sound.map(({ data }) => Buffer.from(data).toString('hex'))
    const first = own.indexOf(Buffer.from(packets[0]!.packet).toString('hex'))
    expect(own.slice(first, first + 100)).toEqual(
      packets.map(({ packet }) => Buffer.from(packet).toString('hex')),
    )
    const samples = await samplesIn(file)
    expect(samples.length).toBe(2.25 * 48_000)
    expect(samples.subarray(0, 11_500).every((sample) => Math.abs(sample) < 50)).toBe(true)
    expect(share(samples, 440, 260, 980)).toBeGreaterThan(0.95)
    expect(share(samples, 1_000, 1_260, 980)).toBeGreaterThan(0.95)
    // To the millisecond: libopus alone, without the 6.5 ms by which the encoder is late, is the same.
    const decoder = await createDecoder({ sampleRate: 48_000, channels: 1 })
    const alone = Int16Array.from(packets.flatMap(({ packet }) => [...decoder.decode(packet)])).subarray(312)
    decoder.free()
    const middle = alone.subarray(30_000, 60_000)
    const off = middle.reduce((most, v, i) => Math.max(most, Math.abs(v - samples[12_000 + 30_000 + i]!)), 0)
    expect(off).toBeLessThan(10)
  })

  it.each([
    ['lost, or not sent in silence', 0],
    ['on hold, after which the sender counts on as if there had been none', 30],
  ])('leave a gap as long as it was where they are %s', async (_, forgotten) => {
    const file = new MemoryFile()
    const writer = new OpusFileWriter(file, 1)
    const packets = await encoded([440, 1_000])
    const pauseTicks = 30_000
    const pass = (samples: number) => {
      for (let past = 0; past < samples; past += 960) writer.elapse(960)
    }
    for (const [n, { packet, timestamp }] of packets.entries()) {
      // Three packets in the first second, and a longer pause before the second.
      if (n === 50) pass(forgotten ? 40 * 48_000 : pauseTicks)
      const later = n < 50 || forgotten ? 0 : pauseTicks
      if (![20, 30, 31].includes(n)) writer.writePacket(packet, (timestamp + later) >>> 0)
      pass(960)
    }
    writer.close()
    expectHonestPages(file)
    const pauseMs = forgotten ? 40_000 : pauseTicks / 48
    const samples = await samplesIn(file)
    expect(Math.abs(samples.length / 48 - 2_000 - pauseMs)).toBeLessThan(20)
    expect(share(samples, 440, 10, 380)).toBeGreaterThan(0.95)
    expect(share(samples, 440, 660, 330)).toBeGreaterThan(0.95)
    expect(share(samples, 1_000, 1_030 + pauseMs, 900)).toBeGreaterThan(0.95)
    // A gap keeps mode, band and channels of what came before (RFC 7845 4.1).
    const { sound } = packetsIn(file)
    expect(sound[20]!.data.length).toBe(1)
    expect(sound[20]!.data[0]! & 0xfc).toBe(sound[19]!.data[0]! & 0xfc)
  })

  it('of another source go on at the time that it is', async () => {
    const file = new MemoryFile()
    const writer = new OpusFileWriter(file, 1)
    const packets = await encoded([440, 1_000])
    packets.forEach(({ packet, timestamp }, n) => {
      writer.writePacket(packet, (timestamp + (n < 50 ? 0 : 2_000_000_000)) >>> 0)
      writer.elapse(960)
    })
    writer.close()
    const samples = await samplesIn(file)
    expect(samples.length).toBe(96_000)
    expect(share(samples, 1_000, 1_020, 950)).toBeGreaterThan(0.95)
  })

  it('of a sender that is slow never make the file shorter than the time it took', async () => {
    const file = new MemoryFile()
    const writer = new OpusFileWriter(file, 1)
    // 2 %, a hundred times as bad as any, for a minute and a half.
    const { packet } = (await encoded([440]))[20]!
    for (let n = 0; n < 4_500; n++) {
      writer.writePacket(packet, n * 960)
      writer.elapse(979)
    }
    writer.close()
    expectHonestPages(file)
    const total = packetsIn(file).sound.reduce((sum, { data }) => sum + samplesOf(data), 0)
    expect(Math.abs(total / 48 - writer.durationMs)).toBeLessThan(1_100)
  })

  it('of stereo make the file one', async () => {
    const file = new MemoryFile()
    const writer = new OpusFileWriter(file, 1)
    writer.writePacket(Uint8Array.of(0xf8, 1, 2, 3), 0)
    expect(packetsIn(file).head.data[9]).toBe(1)
    writer.writePacket(Uint8Array.of(0xfc, 1, 2, 3), 960)
    expect(packetsIn(file).head.data[9]).toBe(2)
    writer.close()
    expectHonestPages(file)
  })

  it('that are none are passed over', async () => {
    const file = new MemoryFile()
    const writer = new OpusFileWriter(file, 1)
    for (const packet of [[], [0xfb, 0], [0xfb], [0xff, 0x3f]]) writer.writePacket(Uint8Array.from(packet), 0)
    writer.elapse(4_800)
    writer.close()
    expect((await samplesIn(file)).length).toBe(4_800)
  })
})

it('a codec changed in mid-call is encoded in between, at its time', async () => {
  const file = new MemoryFile()
  const writer = new OpusFileWriter(file, 1)
  const packets = await encoded([440, 1_000])
  const heard = async (from: number) => {
    for (const { packet, timestamp } of packets.slice(from, from + 50)) {
      writer.writePacket(packet, timestamp)
      writer.elapse(960)
    }
  }
  await heard(0)
  const between = tone(700, 48_000)
  for (let at = 0; at < between.length; at += 700) {
    writer.write(between.subarray(at, at + 700))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await heard(50)
  writer.close()
  expectHonestPages(file)
  const samples = await samplesIn(file)
  expect(samples.length).toBe(3 * 48_000)
  expect(share(samples, 440, 20, 950)).toBeGreaterThan(0.95)
  expect(share(samples, 700, 1_030, 900)).toBeGreaterThan(0.95)
  expect(share(samples, 1_000, 2_050, 900)).toBeGreaterThan(0.95)
})
