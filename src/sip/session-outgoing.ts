// A call that we place (RFC 3261 13.2, 9.1): INVITE with credentials where asked, forks, 2xx and its ACK, CANCEL and its races.
// The first 2xx wins; a later one is acknowledged and hung up. Redirects are followed (redirection.ts)
// with the same Call-ID and tag (RFC 3261 8.1.3.4).
import type { Core } from 'sip.js'
import type { Timer } from '../runtime/runtime.ts'
import { type AgentContext, type Identity, transactionTimeoutMs, wayOf } from './agent-context.ts'
import { DialogSession } from './dialog-session.ts'
import { type DigestAttempt, hostOf } from './digest.ts'
import { quote } from './grammar.ts'
import { formatReason, type Peer } from './peer.ts'
import { privacyHeaders, withPrivacy } from './privacy.ts'
import { isAtHome, Redirection } from './redirection.ts'
import { ReceivedProvisionals, reliableSequence } from './reliable-provisionals.ts'
import { formatReplaces } from './replaces.ts'
import { capabilitiesBeside } from './request-checks.ts'
import type { Body, EndInfo, InviteOptions, SessionHandler } from './session.ts'
import { contactUri, randomTag, randomToken, type SignallingCore, sipjsBody } from './sipjs-core.ts'
import { discard, refreshRemoteTarget } from './sipjs-corrections.ts'
import { challengeOf, IncomingResponse, responseInfo, VerbatimUri } from './sipjs-messages.ts'

/** How long a call may ring unless the caller says otherwise: the usual patience of a proxy's timer C (RFC 3261 16.6). */
const defaultRingTimeoutMs = 180_000

export class OutgoingSession extends DialogSession {
  readonly direction = 'outgoing'
  readonly callId: string
  readonly remote: { uri: string; displayName?: string }
  readonly local: { uri: string }
  readonly peerInfo: Peer

  private readonly fromTag: string
  private attempt: DigestAttempt
  /** The Request-URI of the INVITE: another than the callee's once we are redirected. */
  private target: string
  /** How the INVITE leaves: otherwise than what follows it where a 305 wants that. */
  private inviteCore: SignallingCore
  private readonly redirection: Redirection
  private sequence = 1
  private client: Core.InviteUserAgentClient | undefined
  private readonly provisionals = new ReceivedProvisionals()
  /** The peer's offer came with a provisional response. */
  private offeredEarly = false
  /** A provisional response has come, be it 100. */
  private progressed = false
  /** Why we gave up before an answer; the final response decides when the session ends. */
  private givenUp: EndInfo | undefined
  private acknowledged = true
  /** As whom the peer sees us. */
  private readonly shownAs: Identity
  private mayAuthenticate = true
  private readonly done: () => void
  private ringTimer: Timer | undefined
  private cancelTimer: Timer | undefined

  constructor(
    context: AgentContext,
    identity: Identity,
    target: string,
    override readonly handler: SessionHandler,
    private readonly options: InviteOptions,
  ) {
    const shownAs = withPrivacy(identity, options.privacy)
    super(context, context.core.through(wayOf(shownAs)), identity, options.sessionExpiresSeconds)
    this.shownAs = shownAs
    this.callId = randomToken(context.random)
    this.fromTag = randomTag(context.random)
    this.remote = { uri: target }
    this.peerInfo = { uri: target }
    this.local = { uri: identity.uri }
    this.target = target
    this.inviteCore = this.core
    this.redirection = new Redirection(target, options.redirects ?? 0)
    this.attempt = identity.digest.attempt(hostOf(typeof identity.hop === 'string' ? identity.hop : target))
    this.done = context.pending()
    const ringTimeoutMs = options.ringTimeoutMs ?? defaultRingTimeoutMs
    this.ringTimer = context.clock.setTimer(ringTimeoutMs, () =>
      context.guard('ring time-out', () => {
        const end: EndInfo = {
          by: 'local',
          status: 408,
          reason: `no answer within ${ringTimeoutMs / 1000} s`,
        }
        this.cancel(end)
        // The CANCEL waits for a provisional response (RFC 3261 9.1), which may never come; whoever dialled need not.
        if (!this.progressed) this.end(end)
      }),
    )
    this.send()
  }

  hangUp(reason?: { status?: number; text?: string }): void {
    if (this.ended || this.givenUp) return
    const why = formatReason(reason)
    if (!this.dialog) {
      this.cancel({ by: 'local', status: 487, reason: 'cancelled' }, why)
      return
    }
    if (!this.acknowledged) this.acknowledge()
    this.bye(this.dialog, why)
    this.end({ by: 'local', status: 200, reason: reason?.text ?? 'hung up' })
  }

  private send(): void {
    const { identity, shownAs, options } = this
    const from = new VerbatimUri(shownAs.uri)
    const to = new VerbatimUri(this.remote.uri)
    const message = this.inviteCore.makeOutgoingRequestMessage(
      'INVITE',
      new VerbatimUri(this.target),
      from,
      to,
      {
        callId: this.callId,
        cseq: this.sequence,
        fromTag: this.fromTag,
        fromDisplayName: shownAs.displayName ? quote(shownAs.displayName).slice(1, -1) : '',
      },
      [
        this.contactHeader,
        ...capabilitiesBeside(this.contactHeader),
        ...this.timer.requestHeaders(),
        ...privacyHeaders(identity, options.privacy),
        ...referralHeaders(options),
        ...(options.headers ?? []).map(([name, value]) => `${name}: ${value}`),
        ...this.attempt.headers('INVITE', this.target, options.offer?.content),
      ],
      options.offer && sipjsBody(options.offer),
    )
    const guarded =
      <T>(what: string, run: (response: T) => void) =>
      (response: T): void =>
        this.context.guard(what, () => run(response))
    this.client = this.inviteCore.invite(message, {
      onTrying: () => {
        this.progressed = true
      },
      onProgress: guarded('1xx', (response) => this.onProgress(response)),
      onAccept: guarded('2xx', (response) => this.onAccept(response)),
      onRedirect: guarded('3xx', ({ message }) => this.onRejected(message)),
      onReject: guarded('rejection', ({ message }) => this.onRejected(message)),
    }) as Core.InviteUserAgentClient
  }

  private onProgress({ message, session }: Core.PrackableIncomingResponseWithSession): void {
    this.progressed = true
    if (this.ended || this.givenUp || this.dialog) return
    this.hear(message)
    const response = message instanceof IncomingResponse ? message.wire : undefined
    const rseq = response && reliableSequence(response)
    if (!response || rseq === undefined) {
      this.handler.onProvisional?.(responseInfo(message))
      return
    }
    const info = responseInfo(message)
    if (!this.provisionals.isNext(`${this.sequence} ${info.remoteTag}`, rseq)) return
    this.challenger ||= message instanceof IncomingResponse ? message.flow.remote.address : ''
    this.learn(response)
    // UPDATE may come in the early dialog from now on (RFC 3311 5.1).
    this.listen(session)
    const rack = `RAck: ${rseq} ${response.cseq.sequence} INVITE`
    let isAcknowledged = false
    const acknowledge = (answer?: Body): void => {
      if (isAcknowledged || this.ended) return
      isAcknowledged = true
      if (answer) (session as Core.SessionDialog).signalingStateTransition(sipjsBody(answer))
      this.sendInDialog(session, 'PRACK', answer, () => undefined, [rack])
    }
    const isOffer = info.body !== undefined && this.options.offer === undefined && !this.offeredEarly
    if (!isOffer) acknowledge()
    else this.offeredEarly = true
    this.handler.onProvisional?.({ ...info, reliable: true }, isOffer ? acknowledge : undefined)
  }

  private onAccept(response: Core.AckableIncomingResponseWithSession): void {
    const { message, session, ack } = response
    refreshRemoteTarget(session, message)
    if (message instanceof IncomingResponse) {
      this.challenger ||= message.flow.remote.address
      if (!this.dialog) this.learn(message.wire)
    }
    if (this.dialog || this.ended || this.givenUp) {
      // A fork that answered too late, or a 2xx that crossed our CANCEL (RFC 3261 13.2.2.4, 9.1).
      ack()
      this.bye(session)
      if (!this.dialog && this.givenUp) this.end(this.givenUp)
      return
    }
    this.ringTimer?.cancel()
    this.done()
    this.attach(session)
    this.hear(message)
    if (message instanceof IncomingResponse) this.timer.accepted(message.wire)
    this.acknowledged = false
    this.acknowledge = (answer) => {
      if (this.acknowledged) return
      this.acknowledged = true
      ack(answer && { body: sipjsBody(answer) })
    }
    if (this.handler.onAccepted) this.handler.onAccepted(responseInfo(message), this.acknowledge)
    else this.acknowledge()
  }

  private acknowledge: (answer?: Body) => void = () => {}

  private onRejected(message: Core.IncomingResponseMessage): void {
    if (this.ended || this.dialog) return
    this.hear(message)
    const challenge = this.mayAuthenticate ? challengeOf(message) : undefined
    const problem = challenge && this.attempt.challenged(...challenge)
    if (challenge && problem === undefined && !this.givenUp) {
      this.sequence++
      this.send()
      return
    }
    if (this.givenUp) {
      this.end(this.givenUp, responseInfo(message))
      return
    }
    const wire = message instanceof IncomingResponse ? message.wire : undefined
    if (wire?.status === 422 && this.timer.refused(wire)) {
      this.sequence++
      this.send()
      return
    }
    const { status, reason } = responseInfo(message)
    if (message instanceof IncomingResponse) {
      if (this.followRedirection(message)) return
      const reasonHeader = message.wire.get('Reason')
      const end: EndInfo = { by: 'remote', status, reason: problem ?? reason }
      this.end(reasonHeader === undefined ? end : { ...end, reasonHeader }, responseInfo(message))
      return
    }
    const silence = `no response within ${transactionTimeoutMs / 1000} s`
    this.end({ by: 'network', status, reason: status === 408 ? silence : reason })
  }

  /** Whether somebody else is called now. */
  private followRedirection({ wire }: IncomingResponse): boolean {
    const next = this.redirection.next(wire, this.target)
    if (!next) return false
    const { identity } = this
    const contact = contactUri(identity.user)
    this.target = next.uri
    this.inviteCore =
      next.proxy === undefined ? this.core : this.context.core.through({ hop: next.proxy, contact })
    const way = next.proxy ?? (typeof identity.hop === 'string' ? identity.hop : next.uri)
    this.attempt = identity.digest.attempt(hostOf(way))
    this.mayAuthenticate = next.proxy === undefined && identity.hop ? true : isAtHome(way, identity.uri)
    this.progressed = false
    this.sequence++
    this.client = undefined
    this.handler.onRedirected?.(next.status, next.proxy ?? next.uri)
    // Whoever hears of it may have hung up.
    if (this.givenUp) this.end(this.givenUp)
    else if (!this.ended) this.send()
    return true
  }

  /** sip.js holds the CANCEL back until a provisional response has come (RFC 3261 9.1). */
  private cancel(end: EndInfo, reason?: string): void {
    if (this.ended || this.dialog || this.givenUp) return
    this.givenUp = end
    this.ringTimer?.cancel()
    if (this.client) this.context.stopTrying(this.client.transaction.id)
    this.client?.cancel(reason)
    // RFC 3261 9.1: without a final response 64*T1 after the CANCEL the call counts as cancelled.
    this.cancelTimer = this.context.clock.setTimer(transactionTimeoutMs, () => {
      this.context.guard('CANCEL time-out', () => {
        if (this.client) discard(this.core, this.client)
        this.end(end)
      })
    })
  }

  protected cleanUp(): void {
    this.ringTimer?.cancel()
    this.cancelTimer?.cancel()
    this.done()
  }
}

/** Of a call that takes the place of another, and of one that somebody asked us to place. */
const referralHeaders = ({ replaces, referredBy }: InviteOptions): string[] => [
  ...(replaces ? [`Replaces: ${formatReplaces(replaces)}`, 'Require: replaces'] : []),
  ...(referredBy === undefined ? [] : [`Referred-By: ${referredBy}`]),
]
