// One frame of FLAC (RFC 9639 9): header, subframes, checksums. Channels are mixed down to their mean as they are decoded, which
// needs neither the left nor the right of a pair. Leaves out the sample rate and the number of a frame: the stream has one rate, and
// frames are read one after the other.
import { type BitReader, Damaged } from './bit-reader.ts'

/** RFC 9639 9.2.5: the longest order of a predictor. */
const maximumOrder = 32
/** RFC 9639 9.2.2: coefficients of the fixed predictors. */
const fixedCoefficients = [[], [1], [2, -1], [3, -3, 1], [4, -6, 4, -1]] as const
/** RFC 9639 9.1.4; 0: as in the streaminfo block, 3: reserved. */
const sampleSizes = [0, 8, 12, 0, 16, 20, 24, 32] as const
/** RFC 9639 9.1.3: from here on two channels are coded as a pair. */
const channelPairs = { leftSide: 8, sideRight: 9, midSide: 10 } as const

export class FlacFrames {
  private channels: Float64Array[] = []
  private readonly coefficients = new Float64Array(maximumOrder)

  /** @param streamBits bits per sample, where a frame does not say */
  constructor(
    private readonly reader: BitReader,
    private readonly streamBits: number,
  ) {}

  /** The next frame, mono and of 16 bits.
   *  @throws Damaged where there is none at this place, or a part of one */
  next(): Int16Array {
    const { reader } = this
    reader.beginChecksums()
    // RFC 9639 9.1: sync code, a reserved bit, blocking strategy.
    if (reader.bits(15) !== 0x7ffc) throw new Damaged()
    reader.bits(1)
    const sizeCode = reader.bits(4)
    const rateCode = reader.bits(4)
    const channelCode = reader.bits(4)
    const bits = this.sampleSize(reader.bits(3))
    if (reader.bits(1) !== 0 || channelCode > channelPairs.midSide) throw new Damaged()
    this.skipNumber()
    const samples = this.blockSize(sizeCode)
    // RFC 9639 9.1.2.
    if (rateCode === 15) throw new Damaged()
    if (rateCode >= 12) reader.bits(rateCode === 12 ? 8 : 16)
    const claimed = reader.checksum8
    if (reader.bits(8) !== claimed) throw new Damaged()
    const count = channelCode < channelPairs.leftSide ? channelCode + 1 : 2
    this.makeRoom(count, samples)
    for (let channel = 0; channel < count; channel++)
      this.readSubframe(this.channels[channel]!, samples, bits + (isSide(channelCode, channel) ? 1 : 0))
    reader.align()
    const claimed16 = reader.checksum16
    if (reader.bits(16) !== claimed16) throw new Damaged()
    return this.mixed(channelCode, count, samples, 2 ** (16 - bits))
  }

  private sampleSize(code: number): number {
    const bits = code === 0 ? this.streamBits : sampleSizes[code]!
    if (bits === 0) throw new Damaged()
    return bits
  }

  /** RFC 9639 9.1.5: coded as UTF-8 codes characters, up to 36 bits. */
  private skipNumber(): void {
    const first = this.reader.bits(8)
    const ones = Math.clz32(~(first << 24))
    if (ones === 1 || ones === 8) throw new Damaged()
    for (let i = 1; i < ones; i++) if (this.reader.bits(8) >> 6 !== 2) throw new Damaged()
  }

  /** RFC 9639 9.1.1. */
  private blockSize(code: number): number {
    if (code === 0) throw new Damaged()
    if (code === 1) return 192
    if (code <= 5) return 144 << code
    if (code >= 8) return 1 << code
    return this.reader.bits(code === 6 ? 8 : 16) + 1
  }

  private makeRoom(count: number, samples: number): void {
    if (this.channels.length >= count && this.channels[0]!.length >= samples) return
    this.channels = Array.from({ length: count }, () => new Float64Array(samples))
  }

  /** RFC 9639 9.2. */
  private readSubframe(into: Float64Array, samples: number, frameBits: number): void {
    const { reader } = this
    if (reader.bits(1) !== 0) throw new Damaged()
    const type = reader.bits(6)
    const wasted = reader.bits(1) === 0 ? 0 : reader.zeros() + 1
    const bits = frameBits - wasted
    if (bits < 1) throw new Damaged()
    if (type === 0) into.fill(reader.signed(bits), 0, samples)
    else if (type === 1) this.readSamples(into, 0, samples, bits)
    else if (type >= 8 && type <= 12) this.readPredicted(into, samples, bits, type - 8)
    else if (type >= 32) this.readPredicted(into, samples, bits, type - 31, true)
    else throw new Damaged()
    if (wasted > 0) for (let i = 0; i < samples; i++) into[i]! *= 2 ** wasted
  }

  private readSamples(into: Float64Array, from: number, to: number, bits: number): void {
    for (let i = from; i < to; i++) into[i] = this.reader.signed(bits)
  }

  /** RFC 9639 9.2.5, 9.2.6: the first samples as they are, then what the predictor misses of each. Sums have up to 53 bits. */
  private readPredicted(
    into: Float64Array,
    samples: number,
    bits: number,
    order: number,
    isLinear = false,
  ): void {
    const { reader, coefficients } = this
    if (order > samples) throw new Damaged()
    this.readSamples(into, 0, order, bits)
    let scale = 1
    if (isLinear) {
      const precision = reader.bits(4) + 1
      const shift = reader.signed(5)
      if (precision === 16 || shift < 0) throw new Damaged()
      scale = 2 ** -shift
      for (let i = 0; i < order; i++) coefficients[i] = reader.signed(precision)
    } else coefficients.set(fixedCoefficients[order]!)
    this.readResidual(into, samples, order)
    for (let at = order; at < samples; at++) {
      let sum = 0
      for (let i = 0; i < order; i++) sum += coefficients[i]! * into[at - 1 - i]!
      into[at]! += Math.floor(sum * scale)
    }
  }

  /** RFC 9639 9.2.7: Rice codes, in partitions with a parameter each. */
  private readResidual(into: Float64Array, samples: number, order: number): void {
    const { reader } = this
    const method = reader.bits(2)
    if (method > 1) throw new Damaged()
    const parameterBits = 4 + method
    const escapeCode = 2 ** parameterBits - 1
    const partitions = 1 << reader.bits(4)
    const length = samples / partitions
    if (!Number.isInteger(length) || length < order) throw new Damaged()
    for (let at = order, end = length; end <= samples; at = end, end += length) {
      const parameter = reader.bits(parameterBits)
      if (parameter === escapeCode) {
        const raw = reader.bits(5)
        if (raw === 0) into.fill(0, at, end)
        else this.readSamples(into, at, end, raw)
      } else for (let i = at; i < end; i++) into[i] = reader.rice(parameter)
    }
  }

  private mixed(channelCode: number, count: number, samples: number, scale: number): Int16Array {
    const mono = new Int16Array(samples)
    const { channels } = this
    const [first, second] = channels as [Float64Array, Float64Array]
    for (let i = 0; i < samples; i++) {
      let mean = 0
      if (channelCode === channelPairs.leftSide) mean = first[i]! - second[i]! / 2
      else if (channelCode === channelPairs.sideRight) mean = second[i]! + first[i]! / 2
      // The lowest bit of the sum is that of the difference.
      else if (channelCode === channelPairs.midSide) mean = first[i]! + Math.abs(second[i]! % 2) / 2
      else {
        for (let channel = 0; channel < count; channel++) mean += channels[channel]![i]!
        mean /= count
      }
      mono[i] = Math.max(-32_768, Math.min(32_767, Math.round(mean * scale)))
    }
    return mono
  }
}

/** The difference of a pair has a bit more than its sum. */
const isSide = (channelCode: number, channel: number): boolean =>
  channelCode === channelPairs.sideRight
    ? channel === 0
    : channelCode >= channelPairs.leftSide && channel === 1
