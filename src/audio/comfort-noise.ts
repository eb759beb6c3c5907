// Comfort noise (RFC 3389): a payload of one octet for the level and any number for the spectrum, made of noise that was heard, and
// turned into noise that sounds like it. Spectra are those of an all-pole filter, as reflection coefficients. RFC 3389 leaves
// their sign to ITU-T G.711 Appendix II; here, as in FFmpeg, low-pass noise has a negative first one.
// Where a codec's sampling rate is not its RTP clock's (G.722), the spectrum is that of the samples.
import { amplitudeOf, levelDbfs, silenceDbov } from './level.ts'
import { autocorrelate, reflect } from './linear-prediction.ts'

/** RFC 3389 3.1: dBov without its sign, in the lower seven bits. */
const levelMask = 0x7f
/** RFC 3389 3.2: coefficients are (octet - 127) * 258 / 32768, of 0 to 254. */
const zeroOctet = 127
const highestOctet = 254
const coefficientStep = 258 / 32_768
/** What a receiver is spared beyond (RFC 3389 3 lets it): a telephone's band has no more to tell. */
const mostCoefficients = 12
/** Of what is sent. */
const sentCoefficients = 10
/** Nearer to 1 the filter would ring for seconds. */
const largestCoefficient = 0.99

const fullScale = 32_768
/** White noise of an even distribution between -1 and 1 has this power. */
const evenPower = 1 / 3

/** Noise as a payload describes it. */
export class ComfortNoise {
  private readonly reflections = new Float64Array(mostCoefficients)
  private order = 0
  /** Of what goes into the filter. */
  private amplitude = 0
  /** Backward predictions of the lattice, each a sample old. */
  private readonly delayed = new Float64Array(mostCoefficients)
  private state = 1

  /** Takes any octets: what is not there is neither loud nor coloured. */
  describe(payload: Uint8Array): void {
    const dbov = payload.length === 0 ? silenceDbov : -(payload[0]! & levelMask)
    const order = Math.min(mostCoefficients, Math.max(0, payload.length - 1))
    // The filter amplifies: what goes in is the quieter, the more it does.
    let passed = 1
    for (let i = 0; i < order; i++) {
      const octet = Math.min(highestOctet, payload[i + 1]!)
      const value = (octet - zeroOctet) * coefficientStep
      const reflection = Math.max(-largestCoefficient, Math.min(largestCoefficient, value))
      this.reflections[i] = reflection
      passed *= 1 - reflection * reflection
    }
    if (order !== this.order) this.delayed.fill(0)
    this.order = order
    this.amplitude = fullScale * amplitudeOf(dbov) * Math.sqrt(passed / evenPower)
  }

  /** Goes on with the noise, from `start` up to `end`. */
  fill(samples: Int16Array, start: number, end: number): void {
    const { reflections, delayed, order, amplitude } = this
    for (let n = start; n < end; n++) {
      let forward = amplitude * this.random()
      for (let i = order - 1; i >= 0; i--) {
        const reflection = reflections[i]!
        forward -= reflection * delayed[i]!
        if (i + 1 < order) delayed[i + 1] = delayed[i]! + reflection * forward
      }
      if (order > 0) delayed[0] = forward
      samples[n] = Math.max(-fullScale, Math.min(fullScale - 1, Math.round(forward)))
    }
  }

  /** Even between -1 and 1, and none of the secrets of the process's random numbers (xorshift). */
  private random(): number {
    let { state } = this
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.state = state
    return state / 0x8000_0000
  }
}

/** How long the mean of what is heard looks back. */
const meanMs = 100

/** What a payload is made of: the level and the spectrum of noise, each a mean of the last moments. */
export class NoiseMeasure {
  private readonly correlation = new Float64Array(sentCoefficients + 1)
  private readonly ofFrame = new Float64Array(sentCoefficients + 1)
  private readonly reflections = new Float64Array(sentCoefficients)
  private power = 0
  private isNew = true

  /** Another noise begins. */
  reset(): void {
    this.isNew = true
  }

  hear(frame: Int16Array, durationMs: number): void {
    const weight = this.isNew ? 1 : Math.min(1, durationMs / meanMs)
    this.isNew = false
    autocorrelate(frame, this.ofFrame)
    for (let lag = 0; lag <= sentCoefficients; lag++)
      this.correlation[lag]! += weight * (this.ofFrame[lag]! - this.correlation[lag]!)
    this.power += weight * (10 ** (levelDbfs(frame) / 10) - this.power)
  }

  /** In whole dBov, from 0 down to -127. */
  get dbov(): number {
    const dbov = this.power > 0 ? Math.round(10 * Math.log10(this.power)) : silenceDbov
    return Math.max(silenceDbov, Math.min(0, dbov))
  }

  /** Writes the payload; returns its octets. Of silence one is enough. */
  write(out: Uint8Array): number {
    const { dbov, reflections } = this
    out[0] = -dbov
    if (dbov === silenceDbov) return 1
    reflect(this.correlation, reflections)
    for (let i = 0; i < sentCoefficients; i++) {
      const octet = Math.round(reflections[i]! / coefficientStep) + zeroOctet
      out[i + 1] = Math.max(0, Math.min(highestOctet, octet))
    }
    return 1 + sentCoefficients
  }
}
