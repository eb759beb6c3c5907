// Who listens to one direction of a stream: each gets every frame at its own rate. One that fails is taken away, and the stream goes on.
import type { AudioSink } from '../audio/frames.ts'
import { resampledSink } from '../audio/resample.ts'

export class FrameSinks {
  private frame: Int16Array = new Int16Array(0)
  /** Each as it was added, and as it takes the frames' rate. */
  private readonly sinks = new Map<AudioSink, AudioSink>()

  /** @param onError a sink failed and was taken away: the disk is full, say */
  constructor(
    private sampleRateHz: number,
    private readonly onError: (error: unknown) => void,
  ) {}

  add(sink: AudioSink): void {
    this.sinks.set(sink, resampledSink(sink, this.sampleRateHz))
  }

  remove(sink: AudioSink): void {
    this.sinks.delete(sink)
  }

  /** From now on frames have this rate. */
  use(sampleRateHz: number): void {
    if (sampleRateHz === this.sampleRateHz) return
    this.sampleRateHz = sampleRateHz
    for (const sink of this.sinks.keys()) this.add(sink)
  }

  get isEmpty(): boolean {
    return this.sinks.size === 0
  }

  write(frame: Int16Array): void {
    this.frame = frame
    this.sinks.forEach(this.writeTo)
  }

  /** Kept, so that a frame leaves no garbage. */
  private readonly writeTo = (atFrameRate: AudioSink, sink: AudioSink): void => {
    try {
      atFrameRate.write(this.frame)
    } catch (error) {
      this.sinks.delete(sink)
      this.onError(error)
    }
  }
}
