// One audio stream of a call, both directions, between people who have PCM and a MediaTransport that moves packets.
// It knows neither ICE nor SIP nor SDP. RFC 3550 (RTP, RTCP), RFC 3551 (audio), RFC 4733 (DTMF).
//
//   once a ptime, from the pacer:
//
//     source ──> frame ──> encoder ──> header ──> transport.sendRtp            sendFrame()
//     digits ──> event ────────────────┘
//
//     sinks, onFrame <── hearing <── frame <── decoder <── reorder buffer      playOut()
//                                                              ^
//   whenever the network has something:                        │
//                                                              │
//     transport.onRtp ──> parse ──> source admitted ──> statistics             receiveRtp()
//                                                       └──> events ──> onDtmf
//     transport.onRtcp ──> reports (they also send SR, RR and BYE by their own schedule)
//
// Left to later: concealment of losses, an adaptive delay (see JitterBuffer), SRTP, collisions of SSRCs (RFC 3550 8.2).
import type { AudioSink, AudioSource } from '../audio/frames.ts'
import { resampled } from '../audio/resample.ts'
import type { Codec, Encoder } from '../codec/codec.ts'
import { InvariantError, UsageError } from '../errors.ts'
import {
  createRtpView,
  parseRtp,
  type RtpHeader,
  rtpHeaderLengthBytes,
  writeRtpHeader,
} from '../rtp/packet.ts'
import { type JitterBuffer, ReorderBuffer } from '../rtp/reorder-buffer.ts'
import {
  type EventPacket,
  EventReceiver,
  eventPayloadLengthBytes,
  writeEvent,
} from '../rtp/telephone-event.ts'
import type { Clock, Millis, Random } from '../runtime/runtime.ts'
import type { MediaFact, StreamStatistics } from '../trace/facts.ts'
import { DigitSender, type DtmfOptions } from './digit-sender.ts'
import { Hearing } from './hearing.ts'
import type { MediaTransport } from './media-transport.ts'
import type { PacedTask, Pacer } from './pacer.ts'
import { Playout } from './playout.ts'
import { ReceivedMedia } from './received-media.ts'
import { Reports, type SentMedia } from './reports.ts'

export type StreamDirection = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** What offer and answer have settled; a re-INVITE may settle it anew. */
export interface StreamParameters {
  codec: Codec
  sendPayloadType: number
  receivePayloadType: number
  /** Absent: the peer takes no RFC 4733 events. */
  telephoneEvent?: { sendPayloadType: number; receivePayloadType: number }
  /** Length of the frames we send, and of those that sinks get. */
  ptimeMs: Millis
  direction: StreamDirection
}

export interface AudioStreamOptions extends StreamParameters {
  clock: Clock
  random: Random
  transport: MediaTransport
  pacer: Pacer
  /** RFC 3550 6.5.1. */
  cname: string
  ssrc?: number
  /** What is sent while nothing plays: silence keeps NATs, recorders and people sure of the call. Default 'silence'. */
  idle?: 'silence' | 'nothing'
  /** How long received packets wait for those that they overtook. Default 60. */
  playoutDelayMs?: Millis
  record: (fact: MediaFact) => void
}

interface Playing {
  /** At its own rate. */
  original: AudioSource
  /** At the codec's rate. */
  source: AudioSource
  what: string
  started: boolean
  resolve: (outcome: 'ended' | 'stopped') => void
  reject: (error: unknown) => void
}

/** An Ethernet MTU without IPv6 and UDP headers: no packet is fragmented. */
const maximumPacketBytes = 1500 - 48
/** After a longer stall the time line of the sinks has a hole: nobody writes an hour of silence in one go. */
const maximumCatchUpMs = 60_000

export class AudioStream {
  /** A digit of the peer has ended (RFC 4733). */
  onDtmf: ((digit: string, durationMs: Millis) => void) | undefined
  /** Every ptime, gaps included: mono PCM at the codec's rate. The samples are the stream's again after the call. */
  onFrame: ((samples: Int16Array) => void) | undefined
  /** A sink failed and was taken away: the disk is full, say. */
  onSinkError: ((error: unknown) => void) | undefined

  private parameters: StreamParameters
  private state: 'new' | 'started' | 'stopped' = 'new'
  private task: PacedTask | undefined
  private reports: Reports | undefined

  // Sending. Numbers begin at random values (RFC 3550 5.1).
  private encoder!: Encoder
  private frame!: Int16Array
  private readonly header: RtpHeader
  private timestamp: number
  private frameAt: Millis
  private readonly packet = new Uint8Array(maximumPacketBytes)
  private readonly payload = this.packet.subarray(rtpHeaderLengthBytes)
  private readonly eventPacket = new Uint8Array(rtpHeaderLengthBytes + eventPayloadLengthBytes)
  private readonly sent: { -readonly [K in keyof SentMedia]: SentMedia[K] }
  /** Payload of a source's frame that could not leave yet: there was no path. Nothing of a file is lost. */
  private waitingBytes = 0
  private sourceEnds = false
  private talking = false
  private playing: Playing | undefined
  private readonly digits: DigitSender

  // Receiving.
  private readonly view = createRtpView()
  private readonly received: ReceivedMedia
  private buffer!: JitterBuffer
  private playout!: Playout
  private heardFrame!: Int16Array
  private owedFrames = 0
  private late = 0
  private readonly events: EventReceiver
  private readonly hearing: Hearing
  private readonly sinks = new Set<AudioSink>()
  private readonly dropped = new Map<string, number>()

  constructor(private readonly options: AudioStreamOptions) {
    const { random, clock, record } = options
    this.parameters = options
    this.header = {
      marker: true,
      payloadType: options.sendPayloadType,
      sequenceNumber: random.integer(65_536),
      timestamp: 0,
      ssrc: options.ssrc ?? random.integer(4_294_967_296),
    }
    this.timestamp = random.integer(4_294_967_296)
    this.frameAt = clock.now()
    this.sent = {
      ssrc: this.header.ssrc,
      packets: 0,
      octets: 0,
      firstSequenceNumber: this.header.sequenceNumber,
      timestampAt: (now) => {
        const ticks = ((now - this.frameAt) * this.parameters.codec.clockRateHz) / 1000
        return (this.timestamp + Math.round(ticks)) >>> 0
      },
    }
    this.received = new ReceivedMedia(options.codec.clockRateHz)
    this.hearing = new Hearing((levelDbfs) => record({ layer: 'audio', type: 'first-heard', levelDbfs }))
    this.digits = new DigitSender((digit, durationMs) =>
      record({ layer: 'audio', type: 'dtmf', direction: 'sent', digit, durationMs }),
    )
    this.events = new EventReceiver(({ digit, durationTicks }) => {
      const durationMs = (durationTicks / this.parameters.codec.clockRateHz) * 1000
      record({ layer: 'audio', type: 'dtmf', direction: 'received', digit, durationMs })
      this.onDtmf?.(digit, durationMs)
    })
    this.useCodec()
  }

  // ── what people ask of a stream ──────────────────────────────────────────────────────────────

  get ssrc(): number {
    return this.header.ssrc
  }

  get isPlaying(): boolean {
    return this.playing !== undefined
  }

  start(): void {
    if (this.state !== 'new') throw new InvariantError(`start of a stream that is ${this.state}`)
    this.state = 'started'
    const { clock, random, cname, transport, pacer } = this.options
    transport.onRtp = this.receiveRtp
    transport.onRtcp = (data) => this.reports?.receive(data)
    this.reports = new Reports({
      clock,
      random,
      cname,
      send: (packet) => transport.sendRtcp(packet),
      sent: this.sent,
      received: this.received,
      clockRateHz: () => this.parameters.codec.clockRateHz,
      drop: this.drop,
    })
    this.task = pacer.add(this.parameters.ptimeMs, this.onDue)
  }

  /** Ends everything and says BYE. Sinks remain their owners', who close them. */
  stop(): void {
    if (this.state === 'stopped') return
    const wasStarted = this.state === 'started'
    this.state = 'stopped'
    this.task?.cancel()
    this.stopPlaying()
    this.digits.cancel()
    this.events.reset()
    this.reports?.stop()
    if (!wasStarted) return
    this.options.transport.onRtp = undefined
    this.options.transport.onRtcp = undefined
    this.options.record({ layer: 'rtp', type: 'statistics', statistics: this.statistics() })
  }

  /** A re-INVITE has settled other parameters. SSRC, sequence numbers and timestamps go on (RFC 3264 8.3.2). */
  update(parameters: StreamParameters): void {
    const before = this.parameters
    this.parameters = parameters
    if (before.codec !== parameters.codec || before.ptimeMs !== parameters.ptimeMs) {
      this.received.changeClockRate(parameters.codec.clockRateHz)
      this.useCodec()
    }
    if (before.ptimeMs !== parameters.ptimeMs && this.task) {
      this.task.cancel()
      this.task = this.options.pacer.add(parameters.ptimeMs, this.onDue)
    }
  }

  /**
   * Sends a source, in place of the one before. It begins when there is a path, pauses while the peer holds, and is
   * closed by the stream. Resolves when its last frame has been sent; rejects where reading it fails.
   * @param what names it in the trace
   */
  play(source: AudioSource, what: string): Promise<'ended' | 'stopped'> {
    this.stopPlaying()
    if (this.state === 'stopped') {
      source.close()
      return Promise.resolve('stopped')
    }
    return new Promise((resolve, reject) => {
      this.playing = {
        original: source,
        source: resampled(source, this.parameters.codec.sampleRateHz),
        what,
        started: false,
        resolve,
        reject,
      }
    })
  }

  stopPlaying(): void {
    this.finishPlaying()?.resolve('stopped')
  }

  /**
   * Sends digits as RFC 4733 events, after those already waiting; audio pauses meanwhile.
   * Throws UsageError for what is no digit, and where the peer takes no events.
   */
  sendDtmf(digits: string, options: DtmfOptions = {}): Promise<'ended' | 'stopped'> {
    if (!this.parameters.telephoneEvent)
      throw new UsageError('cannot send DTMF: the peer accepts no telephone-event (RFC 4733)')
    if (this.state === 'stopped') return Promise.resolve('stopped')
    return this.digits.send(digits, options, this.parameters.codec.clockRateHz)
  }

  /** From now on the sink gets what is received, as one time line without holes. */
  addSink(sink: AudioSink): void {
    const { codec } = this.parameters
    if (sink.sampleRateHz !== codec.sampleRateHz)
      throw new UsageError(
        `a sink of ${sink.sampleRateHz} Hz cannot take ${codec.name}: open it with ${codec.sampleRateHz} Hz`,
      )
    this.sinks.add(sink)
  }

  removeSink(sink: AudioSink): void {
    this.sinks.delete(sink)
  }

  statistics(): StreamStatistics {
    const { sent, received, hearing, reports } = this
    const totals = received.totals()
    return {
      sent: { packets: sent.packets, octets: sent.octets, ssrc: sent.ssrc },
      received: {
        ...totals,
        ...(received.ssrc !== undefined && { ssrc: received.ssrc }),
        lossPercent: totals.expected === 0 ? 0 : (totals.lost / totals.expected) * 100,
        late: this.late,
        jitterMs: received.statistics?.jitterMs ?? 0,
        levelDbfs: hearing.levelDbfs,
        heardMs: hearing.heardMs,
      },
      ...(reports?.remote && { remote: reports.remote }),
      dropped: Object.fromEntries(this.dropped),
    }
  }

  // ── once a ptime ─────────────────────────────────────────────────────────────────────────────

  private readonly onDue = (skipped: number): void => {
    this.sendFrame(skipped)
    this.playOut(skipped)
  }

  private sendFrame(skipped: number): void {
    const { codec, direction, telephoneEvent, ptimeMs } = this.parameters
    // Time passes whether or not anything is sent. It is counted in samples, never read from a clock.
    const ticks = (ptimeMs * codec.clockRateHz) / 1000
    this.timestamp = (this.timestamp + (skipped + 1) * ticks) >>> 0
    this.frameAt = this.options.clock.now()
    if (direction === 'recvonly' || direction === 'inactive') {
      this.talking = false
      return
    }

    const event = telephoneEvent && this.digits.next(this.timestamp, skipped + 1, ptimeMs, codec.clockRateHz)
    if (event) {
      this.sendEvent(event, telephoneEvent.sendPayloadType)
      return
    }

    const fromSource = this.waitingBytes > 0 || this.readSource()
    if (!fromSource) {
      if (this.options.idle === 'nothing') {
        this.talking = false
        return
      }
      this.frame.fill(0)
    }
    const payloadBytes = this.waitingBytes || this.encoder.encode(this.frame, this.payload)

    // A packet after a pause begins a talkspurt (RFC 3551 4.1).
    this.header.marker = !this.talking || skipped > 0
    this.header.payloadType = this.parameters.sendPayloadType
    this.header.timestamp = this.timestamp
    writeRtpHeader(this.packet, this.header)
    if (!this.transmit(this.packet.subarray(0, rtpHeaderLengthBytes + payloadBytes), payloadBytes)) {
      this.talking = false
      this.waitingBytes = fromSource ? payloadBytes : 0
      return
    }
    this.talking = true
    this.waitingBytes = 0
    if (fromSource) this.noteFrameSent()
  }

  /** What was received is played a fixed time later, whether or not there is anything: silence is part of the recording. */
  private playOut(skipped: number): void {
    const { ptimeMs } = this.parameters
    this.owedFrames = Math.min(this.owedFrames + skipped + 1, maximumCatchUpMs / ptimeMs)
    // After a stall the packets that came meanwhile are still in the socket; they are read before the next tick.
    if (skipped > 0) return
    for (; this.owedFrames > 0; this.owedFrames--) {
      const frame = this.heardFrame
      if (this.playout.read(frame) > 0) this.hearing.hear(frame, ptimeMs)
      this.onFrame?.(frame)
      for (const sink of this.sinks) this.writeTo(sink, frame)
    }
    this.events.handleTimeout(this.options.clock.now())
  }

  // ── whenever the network has something ───────────────────────────────────────────────────────

  private readonly receiveRtp = (data: Uint8Array): void => {
    const { direction, receivePayloadType, telephoneEvent, codec } = this.parameters
    const packet = this.view
    const problem = parseRtp(data, packet)
    if (problem) {
      this.drop(`RTP ${problem}`)
      return
    }
    if (direction === 'sendonly' || direction === 'inactive') {
      this.drop(`stream is ${direction}`)
      return
    }
    const isEvent = packet.payloadType === telephoneEvent?.receivePayloadType
    if (!isEvent && packet.payloadType !== receivePayloadType) {
      this.drop(`unknown payload type ${packet.payloadType}`)
      return
    }

    const now = this.options.clock.now()
    const { sequenceNumber, timestamp, payloadLengthBytes } = packet
    const admission = this.received.admit(packet.ssrc, sequenceNumber, now)
    if (admission === 'foreign') {
      this.drop('foreign SSRC')
      return
    }
    const verdict = this.received.receive(sequenceNumber, timestamp, now, payloadLengthBytes, !isEvent)
    if (verdict === 'jump') {
      this.drop('sequence number out of range')
      return
    }
    if (admission === 'new' || verdict === 'restarted') {
      this.buffer.reset()
      this.events.reset()
    }
    if (verdict === 'duplicate') return

    const payload = data.subarray(packet.payloadOffset, packet.payloadOffset + payloadLengthBytes)
    if (isEvent) {
      if (!this.events.receive(payload, timestamp, now)) this.drop('telephone-event that is no DTMF digit')
      return
    }
    if (payloadLengthBytes === 0) {
      this.drop(`empty ${codec.name} payload`)
      return
    }
    const sequence = this.received.statistics!.latest
    const insertion = this.buffer.insert(sequence, timestamp, packet.marker, payload)
    if (insertion === 'late') this.late++
    else if (insertion === 'early') this.drop('timestamp out of range')
  }

  // ── pieces ───────────────────────────────────────────────────────────────────────────────────

  private useCodec(): void {
    const { codec, ptimeMs } = this.parameters
    const samples = (codec.sampleRateHz * ptimeMs) / 1000
    this.encoder = codec.createEncoder()
    this.frame = new Int16Array(samples)
    this.waitingBytes = 0
    if (this.playing) this.playing.source = resampled(this.playing.original, codec.sampleRateHz)
    this.buffer = new ReorderBuffer(codec.clockRateHz, this.options.playoutDelayMs)
    this.playout = new Playout(codec, this.buffer)
    this.heardFrame = new Int16Array(samples)
  }

  /** Returns whether `frame` now holds audio of the source; its last frame is filled up with silence. */
  private readSource(): boolean {
    const { playing, frame } = this
    if (!playing) return false
    let read = 0
    try {
      read = playing.source.read(frame)
    } catch (error) {
      this.finishPlaying()?.reject(error)
      return false
    }
    frame.fill(0, read)
    this.sourceEnds = read < frame.length
    if (read === 0) this.finishPlaying()?.resolve('ended')
    return read > 0
  }

  private noteFrameSent(): void {
    const { playing } = this
    if (!playing) return
    if (!playing.started) {
      playing.started = true
      this.options.record({ layer: 'audio', type: 'play-started', what: playing.what })
    }
    if (this.sourceEnds) this.finishPlaying()?.resolve('ended')
  }

  private finishPlaying(): Playing | undefined {
    const { playing } = this
    if (!playing) return undefined
    this.playing = undefined
    this.waitingBytes = 0
    playing.source.close()
    if (playing.started) this.options.record({ layer: 'audio', type: 'play-ended', what: playing.what })
    return playing
  }

  private sendEvent(event: EventPacket, payloadType: number): void {
    this.talking = false
    const { header, eventPacket } = this
    header.payloadType = payloadType
    header.marker = event.marker
    header.timestamp = event.timestamp
    writeEvent(eventPacket, rtpHeaderLengthBytes, event)
    for (let copy = 0; copy < event.copies; copy++) {
      writeRtpHeader(eventPacket, header)
      const left = this.transmit(eventPacket, eventPayloadLengthBytes)
      if (!left && event.marker && copy === 0) {
        this.digits.repeatBeginning()
        return
      }
    }
  }

  /** Sequence numbers count what has left. */
  private transmit(packet: Uint8Array, payloadBytes: number): boolean {
    if (!this.options.transport.sendRtp(packet)) return false
    this.header.sequenceNumber = (this.header.sequenceNumber + 1) & 0xffff
    this.sent.packets++
    this.sent.octets += payloadBytes
    return true
  }

  private writeTo(sink: AudioSink, frame: Int16Array): void {
    try {
      sink.write(frame)
    } catch (error) {
      this.sinks.delete(sink)
      this.onSinkError?.(error)
    }
  }

  private readonly drop = (reason: string): void => {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1)
  }
}
