// Keeps sums of several sources within 16 bits: what is too loud is turned down as a whole, at once, and slowly comes back, so
// that loud voices are softer for a moment instead of torn. Untouched where everything fits.

/** So fast it comes back: a tenfold in a second. */
const releaseDbPerSecond = 20
const ceiling = 32_767

export class Limiter {
  private gain = 1

  constructor(private readonly sampleRateHz: number) {}

  /** Writes `sum[0 .. length)` into `into`. */
  write(sum: Float64Array, into: Int16Array, length: number): void {
    let peak = 0
    for (let i = 0; i < length; i++) {
      const magnitude = Math.abs(sum[i]!)
      if (magnitude > peak) peak = magnitude
    }
    const released = Math.min(1, this.gain * 10 ** ((releaseDbPerSecond * length) / (20 * this.sampleRateHz)))
    const allowed = peak > ceiling ? ceiling / peak : 1
    // Down at once, since this frame's peak may be its first sample; up along the frame, never beyond what it allows.
    const from = Math.min(this.gain, allowed)
    const to = Math.min(released, allowed)
    if (from === 1 && to === 1) {
      for (let i = 0; i < length; i++) into[i] = Math.round(sum[i]!)
    } else {
      for (let i = 0; i < length; i++) into[i] = Math.round(sum[i]! * (from + ((to - from) * i) / length))
    }
    this.gain = to
  }
}
