// Encoders of floe's costly codecs in threads of their own, for when one core is full (encoder-thread.ts is the other end). The
// threads are the process's: they start when they are asked for first, and each encoder goes to the one with the fewest. Where a
// thread cannot be had, or has died, encoders are in the main thread. So are decoders: that of Opus costs a fifth of its encoder.
import type { Clock, Millis, Runtime, StartedThread } from '../runtime/runtime.ts'
import type { Codec, Encoder, PipelinedEncoder } from './codec.ts'
import { EncoderPlace, placeIs, type ToEncoderThread } from './encoder-place.ts'

/** The longest that packets are waited for which should be there: after a hiccup one frame follows the other at once. */
const patienceMs: Millis = 5
/** What is gained of it with every packet that is there: beside a thread with too much to do the main thread does not stand still. */
const regainedMs: Millis = 0.02

class EncoderThread {
  ended = false
  readonly encoders = new Set<ThreadedEncoder>()
  private readonly bell = new Int32Array(new SharedArrayBuffer(4))
  private willRing = false
  private patienceMs: Millis = patienceMs
  private nextId = 1

  constructor(
    private readonly thread: StartedThread,
    private readonly clock: Clock,
  ) {
    this.tell({ bell: this.bell.buffer as SharedArrayBuffer })
    thread.onEnd = () => {
      this.ended = true
      for (const encoder of this.encoders) encoder.onAlone()
    }
  }

  open(codec: string, fmtp: string | undefined, memory: SharedArrayBuffer): number {
    const id = this.nextId++
    this.tell({ open: id, codec, fmtp, memory })
    return id
  }

  /** There is a frame. The thread is woken once for all of this turn. */
  ringSoon(): void {
    if (this.willRing) return
    this.willRing = true
    queueMicrotask(this.ring)
  }

  /** Returns whether there is a packet now. */
  hasPacket(place: EncoderPlace): boolean {
    if (place.state === placeIs.packet) {
      this.patienceMs = Math.min(patienceMs, this.patienceMs + regainedMs)
      return true
    }
    if (this.patienceMs <= 0) return false
    if (this.willRing) this.ring()
    const from = this.clock.now()
    place.waitForPacket(this.patienceMs)
    this.patienceMs -= this.clock.now() - from
    return place.state === placeIs.packet
  }

  tell(message: ToEncoderThread): void {
    this.thread.post(message)
    this.ring()
  }

  private readonly ring = (): void => {
    this.willRing = false
    Atomics.add(this.bell, 0, 1)
    Atomics.notify(this.bell, 0)
  }
}

class ThreadedEncoder implements PipelinedEncoder {
  private readonly id: number
  private readonly place: EncoderPlace

  constructor(
    private readonly thread: EncoderThread,
    codec: string,
    frameSamples: number,
    fmtp: string | undefined,
    /** Answers what is asked, and goes on where the thread has died. */
    private readonly own: Encoder,
    /** The thread has died. */
    readonly onAlone: () => void,
  ) {
    this.place = EncoderPlace.forFrames(frameSamples)
    this.id = thread.open(codec, fmtp, this.place.memory)
    thread.encoders.add(this)
  }

  begin(pcm: Int16Array): void {
    this.place.frame.set(pcm)
    this.place.state = placeIs.frame
    if (!this.thread.ended) this.thread.ringSoon()
  }

  finish(out: Uint8Array): number | undefined {
    const { thread, place } = this
    let packetBytes: number
    if (thread.ended && place.state === placeIs.frame) packetBytes = this.own.encode(place.frame, out)
    else if (thread.hasPacket(place)) {
      packetBytes = place.packetBytes
      for (let i = 0; i < packetBytes; i++) out[i] = place.packet[i]!
    } else return undefined
    place.state = placeIs.empty
    return packetBytes
  }

  expectLoss(percent: number): void {
    this.own.expectLoss?.(percent)
    this.thread.tell({ tell: this.id, expectLoss: percent })
  }

  takes(packet: Uint8Array): boolean {
    return this.own.takes?.(packet) ?? true
  }

  close(): void {
    this.thread.encoders.delete(this)
    this.own.close?.()
    this.thread.tell({ close: this.id })
  }
}

let threads: Promise<EncoderThread[]> = Promise.resolve([])
let running: readonly EncoderThread[] = []

/** Sees to it that so many run, as far as they can be had. */
function startThreads(count: number, { clock, startThread }: Runtime): Promise<unknown> {
  const module = new URL('./encoder-thread.js', import.meta.url)
  threads = threads.then(async (before) => {
    const alive = before.filter(({ ended }) => !ended)
    while (alive.length < count) {
      const started = await startThread?.(module)
      if (!started) break
      alive.push(new EncoderThread(started, clock))
    }
    running = alive
    return alive
  })
  return threads
}

/**
 * The same codec, with encoders in the first `count` threads of the process; the codec itself where it is not worth that, where the
 * world has no threads, and where it is not floe's own.
 * @param onEnd a thread has died whose encoder now goes on in the main thread
 */
export function encodedInThreads(codec: Codec, count: number, runtime: Runtime, onEnd: () => void): Codec {
  const { threadName } = codec
  if (count === 0 || threadName === undefined || !runtime.startThread) return codec
  return {
    ...codec,
    load: async () => void (await Promise.all([codec.load?.(), startThreads(count, runtime)])),
    createPipelinedEncoder: (frameSamples, fmtp) => {
      const [first, ...others] = running.filter(({ ended }) => !ended).slice(0, count)
      if (!first) return undefined
      const leastUsed = others.reduce(
        (least, thread) => (thread.encoders.size < least.encoders.size ? thread : least),
        first,
      )
      const own = codec.createEncoder(fmtp)
      return new ThreadedEncoder(leastUsed, threadName, frameSamples, fmtp, own, onEnd)
    },
  }
}
