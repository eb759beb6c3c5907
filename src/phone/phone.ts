// A phone: one SIP user agent, at most one account, any number of calls.
import { codecByName } from '../codec/registry.ts'
import { RegistrationFailed, TimeoutError, UsageError } from '../errors.ts'
import { warmUpIce } from '../ice/warm-up.ts'
import type { TransportAddress } from '../runtime/address.ts'
import { nodeRuntime } from '../runtime/node.ts'
import type { Millis, Runtime } from '../runtime/runtime.ts'
import type { Account, IncomingSession, RegistrationState, SipRegistration } from '../sip/session.ts'
import { UserAgent } from '../sip/user-agent.ts'
import { type Pacer, WheelPacer } from '../stream/pacer.ts'
import type { Fact, SipFact } from '../trace/facts.ts'
import { Trace } from '../trace/trace.ts'
import { Call } from './call.ts'
import { CallMedia } from './call-media.ts'
import { mediaAddresses, signallingAddress } from './media-addresses.ts'
import {
  type CallOptions,
  type DialOptions,
  defaults,
  type PhoneOptions,
  parseStunServer,
  resolveStunServers,
} from './options.ts'

/** SIP facts that came before their call was known: its own INVITE. */
const recentFactsKept = 64
/** Ended calls whose late messages still find their trace. */
const endedCallsFollowed = 64

/** One wheel paces every stream of a process (per clock, so that simulated phones have their own). */
const pacers = new WeakMap<object, Pacer>()
const pacerOf = (runtime: Runtime): Pacer => {
  let pacer = pacers.get(runtime.clock)
  if (!pacer) {
    pacer = new WheelPacer(runtime.clock)
    pacers.set(runtime.clock, pacer)
  }
  return pacer
}

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
  private readonly waiting: ((call: Call) => void)[] = []
  private registration: SipRegistration | undefined
  private stunServers: TransportAddress[] = []
  private readonly warnings: string[] = []
  private readonly cname: string
  private userAgent!: UserAgent
  private stopped = false

  /**
   * Starts listening and registers where there is an account.
   * Rejects with UsageError, NetworkError (address in use) or RegistrationFailed (refused, unreachable, silent).
   */
  static async start(options: PhoneOptions = {}): Promise<Phone> {
    const { signal } = options
    const phone = new Phone(options, options.runtime ?? nodeRuntime)
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
    private readonly runtime: Runtime,
  ) {
    for (const name of options.codecs ?? [])
      if (!codecByName(name))
        throw new UsageError(`codec ${name} is unknown: use ${defaults.codecs.join(' or ')}`)
    for (const server of options.iceServers ?? []) parseStunServer(server)
    this.cname = Buffer.from(runtime.random.bytes(12)).toString('base64')
  }

  /** Where this phone listens for SIP. */
  get addresses(): readonly { protocol: 'udp' | 'tcp'; address: string; port: number }[] {
    return this.userAgent.addresses
  }

  get registrationState(): RegistrationState | undefined {
    return this.registration?.state
  }

  /**
   * Dials. Resolves when the INVITE is out; watch `call.answered`, `call.played`, `call.ended`.
   * @param target "sip:bob@pbx.example", "bob@pbx.example" or, with an account, just "bob"
   */
  async call(target: string, options: DialOptions = {}): Promise<Call> {
    const uri = this.completeTarget(target)
    const towards = await signallingAddress(this.account?.server ?? uri, this.runtime.network)
    const call = this.createCall('outgoing', towards, options)
    await call.dial(options, (handler, offer) => {
      const session = this.userAgent.invite(uri, handler, {
        ...(this.account && { account: this.account }),
        ...(offer && { offer }),
        ...(options.headers && { headers: options.headers }),
        ...(options.ringTimeoutMs !== undefined && { ringTimeoutMs: options.ringTimeoutMs }),
      })
      this.follow(session.callId, call)
      return session
    })
    return call
  }

  /** The next incoming call; rejects with TimeoutError. */
  async nextCall(options: { timeoutMs?: Millis } = {}): Promise<Call> {
    return new Promise((resolve, reject) => {
      const { timeoutMs } = options
      const timer =
        timeoutMs === undefined
          ? undefined
          : this.runtime.clock.setTimer(timeoutMs, () => {
              this.waiting.splice(this.waiting.indexOf(take), 1)
              reject(new TimeoutError(`nobody called within ${timeoutMs / 1000} s`, timeoutMs))
            })
      const take = (call: Call) => {
        timer?.cancel()
        resolve(call)
      }
      this.waiting.push(take)
    })
  }

  /** Sends OPTIONS and tells how the target answered. */
  ping(target: string): Promise<{ status: number; rttMs: Millis }> {
    return this.userAgent.options(this.completeTarget(target))
  }

  /** Hangs every call up, un-registers and closes, within `deadlineMs` (default 2 s). Idempotent. */
  async stop(options: { deadlineMs?: Millis } = {}): Promise<void> {
    if (this.stopped) return
    this.stopped = true
    for (const call of [...this.calls]) call.abandon('the phone stopped')
    await this.userAgent?.stop({ deadlineMs: options.deadlineMs ?? 2_000 })
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────

  private async open(): Promise<void> {
    const { options, runtime } = this
    const families = new Set(runtime.network.interfaces().map((i) => i.family))
    const anywhere = families.has(6) ? ['0.0.0.0', '::'] : ['0.0.0.0']
    this.userAgent = await UserAgent.start({
      runtime,
      listen:
        options.listen ??
        anywhere.flatMap((address) => [
          { protocol: 'udp' as const, address, port: 0 },
          { protocol: 'tcp' as const, address, port: 0 },
        ]),
      userAgent: options.userAgent ?? 'floe',
      record: (fact) => this.onSipFact(fact),
    })
    if (this.stopped) {
      await this.userAgent.stop({ deadlineMs: 0 })
      return
    }
    this.userAgent.onInvite = (session) => this.onInvite(session)
    this.stunServers = await resolveStunServers(options.iceServers ?? [], runtime, (message) =>
      this.warnings.push(message),
    )
    // While the registrar or the first callee thinks. Once a process, and not in simulated worlds, whose time is not ours.
    if (runtime === nodeRuntime) runtime.clock.setTimer(0, warmUpOnce)
    if (this.account && options.register !== false) await this.register(this.account)
  }

  private get account(): Account | undefined {
    const { account, displayName, username, password, server } = this.options
    if (account === undefined) return undefined
    return {
      aor: /^sips?:/i.test(account) ? account : `sip:${account}`,
      ...(displayName !== undefined && { displayName }),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(server !== undefined && { server: /^sips?:/i.test(server) ? server : `sip:${server}` }),
    }
  }

  private async register(account: Account): Promise<void> {
    const registration = this.userAgent.register(account, {
      expiresSeconds: this.options.registerExpires ?? defaults.registerExpires,
    })
    this.registration = registration
    await new Promise<void>((resolve, reject) => {
      let first = true
      registration.onState = (state) => {
        this.onRegistration?.(state)
        if (!first) return
        if (state.state === 'registered') resolve()
        else if (state.state === 'failed')
          reject(
            new RegistrationFailed(
              `${account.aor} could not register: ${state.status} ${state.reason}`,
              state.status,
              state.reason,
            ),
          )
        else return
        first = false
      }
    })
  }

  private completeTarget(target: string): string {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target) && !/^(?!tel:)[^:@]+:\d+$/i.test(target)) return target
    if (target.includes('@')) return `sip:${target}`
    const domain = this.account && /@([^;?]+)/.exec(this.account.aor)?.[1]
    if (domain && !target.includes('.')) return `sip:${target}@${domain}`
    return `sip:${target}`
  }

  private createCall(
    direction: 'outgoing' | 'incoming',
    signallingAddress: string,
    options: CallOptions,
  ): Call {
    const { runtime } = this
    const trace = new Trace(runtime.clock)
    trace.subscribe((fact) => this.onFact?.(fact))
    for (const message of this.warnings) trace.record({ layer: 'call', type: 'warning', message })
    const media = new CallMedia({
      runtime,
      pacer: pacerOf(runtime),
      policy: this.options.ice ?? 'auto',
      stunServers: this.stunServers,
      addresses: mediaAddresses(runtime.network.interfaces(), signallingAddress),
      codecs: this.options.codecs ?? defaults.codecs,
      ptimeMs: this.options.ptimeMs ?? defaults.ptimeMs,
      silence: options.silence ?? true,
      gatherLimitMs: defaults.gatherLimitMs,
      cname: this.cname,
      record: trace.record,
    })
    const call = new Call(direction, runtime, media, options, trace, (over) => this.forget(over))
    this.calls.add(call)
    return call
  }

  private onInvite(session: IncomingSession): void {
    const taker = this.waiting.shift() ?? this.onCall
    if (!taker || this.stopped) {
      session.reject(480)
      return
    }
    let call: Call
    try {
      call = this.createCall('incoming', session.localAddress, {})
    } catch (error) {
      session.reject(500)
      this.warnings.push(`an incoming call was refused: ${error instanceof Error ? error.message : error}`)
      return
    }
    this.follow(session.callId, call)
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
