// How much one source may ask of us: a token bucket per IP address, in a table of bounded size. Stateless towards the peer:
// what exceeds the rate is dropped before it is parsed, and retransmission brings back what was honest.
import type { Millis } from '../runtime/runtime.ts'

export interface RateLimit {
  /** Sustained rate. */
  messagesPerSecond: number
  /** What may come at once. */
  burst: number
}

/** A call costs its receiver three or four messages: room for 2,500 calls a second under load test. A message costs some 50 µs
 *  (an OPTIONS or a refused INVITE), so that one source alone cannot take more than half of a core. */
export const defaultRateLimit: RateLimit = { messagesPerSecond: 10_000, burst: 10_000 }

const maximumSources = 4_096

interface Bucket {
  tokens: number
  at: Millis
}

export class SourceLimiter {
  private readonly buckets = new Map<string, Bucket>()

  constructor(private readonly limit: RateLimit) {}

  /** Whether a message of this source may be looked at now. */
  admits(now: Millis, address: string): boolean {
    const { messagesPerSecond, burst } = this.limit
    let bucket = this.buckets.get(address)
    if (!bucket) {
      // The source seen first goes; it comes back with a full bucket, which is an error in its favour.
      if (this.buckets.size >= maximumSources) this.buckets.delete(this.buckets.keys().next().value!)
      bucket = { tokens: burst, at: now }
      this.buckets.set(address, bucket)
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * messagesPerSecond)
    bucket.at = now
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }
}
