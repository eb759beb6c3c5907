// Opus as floe uses libopus: what goes in comes out, what the peer asks for is heeded, and no packet of a peer's throws.
import { Application, createEncoder } from 'libopus-wasm'
import { beforeAll, describe, expect, it } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { resample } from '../../../src/audio/resample.ts'
import { readAll } from '../../../src/audio/sources.ts'
import { opus } from '../../../src/codec/opus.ts'
import { isStereo } from '../../../src/codec/opus-packet.ts'
import { openSource } from '../../../src/files/open-sound.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'

beforeAll(() => opus.load?.())
/** Handles come a microtask after they were asked for. */
const soon = () => new Promise((resolve) => setImmediate(resolve))

async function coder(fmtp?: string) {
  const encoder = opus.createEncoder(fmtp)
  const decoder = opus.createDecoder()
  await soon()
  return { encoder, decoder, out: new Uint8Array(1_275) }
}
const tone = (frequencyHz: number, samples: number): Int16Array =>
  Int16Array.from({ length: samples }, (_, i) =>
    Math.round(8_000 * Math.sin((2 * Math.PI * frequencyHz * i) / opus.sampleRateHz)),
  )

describe('what is encoded', () => {
  it.each(opus.packetTimesMs!)('comes back after decoding, in packets of %i ms', async (ptimeMs) => {
    const { encoder, decoder, out } = await coder()
    const samples = (opus.sampleRateHz * ptimeMs) / 1_000
    const pcm = tone(440, opus.sampleRateHz)
    const back = new Int16Array(pcm.length)
    for (let at = 0; at + samples <= pcm.length; at += samples) {
      const length = encoder.encode(pcm.subarray(at, at + samples), out)
      expect(length).toBeGreaterThan(10)
      expect(decoder.decode(out.subarray(0, length), back.subarray(at))).toBe(samples)
    }
    const level = (part: Int16Array) => Math.sqrt(part.reduce((sum, x) => sum + x * x, 0) / part.length)
    const late = [pcm, back].map((all) => level(all.subarray(opus.sampleRateHz / 2)))
    expect(Math.abs(20 * Math.log10(late[1]! / late[0]!))).toBeLessThan(1)
    encoder.close?.()
    decoder.close?.()
  })

  it('needs no packet in silence where the peer takes DTX', async () => {
    const { encoder, out } = await coder('usedtx=1')
    const lengths = Array.from({ length: 100 }, () => encoder.encode(new Int16Array(960), out))
    expect(lengths.filter((length) => length === 0).length).toBeGreaterThan(70)
    encoder.close?.()
  })

  it('costs nothing after the end: neither end is kept, neither throws', async () => {
    const { encoder, decoder, out } = await coder()
    encoder.close?.()
    decoder.close?.()
    encoder.close?.()
    expect(encoder.encode(new Int16Array(960), out)).toBe(0)
    expect(decoder.decode(out, new Int16Array(960))).toBe(0)
  })
})

describe('a lost packet', () => {
  /** Frame 25 of 50 is lost: what comes in its place, and all as it was sent. */
  const lose = async (
    fill: (decoder: ReturnType<typeof opus.createDecoder>, next: Uint8Array, gap: Int16Array) => void,
  ) => {
    const { encoder, decoder, out } = await coder('useinbandfec=1')
    const pcm = tone(300, opus.sampleRateHz)
    const back = new Int16Array(pcm.length)
    const packets = Array.from({ length: 50 }, (_, i) =>
      out.slice(0, encoder.encode(pcm.subarray(i * 960, (i + 1) * 960), out)),
    )
    packets.forEach((packet, i) => {
      const place = back.subarray(i * 960, (i + 1) * 960)
      if (i === 25) fill(decoder, packets[26]!, place)
      else decoder.decode(packet, place)
    })
    encoder.close?.()
    decoder.close?.()
    return back
  }
  const largestStep = (pcm: Int16Array) =>
    pcm.reduce((most, value, i) => (i === 0 ? 0 : Math.max(most, Math.abs(value - pcm[i - 1]!))), 0)

  it('is concealed in pieces of any length as in one', async () => {
    const atOnce = await lose((decoder, _, gap) => decoder.conceal?.(gap))
    for (const cuts of [
      [240, 600],
      [1, 2, 333],
      [119, 121, 959],
    ]) {
      const inPieces = await lose((decoder, _, gap) => {
        for (const [i, from] of [0, ...cuts].entries()) decoder.conceal?.(gap.subarray(from, cuts[i] ?? 960))
      })
      const middle = (pcm: Int16Array) => pcm.subarray(20 * 960, 30 * 960)
      expect(largestStep(middle(inPieces)), `${cuts}`).toBeLessThan(1.5 * largestStep(middle(atOnce)))
      // The decoder is where it would be: what comes next is the same but for the end of the concealment.
      const after = (pcm: Int16Array) => pcm.subarray(40 * 960)
      const error = after(inPieces).reduce(
        (most, value, i) => Math.max(most, Math.abs(value - after(atOnce)[i]!)),
        0,
      )
      expect(error, `${cuts}`).toBeLessThan(400)
    }
  })

  it('is recovered from the next one, whole packets alone', async () => {
    const recovered = await lose((decoder, next, gap) => {
      expect(decoder.recover?.(next, gap.subarray(0, 100))).toBe(false)
      expect(decoder.recover?.(next, gap)).toBe(true)
    })
    expect(largestStep(recovered.subarray(20 * 960, 30 * 960))).toBeLessThan(1_000)
  })
})

describe('a packet that was encoded elsewhere', () => {
  const taken = async (fmtp: string, packet: Uint8Array, packets: number) => {
    const { encoder } = await coder(fmtp)
    let count = 0
    while (count < packets && encoder.takes!(packet)) count++
    encoder.close?.()
    return count
  }
  /** 20 ms of CELT, in full band. */
  const packet = (lengthBytes: number, stereo = false) =>
    new Uint8Array(lengthBytes).fill(stereo ? 0xfc : 0xf8, 0, 1)

  it('is sent as it is where the peer takes it', async () => {
    expect(await taken('', packet(160), 1_000)).toBe(1_000)
    expect(await taken('stereo=1', packet(320, true), 1_000)).toBe(1_000)
  })
  it('is not where the peer wants mono, or packets of one length', async () => {
    expect(await taken('stereo=0', packet(80, true), 10)).toBe(0)
    expect(await taken('cbr=1', packet(80), 10)).toBe(0)
  })
  it('may be longer than the average that the peer takes, but not for long', async () => {
    // 24,000 bits a second are 60 octets in 20 ms; 48,000 bits ahead is the most.
    expect(await taken('maxaveragebitrate=24000', packet(60), 1_000)).toBe(1_000)
    expect(await taken('maxaveragebitrate=24000', packet(120), 1_000)).toBe(100)
    // 64,000 where nothing is said of music.
    expect(await taken('', packet(320), 1_000)).toBe(100)
  })
})

describe('loss that the peer reports', () => {
  const speech = resample(
    readAll(openSource('media/hello-16k.wav', nodeRuntime.files, 16_000), 10_000),
    16_000,
    48_000,
  )
  /** Every fifth packet of speech is lost: how far what comes in its place is from what it held, 1 for silence. */
  const error = async (fmtp: string, lossPercent: number | undefined) => {
    const { encoder, decoder, out } = await coder(fmtp)
    const whole = opus.createDecoder()
    await soon()
    if (lossPercent !== undefined) encoder.expectLoss?.(lossPercent)
    const [gap, frame, held] = [new Int16Array(960), new Int16Array(960), new Int16Array(960)]
    const energy = { held: 0, off: 0 }
    for (let n = 0; (n + 1) * 960 <= speech.length; n++) {
      const packet = out.slice(0, encoder.encode(speech.subarray(n * 960, (n + 1) * 960), out))
      if (n % 5 === 4) {
        decoder.recover!(packet, gap)
        for (let i = 0; i < 960; i++) {
          energy.held += held[i]! ** 2
          energy.off += (held[i]! - gap[i]!) ** 2
        }
      }
      whole.decode(packet, held)
      if (n % 5 !== 3) decoder.decode(packet, frame)
    }
    for (const each of [encoder, decoder, whole]) each.close?.()
    return energy.off / energy.held
  }

  it('brings forward error correction in, and its absence takes it out', async () => {
    // Silence would be off by 1.
    expect(await error('useinbandfec=1', undefined)).toBeLessThan(0.5)
    expect(await error('useinbandfec=1', 2)).toBeLessThan(0.5)
    expect(await error('useinbandfec=1', 20)).toBeLessThan(0.5)
    expect(await error('useinbandfec=1', 0)).toBeGreaterThan(0.9)
    expect(await error('', 20)).toBeGreaterThan(0.9)
  })
})

describe('stereo of the peer', () => {
  it.each([
    ['SILK and CELT', Application.Voip, 48_000],
    ['CELT', Application.Audio, 96_000],
  ])('is heard from both sides in mono: %s', async (_, application, bitrate) => {
    const stereo = await createEncoder({ sampleRate: 48_000, channels: 2, application, bitrate })
    const decoder = opus.createDecoder()
    await soon()
    const [left, right] = [tone(440, 48_000), tone(1_000, 48_000)]
    const back = new Int16Array(48_000)
    for (let at = 0; at < 48_000; at += 960) {
      const pair = Int16Array.from({ length: 1_920 }, (_, i) => (i % 2 ? right : left)[at + (i >> 1)]!)
      const packet = stereo.encode(pair, { frameSize: 960 })
      expect(isStereo(packet)).toBe(true)
      expect(decoder.decode(packet, back.subarray(at))).toBe(960)
    }
    for (const hz of [440, 1_000]) expect(toneShare(back, 48_000, hz, 24_000, 19_200)).toBeGreaterThan(0.4)
    stereo.free()
    decoder.close?.()
  })
})

it('takes any octets for a packet', async () => {
  const { decoder } = await coder()
  const out = new Int16Array(11_520)
  for (let n = 0; n < 3_000; n++) {
    const packet = Uint8Array.from({ length: n % 90 }, (_, i) => (n * 37 + i * 11) ^ (n >> 2))
    expect(decoder.decode(packet, out)).toBeLessThanOrEqual(out.length)
  }
  decoder.close?.()
})
