// Sends back what it receives, a fixed time later: a sink and a source in one.
import type { AudioSink, AudioSource } from './frames.ts'

export class EchoLine implements AudioSink, AudioSource {
  private readonly ring: Int16Array
  private readAt: number
  private writeAt: number

  /** @param delayMs how much later it comes back; also how much jitter between reader and writer is taken up */
  constructor(
    delayMs: number,
    readonly sampleRateHz = 8_000,
  ) {
    const delaySamples = Math.round((delayMs * sampleRateHz) / 1000)
    this.ring = new Int16Array(2 * delaySamples + sampleRateHz)
    this.readAt = 0
    this.writeAt = delaySamples
  }

  write(samples: Int16Array): void {
    const { ring } = this
    for (const sample of samples) ring[this.writeAt++ % ring.length] = sample
    // A reader that has stopped is left behind, not overtaken twice.
    if (this.writeAt - this.readAt > ring.length) this.readAt = this.writeAt - ring.length
  }

  read(into: Int16Array): number {
    const { ring } = this
    for (let i = 0; i < into.length; i++) {
      const available = this.readAt < this.writeAt
      const at = this.readAt % ring.length
      into[i] = available ? (ring[at] ?? 0) : 0
      ring[at] = 0
      this.readAt++
    }
    if (this.writeAt < this.readAt) this.writeAt = this.readAt
    return into.length
  }

  close(): void {}
}
