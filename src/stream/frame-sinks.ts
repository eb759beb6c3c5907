// Who listens to one direction of a stream: each gets every frame at its own rate, or the packets instead where it keeps such. One that
// fails is taken away, and the stream goes on.
import { type AudioSink, takesPackets } from '../audio/frames.ts'
import { resampledSink } from '../audio/resample.ts'

export class FrameSinks {
  private frame: Int16Array = new Int16Array(0)
  private encoding: string | undefined
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

  /** @param encoding of the packets that it came in, where they are told of too */
  write(frame: Int16Array, encoding?: string): void {
    this.frame = frame
    this.encoding = encoding
    this.sinks.forEach(this.writeTo)
  }

  /** Kept, so that a frame leaves no garbage. */
  private readonly writeTo = (atFrameRate: AudioSink, sink: AudioSink): void => {
    try {
      if (takesPackets(sink) && sink.encoding === this.encoding) sink.elapse(this.frame.length)
      else atFrameRate.write(this.frame)
    } catch (error) {
      this.giveUp(sink, error)
    }
  }

  /** A packet whose sound comes with the frames that follow. */
  readonly writePacket = (encoding: string, packet: Uint8Array, timestamp: number): void => {
    for (const sink of this.sinks.keys()) {
      if (!takesPackets(sink) || sink.encoding !== encoding) continue
      try {
        sink.writePacket(packet, timestamp)
      } catch (error) {
        this.giveUp(sink, error)
      }
    }
  }

  private giveUp(sink: AudioSink, error: unknown): void {
    this.sinks.delete(sink)
    this.onError(error)
  }
}
