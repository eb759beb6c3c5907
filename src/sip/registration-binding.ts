// One binding of an account at a registrar (RFC 3261 10.2) and the flow it came over (RFC 5626): refreshed before it expires, at
// the registrar's own interval (423), under the Contact that is seen from outside; where a server is ill another one, or a pause;
// silence after a refusal. Several of these make a registration.
import type { Core } from 'sip.js'
import type { Millis, Timer } from '../runtime/runtime.ts'
import { type AgentContext, type Identity, transactionTimeoutMs } from './agent-context.ts'
import type { Flow } from './flow.ts'
import { FlowKeepAlive } from './flow-keep-alive.ts'
import type { SipResponse } from './message.ts'
import { OwnContact } from './own-contact.ts'
import {
  maximumExpiresSeconds,
  refreshDelayMs,
  refusedPasswordRetryMs,
  retryDelayMs,
} from './refresh-schedule.ts'
import { type RegisterAnswer, readRegisterAnswer } from './register-answer.ts'
import { RegisterExchange } from './register-exchange.ts'
import type { RegistrationFailure } from './session.ts'
import { IncomingResponse } from './sipjs-messages.ts'

const unregisterTimeoutMs: Millis = 4_000
/** Contact URIs of ours that a registrar may still know. */
const maximumEarlier = 16

export type BindingState =
  | { state: 'registering' }
  | { state: 'registered' }
  | { state: 'failed'; status: number; reason: string; retryInMs?: number }
  | { state: 'unregistered' }

export interface BindingOptions {
  /** As who, at that server. */
  identityAt: (server: string) => Identity
  /** The Request-URI: the domain of the address of record. */
  registrar: string
  /** Where REGISTER is sent, the next where one fails. */
  servers: readonly string[]
  /** RFC 5626 4.2: the number of this flow among those of the instance. */
  regId: number
  instanceId: string
  expiresSeconds: number
  /** Whether calls reach us over another flow meanwhile. */
  othersUp: () => boolean
  onChange: (binding: RegistrationBinding) => void
}

export class RegistrationBinding {
  state: BindingState = { state: 'registering' }
  /** What the registrar said last. */
  answer: RegisterAnswer | undefined
  /** `at`: wall-clock ms. */
  lastFailure: { status: number; reason: string; at: number } | undefined
  rttMs: Millis | undefined
  refreshAt: Millis | undefined
  flow: Flow | undefined
  keepAlive: FlowKeepAlive | undefined
  readonly contact: OwnContact

  private readonly exchange: RegisterExchange
  private failures = 0
  private expiresSeconds: number
  private servers: readonly string[]
  /** Which of the servers, and how many of them have failed one after the other. */
  private place = 0
  private failedServers = 0
  private timer: Timer | undefined
  /** The registrar has, or may still have, a binding of ours until then; undefined before the first. */
  private boundUntil: Millis | undefined
  /** Was asked for while a REGISTER was under way. */
  private refreshAgain = false
  /** An old connection may fail: another one is tried at once. */
  private mayReconnect = false
  /** RFC 5626 11.6: the first hop cannot. */
  private withoutOutbound = false
  /** Seen from another address than when the keep-alive began. */
  private moved = false
  /** A flow has been found dead. */
  private wary = false
  /** Contacts that we have registered, and what of them is to be removed. */
  private readonly earlier = new Set<string>()
  private removing: readonly string[] = []
  private onFinal: (() => void) | undefined
  private onAbandoned: (() => void) | undefined
  private unregistering: Promise<void> | undefined

  constructor(
    private readonly context: AgentContext,
    private readonly options: BindingOptions,
  ) {
    this.expiresSeconds = options.expiresSeconds
    this.servers = options.servers
    this.contact = new OwnContact(this.identity.user, options.instanceId, /^sips:/i.test(options.registrar))
    this.exchange = new RegisterExchange(context, options.registrar)
    this.register(this.expiresSeconds)
  }

  get server(): string {
    return this.servers[this.place]!
  }

  /** Other servers have flows of their own (RFC 5626). */
  stayHere(): void {
    this.servers = [this.server]
    this.place = 0
  }

  /** As who requests go there, but for what the registrar tells. */
  get identity(): Identity {
    return this.options.identityAt(this.server)
  }

  get regId(): number {
    return this.options.regId
  }

  /** REGISTER now: the way to us may have changed. */
  refresh(): void {
    this.contact.forget()
    this.renew()
  }

  private renew(): void {
    if (this.unregistering || (this.state.state === 'failed' && this.state.retryInMs === undefined)) return
    this.failedServers = 0
    if (this.exchange.inFlight) {
      this.refreshAgain = true
      return
    }
    // Over UDP the REGISTER itself tells.
    if (this.flow?.protocol !== 'udp') this.keepAlive?.check()
    if (this.state.state === 'failed') this.become({ state: 'registering' })
    this.again()
  }

  /** The registrar reaches us over that connection alone (RFC 5626 4.4): register anew, over another. */
  flowClosed(flow: Flow): void {
    if (flow !== this.flow) return
    this.loseFlow()
    // A REGISTER under way fails with its connection, and mends this.
    if (this.state.state !== 'registered' || this.unregistering || this.exchange.inFlight) return
    this.retryLater(unanswered(503, `the connection to ${this.server} was closed`))
  }

  /** A datagram that is no SIP. */
  foreign(data: Uint8Array, { remote }: Flow): void {
    const far = this.keepAlive?.flow.remote
    if (far?.address === remote.address && far.port === remote.port) this.keepAlive?.receive(data)
  }

  unregister(): Promise<void> {
    this.unregistering ??= this.removeBinding()
    return this.unregistering
  }

  /** Nothing more is sent. */
  abandon(): void {
    this.stopTimers()
    this.onFinal = undefined
    this.onAbandoned?.()
    if (this.state.state !== 'failed') this.become({ state: 'unregistered' })
  }

  private async removeBinding(): Promise<void> {
    this.stopTimers()
    if (!this.exchange.inFlight && (this.boundUntil ?? 0) <= this.context.clock.now())
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
      if (this.exchange.inFlight) this.onFinal = remove
      else remove()
    })
    this.onFinal = undefined
    done()
    this.become({ state: 'unregistered' })
  }

  private become(state: BindingState): void {
    if (state.state === 'unregistered' && this.state.state === 'unregistered') return
    this.state = state
    this.options.onChange(this)
  }

  /** A refresh, due or not: where its connection turns out to be dead, over a new one. */
  private again(): void {
    this.mayReconnect = true
    this.register(this.expiresSeconds)
  }

  private register(expiresSeconds: number): void {
    this.timer?.cancel()
    this.refreshAt = undefined
    let sent: string | undefined
    this.exchange.send({
      server: this.server,
      identity: this.identity,
      headers: () => {
        sent = this.contact.explicitUri
        return this.headers(expiresSeconds)
      },
      onResponse: ({ flow, wire }, rttMs) => {
        this.rttMs = rttMs
        sent ??= this.contact.uriOver(flow)
        // Where the server challenges first, it has seen us before it is told our contact.
        if (this.contact.learn(flow, wire.topVia)) this.moved = true
      },
      onFinal: (message, problem) => this.receive(message, problem, expiresSeconds, sent ?? ''),
    })
  }

  private headers(expiresSeconds: number): string[] {
    const { instanceId, regId } = this.options
    const flow = this.withoutOutbound ? '' : `;reg-id=${regId}`
    const own = `<${this.contact.uri}>;+sip.instance="<${instanceId}>"${flow};expires=${expiresSeconds}`
    return [
      // One line, ours first: the wire puts its address there.
      `Contact: ${[own, ...this.removing.map((uri) => `<${uri}>;expires=0`)].join(', ')}`,
      `Expires: ${expiresSeconds}`,
      `Supported: path, gruu${this.withoutOutbound ? '' : ', outbound'}`,
    ]
  }

  private receive(
    message: Core.IncomingResponseMessage,
    problem: string | undefined,
    askedSeconds: number,
    sent: string,
  ): void {
    if (this.onFinal) {
      this.onFinal()
      return
    }
    if (this.unregistering) return
    if (!(message instanceof IncomingResponse)) this.unanswered(message)
    else if (message.wire.status < 300) this.accepted(message, askedSeconds, sent)
    else this.refused(message.wire, problem)
    if (this.refreshAgain && !this.exchange.inFlight) this.again()
    this.refreshAgain = false
  }

  // ---- accepted --------------------------------------------------------------------------------------------------------

  private accepted({ wire, flow }: IncomingResponse, askedSeconds: number, sent: string): void {
    const { instanceId } = this.options
    const { earlier, contact, identity } = this
    const own = {
      contact: sent,
      user: identity.user,
      rinstance: contact.rinstance,
      instanceId,
      earlier,
    }
    const answer = readRegisterAnswer(wire, own, askedSeconds)
    if (answer.expiresSeconds === 0) {
      this.retryLater({ status: 200, reason: 'the registrar granted no time' })
      return
    }
    const first = this.boundUntil === undefined
    this.answer = answer
    this.failures = 0
    this.failedServers = 0
    this.mayReconnect = false
    this.flow = flow
    this.boundUntil = this.context.clock.now() + answer.expiresSeconds * 1000
    if (this.correct(answer, sent, first)) return
    this.scheduleRefresh(refreshDelayMs(answer.expiresSeconds, this.context.random))
    this.keepFlowAlive(flow, answer.keepAliveSeconds)
    this.become({ state: 'registered' })
  }

  /** Registers once more at once where the contact just registered is not where we are seen, or where one of ours is left that
   *  nobody answers any more: after a change of address, or a crash. A registrar with outbound does all that itself. */
  private correct(answer: RegisterAnswer, sent: string, first: boolean): boolean {
    const { contact, earlier, removing } = this
    this.removing = []
    earlier.delete(sent)
    if (earlier.size >= maximumEarlier) earlier.delete(earlier.values().next().value!)
    earlier.add(sent)
    contact.rewrites = !answer.outbound
    if (answer.outbound) return false
    // Else it has replaced the address by itself.
    const isListed = answer.contact === undefined || answer.contact === sent
    const misplaced = isListed && contact.explicitUri !== undefined && contact.explicitUri !== sent
    const left = answer.left.filter((uri) => (first || earlier.has(uri)) && !removing.includes(uri))
    if (misplaced && answer.contact !== undefined) left.push(sent)
    if (!misplaced && left.length === 0) return false
    this.removing = left
    this.register(this.expiresSeconds)
    return true
  }

  private keepFlowAlive(flow: Flow, askedSeconds: number | undefined): void {
    const known = this.keepAlive?.flow
    if (known && isSameFlow(known, flow) && !this.moved) {
      this.keepAlive?.ask(askedSeconds)
      return
    }
    this.moved = false
    this.keepAlive?.stop()
    this.keepAlive = new FlowKeepAlive(this.context, flow, askedSeconds, this.wary, (reason) => {
      this.wary = true
      this.failed(unanswered(503, reason))
      this.loseFlow()
      if (flow.protocol !== 'udp') this.context.dropFlow(flow)
      this.become({ state: 'registering' })
      this.renew()
    })
  }

  private loseFlow(): void {
    this.flow = undefined
    this.keepAlive?.stop()
    this.keepAlive = undefined
  }

  // ---- refused, or not answered ----------------------------------------------------------------------------------------

  private refused(wire: SipResponse, problem: string | undefined): void {
    const { status } = wire
    const minimum = wire.number('Min-Expires') ?? 0
    if (status === 423 && minimum > this.expiresSeconds && minimum <= maximumExpiresSeconds) {
      this.expiresSeconds = minimum
      this.register(minimum)
      return
    }
    if (status === 439 && !this.withoutOutbound) {
      this.withoutOutbound = true
      this.register(this.expiresSeconds)
      return
    }
    const reason = problem ?? (wire.reason || 'refused')
    const retryAfter = Number.parseInt(wire.get('Retry-After') ?? '', 10)
    const atLeastMs = Number.isFinite(retryAfter) ? retryAfter * 1000 : 0
    const failure = { status, reason }
    if (status === 408 || status === 429 || status >= 500) this.retryLater(failure, atLeastMs)
    // A refusal does not improve by asking again, and locks accounts; but a registrar that starts up may not know us yet.
    else if (this.boundUntil !== undefined)
      this.pause(failure, problem === undefined ? atLeastMs : refusedPasswordRetryMs)
    else {
      this.failed(failure)
      this.become({ state: 'failed', ...failure })
    }
  }

  private unanswered(message: Core.IncomingResponseMessage): void {
    const status = message.statusCode ?? 0
    const { flow } = this
    this.loseFlow()
    if (this.mayReconnect && status !== 408) {
      this.mayReconnect = false
      this.register(this.expiresSeconds)
      return
    }
    // A connection over which nothing comes back leads nowhere; the next try opens another.
    if (status === 408 && flow && flow.protocol !== 'udp') this.context.dropFlow(flow)
    const silent = `${this.server} did not answer within ${transactionTimeoutMs / 1000} s`
    const reason = status === 408 ? silent : (message.reasonPhrase ?? 'it could not be sent')
    this.retryLater(unanswered(status, reason))
  }

  private failed(failure: Failure): void {
    this.lastFailure = { ...failure, at: this.context.clock.wallTime() }
  }

  /** The next server at once; where all have had their turn, after a pause. */
  private retryLater(failure: Failure, atLeastMs: Millis = 0): void {
    const { servers } = this
    this.place = (this.place + 1) % servers.length
    if (++this.failedServers >= servers.length) {
      this.pause(failure, atLeastMs)
      return
    }
    this.failed(failure)
    this.contact.forget()
    this.become({ state: 'registering' })
    this.register(this.expiresSeconds)
  }

  private pause(failure: Failure, atLeastMs: Millis): void {
    this.failed(failure)
    this.failedServers = 0
    const delayMs = retryDelayMs(this.failures++, this.context.random, this.options.othersUp())
    const retryInMs = Math.min(Math.max(delayMs, atLeastMs), maximumExpiresSeconds * 1000)
    this.schedule(retryInMs, () => {
      this.become({ state: 'registering' })
      this.register(this.expiresSeconds)
    })
    this.become({ state: 'failed', ...failure, retryInMs })
  }

  // ---- time ------------------------------------------------------------------------------------------------------------

  private scheduleRefresh(delayMs: Millis): void {
    this.schedule(delayMs, () => this.again())
    this.refreshAt = this.context.clock.now() + delayMs
  }

  private schedule(delayMs: Millis, run: () => void): void {
    this.timer?.cancel()
    this.timer = this.context.clock.setTimer(delayMs, () => this.context.guard('REGISTER', run))
  }

  private stopTimers(): void {
    this.timer?.cancel()
    this.keepAlive?.stop()
    this.keepAlive = undefined
  }
}

type Failure = Omit<RegistrationFailure, 'at'>

const unanswered = (status: number, reason: string): Failure => ({ status, reason, unanswered: true })

const isSameFlow = (a: Flow, b: Flow): boolean =>
  a === b ||
  (a.protocol === 'udp' &&
    b.protocol === 'udp' &&
    a.local.port === b.local.port &&
    a.sentBy.address === b.sentBy.address &&
    a.remote.address === b.remote.address &&
    a.remote.port === b.remote.port)
