// A subscription as its subscriber keeps it (RFC 6665 4.1): SUBSCRIBE with credentials, a dialog that the first NOTIFY makes (of
// several forks the first, as the packages that floe knows want it), refreshing, and what each end of it asks for: once more at
// once, later, or never. A NOTIFY may overtake the answer to its SUBSCRIBE. Leaves out: event throttling (RFC 6446), lists (RFC 4662).
import { Core } from 'sip.js'
import type { Millis, Timer } from '../runtime/runtime.ts'
import { type AgentContext, type Identity, transactionTimeoutMs, wayOf } from './agent-context.ts'
import { type DigestAttempt, hostOf } from './digest.ts'
import { quote } from './grammar.ts'
import { sendInDialog } from './in-dialog-request.ts'
import type { SipResponse } from './message.ts'
import type { Body, SipSubscription, SubscribeOptions, SubscriptionState } from './session.ts'
import { randomToken, type SignallingCore } from './sipjs-core.ts'
import { anyBody, challengeOf, IncomingRequest, IncomingResponse, VerbatimUri } from './sipjs-messages.ts'
import { readEvent, readSubscriptionState, type StateValue } from './subscription-state.ts'
import { UsageDialog } from './usage-dialog.ts'

/** Asked for where the caller does not say (RFC 3842 3.4, RFC 3856 6.4 and RFC 4235 3.4 name an hour). */
const defaultExpiresSeconds = 3_600
/** A day: setTimeout ends at 24.8 days. */
const maximumExpiresSeconds = 86_400
/** Between two tries where the notifier names no time: doubled with each. */
const retryBaseMs: Millis = 2_000
const retryMaximumMs: Millis = 300_000
/** Whatever the notifier says: two ends must not go round in circles. */
const retryMinimumMs: Millis = 500
const unsubscribePatienceMs: Millis = 4_000

/** What to do when the notifier ends it (RFC 6665 4.1.3). */
const finalReasons = new Set(['rejected', 'noresource', 'invariant'])
/** These ask for another subscription at once. */
const immediateReasons = new Set(['deactivated', 'timeout'])

export class Subscription implements SipSubscription {
  state: SubscriptionState = { state: 'subscribing' }
  onState: ((state: SubscriptionState) => void) | undefined
  onNotify: ((body: Body | undefined) => void) | undefined
  /** The user agent's own book-keeping: the tables by which NOTIFYs find their subscription. */
  onClosed: (() => void) | undefined

  private readonly core: SignallingCore
  private expiresSeconds: number
  private callId = ''
  private localTag = ''
  private sequence = 0
  private attempt: DigestAttempt
  private dialog: UsageDialog | undefined
  private challenger: string | undefined
  private refreshTimer: Timer | undefined
  private expiryTimer: Timer | undefined
  private failures = 0
  private stopping: { finish: () => void; done: Promise<void> } | undefined
  private over = false

  constructor(
    private readonly context: AgentContext,
    private readonly identity: Identity,
    private readonly target: string,
    private readonly event: string,
    private readonly options: SubscribeOptions,
  ) {
    this.core = context.core.through(wayOf(identity))
    const wanted = options.expiresSeconds ?? defaultExpiresSeconds
    this.expiresSeconds = Math.min(Math.max(1, Math.round(wanted)), maximumExpiresSeconds)
    this.attempt = this.newAttempt()
    this.begin()
  }

  /** Whether a NOTIFY outside of known dialogs answers our SUBSCRIBE. */
  awaits(message: IncomingRequest): boolean {
    return !this.over && message.callId === this.callId && message.toTag === this.localTag
  }

  /** The first NOTIFY makes the dialog; those of other forks are told that they are too late (RFC 6665 4.1.2.4). */
  receiveFirst(message: IncomingRequest): void {
    if (this.dialog || readEvent(message.wire)?.name !== this.event) {
      this.answer(message, this.dialog ? 481 : 489)
      return
    }
    const state = Core.Dialog.initialDialogStateForUserAgentServer(message, this.localTag)
    const dialog = new UsageDialog(this.core, { ...state, localSequenceNumber: this.sequence }, (request) => {
      if (request instanceof IncomingRequest) this.receive(request)
    })
    this.dialog = dialog
    this.challenger ??= message.flow.remote.address
    this.receive(message)
  }

  /** The way to us may have changed: the notifier is told of our Contact (RFC 6665 4.4.1). */
  networkChanged(): void {
    if (this.dialog && !this.stopping) this.refresh(this.expiresSeconds)
  }

  stop(): Promise<void> {
    if (this.over) return Promise.resolve()
    if (this.stopping) return this.stopping.done
    let finish = (): void => {}
    const done = new Promise<void>((resolve) => {
      finish = resolve
    })
    this.stopping = { finish, done }
    const pending = this.context.pending()
    void done.then(pending)
    // Without a dialog there is nothing to end: whoever still notifies is told so by 481.
    if (!this.dialog) this.end('stopped')
    else {
      this.refreshTimer?.cancel()
      this.expiryTimer?.cancel()
      this.expiryTimer = this.timer(unsubscribePatienceMs, () => this.end('stopped'))
      this.refresh(0)
    }
    return done
  }

  /** The user agent stops: nothing more is sent. */
  abandon(): void {
    this.end('stopped')
  }

  // ── SUBSCRIBE ────────────────────────────────────────────────────────────────────────────────

  private newAttempt(): DigestAttempt {
    const { hop } = this.identity
    return this.identity.digest.attempt(hostOf(typeof hop === 'string' ? hop : this.target))
  }

  /** A new dialog. */
  private begin(): void {
    this.forgetDialog()
    this.callId = randomToken(this.context.random)
    this.localTag = randomToken(this.context.random)
    this.sequence = 0
    this.challenger = undefined
    this.attempt = this.newAttempt()
    // Timer N (RFC 6665 4.1.2.4).
    this.expiryTimer = this.timer(transactionTimeoutMs, () => this.retry('no NOTIFY came', 408))
    this.send()
  }

  private headers(expiresSeconds: number): string[] {
    const { accept } = this.options
    return [
      `Contact: ${this.core.configuration.contact.toString()}`,
      `Event: ${this.event}`,
      ...(accept && accept.length > 0 ? [`Accept: ${accept.join(', ')}`] : []),
      `Expires: ${expiresSeconds}`,
    ]
  }

  private send(): void {
    const { identity, target } = this
    const to = new VerbatimUri(target)
    const options = {
      callId: this.callId,
      fromTag: this.localTag,
      cseq: ++this.sequence,
      fromDisplayName: identity.displayName ? quote(identity.displayName).slice(1, -1) : '',
    }
    const headers = [...this.headers(this.expiresSeconds), ...this.attempt.headers('SUBSCRIBE', target)]
    const from = new VerbatimUri(identity.uri)
    const message = this.core.makeOutgoingRequestMessage('SUBSCRIBE', to, from, to, options, headers)
    const { callId } = this
    const heard = ({ message }: Core.IncomingResponse): void =>
      this.context.guard('response to SUBSCRIBE', () => {
        if (!this.over && callId === this.callId) this.answered(message)
      })
    this.core.request(message, { onAccept: heard, onRedirect: heard, onReject: heard })
  }

  private answered(message: Core.IncomingResponseMessage): void {
    const status = message.statusCode ?? 0
    const challenge = challengeOf(message)
    const problem = challenge && this.attempt.challenged(...challenge)
    if (challenge && problem === undefined) {
      this.send()
      return
    }
    const reason = problem ?? message.reasonPhrase ?? ''
    if (!(message instanceof IncomingResponse)) {
      this.retry(status === 408 ? 'no answer' : reason, status)
      return
    }
    const { wire, flow } = message
    this.challenger = flow.remote.address
    if (status < 300) this.granted(wire)
    else if (this.takesLonger(status, wire)) this.send()
    else if (status === 408 || status === 480 || (status >= 500 && status < 600))
      this.retry(reason, status, retryAfterMs(wire))
    else this.end(reason || 'refused', status)
  }

  /** RFC 6665 4.1.2.1: 423 names a longer time. */
  private takesLonger(status: number, wire: SipResponse): boolean {
    const minimum = wire.number('Min-Expires')
    if (status !== 423 || minimum === undefined) return false
    if (minimum <= this.expiresSeconds || minimum > maximumExpiresSeconds) return false
    this.expiresSeconds = minimum
    return true
  }

  /** A 2xx; until a NOTIFY says more. */
  private granted(wire: SipResponse): void {
    if (this.dialog) this.lasts(wire.number('Expires', maximumExpiresSeconds) ?? this.expiresSeconds)
  }

  private refresh(expiresSeconds: number): void {
    const { context, core, identity, dialog, challenger } = this
    if (!dialog) return
    const way = { context, core, identity, dialog, ...(challenger !== undefined && { challenger }) }
    sendInDialog(way, 'SUBSCRIBE', undefined, this.headers(expiresSeconds), (status, reason, message) => {
      if (this.over || this.dialog !== dialog) return
      const wire = message instanceof IncomingResponse ? message.wire : undefined
      if (this.stopping) {
        // The last NOTIFY may be on its way (RFC 6665 4.1.2.3).
        if (status >= 300) this.end('stopped')
      } else if (status < 300) this.lasts(wire?.number('Expires', maximumExpiresSeconds) ?? expiresSeconds)
      else if (wire && this.takesLonger(status, wire)) this.refresh(this.expiresSeconds)
      else if (status === 481) this.retry(reason, status, 0)
      // It stands until it expires (RFC 6665 4.1.2.2).
      else
        this.refreshTimer = this.timer(Math.min(retryBaseMs * 2 ** this.failures++, retryMaximumMs), () =>
          this.refresh(this.expiresSeconds),
        )
    })
  }

  // ── NOTIFY ───────────────────────────────────────────────────────────────────────────────────

  private receive(message: IncomingRequest): void {
    const { wire } = message
    if (message.method !== 'NOTIFY') {
      this.answer(message, 405)
      return
    }
    if (readEvent(wire)?.name !== this.event) {
      this.answer(message, 489)
      return
    }
    this.answer(message, 200)
    this.dialog?.refreshTarget(message)
    const state = readSubscriptionState(wire) ?? { state: 'active' }
    const body = anyBody(wire)
    if (body || wire.body.length === 0) this.context.guard('onNotify', () => this.onNotify?.(body))
    if (this.over) return
    if (state.state === 'terminated') this.terminated(state)
    else if (!this.stopping) {
      this.failures = 0
      const seconds = state.expiresSeconds ?? this.expiresSeconds
      if (!this.lasts(seconds)) return
      const name = state.state === 'pending' ? 'pending' : 'active'
      if (this.state.state !== name) this.become({ state: name, expiresSeconds: seconds })
    }
  }

  private terminated({ reason, retryAfterSeconds }: StateValue): void {
    const why = reason ?? 'ended by the notifier'
    if (this.stopping) this.end('stopped')
    else if (reason !== undefined && finalReasons.has(reason)) this.end(why)
    else {
      const named = retryAfterSeconds === undefined ? undefined : retryAfterSeconds * 1000
      // Whoever deactivates it shall have it again at once (RFC 6665 4.1.3), though not in a circle.
      const soon = reason !== undefined && immediateReasons.has(reason) && this.failures === 0 ? 0 : undefined
      this.retry(why, undefined, soon ?? named)
    }
  }

  private answer(message: IncomingRequest, statusCode: number): void {
    const extraHeaders = statusCode === 489 ? [`Allow-Events: ${this.event}`] : []
    this.core.replyStateless(message, { statusCode, extraHeaders })
  }

  // ── time ─────────────────────────────────────────────────────────────────────────────────────

  /** For so long; false where that is no time at all. */
  private lasts(seconds: number): boolean {
    if (seconds <= 0) {
      this.retry('it was granted no time', undefined, 0)
      return false
    }
    this.refreshTimer?.cancel()
    this.expiryTimer?.cancel()
    const marginSeconds = Math.min(Math.max(5, seconds * 0.1), 60, seconds / 2)
    this.refreshTimer = this.timer((seconds - marginSeconds) * 1000, () => this.refresh(this.expiresSeconds))
    this.expiryTimer = this.timer(seconds * 1000, () => this.retry('it has expired', undefined, 0))
    return true
  }

  /** Another subscription, in a while. */
  private retry(reason: string, status?: number, afterMs?: Millis): void {
    this.forgetDialog()
    const doubled = Math.min(retryBaseMs * 2 ** Math.min(this.failures++, 16), retryMaximumMs)
    const jittered = doubled / 2 + this.context.random.integer(Math.ceil(doubled / 2) + 1)
    const retryInMs = Math.min(Math.max(afterMs ?? jittered, retryMinimumMs), maximumExpiresSeconds * 1000)
    this.callId = ''
    this.refreshTimer = this.timer(retryInMs, () => {
      this.become({ state: 'subscribing' })
      this.begin()
    })
    this.become({ state: 'terminated', reason, retryInMs, ...(status !== undefined && { status }) })
  }

  private timer(delayMs: Millis, run: () => void): Timer {
    return this.context.clock.setTimer(delayMs, () => this.context.guard('SUBSCRIBE', run))
  }

  private forgetDialog(): void {
    this.refreshTimer?.cancel()
    this.expiryTimer?.cancel()
    this.dialog?.dispose()
    this.dialog = undefined
  }

  private end(reason: string, status?: number): void {
    if (this.over) return
    this.over = true
    this.forgetDialog()
    this.become({ state: 'terminated', reason, ...(status !== undefined && { status }) })
    this.stopping?.finish()
    this.onClosed?.()
  }

  private become(state: SubscriptionState): void {
    this.state = state
    this.context.guard('onState', () => this.onState?.(state))
  }
}

function retryAfterMs(wire: SipResponse): Millis | undefined {
  const seconds = Number.parseInt(wire.get('Retry-After') ?? '', 10)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}
