// The user agent: one wire, one sip.js core, and the sessions and registrations on them. What a peer sends ends in an answer
// or a recorded drop, never in an exception; what the application does wrong is said in a UsageError before anything is sent.
import { RemoteError, UsageError } from '../errors.ts'
import type { TransportAddress } from '../runtime/address.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { SipFact } from '../trace/facts.ts'
import { type AgentContext, type Identity, wayOf } from './agent-context.ts'
import { CallCounts } from './call-counts.ts'
import type { DialogSession } from './dialog-session.ts'
import { DigestClient } from './digest.ts'
import { Door } from './door.ts'
import type { Flow, ListeningPoint } from './flow.ts'
import { type CallerRules, Gate } from './gate.ts'
import { isToken } from './grammar.ts'
import { parseContentType, parseNameAddr } from './header-values.ts'
import { acceptedMessage, checkMessage, nobodyReads, readMessage } from './instant-message.ts'
import type { SipResponse } from './message.ts'
import { checkPrivacy } from './privacy.ts'
import { receiveStrangersRefer } from './refer-dialog.ts'
import { Registration, serversOf } from './registration.ts'
import { ReplacedDialogs } from './replaced-dialogs.ts'
import { acceptHeader, type Refusal } from './request-checks.ts'
import { RequestReceiver } from './request-receiver.ts'
import type {
  Account,
  Body,
  IncomingRefer,
  IncomingSession,
  InviteOptions,
  Session,
  SessionHandler,
  SipRegistration,
  SipSubscription,
  SubscribeOptions,
  TextMessage,
  UnsolicitedNotify,
} from './session.ts'
import { IncomingCall } from './session-incoming.ts'
import { OutgoingSession } from './session-outgoing.ts'
import { checkSessionExpires, defaultSessionSeconds } from './session-timer.ts'
import { SignallingCore } from './sipjs-core.ts'
import { failTransaction } from './sipjs-corrections.ts'
import { type IncomingRequest, IncomingResponse } from './sipjs-messages.ts'
import { StandaloneRequests } from './standalone-requests.ts'
import { Subscription } from './subscription.ts'
import type { TlsSettings } from './tls-settings.ts'
import { takeUnsolicited } from './unsolicited-notify.ts'
import { formatHost, parseUri, type SipUri } from './uri.ts'
import { SipWire } from './wire.ts'

export interface UserAgentOptions {
  runtime: Runtime
  /** Port 0 lets the system choose. */
  listen: readonly ListeningPoint[]
  tls?: TlsSettings
  /** User-Agent header; "floe" where absent. */
  userAgent?: string
  /** Session timer to ask for (RFC 4028), in seconds: 90 or more, or 0 for none. Default 1800. */
  sessionExpiresSeconds?: number
  record?: (fact: SipFact) => void
}

/** Asked of a registrar where the caller does not say (RFC 3261 10.2). */
const defaultExpiresSeconds = 600
/** Of each: the least time that stop() leaves for what is under way. */
const defaultStopDeadlineMs = 2_000

/** Headers that a caller may not give: they are the protocol's own. */
const ownHeaders = new Set(
  'via from to call-id cseq contact max-forwards route record-route content-length content-type allow authorization proxy-authorization user-agent require'.split(
    ' ',
  ),
)

export class UserAgent {
  /** A call that comes in; without a listener it is answered 480. Set the session's handler before anything else. */
  onInvite: ((session: IncomingSession) => void) | undefined
  /** Somebody wants us to call somebody, outside of any call; without a listener it is refused with 603. */
  onRefer: ((refer: IncomingRefer & { from: string }) => void) | undefined
  /** What a call would be told now: 200 where somebody takes it, 480, 486. OPTIONS is answered so (RFC 3261 11.2). */
  readiness: (() => number) | undefined
  /** A MESSAGE that comes in, in a call or not; without a listener it is answered 480. */
  onMessage: ((message: TextMessage) => void) | undefined
  /** A NOTIFY that nobody has subscribed to; without a listener it is answered 481. */
  onNotify: ((notify: UnsolicitedNotify) => void) | undefined

  /** Calls that have come in and are not over. */
  readonly calls = new CallCounts()

  private readonly gate: Gate
  private readonly core: SignallingCore
  private readonly context: AgentContext
  private readonly anonymous: Identity
  private readonly subscriptions = new Set<Subscription>()
  private readonly replaced = new ReplacedDialogs((id) => this.core.dialogs.get(id)?.early === true)
  private readonly sessions = new Set<DialogSession>()
  private readonly registrations = new Set<Registration>()
  private readonly standalone: StandaloneRequests
  private readonly digests = new Map<string, DigestClient>()
  private pendingCount = 0
  private onIdle: (() => void) | undefined
  private listening: readonly ListeningPoint[] = []
  private stopping: Promise<void> | undefined

  private constructor(
    private readonly wire: SipWire,
    private readonly runtime: Runtime,
    private readonly record: ((fact: SipFact) => void) | undefined,
    userAgent: string,
    sessionExpiresSeconds: number,
    door: Door,
  ) {
    this.gate = new Gate(runtime.clock, door)
    door.trusted = (address) => this.calls.from(address) > 0 || this.isRegistrar(address)
    wire.onAcknowledged = (afterMs) => this.gate.overload.acknowledged(afterMs)
    wire.gate = (request, flow, transactions) => this.gate.judge(request, flow, transactions)
    this.anonymous = {
      uri: 'sip:floe@anonymous.invalid',
      user: 'floe',
      digest: new DigestClient('floe', undefined, runtime.random),
    }
    this.core = SignallingCore.create(runtime.random, userAgent, wire)
    this.context = {
      clock: runtime.clock,
      random: runtime.random,
      network: runtime.network,
      core: this.core,
      sessionExpiresSeconds,
      identityOf: (account) => this.identityOf(account),
      isTrusted: (address) => this.isRegistrar(address),
      guard: (what, run) => this.guard(what, run),
      settle: (transactionId) => wire.settle(transactionId),
      dropFlow: (flow) => wire.transport.drop(flow),
      giveUp: (transactionId) => wire.giveUp(transactionId),
      stopTrying: (transactionId) => wire.stopTrying(transactionId),
      takeMessage: (message) => this.takeMessage(message),
      pending: () => this.pending(),
    }
    this.standalone = new StandaloneRequests(this.context)
    const receiver = new RequestReceiver(
      this.core,
      (message) => this.takeCall(message),
      (call) => this.onInvite?.(call),
      (message) => this.takeMessage(message),
      (message) => this.takeRefer(message),
      (message) => this.takeNotify(message),
      (message) => takeUnsolicited(message, this.stopping ? undefined : this.onNotify),
      () => this.readiness?.() ?? 200,
    )
    wire.onRequest = (request, flow, id) =>
      this.guard(`${request.method} from ${flow.remote.address}`, () => receiver.receive(request, flow, id))
    wire.onResponse = (response, flow) =>
      this.guard(`${response.status} from ${flow.remote.address}`, () => this.receiveResponse(response, flow))
    wire.onFlowClosed = (flow) => {
      for (const registration of this.registrations) registration.flowClosed(flow)
    }
    wire.transport.onForeignDatagram = (data, flow) => {
      for (const registration of this.registrations) registration.foreign(data, flow)
    }
    wire.onTransportError = (branch, method, error) =>
      this.guard(`transport error of ${method}`, () => failTransaction(this.core, branch + method, error))
  }

  /** Opens the listening points. Rejects with NetworkError, or InvariantError with the wrong version of sip.js. */
  static async start(options: UserAgentOptions): Promise<UserAgent> {
    const { runtime, listen, userAgent = 'floe', record, tls } = options
    const { sessionExpiresSeconds = defaultSessionSeconds } = options
    checkSessionExpires(sessionExpiresSeconds)
    if (/[\r\n]/.test(userAgent))
      throw new UsageError('The user agent name holds a line break; leave it out.')
    const door = new Door(runtime.clock)
    const wire = new SipWire(runtime, { door, ...(record && { record }), ...(tls && { tls }) })
    const agent = new UserAgent(wire, runtime, record, userAgent, sessionExpiresSeconds, door)
    agent.listening = await agent.wire.start(listen)
    return agent
  }

  /** Where we listen, with the ports that the system chose. */
  get addresses(): readonly ListeningPoint[] {
    return this.listening
  }

  /** Who may begin what; asked before a request costs any memory. Absent: everybody may. */
  set callerRules(rules: CallerRules | undefined) {
    this.gate.rules = rules
  }

  /** Kept at the moment, for reports and tests. */
  get transactions(): { client: number; server: number } {
    return this.wire.transactions
  }

  /** Whether a registrar of ours answers from that IP address. */
  isRegistrar(address: string): boolean {
    for (const registration of this.registrations) if (registration.isAt(address)) return true
    return false
  }

  /** Where requests for that URI would go, best first. Rejects with UsageError or NetworkError. */
  async destinations(uri: string): Promise<readonly TransportAddress[]> {
    return this.wire.destinations(callableUri(uri))
  }

  /** Interfaces have come or gone: what went through them is opened anew, and registrars are told. */
  networkChanged(): void {
    this.wire.networkChanged()
    for (const registration of this.registrations) registration.refresh()
    for (const subscription of this.subscriptions) subscription.networkChanged()
  }

  /** Registers and stays registered until `unregister`. Throws UsageError for an account that cannot be. */
  register(account: Account, options: { expiresSeconds?: number } = {}): SipRegistration {
    this.refuseWhenStopped()
    for (const old of this.registrations)
      if (old.state.state === 'unregistered') this.registrations.delete(old)
    const registration = new Registration(
      this.context,
      account,
      options.expiresSeconds ?? defaultExpiresSeconds,
    )
    this.registrations.add(registration)
    return registration
  }

  /** Places a call; `handler` hears everything that follows, never before this returns. Throws UsageError. */
  invite(target: string, handler: SessionHandler, options: InviteOptions = {}): Session {
    this.refuseWhenStopped()
    callableUri(target)
    for (const [name, value] of options.headers ?? []) checkHeader(name, value)
    if (options.referredBy !== undefined && !parseNameAddr(options.referredBy))
      throw new UsageError('Referred-By names nobody; write it as <sip:user@host>.')
    if (options.privacy) checkPrivacy(options.privacy)
    if (options.sessionExpiresSeconds !== undefined) checkSessionExpires(options.sessionExpiresSeconds)
    const session = new OutgoingSession(
      this.context,
      this.identityNow(options.account),
      target,
      handler,
      options,
    )
    this.keep(session)
    return session
  }

  /** Asks whether the target answers (RFC 3261 11). Rejects with TimeoutError or NetworkError. */
  async options(target: string, account?: Account): Promise<{ status: number; rttMs: number }> {
    this.refuseWhenStopped()
    callableUri(target)
    const identity = this.identityNow(account)
    const { response, rttMs } = await this.standalone.send({
      method: 'OPTIONS',
      target,
      identity,
      headers: [`Contact: <${wayOf(identity).contact}>`, acceptHeader],
      authenticate: false,
    })
    return { status: response.status, rttMs }
  }

  /** Sends a MESSAGE outside of any call (RFC 3428). Rejects with RequestFailed, TimeoutError, NetworkError or UsageError. */
  async message(target: string, body: Body, account?: Account): Promise<{ status: number }> {
    this.refuseWhenStopped()
    callableUri(target)
    checkMessage(body)
    const identity = this.identityNow(account)
    const answer = await this.standalone.send({
      method: 'MESSAGE',
      target,
      identity,
      body,
      authenticate: true,
    })
    return acceptedMessage(target, answer)
  }

  /** Subscribes to an event of the target (RFC 6665) and stays subscribed until `stop`. Throws UsageError. */
  subscribe(target: string, event: string, options: SubscribeOptions = {}): SipSubscription {
    this.refuseWhenStopped()
    callableUri(target)
    if (!isToken(event)) throw new UsageError(`"${event}" is no event package; write it as message-summary.`)
    for (const type of options.accept ?? [])
      if (!parseContentType(type))
        throw new UsageError(`"${type}" is no content type; write it as text/plain.`)
    const identity = this.identityOf(options.account)
    const subscription = new Subscription(this.context, identity, target, event, options)
    this.subscriptions.add(subscription)
    subscription.onClosed = () => this.subscriptions.delete(subscription)
    return subscription
  }

  /** Unregisters, hangs up, waits at most `deadlineMs` for the answers, then closes everything. */
  stop(options: { deadlineMs?: number } = {}): Promise<void> {
    this.stopping ??= this.shutDown(options.deadlineMs ?? defaultStopDeadlineMs)
    return this.stopping
  }

  private async shutDown(deadlineMs: number): Promise<void> {
    for (const session of [...this.sessions])
      this.guard('stop', () => session.hangUp(session instanceof IncomingCall ? { status: 480 } : undefined))
    for (const subscription of [...this.subscriptions]) void subscription.stop()
    for (const registration of this.registrations) void registration.unregister()
    await new Promise<void>((resolve) => {
      const timer = this.runtime.clock.setTimer(deadlineMs, resolve)
      this.onIdle = () => {
        timer.cancel()
        resolve()
      }
      if (this.pendingCount === 0) this.onIdle()
    })
    for (const subscription of [...this.subscriptions]) subscription.abandon()
    for (const registration of this.registrations) registration.abandon()
    for (const session of [...this.sessions]) session.abandon()
    this.standalone.stop(
      new UsageError('The user agent was stopped before its request was answered; stop it later.'),
    )
    this.core.dispose()
    this.wire.stop()
  }

  private refuseWhenStopped(): void {
    if (this.stopping) throw new UsageError('The user agent has been stopped; start another one.')
  }

  private pending(): () => void {
    let open = true
    this.pendingCount++
    return () => {
      if (!open) return
      open = false
      if (--this.pendingCount === 0) this.onIdle?.()
    }
  }

  private guard(what: string, run: () => void): void {
    try {
      run()
    } catch (error) {
      const reason = `internal error at ${what}: ${error instanceof Error ? error.message : String(error)}`
      this.record?.({ layer: 'sip', type: 'dropped', remote: { address: '', port: 0 }, reason })
    }
  }

  private keep(session: DialogSession, closed?: () => void): void {
    this.sessions.add(session)
    session.onClosed = () => {
      this.sessions.delete(session)
      this.replaced.end(session)
      closed?.()
    }
  }

  /** With what its registrar has told. */
  private identityNow(account: Account | undefined): Identity {
    for (const registration of this.registrations)
      if (account && registration.isOf(account)) return registration.identity
    return this.identityOf(account)
  }

  private identityOf(account: Account | undefined): Identity {
    if (!account) {
      const own = this.listening.find(({ address }) => address !== '0.0.0.0' && address !== '::')
      const host = own ? formatHost(own.address) : 'anonymous.invalid'
      return { ...this.anonymous, uri: `sip:${this.anonymous.user}@${host}` }
    }
    const uri = callableUri(account.aor)
    const { route = [] } = account
    const [server, ...others] = serversOf(account)
    for (const each of [...others, ...route]) callableUri(each)
    const routes = server !== undefined && callableUri(server).params.has('lr') ? [server, ...route] : route
    const username = account.username ?? uri.user ?? ''
    const key = JSON.stringify([account.aor, username, account.password ?? null])
    const digest = this.digests.get(key) ?? new DigestClient(username, account.password, this.runtime.random)
    this.digests.set(key, digest)
    return {
      uri: account.aor,
      digest,
      ...(account.displayName !== undefined && { displayName: account.displayName }),
      ...(uri.user !== undefined && { user: uri.user }),
      ...(server !== undefined && { hop: server }),
      ...(routes.length > 0 && { routes: routes.map((route) => `<${route}>`) }),
    }
  }

  private takeCall(message: IncomingRequest): IncomingCall | Refusal {
    if (this.stopping) return { status: 503, headers: [] }
    if (!this.onInvite) return { status: 480, headers: [] }
    const replaced = this.replaced.find(message.wire, this.sessions)
    if (replaced && 'status' in replaced) return replaced
    const call = new IncomingCall(this.context, this.identityCalled(message), message, replaced)
    this.keep(call, this.calls.add(message.flow.remote.address))
    return call
  }

  /** The account that a call is for, where its registrar sent it: the credentials answer a proxy that challenges our BYE. */
  private takeNotify(message: IncomingRequest): boolean {
    for (const subscription of this.subscriptions) {
      if (!subscription.awaits(message)) continue
      subscription.receiveFirst(message)
      return true
    }
    return false
  }

  private takeRefer(message: IncomingRequest): boolean {
    const { onRefer } = this
    if (!onRefer || this.stopping) return false
    receiveStrangersRefer(this.context, this.identityCalled(message), message, (refer) =>
      onRefer({ ...refer, from: message.wire.from.uriText }),
    )
    return true
  }

  private takeMessage({ wire }: IncomingRequest): Refusal | undefined {
    if (!this.onMessage || this.stopping) return nobodyReads
    const read = readMessage(wire)
    if ('status' in read) return read
    this.onMessage(read)
    return undefined
  }

  private identityCalled({ wire, flow }: IncomingRequest): Identity {
    const user = wire.uri?.kind === 'sip' ? wire.uri.user : undefined
    for (const registration of this.registrations)
      if (registration.serves(user, flow.remote.address)) return registration.identity
    return this.anonymous
  }

  private receiveResponse(response: SipResponse, flow: Flow): void {
    const message = new IncomingResponse(response, flow)
    const key = message.viaBranch + message.method
    const { status } = response
    if (message.method === 'INVITE' && status >= 200 && status < 300 && !message.toTag) {
      // No dialog can be made of it (RFC 3261 12.1), and nobody could hang it up.
      failTransaction(
        this.core,
        key,
        new RemoteError('the peer answered without a To tag', 'RFC 3261 8.2.6.2'),
      )
      return
    }
    this.core.userAgentClients.get(key)?.transaction.receiveResponse(message)
  }
}

/** A SIP URI that floe can send to today. Throws UsageError in words. */
function callableUri(text: string): SipUri {
  // Peers' URIs may hold odd characters between quotes; ours become a line of a message.
  const uri = /[\s"<>]/.test(text) ? undefined : parseUri(text)
  if (!uri) throw new UsageError(`"${text}" is no SIP URI; write it as sip:user@host.`)
  if (uri.kind === 'sip') return uri
  throw new UsageError(
    `"${text}" needs the ${uri.scheme}: scheme, which floe cannot use; write it as sip:user@host.`,
  )
}

function checkHeader(name: string, value: string): void {
  if (!isToken(name)) throw new UsageError(`"${name}" is no header name; use letters, digits and hyphens.`)
  if (ownHeaders.has(name.toLowerCase()))
    throw new UsageError(`The header ${name} is set by floe; leave it out.`)
  if (/[\r\n\0]/.test(value))
    throw new UsageError(`The value of header ${name} holds a line break; leave it out.`)
}
