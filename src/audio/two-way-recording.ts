// Both directions of a call in one stereo file: what is sent on the left, what is heard on the right, in time with each other. Each
// side brings a frame every packet time; they are written as far as both have come.
import type { AudioSink } from './frames.ts'
import type { WavWriter } from './wav-writer.ts'

/** So far one side may run ahead; then the other was silent. */
const longestLeadMs = 1_000

export class TwoWayRecording {
  readonly sent: AudioSink
  readonly received: AudioSink
  private readonly sides: readonly [Side, Side]
  private readonly pair = new Int16Array(2)

  /** @param writer of two channels; it stays its owner's to close */
  constructor(private readonly writer: WavWriter) {
    this.sides = [new Side(writer, () => this.advance()), new Side(writer, () => this.advance())]
    ;[this.sent, this.received] = this.sides
  }

  private advance(): void {
    const [left, right] = this.sides
    const lead = Math.round((this.writer.sampleRateHz * longestLeadMs) / 1000)
    for (;;) {
      const both = left.waiting > 0 && right.waiting > 0
      if (!both && left.waiting <= lead && right.waiting <= lead) return
      this.pair[0] = left.take()
      this.pair[1] = right.take()
      this.writer.write(this.pair)
    }
  }
}

class Side implements AudioSink {
  private readonly queue: number[] = []
  private taken = 0

  constructor(
    private readonly writer: WavWriter,
    private readonly onWritten: () => void,
  ) {}

  get sampleRateHz(): number {
    return this.writer.sampleRateHz
  }

  get waiting(): number {
    return this.queue.length - this.taken
  }

  /** Silence where there is none. */
  take(): number {
    if (this.waiting === 0) return 0
    const sample = this.queue[this.taken++]!
    if (this.taken === this.queue.length) {
      this.queue.length = 0
      this.taken = 0
    }
    return sample
  }

  write(samples: Int16Array): void {
    for (let i = 0; i < samples.length; i++) this.queue.push(samples[i]!)
    this.onWritten()
  }

  close(): void {}
}
