// The last seconds of received audio, kept so that a test or a person can ask what was heard.
import type { AudioSink } from '../audio/frames.ts'

export class HeardAudio implements AudioSink {
  private readonly ring: Int16Array
  private written = 0

  constructor(
    readonly sampleRateHz: number,
    seconds: number,
  ) {
    this.ring = new Int16Array(Math.max(1, Math.round(seconds * sampleRateHz)))
  }

  write(samples: Int16Array): void {
    const { ring } = this
    const kept = samples.length > ring.length ? samples.subarray(samples.length - ring.length) : samples
    const start = (this.written + samples.length - kept.length) % ring.length
    const head = Math.min(kept.length, ring.length - start)
    ring.set(kept.subarray(0, head), start)
    ring.set(kept.subarray(head), 0)
    this.written += samples.length
  }

  /** A copy, oldest sample first. */
  samples(): Int16Array {
    const { ring, written } = this
    if (written <= ring.length) return ring.slice(0, written)
    const start = written % ring.length
    const out = new Int16Array(ring.length)
    out.set(ring.subarray(start), 0)
    out.set(ring.subarray(0, start), ring.length - start)
    return out
  }

  close(): void {}
}
