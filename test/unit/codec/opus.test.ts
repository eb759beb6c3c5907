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
