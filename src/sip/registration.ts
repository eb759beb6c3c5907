// A registration that keeps itself alive (RFC 3261 10.2): credentials, refresh before it expires, the registrar's own interval
// (423), retry with back-off when the registrar cannot be reached or is ill, and silence after a refusal.
import type { Core } from 'sip.js'
import type { Millis, Timer } from '../runtime/runtime.ts'
import {
  type AgentContext,
  type Identity,
  randomDelayMs,
  transactionTimeoutMs,
  wayOf,
} from './agent-context.ts'
import { type DigestAttempt, hostOf } from './digest.ts'
import type { Flow } from './flow.ts'
import { parseNumber, quote } from './grammar.ts'
import type { NameAddr } from './header-values.ts'
import type { SipResponse } from './message.ts'
import type { Account, RegistrationState, SipRegistration } from './session.ts'
import { contactUri, randomToken, type SignallingCore } from './sipjs-core.ts'
import { challengeOf, IncomingResponse, VerbatimUri } from './sipjs-messages.ts'

/** RFC 5626 4.5's shape (doubling, 50 to 100 % of it), with a base that suits a person who waits. */
const backOffBaseMs: Millis = 4_000
const backOffMaximumMs: Millis = 300_000
/** A refresh is due this share of the interval before its end, and at least 5 s, at most 60 s. */
const refreshMargin = 0.1
/** A day: more is no keep-alive, and setTimeout ends at 24.8 days. */
const maximumExpiresSeconds = 86_400
const unregisterTimeoutMs: Millis = 4_000
/** RFC 5626 4.4: a flow is kept alive at random intervals between these, by an empty line; over TCP with an answer. Where that
 *  RFC has STUN over UDP an empty line does, too: it is the NAT that shall see it. */
const keepAliveMs = {
  tcp: { shortest: 95_000, longest: 120_000 },
  udp: { shortest: 20_000, longest: 25_000 },
} as const
const ping = Buffer.from('\r\n\r\n')

export class Registration implements SipRegistration {
  onState: ((state: RegistrationState) => void) | undefined
  state: RegistrationState = { state: 'registering' }
  readonly identity: Identity

  private readonly core: SignallingCore
  private readonly registrar: string
  private readonly callId: string
  private readonly fromTag: string
  /** Finds our binding among others in the registrar's answer. */
  private readonly instance: string
  private sequence = 0
  private failures = 0
  private timer: Timer | undefined
  private keepAlive: Timer | undefined
  /** The registrar has, or may still have, a binding of ours until then; undefined before the first. */
  private boundUntil: Millis | undefined
  private inFlight = false
  /** The way has changed, so that an old connection may fail: another one is tried at once. */
  private mayReconnect = false
  private onFinal: (() => void) | undefined
  private flow: Flow | undefined
  private onAbandoned: (() => void) | undefined
  private unregistering: Promise<void> | undefined

  constructor(
    private readonly context: AgentContext,
    account: Account,
    private expiresSeconds: number,
  ) {
    this.identity = context.identityOf(account)
    this.expiresSeconds = Math.min(Math.max(1, Math.round(expiresSeconds)), maximumExpiresSeconds)
    this.instance = randomToken(context.random).slice(0, 8)
    this.callId = randomToken(context.random)
    this.fromTag = randomToken(context.random)
    // RFC 3261 10.2: the Request-URI is the domain of the address of record.
    this.registrar = account.aor.replace(/^(sips?:)[^@]*@/i, '$1').replace(/[;?].*$/, '')
    this.core = context.core.through({
      ...wayOf(this.identity),
      contact: contactUri(this.identity.user, `;rinstance=${this.instance}`),
    })
    this.register(this.expiresSeconds)
  }

  /** Whether calls for that user part from that IP address are this account's: its registrar sends them. */
  serves(user: string | undefined, address: string): boolean {
    return this.identity.user === user && this.isAt(address)
  }

  /** Whether its registrar answers from that IP address. */
  isAt(address: string): boolean {
    return this.flow?.remote.address === address
  }

  refresh(): void {
    if (this.unregistering || this.inFlight || this.boundUntil === undefined) return
    this.timer?.cancel()
    this.mayReconnect = true
    this.register(this.expiresSeconds)
  }

  unregister(): Promise<void> {
    this.unregistering ??= this.removeBinding()
    return this.unregistering
  }

  /** The registrar reaches us over that connection alone (RFC 5626 4.4): register anew, over another. */
  flowClosed(flow: Flow): void {
    if (flow !== this.flow || this.state.state !== 'registered' || this.unregistering) return
    this.flow = undefined
    this.keepAlive?.cancel()
    this.retryLater(503, `the connection to ${this.registrar} was closed`)
  }

  /** The user agent stops: nothing more is sent. */
  abandon(): void {
    this.stopTimers()
    this.onFinal = undefined
    this.onAbandoned?.()
    if (this.state.state !== 'failed') this.become({ state: 'unregistered' })
  }

  private async removeBinding(): Promise<void> {
    this.stopTimers()
    if (!this.inFlight && (this.boundUntil ?? 0) <= this.context.clock.now())
      return this.become({ state: 'unregistered' })
    const done = this.context.pending()
    await new Promise<void>((resolve) => {
      const deadline = this.context.clock.setTimer(unregisterTimeoutMs, resolve)
      const finish = (): void => {
        deadline.cancel()
        resolve()
      }
      const remove = (): void => {
        this.onFinal = finish
        this.register(0)
      }
      this.onAbandoned = finish
      // RFC 3261 10.2: no new REGISTER before the one under way is answered.
      if (this.inFlight) this.onFinal = remove
      else remove()
    })
    this.onFinal = undefined
    done()
    this.become({ state: 'unregistered' })
  }

  private become(state: RegistrationState): void {
    if (state.state === 'unregistered' && this.state.state === 'unregistered') return
    this.state = state
    this.context.guard('onState', () => this.onState?.(state))
  }

  private register(expiresSeconds: number): void {
    const host = hostOf(typeof this.identity.hop === 'string' ? this.identity.hop : this.registrar)
    this.send(expiresSeconds, this.identity.digest.attempt(host))
  }

  private send(expiresSeconds: number, attempt: DigestAttempt): void {
    const { identity } = this
    const aor = new VerbatimUri(identity.uri)
    const message = this.core.makeOutgoingRequestMessage(
      'REGISTER',
      new VerbatimUri(this.registrar),
      aor,
      aor,
      {
        callId: this.callId,
        fromTag: this.fromTag,
        cseq: ++this.sequence,
        fromDisplayName: identity.displayName ? quote(identity.displayName).slice(1, -1) : '',
      },
      [
        `Contact: ${this.core.configuration.contact.toString()};expires=${expiresSeconds}`,
        `Expires: ${expiresSeconds}`,
        ...attempt.headers('REGISTER', this.registrar),
      ],
    )
    const onFinal = ({ message }: Core.IncomingResponse): void =>
      this.context.guard('REGISTER response', () => this.receive(message, expiresSeconds, attempt))
    this.inFlight = true
    this.core.register(message, { onAccept: onFinal, onRedirect: onFinal, onReject: onFinal })
  }

  private receive(
    message: Core.IncomingResponseMessage,
    expiresSeconds: number,
    attempt: DigestAttempt,
  ): void {
    const challenge = challengeOf(message)
    const problem = challenge && attempt.challenged(...challenge)
    if (challenge && problem === undefined) {
      this.send(expiresSeconds, attempt)
      return
    }
    this.inFlight = false
    if (this.onFinal) {
      this.onFinal()
      return
    }
    if (this.unregistering) return

    const status = message.statusCode ?? 0
    if (!(message instanceof IncomingResponse)) {
      if (this.mayReconnect && status !== 408) {
        this.mayReconnect = false
        this.register(this.expiresSeconds)
        return
      }
      const unreachable = `${this.registrar} did not answer within ${transactionTimeoutMs / 1000} s`
      this.retryLater(status, status === 408 ? unreachable : (message.reasonPhrase ?? 'it could not be sent'))
      return
    }
    const { wire } = message
    if (status < 300) {
      this.flow = message.flow
      this.registered(wire)
      this.keepFlowAlive()
      return
    }
    const minimum = wire.number('Min-Expires')
    if (
      status === 423 &&
      minimum !== undefined &&
      minimum > this.expiresSeconds &&
      minimum <= maximumExpiresSeconds
    ) {
      this.expiresSeconds = minimum
      this.register(minimum)
      return
    }
    if (status === 408 || status === 429 || status >= 500) {
      const retryAfter = Number.parseInt(wire.get('Retry-After') ?? '', 10)
      this.retryLater(status, wire.reason, Number.isFinite(retryAfter) ? retryAfter * 1000 : 0)
      return
    }
    // A refusal does not improve by asking again, and locks accounts; but a registrar that starts up may not know us yet.
    if (this.boundUntil !== undefined && !challenge) {
      this.retryLater(status, wire.reason)
      return
    }
    this.become({ state: 'failed', status, reason: problem ?? (wire.reason || 'refused') })
  }

  private registered(wire: SipResponse): void {
    const binding = this.ownBinding(wire)
    const granted =
      parseNumber(binding?.params.get('expires') ?? '', 2 ** 32 - 1) ??
      wire.number('Expires') ??
      this.expiresSeconds
    if (granted === 0) {
      this.retryLater(200, 'the registrar granted no time')
      return
    }
    this.failures = 0
    const expiresSeconds = Math.min(granted, maximumExpiresSeconds)
    this.boundUntil = this.context.clock.now() + expiresSeconds * 1000
    const marginSeconds = Math.min(Math.max(5, expiresSeconds * refreshMargin), 60, expiresSeconds / 2)
    this.schedule((expiresSeconds - marginSeconds) * 1000, () => this.register(this.expiresSeconds))
    const contact = binding?.uriText ?? this.core.configuration.contact.uri.toRaw()
    this.become({ state: 'registered', expiresSeconds, contact, registrar: this.registrar })
  }

  /** By our parameter; where the registrar rewrote the Contact, by user, the one that lasts longest, which is the newest. */
  private ownBinding(wire: SipResponse): NameAddr | undefined {
    const contacts = wire.nameAddrs('Contact')
    const expiry = ({ params }: NameAddr): number => Number(params.get('expires') ?? 0)
    const lasting = (among: NameAddr[]): NameAddr | undefined =>
      among.sort((a, b) => expiry(b) - expiry(a))[0]
    const ours = ({ uri }: NameAddr): boolean =>
      uri.kind === 'sip' && uri.params.get('rinstance') === this.instance
    const sameUser = ({ uri }: NameAddr): boolean => uri.kind === 'sip' && uri.user === this.identity.user
    return contacts.find(ours) ?? lasting(contacts.filter(sameUser)) ?? lasting(contacts)
  }

  /** So that neither end, nor a NAT between them, closes a connection for want of use. */
  private keepFlowAlive(): void {
    this.keepAlive?.cancel()
    const { flow } = this
    if (!flow) return
    const { shortest, longest } = keepAliveMs[flow.protocol === 'udp' ? 'udp' : 'tcp']
    const delayMs = randomDelayMs(this.context.random, shortest, longest)
    this.keepAlive = this.context.clock.setTimer(delayMs, () => {
      flow.send(ping)
      this.keepFlowAlive()
    })
  }

  private stopTimers(): void {
    this.timer?.cancel()
    this.keepAlive?.cancel()
  }

  private retryLater(status: number, reason: string, atLeastMs = 0): void {
    const doubled = Math.min(backOffBaseMs * 2 ** this.failures++, backOffMaximumMs)
    const jittered = doubled / 2 + this.context.random.integer(Math.ceil(doubled / 2) + 1)
    const retryInMs = Math.min(Math.max(jittered, atLeastMs), maximumExpiresSeconds * 1000)
    this.schedule(retryInMs, () => {
      this.become({ state: 'registering' })
      this.register(this.expiresSeconds)
    })
    this.become({ state: 'failed', status, reason, retryInMs })
  }

  private schedule(delayMs: Millis, run: () => void): void {
    this.timer?.cancel()
    this.timer = this.context.clock.setTimer(delayMs, () => this.context.guard('REGISTER', run))
  }
}
