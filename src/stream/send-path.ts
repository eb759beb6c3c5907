// From a source or a digit to a packet, once a packet time: `sendFrame` is the whole way, top to bottom. Timestamps count
// samples and never read a clock (RFC 3550 5.1); sequence numbers count what has left. Where another thread encodes, a frame is
// made a packet time before its packet leaves, and the two steps come in the other order.
//
//   source ──> frame ──> encoder ──> payload ─┐
//                make            depart       ├──> header ──> transport.sendRtp
//   digits ──────────────────────> event ─────┘
import { type AudioSource, isEncoded } from '../audio/frames.ts'
import { LevelMeter } from '../audio/level.ts'
import { resampled } from '../audio/resample.ts'
import type { Encoder, PipelinedEncoder } from '../codec/codec.ts'
import { type RtpHeader, rtpHeaderLengthBytes, writeRtpHeader } from '../rtp/packet.ts'
import { SentPackets } from '../rtp/sent-packets.ts'
import { type EventPacket, eventPayloadLengthBytes, writeEvent } from '../rtp/telephone-event.ts'
import type { Millis, Random } from '../runtime/runtime.ts'
import type { MediaFact } from '../trace/facts.ts'
import { DigitSender } from './digit-sender.ts'
import { ExpectedLoss } from './expected-loss.ts'
import { FrameSinks } from './frame-sinks.ts'
import type { MediaTransport } from './media-transport.ts'
import { frameSamples, frameTicks, type StreamParameters } from './parameters.ts'
import { SilenceSuppression } from './silence-suppression.ts'

export interface SendPathOptions {
  random: Random
  transport: MediaTransport
  ssrc?: number
  idle: 'silence' | 'nothing'
  record: (fact: MediaFact) => void
  onSinkError: (error: unknown) => void
}

interface Playing {
  /** At its own rate. */
  original: AudioSource
  /** At the codec's rate. */
  source: AudioSource
  what: string
  started: boolean
  /** It has been encoded elsewhere, and what it holds was not refused yet: packets of both kinds in turn would be heard. */
  isReady: boolean
  resolve: (outcome: 'ended' | 'stopped') => void
  reject: (error: unknown) => void
}

interface Interjection {
  original: AudioSource
  source: AudioSource
  resolve: (outcome: 'ended' | 'stopped') => void
}

/** An Ethernet MTU without IPv6 and UDP headers: no packet is fragmented. */
const maximumPacketBytes = 1500 - 48

/** RFC 3711 3.3.1, RFC 4568 6.4: in the lower half, so that a receiver who misses the first packets can still tell the round. */
const mostFirstSequenceNumber = 0x8000

export class SendPath {
  packets = 0
  octets = 0
  /** Of the source that we are now. */
  firstSequenceNumber: number
  /** What was sent as another source (RFC 3550 8.2). */
  readonly former = { packets: 0, octets: 0 }
  private readonly sent = new SentPackets()
  readonly digits: DigitSender
  readonly level = new LevelMeter()
  /** They hear what the peer is sent, as one time line: silence where nothing plays. */
  readonly sinks: FrameSinks
  /** What is played goes on unheard; digits are still sent. */
  muted = false
  /** While nothing plays. */
  sendsSilence: boolean
  private parameters!: StreamParameters
  private encoder!: Encoder | PipelinedEncoder
  private frame!: Int16Array
  /** What sinks hear of a frame that is none. */
  private silence!: Int16Array
  private readonly header: RtpHeader
  /** Of the frame last due, which leaves at `leavesAt`. */
  private timestamp = 0
  leavesAt: Millis = 0
  private keepsDeparture = false
  private readonly buffer = new Uint8Array(maximumPacketBytes)
  private readonly payload = this.buffer.subarray(rtpHeaderLengthBytes)
  /** The part of `buffer` that is sent; frames are nearly always of one length. */
  private packet = this.buffer
  private readonly eventPacket = new Uint8Array(rtpHeaderLengthBytes + eventPayloadLengthBytes)
  /** Of the packet time that leaves next: samples in `frame`, or a packet in `payload` that its source had encoded already, or that
   *  could not leave yet because there was no path. Nothing of a file is lost. A pause: `frame` need not be sent. */
  private made: 'nothing' | 'frame' | 'packet' | 'pause' = 'nothing'
  /** Where it is a packet. */
  private madeBytes = 0
  private isAudible = false
  /** Absent: it is an interjection or silence. */
  private madeFrom: Playing | undefined
  /** Present where pauses are described as comfort noise. */
  private suppression: SilenceSuppression | undefined
  /** Frames whose packets another thread had not made in time; they left later. */
  delayedFrames = 0
  private talking = false
  private readonly expectedLoss = new ExpectedLoss()
  private playing: Playing | undefined
  private sourceEnds = false
  /** Sent in place of what plays, one after the other. */
  private readonly interjections: Interjection[] = []

  constructor(
    private readonly options: SendPathOptions,
    parameters: StreamParameters,
    now: Millis,
  ) {
    const { random, record, onSinkError } = options
    this.sinks = new FrameSinks(parameters.codec.sampleRateHz, onSinkError)
    this.sendsSilence = options.idle === 'silence'
    // Numbers begin at random values (RFC 3550 5.1).
    this.firstSequenceNumber = random.integer(mostFirstSequenceNumber)
    this.header = {
      marker: true,
      payloadType: parameters.sendPayloadType,
      sequenceNumber: this.firstSequenceNumber,
      timestamp: 0,
      ssrc: options.ssrc ?? random.integer(4_294_967_296),
    }
    this.timestamp = random.integer(4_294_967_296) | 0
    this.leavesAt = now
    this.digits = new DigitSender((digit, durationMs) =>
      record({ layer: 'audio', type: 'dtmf', direction: 'sent', digit, durationMs }),
    )
    this.use(parameters)
  }

  get ssrc(): number {
    return this.header.ssrc
  }

  hasSent(sequenceNumber: number, timestamp: number): boolean {
    return this.sent.has(sequenceNumber, timestamp)
  }

  /** Goes on as another source. Numbers begin anew, so that with SRTP no key stream can come twice. */
  changeSource(): void {
    const { random } = this.options
    this.former.packets = this.packets
    this.former.octets = this.octets
    this.firstSequenceNumber = random.integer(mostFirstSequenceNumber)
    this.header.sequenceNumber = this.firstSequenceNumber
    this.header.ssrc = random.integer(4_294_967_296)
  }

  /** The peer reports what it lost lately. @param fraction of 256 */
  learnLoss(fraction: number): void {
    this.encoder.expectLoss?.(this.expectedLoss.learn(fraction))
  }

  get isPlaying(): boolean {
    return this.playing !== undefined
  }

  /** The timestamp of this very instant, whether or not a packet is due (RFC 3550 6.4.1). */
  timestampAt(now: Millis): number {
    return (
      (this.timestamp + Math.round(((now - this.leavesAt) * this.parameters.codec.clockRateHz) / 1000)) >>> 0
    )
  }

  use(parameters: StreamParameters): void {
    const before = this.parameters
    this.parameters = parameters
    const isSame =
      before?.codec === parameters.codec &&
      before.sendFmtp === parameters.sendFmtp &&
      before.ptimeMs === parameters.ptimeMs
    if (!parameters.sendComfortNoise) this.suppression = undefined
    else if (!isSame || !this.suppression)
      this.suppression = new SilenceSuppression(parameters.codec.sampleRateHz, parameters.ptimeMs)
    if (isSame) return
    this.encoder?.close?.()
    const { codec, sendFmtp } = parameters
    const samples = frameSamples(parameters)
    this.encoder = codec.createPipelinedEncoder?.(samples, sendFmtp) ?? codec.createEncoder(sendFmtp)
    const { percent } = this.expectedLoss
    if (percent !== undefined) this.encoder.expectLoss?.(percent)
    this.frame = new Int16Array(samples)
    this.silence = new Int16Array(this.frame.length)
    this.sinks.use(parameters.codec.sampleRateHz)
    this.made = 'nothing'
    for (const each of this.playing ? [this.playing, ...this.interjections] : this.interjections)
      each.source = resampled(each.original, parameters.codec.sampleRateHz)
  }

  play(source: AudioSource, what: string): Promise<'ended' | 'stopped'> {
    this.stopPlaying()
    return new Promise((resolve, reject) => {
      const atCodecRate = resampled(source, this.parameters.codec.sampleRateHz)
      this.playing = {
        original: source,
        source: atCodecRate,
        what,
        started: false,
        isReady: isEncoded(source),
        resolve,
        reject,
      }
    })
  }

  interject(source: AudioSource): Promise<'ended' | 'stopped'> {
    return new Promise((resolve) => {
      this.interjections.push({
        original: source,
        source: resampled(source, this.parameters.codec.sampleRateHz),
        resolve,
      })
    })
  }

  close(): void {
    this.stopPlaying()
    for (const { resolve } of this.interjections.splice(0)) resolve('stopped')
    this.encoder.close?.()
  }

  stopPlaying(): void {
    this.finishPlaying()?.resolve('stopped')
  }

  /** @param departAt when the frame is to leave, where the network keeps that; absent: now */
  sendFrame(skipped: number, now: Millis, departAt?: Millis): void {
    const { codec, direction, telephoneEvent, ptimeMs, sendPayloadType } = this.parameters
    // Time passes whether or not anything is sent.
    this.timestamp = (this.timestamp + (skipped + 1) * frameTicks(this.parameters)) | 0
    // After another packet time has begun, a frame may be due before the one that was handed over last.
    this.leavesAt = departAt === undefined ? now : Math.max(now, departAt, this.leavesAt)
    this.keepsDeparture = departAt !== undefined
    for (let i = 0; i < skipped && !this.sinks.isEmpty; i++) this.sinks.write(this.silence)
    if (direction === 'recvonly' || direction === 'inactive') {
      this.monitor(undefined)
      this.talking = false
      return
    }

    const event = telephoneEvent && this.digits.next(this.timestamp, skipped + 1, ptimeMs, codec.clockRateHz)
    if (event) {
      this.monitor(undefined)
      this.sendEvent(event, telephoneEvent.sendPayloadType)
      return
    }

    // Sound that has waited for a path is not to be heard after all.
    if (this.made === 'packet' && (this.muted || this.parameters.quiet)) this.made = 'nothing'
    const pipelined = 'begin' in this.encoder
    if (!pipelined) this.make()
    this.depart(sendPayloadType, skipped)
    if (pipelined) this.make()
  }

  /** What leaves next, where the packet time before has left. */
  private make(): void {
    if (this.made !== 'nothing') return
    const { quiet } = this.parameters
    const interjected = !quiet && this.readInterjection()
    const read = quiet || interjected ? 'nothing' : this.readSource()
    if (read === 'nothing' && !interjected && !this.sendsSilence) return
    this.madeFrom = read === 'nothing' ? undefined : this.playing
    this.isAudible = interjected || (read !== 'nothing' && !this.muted)
    this.made = this.isAudible && read === 'packet' ? 'packet' : 'frame'
    if (!this.isAudible) this.frame.fill(0)
    // The first packets open the path, and show the peer what codec it is: they are sound in any case.
    if (this.made === 'frame' && this.packets > 0 && this.suppression?.pauses(this.frame)) this.made = 'pause'
    if (this.made === 'frame' && 'begin' in this.encoder) this.encoder.begin(this.frame)
  }

  private depart(payloadType: number, skipped: number): void {
    const payloadBytes = this.encodeMade()
    if (this.made === 'nothing' || payloadBytes === undefined) {
      this.monitor(undefined)
      this.talking = false
      return
    }
    this.monitor(this.isAudible ? this.frame : undefined)
    if (payloadBytes === 0) {
      this.talking = false
      this.made = 'nothing'
      this.noteFrameSent()
      return
    }

    const isPause = this.made === 'pause'
    // A packet after a pause begins a talkspurt (RFC 3551 4.1).
    this.header.marker = !isPause && (!this.talking || skipped > 0)
    this.header.payloadType = isPause ? this.parameters.sendComfortNoise!.payloadType : payloadType
    this.header.timestamp = this.timestamp
    writeRtpHeader(this.buffer, this.header)
    const left = this.transmit(this.packetWith(payloadBytes), payloadBytes)
    this.talking = left && !isPause
    if (isPause && !left) this.suppression!.repeat()
    this.made = left || isPause || !this.madeFrom ? 'nothing' : 'packet'
    this.madeBytes = payloadBytes
    if (left) this.noteFrameSent()
  }

  /** Returns the octets of what was made, as they stand in `payload`; 0 where nothing need be sent. */
  private encodeMade(): number | undefined {
    if (this.made === 'frame') return this.encode()
    return this.made === 'pause' ? this.suppression!.describe(this.payload) : this.madeBytes
  }

  /** Returns the octets of the packet; undefined where another thread has not made it in time: it leaves later. */
  private encode(): number | undefined {
    const { encoder, frame, payload } = this
    if (!('begin' in encoder)) return encoder.encode(frame, payload)
    const payloadBytes = encoder.finish(payload)
    if (payloadBytes === undefined) this.delayedFrames++
    return payloadBytes
  }

  /** @param frame absent: nothing is to be heard of this packet time */
  private monitor(frame: Int16Array | undefined): void {
    this.level.hear(frame, this.parameters.ptimeMs)
    this.sinks.write(frame ?? this.silence)
  }

  /** Returns what now holds audio of the source, `frame` alone or a packet; a last frame is filled up with silence. */
  private readSource(): 'nothing' | 'frame' | 'packet' {
    const { playing, frame } = this
    if (!playing) return 'nothing'
    let read = 0
    try {
      const packet = this.readPacket(playing)
      if (packet !== 'nothing') {
        this.sourceEnds = false
        return packet
      }
      read = playing.source.read(frame)
    } catch (error) {
      this.finishPlaying()?.reject(error)
      return 'nothing'
    }
    frame.fill(0, read)
    this.sourceEnds = read < frame.length
    if (read > 0) return 'frame'
    this.finishPlaying()?.resolve('ended')
    return 'nothing'
  }

  /** Of a source that has encoded its sound already: 'packet' where `payload` and `madeBytes` now tell that, and `frame` the sound. */
  private readPacket({ source, isReady }: Playing): 'nothing' | 'packet' {
    if (!isReady || !isEncoded(source) || source.encoding !== this.parameters.codec.name) return 'nothing'
    const packet = source.readPacket(this.frame, this.takes)
    if (!packet) return 'nothing'
    this.payload.set(packet)
    this.madeBytes = packet.length
    return 'packet'
  }

  /** Whether what plays can be sent as its source has encoded it. */
  private readonly takes = (packet: Uint8Array): boolean => {
    const taken = packet.length <= this.payload.length && (this.encoder.takes?.(packet) ?? true)
    if (!taken) this.playing!.isReady = false
    return taken
  }

  /** Returns whether `frame` now holds audio of an interjection. */
  private readInterjection(): boolean {
    const { interjections, frame } = this
    for (let first = interjections[0]; first; first = interjections[0]) {
      const read = first.source.read(frame)
      if (read === frame.length) return true
      frame.fill(0, read)
      interjections.shift()
      first.source.close()
      first.resolve('ended')
      if (read > 0) return true
    }
    return false
  }

  private noteFrameSent(): void {
    const playing = this.madeFrom
    if (!playing || playing !== this.playing) return
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
    if (this.made === 'packet') this.made = 'nothing'
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
    writeRtpHeader(eventPacket, header)
    if (!this.transmit(eventPacket, eventPayloadLengthBytes) && event.marker) this.digits.repeatBeginning()
  }

  private packetWith(payloadBytes: number): Uint8Array {
    const lengthBytes = rtpHeaderLengthBytes + payloadBytes
    if (this.packet.length !== lengthBytes) this.packet = this.buffer.subarray(0, lengthBytes)
    return this.packet
  }

  private transmit(packet: Uint8Array, payloadBytes: number): boolean {
    this.sent.add(this.header.sequenceNumber, this.header.timestamp)
    if (!this.options.transport.sendRtp(packet, this.keepsDeparture ? this.leavesAt : undefined)) return false
    this.header.sequenceNumber = (this.header.sequenceNumber + 1) & 0xffff
    this.packets++
    this.octets += payloadBytes
    return true
  }
}
