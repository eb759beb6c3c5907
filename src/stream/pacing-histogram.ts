// How far from their due time frames were served: a histogram of fixed size, cheap enough to be always on.
import type { Millis } from '../runtime/runtime.ts'

const bucketWidthMs = 0.05
/** The last bucket takes everything from 50 ms on. */
const bucketCount = 1_001

export class PacingHistogram {
  frames = 0
  /** Frames that were never served because their time had passed. */
  skipped = 0
  maximumMs: Millis = 0
  private readonly buckets = new Uint32Array(bucketCount)

  record(errorMs: Millis, skipped: number): void {
    const size = Math.abs(errorMs)
    const bucket = Math.min(bucketCount - 1, Math.floor(size / bucketWidthMs))
    this.buckets[bucket] = this.buckets[bucket]! + 1
    this.frames++
    this.skipped += skipped
    if (size > this.maximumMs) this.maximumMs = size
  }

  /** Upper edge of the bucket that holds the quantile, 0..1; no more than the maximum. 0 where nothing was recorded. */
  quantileMs(quantile: number): Millis {
    const rank = Math.ceil(quantile * this.frames)
    let seen = 0
    for (let bucket = 0; bucket < bucketCount - 1; bucket++) {
      seen += this.buckets[bucket]!
      if (seen >= rank) return Math.min((bucket + 1) * bucketWidthMs, this.maximumMs)
    }
    return this.maximumMs
  }

  reset(): void {
    this.frames = 0
    this.skipped = 0
    this.maximumMs = 0
    this.buckets.fill(0)
  }
}
