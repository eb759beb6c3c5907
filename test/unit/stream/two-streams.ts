// Streams on virtual time, joined by a network that the test controls, and a codec that keeps every bit.
import type { AudioSink, AudioSource } from '../../../src/audio/frames.ts'
import type { Codec } from '../../../src/codec/codec.ts'
import { l16Codecs } from '../../../src/codec/l16.ts'
import { createRtpView, parseRtp } from '../../../src/rtp/packet.ts'
import type { Clock } from '../../../src/runtime/runtime.ts'
import { VirtualClock } from '../../../src/sim/clock.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import { AudioStream, type AudioStreamOptions } from '../../../src/stream/audio-stream.ts'
import type { MediaTransport } from '../../../src/stream/media-transport.ts'
import { type Pacer, WheelPacer } from '../../../src/stream/pacer.ts'
import type { MediaFact } from '../../../src/trace/facts.ts'

/** L16 at a telephone's rate, and others, alike for sound and clock or not: lossless, of any packet time, and nothing is concealed. */
export const linear = (sampleRateHz = 8000, clockRateHz = sampleRateHz): Codec => ({
  name: 'L16',
  sampleRateHz,
  clockRateHz,
  channels: 1,
  createEncoder: l16Codecs[0]!.createEncoder,
  createDecoder: l16Codecs[0]!.createDecoder,
})
export const l16 = linear()

/** Samples that are all different from silence and from their neighbours. */
export const ramp = (length: number): Int16Array => Int16Array.from({ length }, (_, i) => 1000 + (i % 20_000))

export class ArraySource implements AudioSource {
  closed = 0
  private position = 0
  constructor(
    private readonly samples: Int16Array,
    readonly sampleRateHz = 8000,
  ) {}
  read(into: Int16Array): number {
    const piece = this.samples.subarray(this.position, this.position + into.length)
    into.set(piece)
    this.position += piece.length
    return piece.length
  }
  close(): void {
    this.closed++
  }
}

export class Recorder implements AudioSink {
  private readonly frames: Int16Array[] = []
  constructor(readonly sampleRateHz = 8000) {}
  write(samples: Int16Array): void {
    this.frames.push(samples.slice())
  }
  close(): void {}
  get samples(): Int16Array {
    return Int16Array.from(this.frames.flatMap((frame) => [...frame]))
  }
}

export interface SentPacket {
  at: number
  sequenceNumber: number
  timestamp: number
  marker: boolean
  payloadType: number
  ssrc: number
  payload: Uint8Array
}

/** One end's transport. `deliver` is where its packets go; the test may replace it. */
export class Wire implements MediaTransport {
  onRtp: ((packet: Uint8Array) => void) | undefined
  onRtcp: ((packet: Uint8Array) => void) | undefined
  peer: Wire | undefined
  up = true
  readonly rtp: SentPacket[] = []
  readonly rtcp: { at: number; data: Uint8Array }[] = []
  /** Milliseconds on the way for the n-th packet; undefined loses it. */
  delay: (index: number) => number | undefined = () => 0
  private readonly view = createRtpView()
  private count = 0

  constructor(
    private readonly clock: Clock,
    private readonly keep: boolean,
  ) {}

  sendRtp(packet: Uint8Array): boolean {
    if (!this.up) return false
    if (this.keep) {
      parseRtp(packet, this.view)
      const { sequenceNumber, timestamp, marker, payloadType, ssrc } = this.view
      const payload = packet.slice(this.view.payloadOffset)
      this.rtp.push({ at: this.clock.now(), sequenceNumber, timestamp, marker, payloadType, ssrc, payload })
    }
    this.carry(packet, (data) => this.peer?.onRtp?.(data))
    return true
  }

  sendRtcp(packet: Uint8Array): boolean {
    if (!this.up) return false
    this.rtcp.push({ at: this.clock.now(), data: packet.slice() })
    this.carry(packet, (data) => this.peer?.onRtcp?.(data))
    return true
  }

  private carry(packet: Uint8Array, arrive: (data: Uint8Array) => void): void {
    const delayMs = this.delay(this.count++)
    if (delayMs === undefined) return
    if (delayMs === 0) arrive(packet)
    else {
      const copy = packet.slice()
      this.clock.setTimer(delayMs, () => arrive(copy))
    }
  }
}

/** A clock whose process can be held up: timers due meanwhile fire at the end of the stall. */
export class StallingClock implements Clock {
  private stalledUntil = 0
  constructor(private readonly inner: VirtualClock) {}
  now = () => this.inner.now()
  wallTime = () => this.inner.wallTime()
  setTimer(delayMs: number, callback: () => void) {
    let timer = this.inner.setTimer(delayMs, () => {
      const left = this.stalledUntil - this.now()
      if (left > 0) timer = this.inner.setTimer(left, callback)
      else callback()
    })
    return { cancel: () => timer.cancel() }
  }
  stall(durationMs: number): void {
    this.stalledUntil = this.now() + durationMs
  }
}

export interface End {
  stream: AudioStream
  wire: Wire
  facts: MediaFact[]
}

export class TwoStreams {
  readonly time = new VirtualClock()
  readonly clock = new StallingClock(this.time)
  readonly random = new SeededRandom(4711)
  readonly pacer: Pacer = new WheelPacer(this.clock)
  readonly a: End
  readonly b: End

  constructor(a: Partial<AudioStreamOptions> = {}, b: Partial<AudioStreamOptions> = {}, keepPackets = true) {
    this.a = this.end('a', a, keepPackets)
    this.b = this.end('b', b, keepPackets)
    this.a.wire.peer = this.b.wire
    this.b.wire.peer = this.a.wire
  }

  start(): this {
    this.a.stream.start()
    this.b.stream.start()
    return this
  }

  private end(cname: string, options: Partial<AudioStreamOptions>, keepPackets: boolean): End {
    const wire = new Wire(this.clock, keepPackets)
    const facts: MediaFact[] = []
    const stream = new AudioStream({
      clock: this.clock,
      random: this.random.fork(cname),
      transport: wire,
      pacer: this.pacer,
      codec: l16,
      sendPayloadType: 96,
      receivePayloadType: 96,
      telephoneEvent: { sendPayloadType: 101, receivePayloadType: 101 },
      ptimeMs: 20,
      direction: 'sendrecv',
      cname,
      record: (fact) => facts.push(fact),
      ...options,
    })
    return { stream, wire, facts }
  }
}
