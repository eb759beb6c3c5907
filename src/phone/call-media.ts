// The media of one call: the only place where SIP bodies, SDP, ICE and the stream meet.
//
//   offer():         open path -> gather -> description ────────────> body
//   accept():        answer body -> negotiate -> ICE or plain -> stream
//   answer():        offer body -> open path -> gather -> negotiate -> body, ICE or plain -> stream
//   restartOffer():  another path beside the one in use -> gather -> body; it takes over when it works
//   receiveFragment(), and INFO out: candidates that come after the descriptions (RFC 8840)
import type { Codec } from '../codec/codec.ts'
import { CallFailed, IceFailed, InvariantError, RemoteError } from '../errors.ts'
import type { Millis, Runtime } from '../runtime/runtime.ts'
import { describe, describeNegotiated } from '../sdp/describe.ts'
import type { CodecDescription, IceDescription, LocalAudio, NegotiatedAudio } from '../sdp/description.ts'
import { receives, sends } from '../sdp/direction.ts'
import { answerWithoutMedia, isWithoutMedia } from '../sdp/empty-session.ts'
import { createAnswer, createOffer, readAnswer, readOffer } from '../sdp/negotiation.ts'
import type { Body, Session } from '../sip/session.ts'
import { AudioStream, type AudioStreamOptions } from '../stream/audio-stream.ts'
import type { Pacer } from '../stream/pacer.ts'
import type { StreamParameters } from '../stream/parameters.ts'
import type { FactBody } from '../trace/facts.ts'
import { type DescriptionKind, nameCandidates } from './description-room.ts'
import { Fragments } from './fragments.ts'
import type { MediaPath } from './media-path.ts'
import type { PathRequest } from './media-paths.ts'
import { type IcePolicy, requiresIce, type TricklePolicy } from './options.ts'
import { interruptionMs, PathSuccession } from './path-succession.ts'
import { SecureMedia, type SecureMediaOptions } from './secure-media.ts'
import { describeCodecs, streamParameters } from './stream-parameters.ts'

export interface CallMediaOptions extends Pick<AudioStreamOptions, 'playoutDelay'> {
  runtime: Runtime
  pacer: Pacer
  policy: IcePolicy
  trickle: TricklePolicy
  /** ICE-lite as our own role (RFC 8445 2.5). */
  lite: boolean
  openPath: (request: Omit<PathRequest, 'signalling'>) => Promise<MediaPath>
  /** Best first. */
  codecs: readonly Codec[]
  /** Asked of the peer; absent: what it wants itself, or 20 ms. */
  ptimeMs?: Millis | undefined
  telephoneEvents?: boolean
  silenceSuppression?: boolean
  srtp: Omit<SecureMediaOptions, 'clock' | 'random' | 'record'>
  silence: boolean
  gatherLimitMs: Millis
  /** What a description may spend on candidates, so that its SIP message stays one datagram. */
  candidateBudgetBytes: number
  /** RTCP canonical name (RFC 7022). */
  cname: string
  record: (fact: FactBody) => void
}

const sdpType = 'application/sdp'
/** Where only a relay may be used there is nothing to be said without one. */
const relayGatherMs: Millis = 5_000
/** Of a path that shall bring lost media back; shorter than a peer waits for the answer to its re-INVITE. */
const patientGatherMs: Millis = 2_000
/** Restarts of the peer that are followed, each with new sockets and questions to all servers: more than an honest one needs. */
const maximumRestarts = 5
const restartWindowMs: Millis = 10_000
/** A restart of the peer so soon after another means that the other was of no use. */
const againWithinMs: Millis = 30_000

export class CallMedia {
  /** The path in use has become usable, has failed, or is another one. */
  onPathChange: (() => void) | undefined
  /** Called once, when both descriptions are known. */
  onStream: ((stream: AudioStream) => void) | undefined

  stream: AudioStream | undefined
  readonly paths: PathSuccession
  readonly secure: SecureMedia
  /** To send INFO through. */
  set session(session: Pick<Session, 'info' | 'peerInfoPackages'> | undefined) {
    this.fragments.session = session
  }

  /** Whether silence is sent while nothing plays. */
  set sendsSilence(sends: boolean) {
    this.silence = sends
    if (this.stream) this.stream.sendsSilence = sends
  }

  /** Of packets, in descriptions from now on. */
  ptimeMs: Millis | undefined

  private silence: boolean
  private opening: Promise<MediaPath> | undefined
  private holding = false
  private negotiated: NegotiatedAudio | undefined
  /** Since when the peer should be sending. */
  private expectedSince: Millis = 0
  /** Our last description, and our last offer. */
  private sent: string | undefined
  private sentOffer: string | undefined
  private readonly codecs: CodecDescription[]
  private readonly comfortNoise: NonNullable<LocalAudio['comfortNoise']>
  private readonly sessionId: string
  private readonly fragments: Fragments
  /** Offers of the peer that have come, and whether one is being answered. */
  private remoteOffers = 0
  private answering = false
  /** When the peer's last restarts came, the oldest first. */
  private readonly restartsAt: Millis[] = []
  private mid: string | undefined
  /** Whether our descriptions ask for extended reports: settled by the first, by whether it had room. */
  private asksForReports: boolean | undefined
  private closed = false

  constructor(private readonly options: CallMediaOptions) {
    const { runtime, record } = options
    const { codecs, comfortNoise } = describeCodecs(options.codecs)
    this.codecs = codecs
    this.comfortNoise = { formats: comfortNoise, offered: options.silenceSuppression === true }
    this.silence = options.silence
    this.ptimeMs = options.ptimeMs
    this.sessionId = String(1 + runtime.random.integer(0x7fffffff))
    this.paths = new PathSuccession(runtime.clock)
    this.secure = new SecureMedia(
      { clock: runtime.clock, random: runtime.random, record, ...options.srtp },
      this.paths,
    )
    this.secure.onChange = () => this.transportChanged()
    this.paths.onChange = () => {
      this.secure.pathChanged()
      this.transportChanged()
    }
    this.paths.onResumed = (silentMs) => {
      const missedMs = Math.min(silentMs, runtime.clock.now() - this.expectedSince)
      if (this.expectsMedia && missedMs > interruptionMs)
        record({ layer: 'rtp', type: 'resumed', silentMs: missedMs })
    }
    this.fragments = new Fragments({
      runtime,
      record,
      paths: this.paths,
      enabled: options.trickle !== 'off',
      agreed: () =>
        this.negotiated && { theirs: this.negotiated.ice, rtcpMux: this.negotiated.rtcpMux, mid: this.mid },
    })
  }

  private transportChanged(): void {
    if (this.paths.current?.isUsable && this.secure.isReady) this.stream?.transportReady()
    this.onPathChange?.()
  }

  /** Whether an offer of ours is out, so that what comes next is its answer. */
  get hasOffered(): boolean {
    return this.sentOffer !== undefined
  }

  /** Whether the peer should be sending. */
  get expectsMedia(): boolean {
    return this.negotiated !== undefined && receives(this.negotiated.direction)
  }

  /** We hold the call, or are about to: offers and answers say so. */
  get held(): boolean {
    return this.holding
  }

  set held(held: boolean) {
    this.holding = held
    if (this.negotiated) this.applyToStream(this.negotiated)
  }

  /** The peer takes nothing from us: it holds (RFC 3264 8.4). */
  get heldByPeer(): boolean {
    return this.negotiated !== undefined && !sends(this.negotiated.direction)
  }

  /** How long nothing has come that should have. */
  get silentMs(): Millis {
    if (!this.expectsMedia) return 0
    return this.options.runtime.clock.now() - Math.max(this.paths.heardAt, this.expectedSince)
  }

  get hasReceived(): boolean {
    return (this.stream?.statistics().received.packets ?? 0) > 0
  }

  // ── offer and answer ─────────────────────────────────────────────────────────────────────────

  /** Opens the path of an incoming call while it rings, so that its answer need not wait. */
  prepare(): void {
    this.opening ??= this.openPath({ withIce: true, components: 2, afresh: false })
    this.opening.catch(() => undefined)
  }

  /** The offer of a new call, or our 200's in a late-offer call. */
  async offer(): Promise<Body> {
    if (!this.paths.current) this.paths.begin(await this.takePath({ withIce: true, components: 2 }))
    const path = this.present()
    await this.gather(path, this.options.trickle === 'full' ? 0 : this.options.gatherLimitMs)
    return this.sendOffer(path)
  }

  /** Our description again, for a peer that asks for an offer in mid-call. */
  offerAgain(): Body {
    if (this.sent === undefined) throw new InvariantError('no description to offer yet')
    return this.sendOffer(this.present())
  }

  /** Our description word for word, so that nothing is changed by it (RFC 4028 7.4); again where the media have moved meanwhile. */
  sameOffer(): Body {
    if (this.sent === undefined || this.paths.next) return this.offerAgain()
    this.sentOffer = this.sent
    this.recordDescription(this.sent, 'sent', 'offer')
    return { contentType: sdpType, content: this.sent }
  }

  /** An offer that restarts ICE over other sockets (RFC 8839 4.4.1.1.1); media stays where it is until these work.
   *  @param gathering.all waits for every server, not for the first of each kind, and names every candidate */
  async restartOffer(why: string, gathering: { limitMs: Millis; all: boolean }): Promise<Body> {
    const components = this.negotiated?.rtcpMux ? 1 : 2
    const { remoteOffers } = this
    const path = await this.openPath({ withIce: true, components, afresh: true })
    await this.gather(path, gathering.limitMs, gathering.all)
    if (this.answering || this.remoteOffers !== remoteOffers) {
      path.close()
      throw new CallFailed('the far end has changed the call meanwhile', 491, 'Request Pending')
    }
    this.paths.bringUp(path)
    this.options.record({ layer: 'ice', type: 'restart', by: 'local', why })
    return this.sendOffer(path, gathering.all)
  }

  /** The peer's answer to our offer; several where the INVITE forked: the last one counts. Throws RemoteError or IceFailed
   *  where no media can come of it. */
  accept(answer: Body): void {
    if (this.sentOffer === undefined) throw new InvariantError('an answer without an offer')
    this.recordDescription(answer.content, 'received', 'answer')
    this.apply(readAnswer(this.sentOffer, answer.content, this.secure.local), { weOffered: true })
  }

  /** Our answer to the peer's offer, first or later. Throws RemoteError with the status to refuse it with.
   *  @param how.early before the call is answered: candidates that come later cannot be told yet */
  async answer(offer: Body, { early = false } = {}): Promise<Body> {
    this.remoteOffers++
    this.answering = true
    try {
      return await this.answerOffer(offer, early)
    } finally {
      this.answering = false
    }
  }

  private async answerOffer(offer: Body, early: boolean): Promise<Body> {
    this.recordDescription(offer.content, 'received', 'offer')
    if (!this.sent && isWithoutMedia(offer.content)) return this.answerNothing()
    const remote = readOffer(offer.content, this.codecs, this.secure.local)
    const remoteIce = remote.ice
    if (!remoteIce && requiresIce(this.options.policy))
      throw new RemoteError('the caller offers no ICE and this phone requires it', 'RFC 8839 4.2.5', 488)

    const request = { withIce: remoteIce !== undefined, components: remote.rtcpMux ? 1 : 2 } as const
    const known = this.negotiated?.ice
    const again =
      this.options.runtime.clock.now() - (this.restartsAt.at(-1) ?? Number.NEGATIVE_INFINITY) < againWithinMs
    if (!this.paths.current) this.paths.begin(await this.takePath(request))
    else if (known && remoteIce && known.ufrag !== remoteIce.ufrag) {
      this.limitRestarts()
      this.paths.bringUp(await this.openPath({ ...request, afresh: true }))
      this.options.record({ layer: 'ice', type: 'restart', by: 'remote', why: 'the far end asked for it' })
    } else if (!remoteIce && !remote.rtcpMux && !this.present().defaultAddress(2))
      this.paths.bringUp(await this.openPath({ ...request, afresh: false }))
    const path = this.present()
    // Where nothing flows, nobody is kept waiting by what makes it flow; nor where the last restart did not help the peer, who may
    // be deaf although we hear it.
    const mends = path === this.paths.next && (!this.paths.current?.isUsable || again)
    const limitMs = mends ? patientGatherMs : this.options.gatherLimitMs
    await this.gather(path, remoteIce && !early && this.fragments.canTrickleTo(remoteIce) ? 0 : limitMs)
    const { text, mid, negotiated } = createAnswer(remote, this.describeLocal(path), this.sent)
    this.sent = text
    this.mid = mid
    this.recordDescription(text, 'sent', 'answer')
    this.apply(negotiated, { weOffered: false })
    return { contentType: sdpType, content: text }
  }

  /** A call without media yet: what they will run over is there already. */
  private async answerNothing(): Promise<Body> {
    if (!this.paths.current) this.paths.begin(await this.takePath({ withIce: true, components: 2 }))
    const path = this.present()
    await this.gather(path, this.options.gatherLimitMs)
    const text = answerWithoutMedia(this.describeLocal(path))
    this.sent = text
    this.recordDescription(text, 'sent', 'answer')
    return { contentType: sdpType, content: text }
  }

  /** Throws RemoteError where they come too fast: whoever gets 491 asks again a little later (RFC 3261 14.1). */
  private limitRestarts(): void {
    const now = this.options.runtime.clock.now()
    if (this.restartsAt.length === maximumRestarts) {
      if (now - this.restartsAt[0]! < restartWindowMs)
        throw new RemoteError('the far end restarts ICE again and again', 'RFC 3261 14.2', 491)
      this.restartsAt.shift()
    }
    this.restartsAt.push(now)
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.stream?.stop()
    this.fragments.stop()
    this.secure.close()
    this.opening?.then(
      (path) => path.close(),
      () => undefined,
    )
    this.paths.close()
  }

  // ── candidates after the description ─────────────────────────────────────────────────────────

  /** Both ends know that there is a call. */
  established(): void {
    this.paths.newest?.peerIsReady()
    this.fragments.established()
  }

  /** What an INFO of the package trickle-ice carries. */
  receiveFragment(body: Body): void {
    this.fragments.receive(body)
  }

  /** Whether there are candidates that the peer has not been told of, and will not be. */
  get hasUntoldCandidates(): boolean {
    return this.fragments.hasUntold
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────

  private present(): MediaPath {
    const path = this.paths.newest
    if (!path) throw new InvariantError('no media path yet')
    return path
  }

  /** The path that was prepared, or another one. */
  private async takePath(request: { withIce: boolean; components: 1 | 2 }): Promise<MediaPath> {
    const prepared = this.opening
    this.opening = undefined
    if (prepared && request.withIce) return prepared
    prepared?.then(
      (path) => path.close(),
      () => undefined,
    )
    return this.openPath({ ...request, afresh: false })
  }

  private async openPath(request: {
    withIce: boolean
    components: 1 | 2
    afresh: boolean
  }): Promise<MediaPath> {
    const { policy, openPath } = this.options
    let path: MediaPath | undefined
    const record = (fact: FactBody): void => {
      // How the path fares that shall take over is told when it has.
      const { current } = this.paths
      const isState = fact.type === 'state' || fact.type === 'consent-lost'
      if (!isState || !current || current === path) this.options.record(fact)
    }
    path = await openPath({ ...request, withIce: request.withIce && policy !== 'off', record })
    this.ensureOpen(path)
    return path
  }

  /** Throws IceFailed where only a relay may be seen and there is none: nothing else may then be told of us. Throws CallFailed where
   *  the call has ended meanwhile. */
  private async gather(path: MediaPath, limitMs: Millis, all = false): Promise<void> {
    const relayOnly = this.options.policy === 'relay'
    await path.gather(relayOnly ? relayGatherMs : limitMs, { all })
    this.ensureOpen(path)
    if (!relayOnly || path.agent?.defaultCandidate(0, 1)) return
    const why = [...path.relayProblems].join('; ') || 'name a TURN server'
    // A path that was to follow the one in use is of no use; that one goes on.
    if (path === this.paths.next) this.paths.dropNext(why)
    else if (path !== this.paths.current) path.close()
    throw new IceFailed(`only a relay may be used, and there is none: ${why}`, [])
  }

  private ensureOpen(path: MediaPath): void {
    if (!this.closed) return
    path.close()
    throw new CallFailed('the call ended while its media was being opened', 0, 'ended')
  }

  /** @param all names every candidate, however long that gets */
  private sendOffer(path: MediaPath, all = false): Body {
    const { text, mid } = createOffer(this.describeLocal(path, all), this.sent)
    this.sent = text
    this.sentOffer = text
    this.mid = mid
    this.recordDescription(text, 'sent', 'offer')
    return { contentType: sdpType, content: text }
  }

  private describeLocal(path: MediaPath, all = false): LocalAudio {
    const rtp = path.defaultAddress(1)
    if (!rtp) throw new InvariantError('a media path without an address')
    const rtcp = path.defaultAddress(2)
    const { local: keying } = this.secure
    const ice = path.agent && this.describeIce(path, path.agent, rtp, all)
    return {
      origin: { sessionId: this.sessionId, version: 1, address: rtp.address },
      codecs: this.codecs,
      telephoneEvent: this.options.telephoneEvents ?? true,
      comfortNoise: this.comfortNoise,
      ...(this.ptimeMs !== undefined && { ptimeMs: this.ptimeMs }),
      // What we want; what the peer wants it says itself.
      direction: this.holding ? 'sendonly' : 'sendrecv',
      rtp,
      ...(rtcp && { rtcp }),
      rtcpMux: true,
      extendedReports: this.asksForReports ?? true,
      ...(keying && { keying }),
      ...(ice && { ice }),
    }
  }

  private get kind(): DescriptionKind {
    const { ptimeMs } = this
    const ptimeBytes = ptimeMs === undefined ? 0 : `a=ptime:${ptimeMs}\r\n`.length
    const budgetBytes = this.options.candidateBudgetBytes - ptimeBytes
    const { answering, sent } = this
    const codecs = [...this.codecs, ...(this.comfortNoise.offered ? this.comfortNoise.formats : [])]
    const { local: keying } = this.secure
    return { answering, first: !sent, keying, codecs, budgetBytes }
  }

  private describeIce(
    path: MediaPath,
    agent: NonNullable<MediaPath['agent']>,
    rtp: { address: string; port: number },
    all: boolean,
  ): IceDescription {
    const { trickle, lite } = this.options
    const own = agent.localCandidates(0)
    const named = nameCandidates(own, this.kind, rtp, this.asksForReports)
    this.asksForReports = named.asks
    const candidates = all ? own : named.candidates
    const isAll = path.isGathered && candidates.length === own.length
    this.fragments.follow(path, candidates)
    return {
      ...agent.parameters,
      lite,
      options: trickle === 'off' || lite ? ['ice2'] : ['ice2', 'trickle'],
      candidates,
      ...(isAll && trickle !== 'off' && { endOfCandidates: true }),
    }
  }

  private apply(negotiated: NegotiatedAudio, how: { weOffered: boolean }): void {
    const { policy, record, lite } = this.options
    const path = this.present()
    const before = this.negotiated
    const { expectsMedia } = this
    this.negotiated = negotiated
    if (this.expectsMedia && !expectsMedia) this.expectedSince = this.options.runtime.clock.now()
    record(describeNegotiated(negotiated, this.parametersOf(negotiated).ptimeMs))
    for (const problem of negotiated.problems) record({ layer: 'sdp', type: 'problem', ...problem })
    const { ice } = negotiated
    if (!(ice && path.agent) && requiresIce(policy)) {
      const reason = 'the far end does not speak ICE and this phone requires it'
      throw new IceFailed(`${reason}: allow plain RTP with the ICE policy "auto"`, [])
    }
    // Before the path, which may carry at once.
    this.secure.apply(negotiated.keying)
    this.applyToStream(negotiated)
    if (ice && path.agent) {
      if (path.isIdle || before?.ice?.ufrag !== ice.ufrag) {
        const controlling = lite ? ice.lite && how.weOffered : how.weOffered || ice.lite
        record({
          layer: 'ice',
          type: 'mode',
          mode: ice.lite ? 'peer-lite' : 'full',
          role: controlling ? 'controlling' : 'controlled',
        })
        path.useIce(ice, { rtcpMux: negotiated.rtcpMux, controlling })
        this.fragments.begin(path, ice)
      }
    } else {
      if (!before || before.ice)
        record({ layer: 'ice', type: 'mode', mode: policy === 'off' ? 'off' : 'peer-without-ice' })
      path.usePlain({
        ...(negotiated.remoteRtp && { rtp: negotiated.remoteRtp }),
        ...(negotiated.remoteRtcp && { rtcp: negotiated.remoteRtcp }),
        rtcpMux: negotiated.rtcpMux,
      })
    }
  }

  private parametersOf(negotiated: NegotiatedAudio): StreamParameters {
    const { codecs, silenceSuppression: suppressesSilence = false } = this.options
    return streamParameters(negotiated, codecs, { suppressesSilence })
  }

  private applyToStream(negotiated: NegotiatedAudio): void {
    const { direction } = negotiated
    const parameters = {
      ...this.parametersOf(negotiated),
      // Who resumes hears the peer from the offer on (RFC 3264 5.1).
      ...(!this.holding && { direction: sends(direction) ? ('sendrecv' as const) : ('recvonly' as const) }),
      quiet: this.holding,
    }
    if (this.stream) {
      this.stream.update(parameters)
      return
    }
    const { runtime, pacer, cname, playoutDelay, record } = this.options
    this.stream = new AudioStream({
      ...parameters,
      clock: runtime.clock,
      random: runtime.random,
      transport: this.secure,
      pacer,
      cname,
      idle: this.silence ? 'silence' : 'nothing',
      playoutDelay,
      record,
    })
    this.onStream?.(this.stream)
  }

  private recordDescription(text: string, direction: 'sent' | 'received', kind: 'offer' | 'answer'): void {
    this.options.record(describe(text, direction, kind))
  }
}
