// A call as its user holds it: its states, what changes it, and the report that explains it. Audio: call-audio.ts.
import { type CallReport, report } from '../diagnose/report.ts'
import { CallFailed, RemoteError, UsageError } from '../errors.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Peer } from '../sip/peer.ts'
import type {
  Body,
  EndInfo,
  IncomingSession,
  Reinvite,
  ResponseInfo,
  Session,
  SessionHandler,
} from '../sip/session.ts'
import type { CallStateName } from '../trace/facts.ts'
import type { Trace } from '../trace/trace.ts'
import { CallAudio } from './call-audio.ts'
import { CallChanges, type HeldBy } from './call-changes.ts'
import { recordProblem, refusal, toError } from './call-errors.ts'
import type { CallMedia } from './call-media.ts'
import { CallTransfers, type IncomingTransfer, leaveReplaced, type Place, placeOf } from './call-transfers.ts'
import { Deferred } from './deferred.ts'
import { EarlyAnswers } from './early-answers.ts'
import { OwnDescription } from './early-media.ts'
import { tricklePackage } from './fragments.ts'
import { MediaConnection } from './media-connection.ts'
import type { NetworkWatch } from './network-watch.ts'
import { type CallOptions, checkPtime, type DialOptions } from './options.ts'

export class Call extends CallAudio {
  /** Rejects with CallFailed (refused, cancelled), TimeoutError (nobody answered) or NetworkError. */
  readonly answered: Promise<void>
  /** Resolves when media can flow; rejects with IceFailed, or CallFailed where the call ended before. */
  readonly connected: Promise<void>
  /** Resolves with the report when the call is over, however it ended. */
  readonly ended: Promise<CallReport>

  onState: ((state: CallStateName) => void) | undefined
  /** Either end has begun or ceased to hold the call. */
  onHold: ((heldBy: HeldBy) => void) | undefined
  /** The far end wants us to call somebody else. Without a handler that is refused with 603. */
  onTransfer: ((transfer: IncomingTransfer<Call>) => void) | undefined
  /** Another call has come that takes the place of this one when it is answered (RFC 3891). Without a handler it goes where calls
   *  go: `replaces` tells it from others. */
  onReplaced: ((by: Call) => void) | undefined
  /** The call whose place this one takes when it is answered; it ends then. */
  replaces: Call | undefined
  /** Lent by Phone: what transfers need of it. */
  others: { complete(target: string): string; place: Place<Call> } | undefined
  /** Media has stopped and its path does not answer: it is being looked for anew. */
  onTrouble: (() => void) | undefined

  private currentState: CallStateName = 'calling'
  private readonly answeredLater = new Deferred<void>()
  private readonly endedLater = new Deferred<CallReport>()
  private readonly connection: MediaConnection
  private readonly changes: CallChanges
  private readonly transfers: CallTransfers<Call>
  private session: Session | undefined
  private incoming: IncomingSession | undefined
  private description: OwnDescription | undefined
  private failure: Error | undefined
  private readonly earlyAnswers: EarlyAnswers
  /** Set while we end it ourselves: what the session then says is the consequence, not the reason. */
  private ending = false

  /** Made by Phone alone. Opens what is to be played and recorded first, so that a wrong file is known before anybody rings. */
  constructor(
    readonly direction: 'outgoing' | 'incoming',
    runtime: Runtime,
    media: CallMedia,
    private options: CallOptions,
    trace: Trace,
    watch: NetworkWatch,
    private readonly onOver: (call: Call) => void,
  ) {
    super(runtime, media, trace, options.keepHeardSeconds)
    this.answered = this.answeredLater.promise
    this.ended = this.endedLater.promise
    this.earlyAnswers = new EarlyAnswers(media, trace.record)
    this.connection = new MediaConnection({
      runtime,
      media,
      watch,
      trace,
      mediaTimeoutMs: () => this.options.mediaTimeoutMs,
      reinvite: (offer, limitMs) => this.changes.offer(offer, limitMs),
      onConnected: () => this.playConfigured(),
      onTrouble: () => this.onTrouble?.(),
      onLost: (error) => this.fail(error),
    })
    this.connected = this.connection.connected
    this.changes = new CallChanges({
      media,
      trace,
      session: () => this.confirmedSession(),
      onHold: (heldBy) => this.onHold?.(heldBy),
      onPeerChange: () => this.connection.peerSpoke(),
    })
    this.transfers = new CallTransfers({
      clock: runtime.clock,
      trace,
      session: () => this.confirmedSession(),
      hangUp: (why) => void this.hangUp({ text: why }),
      complete: (target) => this.others?.complete(target) ?? target,
      place: () => this.others?.place,
    })
    this.openFiles(options)
  }

  /** How many transfers have led to this call. */
  get hops(): number {
    return this.transfers.hops
  }
  set hops(count: number) {
    this.transfers.hops = count
  }

  get state(): CallStateName {
    return this.currentState
  }

  /** Call-ID (RFC 3261 20.8); "" before the INVITE is sent. */
  get id(): string {
    return this.session?.callId ?? ''
  }

  /** The peer's address of record. */
  get remote(): string {
    return this.session?.remote.uri ?? ''
  }

  /** What its messages say of the far end: who it is, who sent the call here, why it ended. Claims of the far end, but `asserted`,
   *  which is its server's word. */
  get peer(): Peer {
    return this.session?.peerInfo ?? { uri: '' }
  }

  /** What is known about the call up to now: timings, pairs, codec, statistics, verdict. */
  report(): CallReport {
    const stream = this.media.stream
    if (stream && this.currentState !== 'ended')
      return report([
        ...this.trace.facts,
        { at: this.runtime.clock.now(), layer: 'rtp', type: 'statistics', statistics: stream.statistics() },
      ])
    return report(this.trace.facts)
  }

  // ── what a user does ─────────────────────────────────────────────────────────────────────────

  /** Rings an incoming call: 180. Phone does this by itself. */
  ring(): void {
    if (!this.incoming || this.currentState !== 'calling') return
    this.incoming.progress(180)
    this.become('ringing', { status: 180, reason: 'Ringing' })
  }

  /** Answers an incoming call. Rejects where its offer cannot be answered; the caller has then been told. */
  async answer(options: CallOptions = {}): Promise<void> {
    const { incoming, description } = this
    if (!incoming || !description) throw new UsageError('only an incoming call can be answered')
    if (this.hasEnded()) throw this.endedError()
    this.options = { ...this.options, ...options }
    checkPtime(options)
    if (options.ptimeMs !== undefined) this.media.ptimeMs = options.ptimeMs
    if (options.silence !== undefined) this.media.sendsSilence = options.silence
    this.openFiles(options)
    await description.sendFinal()
    this.become('answered', { status: 200, reason: 'OK' })
    if (incoming.offer) this.answeredLater.resolve()
    this.connection.begin()
    this.changes.look()
  }

  /** Opens the media of an incoming call before it is answered: 183. What is played from now on the caller hears, and it goes on
   *  when the call is answered. Rejects as `answer` does, and with UsageError where the caller has made no offer. */
  async startEarlyMedia(): Promise<void> {
    if (!this.description || this.hasEnded())
      throw new UsageError('only a call that rings can be heard early')
    if (!(await this.description.sendEarly())) return
    this.become('early-media', { status: 183, reason: 'Session Progress' })
    this.connection.beginEarly()
  }

  /** Refuses an incoming call: 486 Busy Here, 603 Decline, 480 ... */
  reject(status = 486, reason?: string): void {
    if (!this.incoming || this.currentState === 'answered' || this.hasEnded()) return
    const { incoming } = this
    this.end({ status, reason: reason ?? 'rejected' }, () => incoming.reject(status, reason))
  }

  /** Sends a text message within the call (RFC 3428). Rejects with CallFailed where the far end does not take it. */
  async message(text: string, options: { contentType?: string } = {}): Promise<void> {
    await this.answered
    await this.confirmedSession().message({ contentType: options.contentType ?? 'text/plain', content: text })
  }

  /**
   * Hands the far end over to `target` (RFC 5589 6). Resolves when the far end reports that the target has answered; this call
   * has ended then. Rejects with CallFailed or TimeoutError where that fails; the call goes on as it was.
   * @param target as `phone.call` takes it
   */
  async transfer(target: string): Promise<void> {
    await this.transfers.transfer(this.others?.complete(target) ?? target)
  }

  /**
   * Hands the far end over to that of another call of ours, and steps out of both (RFC 5589 7). Resolves when the far end reports
   * that the two are connected; both calls have ended then. Rejects as `transfer` does; both calls go on.
   */
  async transferTo(other: Call): Promise<void> {
    const { target, replaces } = placeOf(other.confirmedSession())
    await this.transfers.transfer(target, replaces)
    await leaveReplaced(other, this.runtime.clock)
  }

  /** Who holds the call. */
  get heldBy(): HeldBy {
    return this.changes.heldBy
  }

  /** Holds the call: the far end is asked to send nothing, what is played waits, silence is sent. Rejects with CallFailed where
   *  the far end refuses. */
  hold(): Promise<void> {
    return this.changes.hold()
  }

  /** Takes the call back; it flows both ways again unless the far end holds it, too. */
  resume(): Promise<void> {
    return this.changes.resume()
  }

  /**
   * Restarts ICE (RFC 8445 9): other sockets, new candidates, a re-INVITE; media stays on the present path until the new one
   * works. A call does this by itself where its path dies. Rejects with CallFailed where the far end refuses, with IceFailed
   * where the new path does not work; the call goes on as it was then.
   */
  async restartIce(): Promise<void> {
    await this.connected
    if (!this.media.paths.current?.usesIce)
      throw new UsageError('this call runs without ICE: there is nothing to restart')
    await this.connection.restart('asked for')
  }

  /** Ends the call with BYE, CANCEL or a rejection: what fits its state. Resolves with the report. */
  async hangUp(reason?: { status?: number; text?: string }): Promise<CallReport> {
    this.end({ status: this.byeStatus, reason: reason?.text ?? 'hung up' }, () =>
      this.session?.hangUp(reason),
    )
    return this.ended
  }

  // ── what Phone does ──────────────────────────────────────────────────────────────────────────

  /** Sends the INVITE through `invite`, which is the user agent's. */
  async dial(
    options: DialOptions,
    invite: (handler: SessionHandler, offer: Body | undefined) => Session,
  ): Promise<void> {
    let offer: Body | undefined
    try {
      offer = options.lateOffer ? undefined : await this.media.offer()
      if (this.hasEnded()) throw this.endedError()
      this.attach(invite(this.handler(), offer))
    } catch (error) {
      this.failure = toError(error)
      this.finish({ by: 'local', status: 0, reason: this.failure.message })
      throw error
    }
  }

  /** Takes an incoming session over; sockets open and candidates gather while it rings. */
  receive(session: IncomingSession): void {
    this.incoming = session
    this.description = new OwnDescription({
      media: this.media,
      incoming: session,
      ensureOpen: () => {
        if (this.hasEnded()) throw this.endedError()
      },
      refuse: (status, error) => {
        if (this.hasEnded()) return
        this.failure = error
        recordProblem(this.trace, error)
        this.end({ status, reason: error.message }, () => session.reject(status))
      },
    })
    session.handler = this.handler()
    this.attach(session)
    this.media.prepare()
  }

  /** Ends the call because the phone stops or an error has no other way out. */
  abandon(reason: string): void {
    this.end({ status: this.byeStatus, reason }, () => this.session?.hangUp({ text: reason }))
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────

  private attach(session: Session): void {
    this.session = session
    this.media.session = session
    this.trace.record({
      layer: 'call',
      type: 'identity',
      direction: this.direction,
      local: session.local.uri,
      remote: session.remote.uri,
      callId: session.callId,
    })
  }

  private handler(): SessionHandler {
    return {
      onProvisional: (response, acknowledge) => this.onProvisional(response, acknowledge),
      onRedirected: (status, target) =>
        this.trace.record({ layer: 'call', type: 'redirect', status, target }),
      onAccepted: (response, acknowledge) => this.onAccepted(response, acknowledge),
      onConfirmed: (answer) => this.onConfirmed(answer),
      onReinvite: (reinvite) => this.onReinvite(reinvite),
      onRefreshDue: () => void this.changes.refresh(),
      onInfo: (body, infoPackage) => this.onInfo(body, infoPackage),
      onRefer: (refer) => this.transfers.offer(refer, this.onTransfer),
      onEnded: (end, rejected) => this.onSessionEnded(end, rejected),
    }
  }

  private onProvisional(response: ResponseInfo, acknowledge?: (answer: Body) => void): void {
    if (this.currentState === 'answered' || this.hasEnded()) return
    if (response.body && acknowledge) void this.answerEarlyOffer(response, response.body, acknowledge)
    else if (response.body && this.earlyAnswers.use(response.remoteTag, response.body, response.reliable))
      this.become('early-media', { status: response.status, reason: response.reason })
    else if (this.currentState === 'calling')
      this.become('ringing', { status: response.status, reason: response.reason })
  }

  private onAccepted(response: ResponseInfo, acknowledge: (answer?: Body) => void): void {
    if (this.hasEnded()) return
    if (this.earlyAnswers.isSettled(response.remoteTag)) {
      acknowledge()
      this.becomeAnswered(response)
      return
    }
    if (this.direction === 'outgoing' && !this.media.hasOffered) {
      void this.answerLateOffer(response, acknowledge)
      return
    }
    acknowledge()
    // Most repeat the answer of their 183; who has given one need not (RFC 3261 13.2.1).
    const answer = response.body ?? this.earlyAnswers.get(response.remoteTag)
    if (!answer || this.tryAccept(answer)) this.becomeAnswered(response)
  }

  /** Late offer: the far end offers before it answers the call, and gets our answer by PRACK (RFC 3262 5). */
  private async answerEarlyOffer(
    { remoteTag, status, reason }: ResponseInfo,
    offer: Body,
    acknowledge: (answer: Body) => void,
  ): Promise<void> {
    try {
      acknowledge(await this.media.answer(offer))
      this.earlyAnswers.answered(remoteTag)
      if (this.currentState !== 'answered' && !this.hasEnded()) this.become('early-media', { status, reason })
    } catch (error) {
      recordProblem(this.trace, error)
      this.fail(toError(error))
    }
  }

  private becomeAnswered({ status, reason }: ResponseInfo): void {
    // The call may have ended while candidates were gathered for a late offer.
    if (this.hasEnded()) return
    this.become('answered', { status, reason })
    this.established()
  }

  /** Both ends know that there is a call. */
  private established(): void {
    this.answeredLater.resolve()
    this.media.established()
    this.connection.begin()
    this.changes.look()
  }

  private async answerLateOffer(response: ResponseInfo, acknowledge: (answer?: Body) => void): Promise<void> {
    try {
      if (!response.body)
        throw new RemoteError('the far end answered a call without an offer by no offer', 'RFC 3261 13.2.1')
      acknowledge(await this.media.answer(response.body))
    } catch (error) {
      acknowledge()
      this.fail(toError(error))
      return
    }
    this.becomeAnswered(response)
  }

  private onConfirmed(answer: Body | undefined): void {
    if (this.hasEnded()) return
    if (answer && !this.tryAccept(answer)) return
    this.established()
  }

  /** Applies an answer; a peer's unusable one ends the call. */
  private tryAccept(answer: Body): boolean {
    try {
      this.media.accept(answer)
      return true
    } catch (error) {
      recordProblem(this.trace, error)
      this.fail(toError(error))
      return false
    }
  }

  private onReinvite(reinvite: Reinvite): void {
    const { remoteTag } = reinvite
    const isEarly = this.direction === 'outgoing' && this.currentState !== 'answered'
    // Another fork than the one that is heard must wait for its turn.
    if (isEarly && !this.earlyAnswers.isCurrent(remoteTag)) reinvite.reject(500)
    else void this.changes.answer(reinvite)
  }

  protected confirmedSession(): Session {
    if (!this.session || this.currentState !== 'answered') throw this.endedError()
    return this.session
  }

  private onInfo(body: Body | undefined, infoPackage: string | undefined): void {
    if (infoPackage?.toLowerCase() === tricklePackage) {
      if (body) this.media.receiveFragment(body)
      return
    }
    this.receiveInfo(body)
  }

  private onSessionEnded(end: EndInfo, rejected: ResponseInfo | undefined): void {
    if (this.hasEnded() || this.ending) return
    if (this.currentState !== 'answered') this.failure ??= refusal(this.remote, end, rejected)
    // What the far end itself says about it (RFC 3326) tells most.
    const reason = end.reasonHeader ? `${end.reason} (Reason: ${end.reasonHeader})` : end.reason
    this.finish({ by: end.by, status: end.status, reason })
  }

  private fail(error: Error): void {
    if (this.hasEnded()) return
    this.failure ??= error
    this.end({ status: 0, reason: error.message }, () => this.session?.hangUp({ text: error.message }))
  }

  /** What stands for an end of ours: a BYE, or a call given up before the answer. */
  private get byeStatus(): number {
    return this.currentState === 'answered' ? 200 : 487
  }

  private end(why: { status: number; reason: string }, tellPeer: () => void): void {
    if (this.hasEnded() || this.ending) return
    this.ending = true
    tellPeer()
    this.finish({ by: 'local', ...why })
  }

  private finish(end: { by: 'local' | 'remote' | 'network'; status: number; reason: string }): void {
    if (this.hasEnded()) return
    this.media.close()
    this.closeAudio()
    this.become('ended', end)
    const error = this.endedError()
    this.answeredLater.reject(error)
    this.connection.stop(error)
    this.transfers.stop()
    this.giveUpAudio(error)
    this.onOver(this)
    this.endedLater.resolve(report(this.trace.facts))
  }

  private become(
    state: CallStateName,
    why: { status?: number; reason?: string; by?: 'local' | 'remote' | 'network' },
  ): void {
    if (this.currentState === state) return
    this.currentState = state
    this.trace.record({ layer: 'call', type: 'state', state, ...why })
    this.onState?.(state)
  }

  protected settled(): Promise<void> {
    return this.connection.settled()
  }

  protected hasEnded(): boolean {
    return this.currentState === 'ended'
  }

  protected endedError(): Error {
    return this.failure ?? new CallFailed('the call ended before that was done', 0, 'ended')
  }
}
