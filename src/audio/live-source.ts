// Audio that comes when it comes, a microphone's say, for somebody who reads in time. What lies waiting is kept short: a little
// is gathered before it begins, silence stands for what is late, and of too much the oldest is left out.
import type { AudioSink, AudioSource } from './frames.ts'

/** Takes up the unevenness of a tool that writes 20 to 50 ms at a time. */
const defaultDelayMs = 60
/** More than this is never waited out: a conversation would suffer. */
const defaultMaximumMs = 200

export class LiveSource implements AudioSource, AudioSink {
  private readonly ring: Int16Array
  private readonly delaySamples: number
  private readAt = 0
  private writeAt = 0
  private flows = false
  private ended = false

  /**
   * @param delayMs gathered before it begins, and again after it ran dry
   * @param maximumMs what may lie waiting
   */
  constructor(
    readonly sampleRateHz: number,
    { delayMs = defaultDelayMs, maximumMs = defaultMaximumMs } = {},
  ) {
    this.delaySamples = Math.round((delayMs * sampleRateHz) / 1000)
    this.ring = new Int16Array(Math.round((maximumMs * sampleRateHz) / 1000))
  }

  write(samples: Int16Array): void {
    const { ring } = this
    for (const sample of samples) ring[this.writeAt++ % ring.length] = sample
    if (this.writeAt - this.readAt > ring.length) this.readAt = this.writeAt - this.delaySamples
  }

  /** No more will come; what waits is still read. */
  end(): void {
    this.ended = true
  }

  read(into: Int16Array): number {
    const { ring } = this
    const waiting = this.writeAt - this.readAt
    this.flows = this.ended || (this.flows ? waiting > 0 : waiting >= this.delaySamples)
    const length = this.flows ? Math.min(waiting, into.length) : 0
    for (let i = 0; i < length; i++) into[i] = ring[this.readAt++ % ring.length]!
    if (this.ended) return length
    into.fill(0, length)
    return into.length
  }

  close(): void {}
}
