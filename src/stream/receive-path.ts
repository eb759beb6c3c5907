// From a packet to a time line of audio. Two steps, because the network and the ear keep different time: `receiveRtp` takes
// packets whenever they come, `playOut` makes one frame every packet time, whether or not there is anything to hear.
//
//   packet ──> parse ──> source admitted ──> statistics ──┬──> jitter buffer
//                                                         └──> events ──> onDtmf
//   sinks, onFrame <── hearing <── frame <── decoder <── jitter buffer ──> sinks that keep packets
import { LevelMeter } from '../audio/level.ts'
import type { Codec } from '../codec/codec.ts'
import { JitterBuffer } from '../rtp/jitter-buffer.ts'
import { createRtpView, parseRtp } from '../rtp/packet.ts'
import type { DelayBounds } from '../rtp/playout-delay.ts'
import { EventReceiver } from '../rtp/telephone-event.ts'
import type { Clock, Millis } from '../runtime/runtime.ts'
import type { MediaFact, PlayoutStatistics, StreamStatistics } from '../trace/facts.ts'
import { FrameSinks } from './frame-sinks.ts'
import { Hearing } from './hearing.ts'
import type { StreamParameters } from './parameters.ts'
import { Playout, type Rates } from './playout.ts'
import type { Reception } from './quality.ts'
import { ReceivedMedia } from './received-media.ts'

export interface ReceivePathOptions {
  clock: Clock
  playoutDelay: DelayBounds
  record: (fact: MediaFact) => void
  onDtmf: (digit: string, durationMs: Millis) => void
  onFrame: (samples: Int16Array) => void
  onSinkError: (error: unknown) => void
}

/** A peer that changes between clock rates more often is not followed: each change costs a decoder and what waits to be played. */
const codecChangeMs: Millis = 100

const receivable = ({ codec, receivePayloadType, alsoReceive = [] }: StreamParameters) => [
  { codec, payloadType: receivePayloadType },
  ...alsoReceive,
]

const sameRates = (one: Rates, other: Rates): boolean =>
  one.sampleRateHz === other.sampleRateHz && one.clockRateHz === other.clockRateHz

/** Reasons for which packets are dropped that came too early, or were still waiting when another time line began. */
const otherNoise = 'comfort noise of another clock rate than the codec'
const outOfRange = 'timestamp out of range'
const leftOut = 'left out where the sender began anew'

/** So long after the tick before, one is late, and others may follow at once that make up for it. */
const lateAfterPeriods = 1.5
const sameGoMs: Millis = 1
/** After a longer stall the time line of the sinks has a hole: nobody writes an hour of silence in one go. */
const maximumCatchUpMs = 60_000

export class ReceivePath {
  readonly media: ReceivedMedia
  readonly events: EventReceiver
  readonly level = new LevelMeter()
  readonly sinks: FrameSinks
  /** Packets thrown away, by reason. */
  readonly dropped = new Map<string, number>()
  private readonly hearing: Hearing
  private parameters!: StreamParameters
  /** Heard last, or expected. */
  private codec!: Codec
  private codecChangedAt = Number.NEGATIVE_INFINITY
  /** Of the newest packet of audio. */
  private newestNumber = 0
  /** By payload type, in Hz: those of comfort noise, */
  private readonly noiseClocks = new Map<number, number>()
  /** and those of events; and of the event received last. */
  private readonly eventClocks = new Map<number, number>()
  private eventClockRateHz = 0
  private readonly view = createRtpView()
  /** Payload types of audio that can be decoded. */
  private readonly playable = new Set<number>()
  private buffer!: JitterBuffer
  private playout!: Playout
  private frame!: Int16Array
  private owedFrames = 0
  private calledAt = Number.POSITIVE_INFINITY
  private deferredAt: Millis | undefined
  private late = 0

  constructor(
    private readonly options: ReceivePathOptions,
    parameters: StreamParameters,
  ) {
    const { record, onDtmf } = options
    this.media = new ReceivedMedia(parameters.codec.clockRateHz)
    this.sinks = new FrameSinks(parameters.codec.sampleRateHz, options.onSinkError)
    this.hearing = new Hearing((levelDbfs) => record({ layer: 'audio', type: 'first-heard', levelDbfs }))
    this.events = new EventReceiver(({ digit, durationTicks }) => {
      const durationMs = (durationTicks / this.eventClockRateHz) * 1000
      record({ layer: 'audio', type: 'dtmf', direction: 'received', digit, durationMs })
      onDtmf(digit, durationMs)
    })
    this.use(parameters)
  }

  use(parameters: StreamParameters): void {
    const before = this.parameters
    this.parameters = parameters
    const goesOn =
      before?.codec === parameters.codec && receivable(parameters).some(({ codec }) => codec === this.codec)
    this.eventClocks.clear()
    for (const event of parameters.alsoReceiveEvents ?? [])
      this.eventClocks.set(event.payloadType, event.clockRateHz)
    if (parameters.telephoneEvent)
      this.eventClocks.set(parameters.telephoneEvent.receivePayloadType, parameters.codec.clockRateHz)
    this.noiseClocks.clear()
    for (const noise of parameters.receiveComfortNoise ?? [])
      this.noiseClocks.set(noise.payloadType, noise.clockRateHz)
    this.tune(goesOn ? this.codec : parameters.codec)
  }

  /** Plays at the rates of `codec` from now on; what waits to be played at others is given up. */
  private tune(codec: Codec): void {
    const before = this.codec
    this.codec = codec
    const samples = (codec.sampleRateHz * this.parameters.ptimeMs) / 1000
    if (this.frame?.length !== samples) this.frame = new Int16Array(samples)
    if (!before || !sameRates(before, codec)) {
      this.media.changeClockRate(codec.clockRateHz)
      this.buffer = new JitterBuffer(codec.clockRateHz, this.options.playoutDelay, () => this.drop(leftOut))
      this.playout?.close()
      this.playout = new Playout(codec, this.buffer)
      this.playout.onPacket = this.sinks.writePacket
      this.sinks.use(codec.sampleRateHz)
    }
    this.playable.clear()
    this.playout.useNoise(this.noiseClocks.keys())
    for (const other of receivable(this.parameters)) {
      if (!sameRates(other.codec, codec)) continue
      this.playable.add(other.payloadType)
      this.playout.use(other.payloadType, other.codec)
    }
  }

  receiveRtp(data: Uint8Array, arrivedAt?: Millis): void {
    const { direction } = this.parameters
    const packet = this.view
    const problem = parseRtp(data, packet)
    if (problem) {
      this.drop(`RTP ${problem}`)
      return
    }
    const isDeaf = direction === 'sendonly' || direction === 'inactive'
    if (isDeaf) this.drop(`stream is ${direction}`)
    // Of a source that was heard before, those still on their way have not been lost.
    if (isDeaf && packet.ssrc !== this.media.ssrc) return
    const { payloadType } = packet
    const eventClockRateHz = this.eventClocks.get(payloadType)
    const isEvent = eventClockRateHz !== undefined
    const noiseClockRateHz = this.noiseClocks.get(payloadType)
    const isSound = !isEvent && noiseClockRateHz === undefined
    const other = !isSound || this.playable.has(payloadType) ? undefined : this.otherCodec(payloadType)
    if (isSound && !other && !this.playable.has(payloadType)) {
      this.drop(`unknown payload type ${payloadType}`)
      return
    }

    const now = arrivedAt ?? this.options.clock.now()
    const { sequenceNumber, payloadLengthBytes } = packet
    // Signed: such numbers need no memory of their own.
    const timestamp = packet.timestamp | 0
    const admission = this.media.admit(packet.ssrc, sequenceNumber, now)
    if (admission === 'foreign') {
      this.drop('foreign SSRC')
      return
    }
    if (other && !this.follow(other, sequenceNumber, admission === 'new', now)) return
    const verdict = this.media.receive(sequenceNumber, timestamp, now, payloadLengthBytes, isSound)
    if (verdict === 'jump') {
      this.drop('sequence number out of range')
      return
    }
    if (admission === 'new' || verdict === 'restarted') {
      this.buffer.reset()
      this.playout.reset()
      this.events.reset()
    }
    if (verdict === 'duplicate' || isDeaf) return
    if (!isEvent && (verdict === 'restarted' || admission === 'new' || this.isNewer(sequenceNumber)))
      this.newestNumber = sequenceNumber

    const { payloadOffset, marker } = packet
    if (isEvent) {
      this.eventClockRateHz = eventClockRateHz
      const payload = data.subarray(payloadOffset, payloadOffset + payloadLengthBytes)
      if (!this.events.receive(payload, packet.timestamp, now))
        this.drop('telephone-event that is no DTMF digit')
      return
    }
    if (!isSound && noiseClockRateHz !== this.codec.clockRateHz) {
      this.drop(otherNoise)
      return
    }
    const { latestSequence } = this.media
    const insertion = this.buffer.insert(
      latestSequence,
      timestamp,
      marker,
      payloadType,
      data,
      payloadOffset,
      payloadLengthBytes,
    )
    if (insertion === 'late') this.late++
    else if (insertion === 'early') this.drop(outOfRange)
    if (insertion === 'late' || insertion === 'early') this.media.discardLatest()
  }

  /** Negotiated, but of other rates than what is heard. */
  private otherCodec(payloadType: number): Codec | undefined {
    return receivable(this.parameters).find((other) => other.payloadType === payloadType)?.codec
  }

  /** The peer has changed to a codec of another rate (RFC 3264 5.1, RFC 7160); false where a packet does not say so. */
  private follow(codec: Codec, sequenceNumber: number, isNew: boolean, now: Millis): boolean {
    if (!isNew && !this.isNewer(sequenceNumber)) {
      this.drop(`${codec.name} from before the peer changed its codec`)
      return false
    }
    if (now - this.codecChangedAt < codecChangeMs) {
      this.drop(`${codec.name} too soon after another codec`)
      return false
    }
    this.codecChangedAt = now
    this.tune(codec)
    return true
  }

  private isNewer(sequenceNumber: number): boolean {
    return ((sequenceNumber - this.newestNumber) & 0xffff) < 0x8000
  }

  playOut(skipped: number, now: Millis): void {
    const { ptimeMs } = this.parameters
    this.owedFrames = Math.min(this.owedFrames + skipped + 1, maximumCatchUpMs / ptimeMs)
    const isLate = skipped > 0 || now - this.calledAt > lateAfterPeriods * ptimeMs
    this.calledAt = now
    if (isLate) this.deferredAt ??= now
    // What came while the process was held up is still in the socket: it is read after this go, and before the next tick.
    if (this.deferredAt !== undefined && now - this.deferredAt < sameGoMs) return
    this.deferredAt = undefined
    for (; this.owedFrames > 0; this.owedFrames--) {
      const { frame } = this
      const heard = this.playout.read(frame)
      const power = this.level.hear(heard ? frame : undefined, ptimeMs)
      if (heard) this.hearing.hear(power, ptimeMs)
      this.options.onFrame(frame)
      this.sinks.write(frame, this.playout.encoding ?? this.codec.name)
    }
    this.events.handleTimeout(now)
  }

  close(): void {
    this.playout.close()
  }

  statistics(): StreamStatistics['received'] {
    const { media, hearing, late } = this
    const totals = media.totals()
    return {
      ...totals,
      ...(media.ssrc !== undefined && { ssrc: media.ssrc }),
      lossPercent: totals.expected === 0 ? 0 : (totals.lost / totals.expected) * 100,
      late,
      jitterMs: media.jitterMs,
      ...(media.packetMs !== undefined && { packetMs: media.packetMs }),
      levelDbfs: hearing.levelDbfs,
      heardMs: hearing.heardMs,
      clippedSamples: this.level.clippedSamples,
      playout: this.playoutStatistics(),
    }
  }

  private playoutStatistics(): PlayoutStatistics {
    const { late, buffer, playout } = this
    const { playoutDelay } = this.options
    return {
      adaptive: playoutDelay.minimumMs < playoutDelay.maximumMs,
      delayMs: playout.delayMs,
      targetDelayMs: buffer.targetDelayMs,
      maximumDelayMs: buffer.maximumDelayMs,
      discarded: late + (this.dropped.get(outOfRange) ?? 0) + (this.dropped.get(leftOut) ?? 0),
      ...playout.changes,
    }
  }

  /** What quality is told from. */
  reception(): Omit<Reception, 'roundTripMs'> {
    const { media, hearing } = this
    return {
      fates: media.fates.metrics(),
      codec: this.codec,
      packetMs: media.packetMs ?? this.parameters.ptimeMs,
      playout: this.playoutStatistics(),
      signalDbfs: hearing.heardMs > 0 ? hearing.levelDbfs : undefined,
      noiseDbfs: hearing.noiseDbfs,
    }
  }

  readonly drop = (reason: string): void => {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1)
  }
}
