// One audio stream of a call, both directions, between people who have PCM and a MediaTransport that moves packets.
// It knows neither ICE nor SIP nor SDP. RFC 3550 (RTP, RTCP), RFC 3551 (audio), RFC 4733 (DTMF).
//
//            play() ──> source ──> encoder ──┐
//                                            ├──> header ──> sendRtp ──>        SendPath.sendFrame
//        sendDtmf() ──> digits ──> event ────┘
//   pacer ──> (every ptime, both)                                     MediaTransport
//     addSink(), onFrame <── hearing <── decoder <── jitter buffer              ReceivePath.playOut
//                                                        ├──── statistics <── onRtp   .receiveRtp
//                                       onDtmf <── events
//                                                        reports  <──> onRtcp, sendRtcp
import type { AudioSink, AudioSource } from '../audio/frames.ts'
import { silenceDbov } from '../audio/level.ts'
import { InvariantError, UsageError } from '../errors.ts'
import type { Clock, Millis, Random } from '../runtime/runtime.ts'
import type { MediaFact, StreamStatistics } from '../trace/facts.ts'
import type { DtmfOptions } from './digit-sender.ts'
import type { MediaTransport } from './media-transport.ts'
import { OwnSource } from './own-source.ts'
import type { PacedTask, Pacer } from './pacer.ts'
import type { StreamParameters } from './parameters.ts'
import { type PlayoutDelayOption, playoutBounds } from './playout-bounds.ts'
import { estimateQuality, type Reception, voipMetrics } from './quality.ts'
import { ReceivePath } from './receive-path.ts'
import { Reports } from './reports.ts'
import { SendPath } from './send-path.ts'

export interface AudioStreamOptions extends StreamParameters {
  clock: Clock
  random: Random
  transport: MediaTransport
  pacer: Pacer
  /** RFC 3550 6.5.1. */
  cname: string
  /** Default: random. */
  ssrc?: number
  /** What is sent while nothing plays: silence keeps NATs, recorders and people sure of the call. Default 'silence'. */
  idle?: 'silence' | 'nothing'
  /** How long received packets wait so that late ones can be played: bounds of what follows the jitter, 20 to 400 ms where nothing
   *  is said, or a delay that stays. */
  playoutDelay?: PlayoutDelayOption | undefined
  record: (fact: MediaFact) => void
}

/** RTP, UDP and IPv4 (RFC 3550 6.2). */
const lowerHeadersBytes = 40
/** While nothing flows: G.711. */
const telephoneOctetsPerSecond = 10_000

/** As a meter shows it: dBov (RFC 6465), -127 for silence; peaks fall 20 dB in 1.7 s. */
export interface Levels {
  sentDbov: number
  receivedDbov: number
  sentPeakDbov: number
  receivedPeakDbov: number
}

/** Where there is no stream. */
export const silentLevels: Levels = {
  sentDbov: silenceDbov,
  receivedDbov: silenceDbov,
  sentPeakDbov: silenceDbov,
  receivedPeakDbov: silenceDbov,
}

export class AudioStream {
  /** A digit of the peer has ended (RFC 4733). */
  onDtmf: ((digit: string, durationMs: Millis) => void) | undefined
  /** Every ptime, gaps included: mono PCM at the codec's rate. The samples are the stream's again after the call. */
  onFrame: ((samples: Int16Array) => void) | undefined
  /** Other parameters have been settled. */
  onUpdate: (() => void) | undefined
  /** A sink failed and was taken away: the disk is full, say. */
  onSinkError: ((error: unknown) => void) | undefined

  private state: 'new' | 'started' | 'stopped' = 'new'
  private parameters: StreamParameters
  private readonly sending: SendPath
  private readonly receiving: ReceivePath
  private reports: Reports | undefined
  private task: PacedTask | undefined

  constructor(private readonly options: AudioStreamOptions) {
    const { clock, random, transport, ssrc, record } = options
    this.parameters = options
    this.sending = new SendPath(
      {
        ...{ random, transport, record, idle: options.idle ?? 'silence' },
        ...(ssrc !== undefined && { ssrc }),
        onSinkError: (error) => this.onSinkError?.(error),
      },
      options,
      clock.now(),
    )
    this.receiving = new ReceivePath(
      {
        clock,
        record,
        playoutDelay: playoutBounds(options.playoutDelay),
        onDtmf: (digit, durationMs) => this.onDtmf?.(digit, durationMs),
        onFrame: (samples) => this.onFrame?.(samples),
        onSinkError: (error) => this.onSinkError?.(error),
      },
      options,
    )
  }

  get ssrc(): number {
    return this.sending.ssrc
  }

  /** Of the codec that is sent. */
  get sampleRateHz(): number {
    return this.parameters.codec.sampleRateHz
  }

  get isPlaying(): boolean {
    return this.sending.isPlaying
  }

  /** Whether the peer takes telephone-events (RFC 4733). */
  get takesEvents(): boolean {
    return this.parameters.telephoneEvent !== undefined
  }

  /** Silence is sent in place of what is played, which goes on. */
  get muted(): boolean {
    return this.sending.muted
  }

  set muted(muted: boolean) {
    this.sending.muted = muted
  }

  /** Silence is sent while nothing plays, or else nothing. */
  set sendsSilence(sends: boolean) {
    this.sending.sendsSilence = sends
  }

  /** How loud it is now, both ways. */
  levels(): Levels {
    const [sent, received] = [this.sending.level, this.receiving.level]
    return {
      sentDbov: sent.dbov,
      receivedDbov: received.dbov,
      sentPeakDbov: sent.peakDbov,
      receivedPeakDbov: received.peakDbov,
    }
  }

  start(): void {
    if (this.state !== 'new') throw new InvariantError(`start of a stream that is ${this.state}`)
    this.state = 'started'
    const { clock, random, cname, transport, pacer } = this.options
    const own = new OwnSource({
      clock,
      cname,
      sent: this.sending,
      received: this.receiving.media,
      move: () => {
        this.reports?.sayBye()
        this.sending.changeSource()
      },
      drop: this.receiving.drop,
    })
    this.reports = new Reports({
      clock,
      random,
      cname,
      send: (packet, departAt) => transport.sendRtcp(packet, departAt),
      sent: this.sending,
      received: this.receiving.media,
      clockRateHz: () => this.parameters.codec.clockRateHz,
      octetsPerSecond: () => this.octetsPerSecond(),
      bandwidth: () => this.parameters.rtcpBandwidth,
      extended: {
        wanted: () => this.parameters.extendedReports,
        metrics: () => {
          const { ssrc } = this.receiving.media
          return ssrc === undefined ? undefined : voipMetrics(ssrc, this.reception())
        },
      },
      admits: (compound) => own.admitsRtcp(compound),
      drop: this.receiving.drop,
    })
    transport.onRtp = (data, arrivedAt) => {
      if (own.admitsRtp(data)) this.receiving.receiveRtp(data, arrivedAt)
    }
    transport.onRtcp = (data, arrivedAt) => this.reports?.receive(data, arrivedAt)
    this.task = pacer.add(this.parameters.ptimeMs, this.onDue)
  }

  /** The transport has begun to carry: what waits leaves now, and the rhythm begins with it, not up to a packet time later. */
  transportReady(): void {
    if (this.state !== 'started' || this.sending.packets > 0) return
    this.task?.cancel()
    this.task = this.options.pacer.add(this.parameters.ptimeMs, this.onDue)
  }

  /** Ends everything and says BYE. Sinks remain their owners', who close them. Idempotent. */
  stop(): void {
    if (this.state === 'stopped') return
    const wasStarted = this.state === 'started'
    this.state = 'stopped'
    this.task?.cancel()
    this.sending.close()
    this.receiving.close()
    this.sending.digits.cancel()
    if (!wasStarted) return
    const { transport, record } = this.options
    this.receiving.events.reset()
    this.reports?.stop()
    transport.onRtp = undefined
    transport.onRtcp = undefined
    record({ layer: 'rtp', type: 'statistics', statistics: this.statistics() })
  }

  /** A re-INVITE has settled other parameters. SSRC, sequence numbers and timestamps go on (RFC 3264 8). */
  update(parameters: StreamParameters): void {
    const { ptimeMs } = this.parameters
    this.parameters = parameters
    this.sending.use(parameters)
    this.receiving.use(parameters)
    this.onUpdate?.()
    if (parameters.ptimeMs !== ptimeMs && this.state === 'started') {
      this.task?.cancel()
      this.task = this.options.pacer.add(parameters.ptimeMs, this.onDue)
    }
  }

  /**
   * Sends a source in place of the one before. It begins when there is a path, pauses while the peer holds and while digits
   * are sent, and is closed by the stream. Resolves when its last frame has been sent; rejects where reading it fails.
   * @param what names it in the trace
   */
  play(source: AudioSource, what: string): Promise<'ended' | 'stopped'> {
    if (this.state === 'stopped') {
      source.close()
      return Promise.resolve('stopped')
    }
    return this.sending.play(source, what)
  }

  stopPlaying(): void {
    this.sending.stopPlaying()
  }

  /** Sends a source while what is played pauses, muted or not, after those that wait already. Resolves when its last frame has been
   *  sent.
   *  @param open makes it at a rate */
  interject(open: (sampleRateHz: number) => AudioSource): Promise<'ended' | 'stopped'> {
    if (this.state === 'stopped') return Promise.resolve('stopped')
    return this.sending.interject(open(this.parameters.codec.sampleRateHz))
  }

  /**
   * Sends digits as RFC 4733 events, after those already waiting. Resolves when the gap after the last one is over.
   * Throws UsageError for what is no digit, and where the peer takes no events.
   */
  sendDtmf(digits: string, options: DtmfOptions = {}): Promise<'ended' | 'stopped'> {
    const { telephoneEvent, codec } = this.parameters
    if (!telephoneEvent)
      throw new UsageError('cannot send DTMF: the peer accepts no telephone-event (RFC 4733)')
    if (this.state === 'stopped') return Promise.resolve('stopped')
    return this.sending.digits.send(digits, options, codec.clockRateHz)
  }

  /** From now on the sink gets what is received, at its own rate, as one time line without holes. A sink that throws is taken
   *  away. */
  addSink(sink: AudioSink): void {
    this.receiving.sinks.add(sink)
  }

  /** The same of what is sent: silence where nothing plays, and where nothing is sent at all. */
  addSentSink(sink: AudioSink): void {
    this.sending.sinks.add(sink)
  }

  /** Of either. */
  removeSink(sink: AudioSink): void {
    this.receiving.sinks.remove(sink)
    this.sending.sinks.remove(sink)
  }

  statistics(): StreamStatistics {
    const { sending, receiving, reports } = this
    const quality = estimateQuality(this.reception())
    return {
      sent: {
        ...{ packets: sending.packets, octets: sending.octets, ssrc: sending.ssrc },
        ...(sending.delayedFrames > 0 && { delayedFrames: sending.delayedFrames }),
      },
      received: receiving.statistics(),
      ...(reports?.roundTripMs !== undefined && { roundTripMs: reports.roundTripMs }),
      ...(quality && { quality }),
      ...(reports?.remote && { remote: reports.remote }),
      dropped: Object.fromEntries(receiving.dropped),
    }
  }

  private reception(): Reception {
    return { ...this.receiving.reception(), roundTripMs: this.reports?.roundTripMs }
  }

  /** Of both directions, by what a packet holds on average. */
  private octetsPerSecond(): number {
    const { sending, receiving } = this
    const { ptimeMs } = this.parameters
    const rate = (octets: number, packets: number, packetMs: Millis): number =>
      packets === 0 ? 0 : ((octets / packets + lowerHeadersBytes) * 1000) / packetMs
    const { octets, packets } = receiving.media.totals()
    const both =
      rate(sending.octets, sending.packets, ptimeMs) +
      rate(octets, packets, receiving.media.packetMs ?? ptimeMs)
    return both || telephoneOctetsPerSecond
  }

  private readonly onDue = (skipped: number, departAt?: Millis): void => {
    const now = this.options.clock.now()
    this.sending.sendFrame(skipped, now, departAt)
    this.receiving.playOut(skipped, now)
  }
}
