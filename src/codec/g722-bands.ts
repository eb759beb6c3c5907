// The two sub-band ADPCM coders of ITU-T G.722 (09/2012): the lower band at 6, 5 or 4 bits a sample (3.1 to 3.5, modes 1 to 3),
// the higher one at 2 bits, both at 8000 samples a second. Blocks and signals have the Recommendation's names in capitals. All
// arithmetic is its 16-bit fixed point. The quadrature mirror filters that split and join the bands are in g722.ts.

const saturate = (value: number): number => (value > 32767 ? 32767 : value < -32768 ? -32768 : value)
const limit15 = (value: number): number => (value > 16383 ? 16383 : value < -16384 ? -16384 : value)
/** The product of two 16-bit numbers, in fractions of 32768. */
const scaled = (a: number, b: number): number => (a * b) >> 15

/** Adaptive prediction of one band (block 4): two poles, six zeros, and the step size DET that follows the signal. */
class AdaptivePredictor {
  /** S, the signal as predicted. */
  predicted = 0
  /** DET, the quantiser's scale. */
  det: number
  private logScale = 0
  private fromZeros = 0
  private pole1 = 0
  private pole2 = 0
  private readonly zeros = new Int32Array(6)
  private readonly differences = new Int32Array(6)
  private recent1 = 0
  private recent2 = 0
  private sign1 = 0
  private sign2 = 0

  constructor(
    smallestDet: number,
    private readonly largestLogScale: number,
    private readonly scaleShift: number,
  ) {
    this.det = smallestDet
  }

  /** LOGSC and SCALE: the step for the next sample. */
  adaptScale(multiplier: number): void {
    const sum = scaled(this.logScale, 32512) + multiplier
    this.logScale = sum < 0 ? 0 : sum > this.largestLogScale ? this.largestLogScale : sum
    const mantissa = inverseLog[(this.logScale >> 6) & 31]!
    const shift = this.scaleShift - (this.logScale >> 11)
    this.det = (shift < 0 ? mantissa << -shift : mantissa >> shift) << 2
  }

  /** PARREC to PREDIC. @param difference D, what the quantiser made of the prediction error */
  adapt(difference: number): void {
    const { zeros, differences } = this
    const reconstructed = saturate(this.predicted + difference)
    const sign0 = saturate(this.fromZeros + difference) >> 15

    // UPPOL2 and UPPOL1, with the limits that keep the filter stable.
    const fourfold = saturate(this.pole1 << 2)
    const correlated = saturate(sign0 === this.sign1 ? -fourfold : fourfold)
    const second = (sign0 === this.sign2 ? 128 : -128) + (correlated >> 7) + scaled(this.pole2, 32512)
    const pole2 = second > 12288 ? 12288 : second < -12288 ? -12288 : second
    const bound = saturate(15360 - pole2)
    const first = saturate((sign0 === this.sign1 ? 192 : -192) + scaled(this.pole1, 32640))
    const pole1 = first > bound ? bound : first < -bound ? -bound : first

    // UPZERO and FILTEZ, from the oldest difference on.
    const gain = difference === 0 ? 0 : 128
    const sign = difference >> 15
    let fromZeros = 0
    for (let i = 5; i >= 0; i--) {
      const change = differences[i]! >> 15 === sign ? gain : -gain
      const zero = saturate(change + scaled(zeros[i]!, 32640))
      zeros[i] = zero
      const newer = i === 0 ? difference : differences[i - 1]!
      differences[i] = newer
      fromZeros += scaled(zero, saturate(newer + newer))
    }
    this.fromZeros = saturate(fromZeros)

    this.recent2 = this.recent1
    this.recent1 = reconstructed
    this.sign2 = this.sign1
    this.sign1 = sign0
    this.pole1 = pole1
    this.pole2 = pole2
    const fromPoles = saturate(
      scaled(pole1, saturate(this.recent1 + this.recent1)) +
        scaled(pole2, saturate(this.recent2 + this.recent2)),
    )
    this.predicted = saturate(fromPoles + this.fromZeros)
  }
}

export class LowerBand {
  private readonly predictor = new AdaptivePredictor(32, 18432, 8)

  /** @param sample XL, 15 bits. @returns IL, 6 bits */
  encode(sample: number): number {
    const { predictor } = this
    const error = saturate(sample - predictor.predicted)
    const magnitude = error < 0 ? -(error + 1) : error
    let level = 1
    while (level < 30 && magnitude >= (decisionLevels[level]! * predictor.det) >> 12) level++
    const code = error < 0 ? (level < 3 ? 64 - level : 34 - level) : 62 - level
    this.adapt(code >> 2)
    return code
  }

  /** @param code what is left of IL: 6, 5 or 4 bits. @returns RL, 15 bits */
  decode(code: number, bits: 4 | 5 | 6): number {
    const { predictor } = this
    const levels = bits === 6 ? levels6 : bits === 5 ? levels5 : levels4
    const sample = limit15(predictor.predicted + scaled(predictor.det, levels[code]!))
    this.adapt(code >> (bits - 4))
    return sample
  }

  /** The predictor sees four bits alone: the others may be taken away on the line. */
  private adapt(code: number): void {
    const difference = scaled(this.predictor.det, levels4[code]!)
    this.predictor.adaptScale(lowerMultipliers[code < 8 ? (8 - code) & 7 : 15 - code]!)
    this.predictor.adapt(difference)
  }
}

export class HigherBand {
  private readonly predictor = new AdaptivePredictor(8, 22528, 10)

  /** @param sample XH, 15 bits. @returns IH, 2 bits */
  encode(sample: number): number {
    const { predictor } = this
    const error = saturate(sample - predictor.predicted)
    const magnitude = error < 0 ? -(error + 1) : error
    const isLarge = magnitude >= (564 * predictor.det) >> 12
    const code = error < 0 ? (isLarge ? 0 : 1) : isLarge ? 2 : 3
    this.decode(code)
    return code
  }

  /** @returns RH, 15 bits */
  decode(code: number): number {
    const { predictor } = this
    const difference = scaled(predictor.det, levels2[code]!)
    const sample = limit15(predictor.predicted + difference)
    predictor.adaptScale((code & 1) === 1 ? -214 : 798)
    predictor.adapt(difference)
    return sample
  }
}

/** Q6, table 14. */
const decisionLevels = Int16Array.of(
  ...[0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023],
  ...[1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919],
)
/** WL, by how large the quantised error is, the smallest first. */
const lowerMultipliers = Int16Array.of(-60, -30, 58, 172, 334, 538, 1198, 3042)
/** ILB: 2048 times the powers of two in steps of a 32nd. */
const inverseLog = Int16Array.of(
  ...[2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834],
  ...[2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008],
)
/** QM4, QM5, QM6 and QM2: what the codes of 4, 5, 6 and 2 bits stand for, in units of DET. */
const levels4 = Int16Array.of(
  ...[0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0],
)
const levels5 = Int16Array.of(
  ...[-280, -280, -23352, -17560, -14120, -11664, -9752, -8184, -6864, -5712, -4696, -3784, -2960, -2208],
  ...[-1520, -880, 23352, 17560, 14120, 11664, 9752, 8184, 6864, 5712, 4696, 3784, 2960, 2208, 1520, 880],
  ...[280, -280],
)
const levels6 = Int16Array.of(
  ...[-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360],
  ...[
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
  ],
  ...[-1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856],
  ...[
    7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
  ],
  ...[-432, -136],
)
const levels2 = Int16Array.of(-7408, -1616, 7408, 1616)
