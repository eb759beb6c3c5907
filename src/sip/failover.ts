// A request that has several servers to go to (RFC 3263 4.3): one after the other, each with a branch of its own, until one
// answers with anything but 503. RFC 3263 waits for a server until its transaction times out, which is 32 s: longer than a person
// holds a telephone. Here the next server is asked as well when one has been silent for 4 s, four datagrams over UDP: the same
// fork in time as a forking proxy makes (RFC 3261 16.7), and ended like one: the first answer counts, the others are cancelled.
import { NetworkError } from '../errors.ts'
import type { Clock, Millis, Timer } from '../runtime/runtime.ts'
import type { Flow, Hop } from './flow.ts'
import { formatVia } from './header-values.ts'
import { SipRequest, type SipResponse } from './message.ts'
import { evictOldest, rfc3261Timers, ringingLifetimeMs, transactionLifetimeMs } from './reliability.ts'
import type { ServerLiveness } from './server-liveness.ts'

/** Without any answer: T1 of 500 ms has a request sent at 0, 0.5, 1.5 and 3.5 s. */
const silenceMs: Millis = 4_000
/** For a connection to open, or for a server that was silent the last time. */
const shortPatienceMs: Millis = 1_000
const maximumSearches = 16_384
const lifetimeMs: Millis = transactionLifetimeMs(rfc3261Timers)

export interface FailoverOutlet {
  /** Sends over that hop, unless it is no longer wanted when a connection has opened. */
  send(request: SipRequest, hop: Hop, fate: AttemptFate): void
  /** Sends an ACK or CANCEL the way its INVITE went. */
  followUp(request: SipRequest): void
  /** Repeats that request no more. */
  quiet(branch: string, method: string): void
  deliver(response: SipResponse, flow: Flow): void
  fail(branch: string, method: string, error: Error): void
}

export interface AttemptFate {
  isWanted(): boolean
  onSent(): void
  onFailed(error: Error): void
}

interface Attempt {
  readonly hop: Hop
  readonly request: SipRequest
  readonly branch: string
  /** `quiet`: nothing came, and another server has answered. */
  state: 'calling' | 'heard' | 'ringing' | 'quiet' | 'answered' | 'failed'
  sent: boolean
  /** Another one has been tried since. */
  passedOver: boolean
}

interface Search {
  /** As the user agent knows it, which is also that of the first attempt. */
  readonly branch: string
  readonly request: SipRequest
  left: Hop[]
  readonly attempts: Attempt[]
  /** A final response, or a failure, has been handed up; or nobody waits for one. */
  over: boolean
  /** Whose final response went up: the ACK goes there. */
  answered?: Attempt
  held?: { response: SipResponse; flow: Flow; attempt: Attempt }
  error?: Error
  cancelAnswered?: boolean
  patience?: Timer | undefined
  end: Timer
}

export class Failover {
  private readonly searches = new Map<string, Search>()
  /** By the branch of each attempt. */
  private readonly byBranch = new Map<string, { search: Search; attempt: Attempt }>()

  constructor(
    private readonly clock: Clock,
    private readonly liveness: ServerLiveness,
    private readonly outlet: FailoverOutlet,
  ) {}

  /** Those that are not down first. */
  inOrder(hops: readonly Hop[]): Hop[] {
    return this.liveness.inOrder(hops)
  }

  /** @param hops all servers, best first */
  start(request: SipRequest, hops: readonly Hop[]): void {
    const ordered = hops.length > 1 ? this.liveness.inOrder(hops) : hops
    if (ordered.length > 1 && request.method !== 'ACK') this.search(request, [...ordered])
    else this.sendAlone(request, ordered)
  }

  /** One server; or an ACK to a 2xx, which nobody answers: the next one where a connection fails. */
  private sendAlone(request: SipRequest, [hop, ...others]: readonly Hop[]): void {
    const onFailed = (error: Error): void => {
      if (others.length > 0) this.sendAlone(request, others)
      else this.outlet.fail(branchOf(request), request.method, error)
    }
    this.outlet.send(request, hop!, { isWanted: () => true, onSent: () => undefined, onFailed })
  }

  /** Puts the branch of its INVITE's attempt into an ACK to a non-2xx or a CANCEL of the user agent. */
  follow(request: SipRequest): void {
    const search = this.searches.get(branchOf(request))
    if (search?.request.method !== 'INVITE') return
    if (request.method === 'ACK' && search.answered) setBranch(request, search.answered.branch)
    if (request.method !== 'CANCEL') return
    const [first, ...others] = search.attempts.filter(isProceeding)
    this.stopTrying(search.branch)
    this.quieten(search)
    if (first) setBranch(request, first.branch)
    for (const other of others) this.cancel(other)
  }

  /** Nobody waits for that INVITE any more. Returns the branches under which it was sent; undefined where it is none of these. */
  giveUp(branch: string): string[] | undefined {
    const search = this.searches.get(branch)
    if (!search) return undefined
    this.conclude(search)
    return search.attempts.filter(({ sent }) => sent).map((attempt) => attempt.branch)
  }

  /** The next server would ring for somebody who has hung up. */
  stopTrying(branch: string): void {
    const search = this.searches.get(branch)
    if (!search) return
    search.patience?.cancel()
    search.left = []
  }

  /** A connection has gone before its transaction was over. False where the request is none of these. */
  lost(branch: string, method: string, error: Error): boolean {
    const found = this.byBranch.get(branch)
    if (found?.search.request.method !== method) return false
    this.attemptFailed(found.search, found.attempt, error)
    return true
  }

  /** A response that is no repetition. False where its request is none of these. */
  received(response: SipResponse, flow: Flow): boolean {
    const found = this.byBranch.get(branchOf(response))
    if (!found) return false
    const { search, attempt } = found
    if (response.cseq.method !== search.request.method) {
      // CANCELs that the user agent knows nothing of are answered, too.
      if (!search.cancelAnswered) this.deliver(search, response, flow)
      search.cancelAnswered ||= response.status >= 200
      return true
    }
    this.learn(attempt.hop, response)
    if (response.status < 200) this.provisional(search, attempt, response, flow)
    else this.final(search, attempt, response, flow)
    return true
  }

  stop(): void {
    for (const search of this.searches.values()) this.forget(search)
  }

  // ---- trying ----------------------------------------------------------------------------------------------------------

  private search(request: SipRequest, hops: Hop[]): void {
    const branch = branchOf(request)
    const end = this.clock.setTimer(2 * lifetimeMs, () => this.expire(search))
    const search: Search = { branch, request, left: hops, attempts: [], over: false, end }
    const evicted = evictOldest(this.searches, maximumSearches)
    if (evicted) this.forget(evicted)
    this.searches.set(branch, search)
    this.next(search)
  }

  private next(search: Search): void {
    search.patience?.cancel()
    const hop = search.left.shift()
    if (!hop) {
      this.nothingLeft(search)
      return
    }
    const ordinal = search.attempts.length
    const branch = ordinal === 0 ? search.branch : `${search.branch}-${ordinal}`
    const attempt: Attempt = {
      hop,
      branch,
      request: ordinal === 0 ? search.request : withBranch(search.request, branch),
      state: 'calling',
      sent: false,
      passedOver: false,
    }
    search.attempts.push(attempt)
    this.byBranch.set(branch, { search, attempt })
    const isConnection = hop.protocol !== 'udp'
    const wait = (patienceMs: Millis): void => {
      search.patience?.cancel()
      if (search.left.length === 0) return
      search.patience = this.clock.setTimer(patienceMs, () => this.silent(search, attempt))
    }
    wait(isConnection || this.liveness.isDoubtful(hop) ? shortPatienceMs : silenceMs)
    this.outlet.send(attempt.request, hop, {
      isWanted: () => !search.over && attempt.state === 'calling',
      onSent: () => {
        attempt.sent = true
        // What was passed over before it left is of no use any more.
        for (const other of search.attempts)
          if (other.state === 'calling' && !other.sent && other.passedOver) other.state = 'quiet'
        if (isConnection && !attempt.passedOver) wait(silenceMs)
      },
      onFailed: (error) => this.attemptFailed(search, attempt, error),
    })
  }

  private silent(search: Search, attempt: Attempt): void {
    attempt.passedOver = true
    this.liveness.failed(attempt.hop)
    this.next(search)
  }

  private attemptFailed(search: Search, attempt: Attempt, error: Error): void {
    if (attempt.state === 'answered' || attempt.state === 'failed') return
    const wasRinging = attempt.state === 'ringing'
    attempt.state = 'failed'
    this.liveness.failed(attempt.hop)
    search.error = error
    if (search.over) return
    // Somebody's telephone rings; to have another one ring as well would be worse than to say so.
    if (wasRinging) this.fail(search)
    else if (!attempt.passedOver) this.next(search)
    else if (search.left.length === 0) this.nothingLeft(search)
  }

  /** Whoever has not said no is waited for; but not for long where another one has. */
  private nothingLeft(search: Search): void {
    const { held } = search
    const giveUp = (): void => {
      if (held) this.conclude(search, held.attempt, held.response, held.flow)
      else this.fail(search)
    }
    if (!search.attempts.some(isUnderWay)) giveUp()
    else if (held) search.patience = this.clock.setTimer(silenceMs, giveUp)
  }

  private fail(search: Search): void {
    const { attempts, request, branch, error } = search
    this.conclude(search)
    const last = error ?? new NetworkError(`${request.uriText} was not reached`, request.uriText)
    const all = `none of ${attempts.length} servers was reached; the last one: ${last.message}`
    const told = attempts.length > 1 ? new NetworkError(all, request.uriText, { cause: last }) : last
    this.outlet.fail(branch, request.method, told)
  }

  // ---- answers ---------------------------------------------------------------------------------------------------------

  private learn(hop: Hop, response: SipResponse): void {
    const retryAfter = Number.parseInt(response.get('Retry-After') ?? '', 10)
    if (response.status !== 503) this.liveness.answered(hop)
    else if (retryAfter > 0) this.liveness.leaveAlone(hop, retryAfter * 1_000)
  }

  private provisional(search: Search, attempt: Attempt, response: SipResponse, flow: Flow): void {
    const isLate = search.over || attempt.state === 'quiet'
    if (attempt.state !== 'answered') attempt.state = response.status > 100 ? 'ringing' : 'heard'
    if (isLate) {
      if (search.request.method === 'INVITE') this.cancel(attempt)
      return
    }
    search.patience?.cancel()
    this.quieten(search, attempt)
    this.deliver(search, response, flow)
  }

  private final(search: Search, attempt: Attempt, response: SipResponse, flow: Flow): void {
    const { status } = response
    const isInvite = search.request.method === 'INVITE'
    attempt.state = 'answered'
    // Whoever calls hangs a second 2xx up, as he does with those of a forking proxy.
    if (isInvite && status < 300 && search.over) this.deliver(search, response, flow)
    else if (search.over) this.acknowledge(attempt, response)
    else if (status === 503 && (search.left.length > 0 || search.attempts.some(isUnderWay)))
      this.hold(search, attempt, response, flow)
    else if (isInvite && status >= 300 && search.attempts.some(isProceeding))
      this.hold(search, attempt, response, flow)
    else this.conclude(search, attempt, response, flow)
  }

  private hold(search: Search, attempt: Attempt, response: SipResponse, flow: Flow): void {
    this.acknowledge(attempt, response)
    if (!search.held || search.held.response.status === 503) search.held = { response, flow, attempt }
    if (!search.attempts.some(isProceeding)) this.next(search)
  }

  /** Nothing is tried any more; the response, where there is one, is the last word on it. */
  private conclude(search: Search, attempt?: Attempt, response?: SipResponse, flow?: Flow): void {
    search.patience?.cancel()
    search.left = []
    if (!search.over) {
      search.end.cancel()
      search.end = this.clock.setTimer(lifetimeMs, () => this.forget(search))
    }
    search.over = true
    this.quieten(search, attempt)
    if (!attempt || !response || !flow) return
    search.answered = attempt
    for (const other of search.attempts)
      if (other !== attempt && isProceeding(other) && search.request.method === 'INVITE') this.cancel(other)
    this.deliver(search, response, flow)
  }

  private quieten(search: Search, but?: Attempt): void {
    for (const attempt of search.attempts) {
      if (attempt === but || attempt.state !== 'calling') continue
      attempt.state = 'quiet'
      if (attempt.sent) this.outlet.quiet(attempt.branch, search.request.method)
    }
  }

  private deliver(search: Search, response: SipResponse, flow: Flow): void {
    setBranch(response, search.branch)
    this.outlet.deliver(response, flow)
  }

  private acknowledge(attempt: Attempt, response: SipResponse): void {
    if (attempt.request.method === 'INVITE' && response.status >= 300)
      this.outlet.followUp(followUp(attempt.request, 'ACK', response.get('To') ?? ''))
  }

  private cancel(attempt: Attempt): void {
    this.outlet.followUp(followUp(attempt.request, 'CANCEL', attempt.request.get('To') ?? ''))
  }

  // ---- the end ---------------------------------------------------------------------------------------------------------

  private expire(search: Search): void {
    const rings = search.request.method === 'INVITE' && search.attempts.some(isProceeding)
    if (rings) search.end = this.clock.setTimer(ringingLifetimeMs, () => this.forget(search))
    else this.forget(search)
  }

  private forget(search: Search): void {
    search.patience?.cancel()
    search.end.cancel()
    if (this.searches.get(search.branch) === search) this.searches.delete(search.branch)
    for (const { branch } of search.attempts) this.byBranch.delete(branch)
  }
}

const isProceeding = ({ state }: Attempt): boolean => state === 'heard' || state === 'ringing'
const isUnderWay = (attempt: Attempt): boolean => attempt.state === 'calling' || isProceeding(attempt)

const branchOf = (message: SipRequest | SipResponse): string => message.topVia.params.get('branch') ?? ''

function setBranch(message: SipRequest | SipResponse, branch: string): void {
  const via = message.topVia
  if (via.params.get('branch') === branch) return
  message.replaceFirst('Via', formatVia({ ...via, params: new Map(via.params).set('branch', branch) }))
}

function withBranch(request: SipRequest, branch: string): SipRequest {
  const copy = new SipRequest(request.method, request.uriText, request.headers.slice(), request.body)
  setBranch(copy, branch)
  return copy
}

/** RFC 3261 9.1, 17.1.1.3. */
function followUp(invite: SipRequest, method: 'ACK' | 'CANCEL', to: string): SipRequest {
  const kept = invite.headers.filter(({ name }) =>
    ['From', 'Call-ID', 'Route', 'Max-Forwards'].includes(name),
  )
  const via = invite.headers.find(({ name }) => name === 'Via')!
  return new SipRequest(method, invite.uriText, [
    via,
    ...kept,
    { name: 'To', value: to },
    { name: 'CSeq', value: `${invite.cseq.sequence} ${method}` },
    { name: 'Content-Length', value: '0' },
  ])
}
