// DTMF digits in audio (ITU-T Q.23, Q.24), for peers that send no telephone-events. Windows of 12.75 ms, each half over the one
// before, are asked how much of each of the eight frequencies they hold (Goertzel), and by the phase that runs on from window to
// window how far beside it the tone lies. A digit is four windows in a row that hold one low and one high frequency at their
// places and nothing else; what speech and music have of it by chance (talk-off) fails there.
//
// Q.24 leaves the numbers to administrations. Here: 40 ms are a digit, 25 ms are none; a break of 10 ms does not part a digit,
// one of 40 ms does; a frequency may be 1.8 % beside its place, not 3.5 %; each may have 0 to -25 dBm0, the high one 6 dB more
// than the low one or 9 dB less; noise may come as near as 12 dB. Leaves out dial tone under the digits.
import { dtmfColumnsHz, dtmfKeys, dtmfRowsHz } from './tones.ts'

export interface DetectedDigit {
  digit: string
  durationMs: number
}

/** Of the audio that is to be given. */
export const dtmfRateHz = 8_000

/** A window is two of these; so it tells what is 78 Hz apart, and phases tell 78 Hz up or down. */
const hopSamples = 51
const windowSamples = 2 * hopSamples
/** Any 35 ms hold four windows that are filled as far as `leastShare`, and no 26 ms do. */
const windowsOfDigit = 4
/** 32 ms: a break of 10 ms spoils three windows at most, one of 40 ms seven at least. */
const windowsOfBreak = 5

/** Of each frequency, as the RMS of a sine: -29 dBm0, as 0 dBm0 is -6.2 dBov. */
const leastPower = 10 ** (-35.2 / 10) * 32_768 ** 2
const highLouder = 10 ** (6.5 / 10)
const highSofter = 10 ** (-9.5 / 10)
/** Of a window's energy, in the two frequencies. */
const leastShare = 0.82
/** And on the average of those windows behind the first, which may begin before the digit. */
const leastMeanShare = 0.91
/** How far beside its place a frequency may be, in parts of it; and how far apart the two may be in that: an octave is 4.2 % beside
 *  the digit 6. */
const frequencyTolerance = 0.026
const ratioTolerance = 0.038

/** One frequency: what the last hop and the last window hold of it, as complex amplitudes. */
class Bin {
  private readonly coefficient: number
  private readonly cos: number
  private readonly sin: number
  /** By how much the phase turns in a hop. */
  private readonly turn: number
  private s1 = 0
  private s2 = 0
  private hop = { re: 0, im: 0 }
  private window = { re: 0, im: 0 }
  /** Of a sine in this window, as mean power; and how far beside the frequency it lies, in Hz. */
  power = 0
  offsetHz = 0

  constructor(readonly frequencyHz: number) {
    const omega = (2 * Math.PI * frequencyHz) / dtmfRateHz
    this.coefficient = 2 * Math.cos(omega)
    this.turn = omega * hopSamples
    this.cos = Math.cos(omega)
    this.sin = Math.sin(omega)
  }

  hear(sample: number): void {
    const s0 = sample + this.coefficient * this.s1 - this.s2
    this.s2 = this.s1
    this.s1 = s0
  }

  endHop(): void {
    const { hop, window, turn } = this
    // The spectrum as seen from the end of the hop.
    const re = this.s1 - this.cos * this.s2
    const im = this.sin * this.s2
    this.s1 = 0
    this.s2 = 0
    // The hop before, turned on to the same moment.
    const [turnRe, turnIm] = [Math.cos(turn), Math.sin(turn)]
    const windowRe = re + hop.re * turnRe - hop.im * turnIm
    const windowIm = im + hop.re * turnIm + hop.im * turnRe
    const expectedRe = window.re * turnRe - window.im * turnIm
    const expectedIm = window.re * turnIm + window.im * turnRe
    const phase = Math.atan2(
      windowIm * expectedRe - windowRe * expectedIm,
      windowRe * expectedRe + windowIm * expectedIm,
    )
    this.offsetHz = (phase / (2 * Math.PI * hopSamples)) * dtmfRateHz
    // Beside its middle a window sees less of a tone.
    const beside = (Math.PI * this.offsetHz * windowSamples) / dtmfRateHz
    const seen = beside === 0 ? 1 : (Math.sin(beside) / beside) ** 2
    this.power = (2 * (windowRe ** 2 + windowIm ** 2)) / windowSamples ** 2 / Math.max(seen, 0.3)
    hop.re = re
    hop.im = im
    window.re = windowRe
    window.im = windowIm
  }

  /** In parts of the frequency. */
  get offset(): number {
    return this.offsetHz / this.frequencyHz
  }
}

export class DtmfDetector {
  private readonly rows = dtmfRowsHz.map((hz) => new Bin(hz))
  private readonly columns = dtmfColumnsHz.map((hz) => new Bin(hz))
  private readonly bins = [...this.rows, ...this.columns]
  private samples = 0
  private energy = 0
  private energyBefore = 0
  /** What the last windows say, and for how many of them. */
  private candidate = ''
  private candidateWindows = 0
  private candidateShares = 0
  /** The digit that lasts, windows since it began, and since it was last seen. */
  private digit = ''
  private lastedWindows = 0
  private missedWindows = 0

  /** @param onDigit told when a digit has ended */
  constructor(private readonly onDigit: (digit: DetectedDigit) => void) {}

  /** @param samples the next ones, at `dtmfRateHz`, as many as there are */
  hear(samples: Int16Array): void {
    for (let i = 0; i < samples.length; i++) {
      const sample = samples[i]!
      for (const bin of this.bins) bin.hear(sample)
      this.energy += sample * sample
      if (++this.samples === hopSamples) this.endHop()
    }
  }

  /** Nothing follows: a digit that lasts has ended. */
  end(): void {
    if (this.digit !== '') this.finish()
  }

  private endHop(): void {
    for (const bin of this.bins) bin.endHop()
    const windowEnergy = this.energyBefore + this.energy
    const [row, column] = [strongest(this.rows), strongest(this.columns)]
    const share = ((this.rows[row]!.power + this.columns[column]!.power) * windowSamples) / windowEnergy
    const seen =
      share >= leastShare && this.isDigit(this.rows[row]!, this.columns[column]!)
        ? dtmfKeys[4 * row + column]!
        : ''
    this.energyBefore = this.energy
    this.energy = 0
    this.samples = 0

    const goesOn = seen === this.candidate
    this.candidate = seen
    this.candidateWindows = goesOn ? this.candidateWindows + 1 : 1
    this.candidateShares = goesOn ? this.candidateShares + share : 0
    if (this.digit !== '') {
      this.lastedWindows++
      this.missedWindows = seen === this.digit ? 0 : this.missedWindows + 1
      if (this.missedWindows === windowsOfBreak) this.finish()
    }
    if (seen === '' || seen === this.digit || this.candidateWindows < windowsOfDigit) return
    if (this.candidateShares < leastMeanShare * (this.candidateWindows - 1)) return
    if (this.digit !== '') this.finish()
    this.digit = seen
    this.lastedWindows = this.candidateWindows
    this.missedWindows = 0
  }

  /** Whether two frequencies are as loud as they may be, and at their places. */
  private isDigit(low: Bin, high: Bin): boolean {
    if (low.power < leastPower || high.power < leastPower) return false
    if (high.power > low.power * highLouder || high.power < low.power * highSofter) return false
    const [lowOff, highOff] = [low.offset, high.offset]
    if (Math.abs(lowOff - highOff) > ratioTolerance) return false
    return Math.abs(lowOff) <= frequencyTolerance && Math.abs(highOff) <= frequencyTolerance
  }

  private finish(): void {
    const { digit } = this
    // Windows at both ends are filled by the tone as far as `leastShare`.
    const windows = this.lastedWindows - this.missedWindows
    const samples = (windows - 1) * hopSamples + (2 * leastShare - 1) * windowSamples
    this.digit = ''
    this.onDigit({ digit, durationMs: Math.round((1000 * samples) / dtmfRateHz) })
  }
}

function strongest(bins: readonly Bin[]): number {
  let best = 0
  for (let i = 1; i < bins.length; i++) if (bins[i]!.power > bins[best]!.power) best = i
  return best
}
