// Recordings of whole calls in virtual time: both directions in one file, and as much of the sound as the codec carries.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { isAudible } from '../../../src/audio/level.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { toneSource } from '../../../src/audio/tones.ts'
import { WavReader } from '../../../src/audio/wav-reader.ts'
import { opus } from '../../../src/codec/opus.ts'
import { OggReader } from '../../../src/files/ogg.ts'
import { OpusFileReader } from '../../../src/files/opus-file.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { MemoryFile } from '../../unit/audio/memory-file.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

function contents(host: VirtualHost, path: string): Uint8Array {
  const file = host.files.openForReading(path)
  const bytes = new Uint8Array(file.sizeBytes())
  file.read(bytes, 0)
  file.close()
  return bytes
}

/** Where in samples something begins to be heard. */
function onset(samples: Int16Array, rateHz: number): number {
  const piece = rateHz / 200
  for (let at = 0; at + piece <= samples.length; at += piece)
    if (isAudible(samples.subarray(at, at + piece))) return at
  return Number.POSITIVE_INFINITY
}

function channels(bytes: Uint8Array): { left: Int16Array; right: Int16Array; rateHz: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  expect(view.getUint16(22, true)).toBe(2)
  const interleaved = new Int16Array(bytes.slice(80).buffer)
  const side = (first: number) => interleaved.filter((_, i) => i % 2 === first)
  return { left: side(0), right: side(1), rateHz: view.getUint32(24, true) }
}

it.each(['PCMU', 'G722'])(
  'both directions of a call in %s are recorded as stereo, in time with each other',
  async (codec) => {
    const simulation = world(5)
    const { clock, internet } = simulation
    const host = simulation.host('alice', internet.at('203.0.113.1'))
    await clock.run(
      (async () => {
        const alice = await phoneOn(host, { codecs: [codec] })
        const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), { codecs: [codec] })
        const incoming = bob.nextCall()
        const call = await alice.call('sip:bob@203.0.113.2', { recordBoth: 'both.wav' })
        const answered = await incoming
        await answered.answer()
        await call.connected
        const wait = (ms: number) => new Promise<void>((resolve) => clock.setTimer(ms, resolve))
        await wait(1_000)
        void call.play('tone:440')
        void answered.play('tone:1000')
        await wait(2_000)
        await call.hangUp()
        await alice.stop()
        await bob.stop()
      })(),
    )
    const { left, right, rateHz } = channels(contents(host, 'both.wav'))
    expect(rateHz).toBe(codec === 'PCMU' ? 8_000 : 16_000)
    expect(left.length).toBe(right.length)
    expect(left.length / rateHz).toBeGreaterThan(2.9)
    expect(left.length / rateHz).toBeLessThan(3.3)
    const end = left.length
    expect(toneShare(left.subarray(end - rateHz, end), rateHz, 440)).toBeGreaterThan(0.9)
    expect(toneShare(right.subarray(end - rateHz, end), rateHz, 1_000)).toBeGreaterThan(0.9)
    // Both began at once: what is heard has waited for its packet time and in the jitter buffer.
    const laterMs = ((onset(right, rateHz) - onset(left, rateHz)) * 1_000) / rateHz
    expect(laterMs).toBeGreaterThan(10)
    expect(laterMs).toBeLessThan(200)
    await expectNothingLeft(simulation)
  },
)

it('what a wide-band codec carries is played and recorded at its rate', async () => {
  const simulation = world(6)
  const { clock, internet } = simulation
  const host = simulation.host('bob', internet.at('203.0.113.2'))
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')), { codecs: ['G722'] })
      const bob = await phoneOn(host, { codecs: ['G722'] })
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', {})
      const answered = await incoming
      await answered.answer({ record: 'heard.wav' })
      await call.connected
      void call.play(toneSource({ frequenciesHz: [6_000] }, 16_000))
      await new Promise<void>((resolve) => clock.setTimer(2_000, resolve))
      await call.hangUp()
      await alice.stop()
      await bob.stop()
    })(),
  )
  const reader = new WavReader(new MemoryFile(contents(host, 'heard.wav')))
  expect(reader.sampleRateHz).toBe(16_000)
  const samples = readAll(reader, 10_000)
  expect(toneShare(samples.subarray(-8_000), 16_000, 6_000)).toBeGreaterThan(0.8)
  await expectNothingLeft(simulation)
})

it.each(['opus', 'PCMU'])(
  'an Ogg/Opus file is played into a call in %s, and recorded as one',
  async (codec) => {
    await opus.load!()
    const simulation = world(7)
    const { clock, internet } = simulation
    const hosts = [1, 2].map((n) => simulation.host(`host ${n}`, internet.at(`203.0.113.${n}`)))
    hosts[0]!.files.put('two-tones.opus', readFileSync('test/unit/files/two-tones.opus'))
    await clock.run(
      (async () => {
        const alice = await phoneOn(hosts[0]!, { codecs: [codec] })
        const bob = await phoneOn(hosts[1]!, { codecs: [codec] })
        const incoming = bob.nextCall()
        const call = await alice.call('sip:bob@203.0.113.2', { play: 'two-tones.opus' })
        const answered = await incoming
        await answered.answer({ record: 'heard.opus' })
        await call.played
        await answered.waitToHear('tone:1000', 2_000)
        await call.hangUp()
        await alice.stop()
        await bob.stop()
      })(),
    )
    const reader = new OpusFileReader(new MemoryFile(contents(hosts[1]!, 'heard.opus')))
    await reader.ready
    const samples = readAll(reader, 10_000)
    expect(samples.length / 48_000).toBeGreaterThan(2)
    const loudest = (hz: number) => {
      let most = 0
      for (let at = 0; at + 9_600 <= samples.length; at += 4_800)
        if (isAudible(samples.subarray(at, at + 9_600)))
          most = Math.max(most, toneShare(samples, 48_000, hz, at, 9_600))
      return most
    }
    expect(loudest(440)).toBeGreaterThan(0.9)
    expect(loudest(1_000)).toBeGreaterThan(0.9)
    // In Opus nothing is encoded on the way: the packets of the file that is played are those of the file that is recorded.
    const [played, recorded] = [
      readFileSync('test/unit/files/two-tones.opus'),
      contents(hosts[1]!, 'heard.opus'),
    ].map(packetsOf) as [string[], string[]]
    const kept = played.slice(2).filter((packet) => recorded.includes(packet))
    if (codec === 'opus') expect(kept.length).toBeGreaterThan(97)
    else expect(kept).toEqual([])
    await expectNothingLeft(simulation)
  },
)

function packetsOf(bytes: Uint8Array): string[] {
  const ogg = new OggReader(new MemoryFile(bytes))
  const packets = []
  for (let packet = ogg.next(); packet; packet = ogg.next())
    packets.push(Buffer.from(packet.data).toString('hex'))
  return packets
}

it('a recording in Opus lasts as long as the call, through silence that is not sent and a hold', async () => {
  await opus.load!()
  const simulation = world(8)
  const { clock, internet } = simulation
  const hosts = [1, 2].map((n) => simulation.host(`host ${n}`, internet.at(`203.0.113.${n}`)))
  await clock.run(
    (async () => {
      const alice = await phoneOn(hosts[0]!, { codecs: ['opus:dtx'] })
      const bob = await phoneOn(hosts[1]!, { codecs: ['opus'] })
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', { record: 'heard.opus' })
      const answered = await incoming
      await answered.answer()
      await call.connected
      const wait = (ms: number) => new Promise<void>((resolve) => clock.setTimer(ms, resolve))
      // Silence, of which little is sent.
      await wait(3_000)
      void answered.play('tone:440')
      await wait(2_000)
      await answered.hold()
      await wait(10_000)
      await answered.resume()
      await wait(2_000)
      await call.hangUp()
      await alice.stop()
      await bob.stop()
    })(),
  )
  const reader = new OpusFileReader(new MemoryFile(contents(hosts[0]!, 'heard.opus')))
  await reader.ready
  const samples = readAll(reader, 60_000)
  const seconds = samples.length / 48_000
  expect(seconds).toBeGreaterThan(16.9)
  expect(seconds).toBeLessThan(17.5)
  const share = (from: number, to: number) =>
    toneShare(samples, 48_000, 440, from * 48_000, (to - from) * 48_000)
  expect(share(3.3, 4.9)).toBeGreaterThan(0.9)
  expect(share(15.5, 16.9)).toBeGreaterThan(0.9)
  expect(samples.subarray(8 * 48_000, 14 * 48_000).every((sample) => Math.abs(sample) < 300)).toBe(true)
  await expectNothingLeft(simulation)
})
