// A call's audio as Web streams of octets (16-bit PCM, little-endian, mono), for programs that listen and speak: bots,
// recognisers, bridges. Node's streams are one step away: Readable.fromWeb, Writable.fromWeb. Reading cannot slow the far end
// down: of what nobody reads in time the newest is left out. Writing waits: no more than a moment lies ahead of what is sent.
import type { AudioSink, AudioSource } from '../audio/frames.ts'
import { CallFailed } from '../errors.ts'

export interface PcmOptions {
  /** Default 16,000. */
  sampleRateHz?: number
}

/** What a call lends. */
export interface SpokenCall {
  play(source: AudioSource): Promise<void>
  addSink(sink: AudioSink): void
  removeSink(sink: AudioSink): void
  readonly ended: Promise<unknown>
}

const defaultRateHz = 16_000
/** What may lie unread. */
const unreadSeconds = 5
/** What may lie ahead of what is being sent; `write` waits beyond it. */
const aheadSeconds = 0.2

export class AudioStreams {
  constructor(private readonly call: SpokenCall) {}

  /** What the far end says, from now to the end of the call, gaps as silence. */
  readable({ sampleRateHz = defaultRateHz }: PcmOptions = {}): ReadableStream<Uint8Array> {
    const { call } = this
    const unreadBytes = unreadSeconds * sampleRateHz * 2
    let sink: AudioSink | undefined
    const leave = (): void => {
      if (sink) call.removeSink(sink)
      sink = undefined
    }
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          sink = {
            sampleRateHz,
            write: (samples) => {
              if (controller.desiredSize! <= 0) return
              const octets = Buffer.alloc(2 * samples.length)
              for (let i = 0; i < samples.length; i++) octets.writeInt16LE(samples[i]!, 2 * i)
              controller.enqueue(octets)
            },
            close: () => undefined,
          }
          call.addSink(sink)
          void call.ended.then(() => {
            if (sink) controller.close()
            leave()
          })
        },
        cancel: leave,
      },
      { highWaterMark: unreadBytes, size: (chunk) => chunk!.byteLength },
    )
  }

  /** What is said to the far end. `write` waits while more than a moment lies ahead, `close` until the last sample is sent. A
   *  stream that runs dry is silence. One at a time: another one, or `play`, takes its place, and writes then reject. */
  writable({ sampleRateHz = defaultRateHz }: PcmOptions = {}): PcmWritable {
    return new PcmWritable(this.call, sampleRateHz)
  }
}

export class PcmWritable extends WritableStream<Uint8Array> {
  private readonly source: QueuedSource

  constructor(call: SpokenCall, sampleRateHz: number) {
    const source = new QueuedSource(sampleRateHz)
    let playing: Promise<void> | undefined
    super({
      write: async (octets) => {
        playing ??= call.play(source).then(
          () => source.stop(new CallFailed('Something else is played in this call now.', 0, 'replaced')),
          (error: unknown) => source.stop(error),
        )
        await source.push(octets)
      },
      close: async () => {
        source.end()
        await playing
      },
      abort: () => {
        source.clear()
        source.end()
      },
    })
    this.source = source
  }

  /** Forgets what was written and not sent yet: whoever speaks has been interrupted. */
  clear(): void {
    this.source.clear()
  }
}

/** Samples that are waiting to be sent. */
class QueuedSource implements AudioSource {
  private queue: Int16Array[] = []
  private waiting = 0
  private readonly aheadSamples: number
  private ended = false
  private failure: unknown
  private oddOctet: number | undefined
  private room: { resolve: () => void; reject: (error: unknown) => void } | undefined

  constructor(readonly sampleRateHz: number) {
    this.aheadSamples = aheadSeconds * sampleRateHz
  }

  /** Resolves when there is room for more. */
  push(octets: Uint8Array): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    const whole = this.oddOctet === undefined ? octets : Buffer.concat([Buffer.of(this.oddOctet), octets])
    this.oddOctet = whole.length % 2 === 1 ? whole.at(-1) : undefined
    const samples = new Int16Array(whole.length >> 1)
    for (let i = 0; i < samples.length; i++) samples[i] = whole[2 * i]! | (whole[2 * i + 1]! << 8)
    if (samples.length > 0) this.queue.push(samples)
    this.waiting += samples.length
    if (this.waiting <= this.aheadSamples) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.room = { resolve, reject }
    })
  }

  read(into: Int16Array): number {
    let filled = 0
    for (let first = this.queue[0]; first && filled < into.length; first = this.queue[0]) {
      const piece = first.subarray(0, into.length - filled)
      into.set(piece, filled)
      filled += piece.length
      if (piece.length === first.length) this.queue.shift()
      else this.queue[0] = first.subarray(piece.length)
    }
    this.waiting -= filled
    if (this.waiting <= this.aheadSamples) this.makeRoom()
    if (this.ended && this.waiting === 0) return filled
    into.fill(0, filled)
    return into.length
  }

  clear(): void {
    this.queue = []
    this.waiting = 0
    this.makeRoom()
  }

  end(): void {
    this.ended = true
  }

  /** It is not read any more. */
  stop(error: unknown): void {
    if (!this.ended) this.failure = error
    this.room?.reject(error)
    this.room = undefined
  }

  close(): void {}

  private makeRoom(): void {
    this.room?.resolve()
    this.room = undefined
  }
}
