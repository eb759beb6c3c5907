// The media of one call: the only place where SIP bodies, SDP, ICE and the stream meet.
//
//   offer():   open path -> gather -> description ────────────> body
//   accept():  answer body -> negotiate -> ICE or plain -> stream
//   answer():  offer body -> open path -> gather -> negotiate -> body, ICE or plain -> stream
import { codecByName } from '../codec/registry.ts'
import { IceFailed, InvariantError, RemoteError } from '../errors.ts'
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis, Runtime } from '../runtime/runtime.ts'
import { describe, describeNegotiated } from '../sdp/describe.ts'
import type { CodecDescription, Direction, LocalAudio, NegotiatedAudio } from '../sdp/description.ts'
import { createAnswer, createOffer, readAnswer, readOffer } from '../sdp/negotiation.ts'
import type { Body } from '../sip/session.ts'
import { AudioStream } from '../stream/audio-stream.ts'
import type { MediaTransport } from '../stream/media-transport.ts'
import type { Pacer } from '../stream/pacer.ts'
import type { FactBody } from '../trace/facts.ts'
import { MediaPath, type PathFailure } from './media-path.ts'
import type { IcePolicy } from './options.ts'

export interface CallMediaOptions {
  runtime: Runtime
  pacer: Pacer
  policy: IcePolicy
  stunServers: readonly TransportAddress[]
  /** Local addresses for media, best first. */
  addresses: readonly string[]
  codecs: readonly string[]
  ptimeMs: Millis
  silence: boolean
  gatherLimitMs: Millis
  /** RTCP canonical name (RFC 7022). */
  cname: string
  record: (fact: FactBody) => void
}

const sdpType = 'application/sdp'

export class CallMedia implements MediaTransport {
  onRtp: ((packet: Uint8Array) => void) | undefined
  onRtcp: ((packet: Uint8Array) => void) | undefined
  onPathChange: (() => void) | undefined
  /** Called once, when both descriptions are known. */
  onStream: ((stream: AudioStream) => void) | undefined

  stream: AudioStream | undefined
  private path: MediaPath | undefined
  private negotiated: NegotiatedAudio | undefined
  /** Our last description, and our last offer. */
  private sent: string | undefined
  private sentOffer: string | undefined
  private readonly codecs: CodecDescription[]
  private readonly sessionId: string
  private closed = false

  constructor(private readonly options: CallMediaOptions) {
    this.codecs = options.codecs.map(describeCodec)
    this.sessionId = String(1 + options.runtime.random.integer(0x7fffffff))
  }

  /** Whether an offer of ours is out, so that what comes next is its answer. */
  get hasOffered(): boolean {
    return this.sentOffer !== undefined
  }

  get direction(): Direction {
    return this.negotiated?.direction ?? 'sendrecv'
  }

  get pathIsUsable(): boolean {
    return this.path?.isUsable ?? false
  }

  get pathIsSettled(): boolean {
    return this.path?.isSettled ?? false
  }

  get pathFailure(): PathFailure | undefined {
    return this.path?.failure
  }

  // ── offer and answer ─────────────────────────────────────────────────────────────────────────

  /** The offer of a new call, or our 200's in a late-offer call. */
  async offer(): Promise<Body> {
    this.path ??= await this.openPath({ withIce: true, controlling: true, components: 2 })
    await this.path.gather(this.options.gatherLimitMs)
    return this.sendOffer(this.path)
  }

  /** Our description again, for a peer that asks for an offer in mid-call. */
  offerAgain(): Body {
    if (!this.path || this.sent === undefined) throw new InvariantError('no description to offer yet')
    return this.sendOffer(this.path)
  }

  /** The peer's answer to our offer; several where the INVITE forked: the last one counts. Throws RemoteError or IceFailed
   *  where no media can come of it. */
  accept(answer: Body): void {
    if (this.sentOffer === undefined) throw new InvariantError('an answer without an offer')
    this.recordDescription(answer.content, 'received', 'answer')
    this.apply(readAnswer(this.sentOffer, answer.content), { weOffered: true })
  }

  /** Our answer to the peer's offer, first or later. Throws RemoteError with the status to refuse it with. */
  async answer(offer: Body): Promise<Body> {
    this.recordDescription(offer.content, 'received', 'offer')
    const remote = readOffer(offer.content, this.codecs)
    const remoteIce = remote.ice
    if (!remoteIce && this.options.policy === 'require')
      throw new RemoteError('the caller offers no ICE and this phone requires it', 'RFC 8839 4.2.5', 488)

    const known = this.negotiated?.ice
    const restarts = known !== undefined && remoteIce !== undefined && known.ufrag !== remoteIce.ufrag
    if (!this.path || restarts) {
      // An ICE restart (RFC 8839 4.4.1.1.1) is a new path with new credentials.
      const previous = this.path
      this.path = await this.openPath({
        withIce: remoteIce !== undefined,
        controlling: false,
        components: remote.rtcpMux ? 1 : 2,
      })
      previous?.close()
    }
    const path = this.path
    await path.gather(this.options.gatherLimitMs)
    const { text, negotiated } = createAnswer(remote, this.describeLocal(path), this.sent)
    this.sent = text
    this.recordDescription(text, 'sent', 'answer')
    this.apply(negotiated, { weOffered: false })
    return { contentType: sdpType, content: text }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.stream?.stop()
    this.path?.close()
  }

  // ── MediaTransport: the stream stays, the path beneath it may be replaced ─────────────────────

  sendRtp(packet: Uint8Array): boolean {
    return this.path?.sendRtp(packet) ?? false
  }

  sendRtcp(packet: Uint8Array): boolean {
    return this.path?.sendRtcp(packet) ?? false
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────

  private async openPath(how: {
    withIce: boolean
    controlling: boolean
    components: 1 | 2
  }): Promise<MediaPath> {
    const { runtime, policy, stunServers, addresses, record } = this.options
    const ice = how.withIce && policy !== 'off'
    const path = await MediaPath.open({
      clock: runtime.clock,
      network: runtime.network,
      random: runtime.random,
      addresses,
      components: how.components,
      record,
      ...(ice && { ice: { controlling: how.controlling, stunServers: [...stunServers] } }),
    })
    if (this.closed) {
      path.close()
      throw new InvariantError('the call ended while its media was being opened')
    }
    path.onRtp = (packet) => this.onRtp?.(packet)
    path.onRtcp = (packet) => this.onRtcp?.(packet)
    path.onChange = () => this.path === path && this.onPathChange?.()
    return path
  }

  private sendOffer(path: MediaPath): Body {
    const { text } = createOffer(this.describeLocal(path), this.sent)
    this.sent = text
    this.sentOffer = text
    this.recordDescription(text, 'sent', 'offer')
    return { contentType: sdpType, content: text }
  }

  private describeLocal(path: MediaPath): LocalAudio {
    const rtp = path.defaultAddress(1)
    if (!rtp) throw new InvariantError('a media path without an address')
    const rtcp = path.defaultAddress(2)
    const { agent } = path
    return {
      origin: { sessionId: this.sessionId, version: 1, address: rtp.address },
      codecs: this.codecs,
      telephoneEvent: true,
      ptimeMs: this.options.ptimeMs,
      direction: 'sendrecv',
      rtp,
      ...(rtcp && { rtcp }),
      rtcpMux: true,
      ...(agent && {
        ice: { ...agent.parameters, lite: false, options: ['ice2'], candidates: agent.localCandidates(0) },
      }),
    }
  }

  private apply(negotiated: NegotiatedAudio, how: { weOffered: boolean }): void {
    const { policy, record } = this.options
    const path = this.path
    if (!path) throw new InvariantError('a negotiated description without a path')
    const before = this.negotiated
    this.negotiated = negotiated
    record(describeNegotiated(negotiated))
    for (const problem of negotiated.problems) record({ layer: 'sdp', type: 'problem', ...problem })
    const { ice } = negotiated
    if (ice && path.agent) {
      if (before?.ice?.ufrag !== ice.ufrag) {
        const controlling = how.weOffered || ice.lite
        record({
          layer: 'ice',
          type: 'mode',
          mode: ice.lite ? 'peer-lite' : 'full',
          role: controlling ? 'controlling' : 'controlled',
        })
        path.useIce(ice, { rtcpMux: negotiated.rtcpMux, controlling })
      }
    } else if (policy === 'require') {
      const reason = 'the far end does not speak ICE and this phone requires it'
      throw new IceFailed(`${reason}: allow plain RTP with the ICE policy "auto"`, [])
    } else {
      if (!before || before.ice)
        record({ layer: 'ice', type: 'mode', mode: policy === 'off' ? 'off' : 'peer-without-ice' })
      path.usePlain({
        ...(negotiated.remoteRtp && { rtp: negotiated.remoteRtp }),
        ...(negotiated.remoteRtcp && { rtcp: negotiated.remoteRtcp }),
        rtcpMux: negotiated.rtcpMux,
      })
    }
    this.applyToStream(negotiated)
  }

  private applyToStream(negotiated: NegotiatedAudio): void {
    const codec = codecByName(negotiated.codec.name)
    if (!codec) throw new InvariantError(`codec ${negotiated.codec.name} was negotiated but does not exist`)
    const parameters = {
      codec,
      sendPayloadType: negotiated.codec.sendPayloadType,
      receivePayloadType: negotiated.codec.receivePayloadType,
      alsoReceive: negotiated.alsoReceive.flatMap(({ name, receivePayloadType }) => {
        const other = codecByName(name)
        return other ? [{ codec: other, payloadType: receivePayloadType }] : []
      }),
      ...(negotiated.telephoneEvent && { telephoneEvent: negotiated.telephoneEvent }),
      ptimeMs: negotiated.ptimeMs,
      direction: negotiated.direction,
    }
    if (this.stream) {
      this.stream.update(parameters)
      return
    }
    const { runtime, pacer, cname, silence, record } = this.options
    this.stream = new AudioStream({
      ...parameters,
      clock: runtime.clock,
      random: runtime.random,
      transport: this,
      pacer,
      cname,
      idle: silence ? 'silence' : 'nothing',
      record,
    })
    this.onStream?.(this.stream)
  }

  private recordDescription(text: string, direction: 'sent' | 'received', kind: 'offer' | 'answer'): void {
    this.options.record(describe(text, direction, kind))
  }
}

function describeCodec(name: string): CodecDescription {
  const codec = codecByName(name)
  if (!codec) throw new InvariantError(`codec ${name} does not exist`)
  return {
    name: codec.name,
    clockRateHz: codec.clockRateHz,
    channels: codec.channels,
    payloadType: codec.staticPayloadType ?? 96,
  }
}
