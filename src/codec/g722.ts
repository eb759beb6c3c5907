// G722 (ITU-T G.722; RFC 3551 4.5.2): 50 to 7000 Hz at 64 kbit/s, an octet for two samples at 16 kHz. Quadrature mirror filters
// (3.1, 4.4) split the band and join it, g722-bands.ts codes its halves. RTP counts 8000 ticks a second.
import type { Codec, Decoder, Encoder } from './codec.ts'
import { HigherBand, LowerBand } from './g722-bands.ts'

const taps = 24
/** Table 11, every other coefficient, in 8192nds. The filter is symmetric: the rest are the same from the end. */
const coefficients = Int16Array.of(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11)

/** The last 24 values, twice over, so that a window of them is never broken. */
class History {
  private readonly values = new Int32Array(2 * taps)
  private newest = 0
  /** Sums over the values at even and odd distance from the oldest, each weighted by its half of the filter. */
  even = 0
  odd = 0

  push(first: number, second: number): void {
    const { values } = this
    let at = this.newest
    values[at] = values[at + taps] = first
    values[at + 1] = values[at + 1 + taps] = second
    at = (at + 2) % taps
    this.newest = at
    let even = 0
    let odd = 0
    for (let i = 0; i < 12; i++) {
      even += values[at + 2 * i]! * coefficients[i]!
      odd += values[at + 2 * i + 1]! * coefficients[11 - i]!
    }
    this.even = even
    this.odd = odd
  }
}

class G722Encoder implements Encoder {
  private readonly history = new History()
  private readonly lower = new LowerBand()
  private readonly higher = new HigherBand()

  encode(pcm: Int16Array, out: Uint8Array): number {
    const length = Math.min(pcm.length >> 1, out.length)
    for (let i = 0; i < length; i++) {
      const { history } = this
      history.push(pcm[2 * i]!, pcm[2 * i + 1]!)
      const low = this.lower.encode(inBand((history.even + history.odd) >> 14))
      const high = this.higher.encode(inBand((history.odd - history.even) >> 14))
      out[i] = (high << 6) | low
    }
    return length
  }
}

class G722Decoder implements Decoder {
  private readonly history = new History()
  private readonly lower = new LowerBand()
  private readonly higher = new HigherBand()

  decode(payload: Uint8Array, out: Int16Array): number {
    const length = Math.min(payload.length, out.length >> 1)
    for (let i = 0; i < length; i++) {
      const octet = payload[i]!
      const { history } = this
      const low = this.lower.decode(octet & 63, 6)
      const high = this.higher.decode(octet >> 6)
      history.push(low + high, low - high)
      out[2 * i] = in16Bits(history.odd >> 11)
      out[2 * i + 1] = in16Bits(history.even >> 11)
    }
    return 2 * length
  }
}

const inBand = (value: number): number => (value > 16383 ? 16383 : value < -16384 ? -16384 : value)
const in16Bits = (value: number): number => (value > 32767 ? 32767 : value < -32768 ? -32768 : value)

/** Payload type 9 (RFC 3551 table 4). */
export const g722: Codec = {
  name: 'G722',
  sampleRateHz: 16_000,
  clockRateHz: 8000,
  channels: 1,
  concealment: 'waveform',
  threadName: 'G722',
  staticPayloadType: 9,
  createEncoder: () => new G722Encoder(),
  createDecoder: () => new G722Decoder(),
}
