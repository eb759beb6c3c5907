// A phone: one SIP user agent, at most one account, any number of calls.
import type { Codec } from '../codec/codec.ts'
import { type Certificate, createCertificate } from '../dtls/certificate.ts'
import { UsageError } from '../errors.ts'
import { warmUpIce } from '../ice/warm-up.ts'
import { nodeRuntime, runtimeWithMediaThreads } from '../runtime/node.ts'
import type { Millis, Runtime } from '../runtime/runtime.ts'
import type { ListeningPoint } from '../sip/flow.ts'
import type {
  Account,
  IncomingSession,
  RegistrationState,
  SipRegistration,
  TextMessage,
} from '../sip/session.ts'
import { UserAgent } from '../sip/user-agent.ts'
import { type Pacer, WheelPacer } from '../stream/pacer.ts'
import { Capture } from '../trace/capture.ts'
import type { Fact, SipFact } from '../trace/facts.ts'
import { Trace } from '../trace/trace.ts'
import { parseIceServers } from '../turn/ice-servers.ts'
import { parseHttpProxy } from '../wire/http-proxy.ts'
import { accountOf, firstRegistered, serverInUse } from './account.ts'
import { Call } from './call.ts'
import { CallMedia } from './call-media.ts'
import { dialable, type IncomingTransfer, incomingTransfer } from './call-transfers.ts'
import { callerDefaults, callerRules } from './callers.ts'
import { checkInterfaces, signallingAddress } from './media-addresses.ts'
import { MediaPaths } from './media-paths.ts'
import { askingServers } from './name-servers.ts'
import { NetworkWatch } from './network-watch.ts'
import { NextCalls } from './next-calls.ts'
import {
  type CallOptions,
  checkMedia,
  checkPtime,
  type DialOptions,
  defaults,
  type PhoneOptions,
  threadsOf,
} from './options.ts'
import { chosenCodecs, loadingOnce } from './stream-parameters.ts'
import {
  acceptedTypes,
  readUnsolicited,
  type SubscribeToOptions,
  Subscription,
  type UnsolicitedNotification,
} from './subscription.ts'
import { completeTarget } from './target.ts'
import { toldSecrets } from './told-secrets.ts'

/** SIP facts that came before their call was known: its own INVITE. */
const recentFactsKept = 64
/** Ended calls whose late messages still find their trace. */
const endedCallsFollowed = 64

/** One wheel paces every stream of a process (per clock, so that simulated phones have their own), another one those whose
 *  network keeps departure times. */
const pacers = new WeakMap<object, Map<Millis, Pacer>>()
const pacerOf = ({ clock, network }: Runtime): Pacer => {
  const leadMs = network.departureLeadMs ?? 0
  const ofClock = pacers.get(clock) ?? new Map<Millis, Pacer>()
  const pacer = ofClock.get(leadMs) ?? new WheelPacer(clock, leadMs)
  pacers.set(clock, ofClock.set(leadMs, pacer))
  return pacer
}

const stopped = (): UsageError => new UsageError('the phone has been stopped: start another one')

let warm = false
const warmUpOnce = (): void => {
  if (!warm) warmUpIce(nodeRuntime.random)
  warm = true
}

export class Phone {
  /** An incoming call, already ringing. Without a handler or a waiting `nextCall` callers are told 480. */
  onCall: ((call: Call) => void) | undefined
  onRegistration: ((state: RegistrationState) => void) | undefined
  /** Everything that is said on the wire, calls or not. */
  onFact: ((fact: Fact) => void) | undefined

  private readonly calls = new Set<Call>()
  private readonly callById = new Map<string, Call>()
  private readonly over: string[] = []
  private readonly recent: Fact[] = []
  private readonly waiting: NextCalls<Call>
  private registration: SipRegistration | undefined
  private readonly watch: NetworkWatch
  private unwatch: (() => void) | undefined
  private readonly paths: MediaPaths
  private readonly warnings: string[] = []
  private readonly cname: string
  private readonly account: Account | undefined
  private readonly runtime: Runtime
  private userAgent!: UserAgent
  private readonly capture: Capture | undefined
  private readonly told: ReturnType<typeof toldSecrets>
  private readonly codecs: readonly Codec[]
  private readonly loadCodecs: () => Promise<unknown>
  /** For DTLS, made when it is needed first. */
  private certificate: Certificate | undefined
  private stopped = false

  /**
   * Starts listening and registers where there is an account.
   * Rejects with UsageError, NetworkError (address in use) or RegistrationFailed (refused, unreachable, silent).
   */
  static async start(options: PhoneOptions = {}): Promise<Phone> {
    const { signal } = options
    const world = options.runtime ?? (await runtimeWithMediaThreads(threadsOf(options, 'threads')))
    if (signal?.aborted) throw new UsageError('starting the phone was given up')
    const phone = new Phone(options, world)
    let onAbort = (): void => undefined
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(new UsageError('starting the phone was given up'))
    })
    signal?.addEventListener('abort', onAbort)
    try {
      await Promise.race([phone.open(), aborted])
    } catch (error) {
      await phone.stop()
      throw error
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
    return phone
  }

  private constructor(
    private readonly options: PhoneOptions,
    world: Runtime,
  ) {
    const warn = (message: string): void => this.warn(message)
    this.capture = options.trace === undefined ? undefined : new Capture(world, options.trace, warn)
    this.told = toldSecrets(this.capture, options.tls?.keyLogFile, world.files, warn)
    const seen = this.capture?.runtime ?? world
    const runtime = options.dnsServers ? askingServers(seen, options.dnsServers) : seen
    this.runtime = runtime
    checkMedia(options)
    this.codecs = chosenCodecs(options, world, warn)
    this.loadCodecs = loadingOnce(this.codecs)
    const { iceServers = [], httpProxy, tls, tlsCa: authorities = tls?.ca, interfaces } = options
    if (interfaces) checkInterfaces(interfaces, runtime.network.interfaces())
    const servers = parseIceServers(iceServers)
    if (options.ice === 'relay' && !servers.some(({ kind }) => kind === 'turn'))
      throw new UsageError('the ICE policy "relay" needs a TURN server: write turn:user:password@host')
    if (options.tls?.rejectUnauthorized === false)
      this.warnings.push(
        'certificates are not verified: whoever is on the way can read and change the signalling',
      )
    this.waiting = new NextCalls(runtime.clock)
    this.watch = new NetworkWatch(runtime.clock, runtime.network)
    this.paths = new MediaPaths({
      runtime,
      watch: this.watch,
      policy: options.ice ?? 'auto',
      servers,
      lite: options.iceLite ?? false,
      tcp: options.iceTcp ?? true,
      ...(interfaces && { interfaces }),
      ...(httpProxy !== undefined && { httpProxy: parseHttpProxy(httpProxy) }),
      ...(authorities !== undefined && { tlsCa: authorities }),
      warn: (message) => {
        if (!this.warnings.includes(message)) this.warnings.push(message)
      },
    })
    this.account = accountOf(options, runtime)
    this.cname = Buffer.from(runtime.random.bytes(12)).toString('base64')
  }

  /** Where this phone listens for SIP. */
  get addresses(): readonly ListeningPoint[] {
    return this.userAgent.addresses
  }

  /** A text message (RFC 3428), in a call (`callId` is then that of the call) or outside of any. Without a handler senders are
   *  told 480. */
  get onMessage(): ((message: TextMessage) => void) | undefined {
    return this.userAgent.onMessage
  }
  set onMessage(handler: ((message: TextMessage) => void) | undefined) {
    this.userAgent.onMessage = handler
  }

  /** What is told unasked, by a NOTIFY outside of any subscription: exchanges tell of mailboxes so. Without a handler senders are
   *  told 481. */
  set onNotify(handler: ((notification: UnsolicitedNotification) => void) | undefined) {
    this.userAgent.onNotify = handler && ((notify) => handler(readUnsolicited(notify)))
  }

  /** Somebody wants us to call somebody, outside of any call. Without a handler that is refused with 603: whoever could refer us
   *  could let us dial at our cost. */
  set onRefer(handler: ((transfer: IncomingTransfer<Call> & { from: string }) => void) | undefined) {
    this.userAgent.onRefer =
      handler &&
      ((refer) => {
        const dialled = dialable(refer, (target) => this.completeTarget(target))
        if (!dialled) return
        const transfer = incomingTransfer<Call>(dialled, (target, options) => this.place(target, options, 1))
        handler({ ...transfer, from: refer.from })
      })
  }

  get registrationState(): RegistrationState | undefined {
    return this.registration?.state
  }

  /** Registers at once: for the first time, again after `unregister`, or sooner than the next try. `onRegistration` tells how it
   *  goes. Rejects with UsageError where there is no account. */
  async register(): Promise<void> {
    const { account, registration } = this
    if (!account) throw new UsageError('a phone without an account has nothing to register')
    if (registration && registration.state.state !== 'unregistered') registration.refresh()
    else await this.beginRegistration(account)
  }

  /** Is not found by callers any more; calls go on, and can be made. */
  async unregister(): Promise<void> {
    await this.registration?.unregister()
  }

  /**
   * Dials. Resolves when the INVITE is out; watch `call.answered`, `call.played`, `call.ended`.
   * @param target "sip:bob@pbx.example", "bob@pbx.example" or, with an account, just "bob"
   */
  async call(target: string, options: DialOptions = {}): Promise<Call> {
    this.refuseWhenStopped()
    const uri = this.completeTarget(target)
    const via = this.server ?? uri
    checkPtime(options)
    const ready = Promise.all([this.towards(via), this.loadCodecs()])
    const [towards] = await ready.finally(() => this.refuseWhenStopped())
    const call = this.createCall('outgoing', { uri: via, address: towards }, options)
    await call.dial(options, (handler, offer) => {
      const session = this.userAgent.invite(uri, handler, {
        ...(this.account && { account: this.account }),
        ...(offer && { offer }),
        ...(options.headers && { headers: options.headers }),
        redirects: options.redirects ?? defaults.redirects,
        ...(options.replaces && { replaces: options.replaces }),
        ...(options.privacy && { privacy: options.privacy }),
        ...(options.referredBy !== undefined && { referredBy: options.referredBy }),
        ...(options.ringTimeoutMs !== undefined && { ringTimeoutMs: options.ringTimeoutMs }),
      })
      this.follow(session.callId, call)
      return session
    })
    return call
  }

  /** The next incoming call; rejects with TimeoutError, or UsageError where the phone stops first. */
  nextCall({ timeoutMs }: { timeoutMs?: Millis } = {}): Promise<Call> {
    // Ready before somebody calls; where that fails, the call tells.
    this.loadCodecs().catch(() => undefined)
    const next = this.waiting.next(timeoutMs)
    if (this.stopped) this.waiting.giveUp(stopped())
    return next
  }

  /**
   * Sends a text message. Resolves with 200 where it has arrived, with 202 where a server keeps it for delivery.
   * Rejects with RequestFailed, TimeoutError, NetworkError or UsageError.
   */
  async message(
    target: string,
    text: string,
    options: { contentType?: string } = {},
  ): Promise<{ status: number }> {
    const body = { contentType: options.contentType ?? 'text/plain', content: text }
    return this.userAgent.message(this.completeTarget(target), body, this.account)
  }

  /**
   * Subscribes to an event of the target and stays subscribed until `stop` (RFC 6665). Without a target: of our own account.
   * Throws UsageError.
   * @param event "message-summary", "dialog", "presence", or another whose bodies are then given as text
   */
  subscribe(target: string | undefined, event: string, options: SubscribeToOptions = {}): Subscription {
    const { account } = this
    if (target === undefined && !account)
      throw new UsageError('a phone without an account has to be told whose events are meant')
    const uri = this.completeTarget(target ?? account?.aor ?? '')
    const accept = options.accept ?? acceptedTypes[event]
    const subscription = this.userAgent.subscribe(uri, event, {
      ...(account && { account }),
      ...(accept && { accept: [...accept] }),
      ...(options.expiresSeconds !== undefined && { expiresSeconds: options.expiresSeconds }),
    })
    return new Subscription(uri, event, subscription)
  }

  /** Sends OPTIONS and tells how the target answered. */
  ping(target: string): Promise<{ status: number; rttMs: Millis }> {
    return this.userAgent.options(this.completeTarget(target))
  }

  /** Hangs every call up, un-registers and closes, within `deadlineMs` (default 2 s). Idempotent. */
  async stop(options: { deadlineMs?: Millis } = {}): Promise<void> {
    if (this.stopped) return
    this.stopped = true
    this.waiting.giveUp(stopped())
    for (const call of [...this.calls]) call.abandon('the phone stopped')
    this.paths.close()
    this.unwatch?.()
    await this.userAgent?.stop({ deadlineMs: options.deadlineMs ?? 2_000 })
    this.capture?.close()
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────

  private async open(): Promise<void> {
    const { options, runtime } = this
    const families = new Set(runtime.network.interfaces().map((i) => i.family))
    const hasCertificate = options.tls?.cert !== undefined && options.tls.key !== undefined
    const protocols = ['udp', 'tcp', ...(hasCertificate ? ['tls' as const] : [])] as const
    const anywhere = families.has(6) ? ['0.0.0.0', '::'] : ['0.0.0.0']
    this.userAgent = await UserAgent.start({
      runtime,
      listen:
        options.listen ??
        anywhere.flatMap((address) => protocols.map((protocol) => ({ protocol, address, port: 0 }))),
      userAgent: options.userAgent ?? 'floe',
      ...(options.tls && { tls: options.tls }),
      ...(options.sessionExpiresSeconds !== undefined && {
        sessionExpiresSeconds: options.sessionExpiresSeconds,
      }),
      record: (fact) => this.onSipFact(fact),
    })
    if (this.stopped) {
      await this.userAgent.stop({ deadlineMs: 0 })
      return
    }
    this.userAgent.callerRules = callerRules(
      options,
      options.register === false ? undefined : this.account?.aor,
      this.userAgent,
      runtime,
    )
    this.userAgent.onInvite = (session) => this.onInvite(session)
    this.userAgent.readiness = () => this.readiness()
    this.unwatch = this.watch.subscribe(() => this.userAgent.networkChanged())
    const ready = this.paths.resolve().then(() => this.gatherAhead())
    await Promise.all([ready, options.codecThreads && this.loadCodecs()])
    // While the registrar or the first callee thinks. Once a process, and not in simulated worlds, whose time is not ours.
    if (runtime.clock === nodeRuntime.clock) runtime.clock.setTimer(0, warmUpOnce)
    if (this.stopped) return
    if (this.account && options.register !== false) await this.beginRegistration(this.account)
  }

  /** A call that comes or is made then finds its candidates ready. */
  private async gatherAhead(): Promise<void> {
    const { account } = this
    const server = this.server ?? account?.aor
    const { network } = this.runtime
    const towards = server === undefined ? undefined : await this.towards(server).catch(() => undefined)
    const own = towards ?? network.interfaces().find((i) => !i.loopback)?.address
    if (own !== undefined) this.paths.gatherAhead(own)
  }

  /** The local address from which requests for that URI leave. */
  private async towards(uri: string): Promise<string> {
    return signallingAddress(await this.userAgent.destinations(uri), this.runtime.network)
  }

  /** Where calls of the account go first now. */
  private get server(): string | undefined {
    return serverInUse(this.account, this.registrationState) ?? this.account?.route?.[0]
  }

  private async beginRegistration(account: Account): Promise<void> {
    const registration = this.userAgent.register(account, {
      expiresSeconds: this.options.registerExpires ?? defaults.registerExpires,
    })
    this.registration = registration
    const registered = firstRegistered(registration, account, (state) => this.onRegistration?.(state))
    if (this.options.register === 'in-background') registered.catch(() => undefined)
    else await registered
  }

  private completeTarget(target: string): string {
    return completeTarget(target, this.account?.aor)
  }

  private createCall(
    direction: 'outgoing' | 'incoming',
    peer: { uri?: string; address: string },
    options: CallOptions,
  ): Call {
    const { runtime, paths } = this
    const trace = new Trace(runtime.clock)
    trace.subscribe((fact) => this.onFact?.(fact))
    for (const message of this.warnings) trace.record({ layer: 'call', type: 'warning', message })
    const isSecure = /^sips:|;transport=(tls|wss)\b/i.test(peer.uri ?? '')
    const { srtp, srtpKeying } = this.options
    const media = new CallMedia({
      runtime,
      pacer: pacerOf(runtime),
      policy: this.options.ice ?? 'auto',
      trickle: this.options.trickle ?? 'half',
      lite: this.options.iceLite ?? false,
      openPath: async (request) => {
        await this.loadCodecs()
        const signalling = request.afresh ? await this.addressTowards(peer) : peer.address
        return paths.open({ ...request, signalling })
      },
      codecs: this.codecs,
      ptimeMs: options.ptimeMs ?? this.options.ptimeMs,
      ...(this.options.telephoneEvents === false && { telephoneEvents: false }),
      ...(this.options.silenceSuppression && { silenceSuppression: true }),
      srtp: {
        policy: srtp ?? (isSecure ? 'prefer' : 'answer'),
        keying: srtpKeying ? [srtpKeying] : isSecure ? ['dtls', 'sdes'] : ['dtls'],
        suites: this.options.srtpSuites ?? defaults.srtpSuites,
        ...this.told,
        certificate: () => (this.certificate ??= createCertificate(runtime.random, runtime.clock.wallTime())),
      },
      silence: options.silence ?? true,
      playoutDelay: this.options.playoutDelay,
      gatherLimitMs: defaults.gatherLimitMs,
      candidateBudgetBytes: /^sips:|;transport=(tcp|tls|wss?)\b/i.test(peer.uri ?? '')
        ? Number.POSITIVE_INFINITY
        : defaults.candidateBudgetBytes,
      cname: this.cname,
      record: trace.record,
    })
    const call = new Call(direction, runtime, media, options, trace, this.watch, (over) => this.forget(over))
    // The registrar, too, may have lost the way to us.
    call.onTrouble = () => this.registration?.refresh()
    call.others = {
      complete: (target) => this.completeTarget(target),
      place: (target, options, hops) => this.place(target, options, hops),
    }
    this.calls.add(call)
    return call
  }

  /** Of what concerns all calls, those that are up and those to come. */
  private warn(message: string): void {
    if (this.warnings.includes(message)) return
    this.warnings.push(message)
    for (const call of this.calls) call.trace.record({ layer: 'call', type: 'warning', message })
  }

  private refuseWhenStopped(): void {
    if (this.stopped) throw stopped()
  }

  /** From where the peer is reached now: the network may have changed since the call began. */
  private async addressTowards(peer: { uri?: string; address: string }): Promise<string> {
    const { network } = this.runtime
    const uri = peer.uri ?? this.server ?? this.account?.aor
    const own = network.interfaces()
    if (peer.uri === undefined && own.some(({ address }) => address === peer.address)) return peer.address
    const towards = uri === undefined ? undefined : await this.towards(uri).catch(() => undefined)
    return towards ?? own.find((i) => !i.loopback)?.address ?? peer.address
  }

  /** A call that a transfer leads to. */
  private async place(target: string, options: DialOptions, hops: number): Promise<Call> {
    const call = await this.call(target, options)
    call.hops = hops
    return call
  }

  private readiness(): number {
    if (this.stopped || (!this.onCall && !this.waiting.isAwaited)) return 480
    const { maximumCalls = callerDefaults.maximumCalls } = this.options
    return this.userAgent.calls.total >= maximumCalls ? 486 : 200
  }

  private onInvite(session: IncomingSession): void {
    const replaced = session.replaces && this.callById.get(session.replaces.callId)
    const taker = replaced?.onReplaced ?? this.waiting.shift() ?? this.onCall
    if (!taker || this.stopped) {
      session.reject(480)
      return
    }
    let call: Call
    try {
      call = this.createCall('incoming', { address: session.localAddress }, {})
    } catch (error) {
      session.reject(500)
      this.warnings.push(`an incoming call was refused: ${error instanceof Error ? error.message : error}`)
      return
    }
    this.follow(session.callId, call)
    call.replaces = replaced
    call.receive(session)
    call.ring()
    taker(call)
  }

  private follow(callId: string, call: Call): void {
    this.callById.set(callId, call)
    for (const fact of this.recent) if ('callId' in fact && fact.callId === callId) call.trace.adopt(fact)
  }

  private forget(call: Call): void {
    this.calls.delete(call)
    // Its last messages (the answer to the BYE, retransmissions) still belong into its trace.
    this.over.push(call.id)
    if (this.over.length > endedCallsFollowed) this.callById.delete(this.over.shift() ?? '')
  }

  private onSipFact(body: SipFact): void {
    const call = 'callId' in body ? this.callById.get(body.callId) : undefined
    if (call) {
      call.trace.record(body)
      return
    }
    const fact: Fact = { at: this.runtime.clock.now(), ...body }
    this.recent.push(fact)
    if (this.recent.length > recentFactsKept) this.recent.shift()
    this.onFact?.(fact)
  }
}
