// Opus as floe uses libopus: what goes in comes out, what the peer asks for is heeded, and no packet of a peer's throws.
import { Bandwidth } from 'libopus-wasm'
import { beforeAll, describe, expect, it } from 'vitest'
import { encoderOptions, opus } from '../../../src/codec/opus.ts'

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

describe('the parameters of the peer (RFC 7587 6.1)', () => {
  it('are heeded', () => {
    expect(
      encoderOptions('maxaveragebitrate=16000; useinbandfec=1;maxplaybackrate=16000;cbr=1;usedtx=1'),
    ).toMatchObject({
      bitrate: 16_000,
      fec: true,
      vbr: false,
      dtx: true,
      maxBandwidth: Bandwidth.Wideband,
    })
  })
  it.each([[undefined], [''], ['nonsense;;=;x'], ['maxaveragebitrate=abc;maxplaybackrate=']])(
    'may be %s',
    (fmtp) => {
      expect(encoderOptions(fmtp)).toMatchObject({
        bitrate: 32_000,
        fec: false,
        vbr: true,
        maxBandwidth: Bandwidth.Fullband,
      })
    },
  )
  it('cannot ask for less or more than there is', () => {
    expect(encoderOptions('maxaveragebitrate=1').bitrate).toBe(6_000)
    expect(encoderOptions('maxaveragebitrate=9999999').bitrate).toBe(32_000)
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
