// Connectivity checks of all streams (RFC 8445 6 to 8): which check goes out when, what a request or a response changes,
// nomination, the end of it, and consent afterwards. Bytes are check-message.ts, answering the peer's requests is
// incoming-checks.ts, retransmitting ours outgoing-checks.ts.
import type { KeyObject } from 'node:crypto'
import { sameAddress, type TransportAddress } from '../runtime/address.ts'
import type { Datagram, Deadline } from '../runtime/core.ts'
import type { Millis, Random } from '../runtime/runtime.ts'
import { shortTermKey } from '../stun/integrity.ts'
import { type StunMessage, transactionIdLengthBytes, transactionKey } from '../stun/message.ts'
import { errorCode } from '../stun/numbers.ts'
import type { IceFact } from '../trace/facts.ts'
import { type Base, type Candidate, type Component, checkPriority, type RemoteIce } from './candidate.ts'
import { keepaliveIntervalMs, type Role, writeKeepalive } from './check-message.ts'
import {
  limitPairs,
  nextOrdinaryCheck,
  priorityOf,
  unfreezeFoundation,
  unfreezeIdleFoundations,
} from './checklist.ts'
import { Consent } from './consent.ts'
import type { IceEvent, IceState } from './events.ts'
import { answerCheck, pairOfCheck } from './incoming-checks.ts'
import type { LocalCandidates } from './local-candidates.ts'
import { chooseNomination } from './nomination.ts'
import { type Check, type CheckOutcome, type CheckPurpose, OutgoingChecks } from './outgoing-checks.ts'
import type { CandidatePair } from './pair.ts'
import { candidateFact, failureReason, pairFact, pairOutcomeFact } from './report.ts'
import { type ArrivedCheck, type ComponentState, type IceStream, stateOf } from './stream.ts'
import { checkTiming, defaultTuning, type Tuning } from './tuning.ts'

/** Between two triggered checks of one pair; the first waits for nothing. Longer would cost time where packets are lost. */
const triggerIntervalMs = 20
/** RFC 8445 16.1: 64 bits. */
const highestTieBreaker = 2n ** 64n - 1n

/** Some agents (pion) know no role conflict: they go on claiming the role that RFC 8445 7.3.1.1 has refused them. Longer than
 *  most round trips, in which older claims still arrive, and soon enough for those that give up after seven checks. */
const stubbornAfterMs = 500

export interface CheckingOptions {
  role: Role
  /** RFC 8445 2.5: answers checks and makes none. */
  lite?: boolean
  random: Random
  parameters: { ufrag: string; pwd: string }
  locals: LocalCandidates
  tuning: Partial<Tuning>
  emit: (event: IceEvent) => void
  record: (fact: IceFact) => void
}

export class Checking {
  readonly streams: IceStream[] = []
  state: IceState = 'new'
  role: Role
  /** The role is what a conflict made of it. */
  hasSwitchedRole = false
  private tieBreaker: bigint
  private readonly key: KeyObject
  private readonly tuning: Tuning
  private readonly outgoing = new OutgoingChecks()
  /** RFC 8445 6.1.4.2: when the timer Ta lets the next ordinary check go. */
  private nextOrdinaryAt: Millis = Number.NEGATIVE_INFINITY
  /** The first check of the peer that met 487, as long as none has been accepted since. */
  private refusedClaim: { at: Millis; transaction: string } | undefined

  constructor(private readonly options: CheckingOptions) {
    this.role = options.role
    this.tieBreaker = this.drawTieBreaker()
    this.key = shortTermKey(options.parameters.pwd)
    this.tuning = { ...defaultTuning, ...options.tuning }
  }

  // ── what the owner says ──────────────────────────────────────────────────────────────────────

  setRole(now: Millis, role: Role): void {
    if (role === this.role) return
    this.role = role
    for (const stream of this.streams) {
      stream.checklist.reorder(role === 'controlling')
      for (const state of stream.components.values()) {
        state.nominating = undefined
        state.nominateAt = undefined
      }
    }
    this.settle(now)
  }

  setRemote(now: Millis, stream: IceStream, remote: RemoteIce): void {
    // An ICE restart (RFC 8445 9), or another fork, is another agent's: this session goes on as it is.
    if (stream.remote && stream.remote.ufrag !== remote.ufrag) return
    // RFC 8445 6.1.1: towards a lite peer the full agent controls.
    if (remote.lite) this.setRole(now, 'controlling')
    if (remote.endOfCandidates) stream.endOfCandidates = true
    const known = stream.remote !== undefined
    stream.remote ??= { ufrag: remote.ufrag, key: shortTermKey(remote.pwd), lite: remote.lite }
    if (remote.pacingMs !== undefined) this.tuning.taMs = Math.max(this.tuning.taMs, remote.pacingMs)
    const added = stream.addRemoteCandidates(remote.candidates)
    for (const candidate of added) this.options.record(candidateFact('remote', candidate))
    if (!known) {
      stream.patienceEndsAt = now + this.tuning.patienceMs
      // RFC 8445 6.1.2.2: the smaller number of components counts.
      if (added.some((c) => c.component === 1) && !added.some((c) => c.component === 2))
        stream.dropComponent(2)
    }
    this.formPairs(stream, added)
    if (this.options.lite && remote.lite) this.takeUnchecked(now, stream)
    for (const early of stream.earlyChecks.splice(0)) {
      if (early.check.ufrag === remote.ufrag) this.acceptCheck(now, stream, early)
    }
    this.settle(now)
    this.sendOrdinaryChecks(now)
  }

  /** A socket came after the peer's description. */
  localAdded(now: Millis, stream: IceStream): void {
    if (!stream.remote) return
    this.formPairs(stream, stream.remoteCandidates)
    this.settle(now)
    this.sendOrdinaryChecks(now)
  }

  /** Trickled in (RFC 8838 11): further candidates of the peer whose credentials are known. */
  addRemoteCandidates(
    now: Millis,
    stream: IceStream,
    candidates: readonly Candidate[],
    endOfCandidates = false,
  ): void {
    if (!stream.remote) return
    if (endOfCandidates) stream.endOfCandidates = true
    const added = stream.addRemoteCandidates(candidates)
    for (const candidate of added) this.options.record(candidateFact('remote', candidate))
    this.formPairs(stream, added)
    this.settle(now)
    this.sendOrdinaryChecks(now)
  }

  /** Whether the peer still answers on the pair in use; the event 'probe' tells within about a second. */
  probe(now: Millis, stream: IceStream, component: Component): void {
    if (this.options.lite) return
    const pair = stream.components.get(component)?.inUse
    if (pair) this.sendCheck(now, pair, 'probe')
    else this.options.emit({ type: 'probe', stream: stream.index, component, alive: false })
  }

  /** The peer has our description now: a check that came before its own could open its NAT was lost, and need not wait for its
   *  timer. */
  peerIsReady(now: Millis): void {
    this.outgoing.repeat(now)
  }

  /** A base has gone with its interface, or its relay with its server: its pairs fail, and others are taken. */
  baseGone(now: Millis, base: Base, reason: string): void {
    this.closePairs(now, base, reason, () => true)
  }

  /** A TURN server does not relay to this IP address. */
  peerRefused(now: Millis, base: Base, peer: TransportAddress, reason: string): void {
    this.closePairs(now, base, reason, (pair) => pair.remote.address === peer.address)
  }

  /** A TCP connection could not be opened or has ended. */
  wireClosed(now: Millis, base: Base, remote: TransportAddress, reason: string): void {
    this.closePairs(now, base, reason, (pair) => sameAddress(pair.remoteAddress, remote))
  }

  dropComponent(now: Millis, stream: IceStream, component: Component): void {
    this.outgoing.forget(({ pair }) => pair.base.stream === stream.index && pair.component === component)
    stream.dropComponent(component)
    this.settle(now)
  }

  close(): void {
    this.outgoing.forget(() => true)
    this.state = 'closed'
  }

  // ── what the peer says ───────────────────────────────────────────────────────────────────────

  /** Returns why the request was dropped or refused, if it was. */
  receiveRequest(now: Millis, message: StunMessage, { remote }: Datagram, base: Base): string | undefined {
    const stream = this.streams[base.stream]!
    const own = {
      ufrag: this.options.parameters.ufrag,
      key: this.key,
      role: this.role,
      tieBreaker: this.tieBreaker,
      ...(stream.remote && { peerUfrag: stream.remote.ufrag }),
    }
    const answered = answerCheck(now, message, remote, base, own)
    if (answered.type === 'done') return answered.reason
    if (answered.type === 'conflict') {
      this.meetClaim(now, message)
      return undefined
    }
    this.refusedClaim = undefined
    if (answered.switchRole) this.switchRole(now)
    const arrived = { base, remote, check: answered.check }
    if (!stream.remote) {
      return stream.rememberEarly(arrived) ? undefined : 'too many checks before the description'
    }
    const reason = this.acceptCheck(now, stream, arrived)
    this.settle(now)
    return reason
  }

  /** Returns why the response was dropped, if it was. */
  receiveResponse(now: Millis, message: StunMessage, { remote }: Datagram, base: Base): string | undefined {
    const outcome = this.outgoing.receive(message, remote, base)
    if (outcome.type === 'dropped') return outcome.reason
    this.concludeCheck(now, outcome)
    return undefined
  }

  // ── time ─────────────────────────────────────────────────────────────────────────────────────

  handleTimeout(now: Millis): void {
    for (const check of this.outgoing.handleTimeout(now)) this.expireCheck(check)
    for (const stream of this.streams) {
      for (const state of stream.components.values()) this.keepConsent(now, stream, state)
    }
    this.settle(now)
    this.sendOrdinaryChecks(now)
  }

  nextTimeout(): Deadline | undefined {
    if (this.state === 'closed') return undefined
    let next = this.outgoing.nextTimeout()
    const consider = (at: Millis | undefined, why: string) => {
      if (at !== undefined && (!next || at < next.at)) next = { at, why }
    }
    const ordinary = this.options.lite ? undefined : this.nextOrdinary(this.nextOrdinaryAt)
    if (ordinary) consider(Math.max(this.nextOrdinaryAt, ordinary.from), 'Ta')
    for (const stream of this.streams) {
      consider(stream.patienceEndsAt, 'patience')
      for (const { consent, nominateAt, keepaliveAt } of stream.components.values()) {
        consider(keepaliveAt, 'keepalive')
        consider(nominateAt, 'nomination')
        consider(consent?.nextAt(), 'consent')
      }
    }
    return next
  }

  // ── checks out ───────────────────────────────────────────────────────────────────────────────

  private sendOrdinaryChecks(now: Millis): void {
    if (this.options.lite || now < this.nextOrdinaryAt) return
    const next = this.nextOrdinary(now)
    if (!next || next.from > now) return
    this.nextOrdinaryAt = now + this.tuning.taMs
    this.checkPair(now, next.pair)
    this.settle(now)
  }

  private nextOrdinary(now: Millis) {
    return nextOrdinaryCheck(now, this.checklists(), this.role === 'controlling')
  }

  private checkPair(now: Millis, pair: CandidatePair): void {
    pair.transition('in-progress')
    this.sendCheck(now, pair, 'connectivity')
  }

  /** RFC 8445 7.3.1.4. Sent at once and not with the next Ta: it answers a packet of the peer one for one, so it cannot
   *  flood anybody, and for both sides behind NATs it is the packet that gets through. */
  private triggerCheck(now: Millis, pair: CandidatePair): void {
    if (pair.state === 'in-progress') {
      this.outgoing.cancel(now, (check) => check.pair === pair)
      pair.transition('waiting')
    } else if (pair.state !== 'waiting') {
      pair.transition('waiting')
    }
    pair.stopped = undefined
    pair.detail = undefined
    this.checkPair(now, pair)
  }

  private sendCheck(now: Millis, pair: CandidatePair, purpose: CheckPurpose): void {
    const { remote } = this.streams[pair.base.stream]!
    if (!remote) return
    const request = {
      transactionId: this.options.random.bytes(transactionIdLengthBytes),
      username: `${remote.ufrag}:${this.options.parameters.ufrag}`,
      key: remote.key,
      priority: checkPriority(pair.base),
      role: this.role,
      tieBreaker: this.tieBreaker,
      useCandidate: purpose === 'nomination',
    }
    const pairs = this.streams.flatMap(({ checklist }) => checklist.pairs)
    const timing = checkTiming(pair, purpose, pairs, this.tuning)
    this.outgoing.send(now, pair, purpose, request, timing)
  }

  // ── what a response means ────────────────────────────────────────────────────────────────────

  private concludeCheck(now: Millis, outcome: Exclude<CheckOutcome, { type: 'dropped' }>): void {
    const { check } = outcome
    const { pair } = check
    const stream = this.streams[pair.base.stream]!
    // Of a check that another one has replaced only success counts; failure is the other's to meet.
    const replaced = check.cancelledUntil !== undefined
    switch (outcome.type) {
      case 'success':
        this.succeed(now, stream, check, outcome.mapped)
        break
      case 'asymmetric':
        if (!replaced) this.failPair(pair, 'response from another address')
        break
      case 'error':
        if (outcome.code === errorCode.roleConflict) this.yieldRole(now, check)
        else if (check.purpose !== 'consent' && check.purpose !== 'probe') {
          if (!replaced) this.failPair(pair, `refused with ${outcome.code}`)
          // RFC 7675 5.1 and 5.2: a signed 403 withdraws consent at once.
        } else if (outcome.code === 403 && outcome.authenticated) this.loseConsent(stream, pair)
        break
    }
    this.settle(now)
  }

  private succeed(now: Millis, stream: IceStream, check: Check, mapped: TransportAddress): void {
    const { pair, purpose } = check
    // One ambiguous measurement beats none: with the RTO of an unknown path a lost nomination costs half a second and more.
    pair.answeredAt = now
    if (check.transaction.sent === 1 || pair.rttMs === undefined) {
      pair.rttMs = check.transaction.roundTripMs(now)
    }
    const state = stream.components.get(pair.component)
    if (state?.inUse === pair) state.consent?.refreshed(now)
    if (purpose === 'probe') {
      this.answerProbe(pair, true)
      return
    }
    if (purpose === 'nomination' && state?.nominating === pair) {
      state.nominating = undefined
      if (pair.state === 'succeeded') this.nominate(now, stream, pair)
      return
    }
    if (pair.state !== 'in-progress') return
    const { locals } = this.options
    pair.succeed(locals.find(pair.base, mapped) ?? locals.make('prflx', pair.base, mapped))
    pair.validAt = now
    pair.priority = priorityOf(pair.validLocal!, pair.remote, this.role === 'controlling')
    stream.checklist.sort()
    this.outgoing.cancel(now, (other) => other.pair === pair && other.purpose === 'connectivity')
    this.options.record(pairOutcomeFact(pair, 'succeeded'))
    unfreezeFoundation(this.checklists(), pair.foundation)
    if (pair.nominateOnSuccess && this.role === 'controlled') this.nominate(now, stream, pair)
  }

  private expireCheck({ pair, purpose, transaction }: Check): void {
    // The silence of one consent check means nothing: expiry is what counts (RFC 7675 5.1).
    if (purpose === 'consent') return
    if (purpose === 'probe') {
      this.answerProbe(pair, false)
      return
    }
    const state = this.componentOf(pair)
    if (
      purpose === 'nomination' &&
      state?.nominating === pair &&
      (pair.answeredAt ?? 0) > transaction.startedAt
    ) {
      // Only loss, since the peer has answered other checks meanwhile: the media stays, and settling nominates again.
      state.nominating = undefined
      return
    }
    this.failPair(pair, 'no response')
  }

  private answerProbe({ base, component }: CandidatePair, alive: boolean): void {
    this.options.emit({ type: 'probe', stream: base.stream, component, alive })
  }

  private failPair(pair: CandidatePair, why: string): void {
    if (pair.state === 'failed') return
    const state = this.componentOf(pair)
    if (state?.nominating === pair) state.nominating = undefined
    if (state?.selected === pair) state.selected = undefined
    pair.fail(why)
    this.options.record(pairOutcomeFact(pair, 'failed'))
  }

  /** Our request met 487 (RFC 8445 7.2.5.1): the peer keeps the role that we claimed in it. */
  private yieldRole(now: Millis, check: Check): void {
    if (check.request.role === this.role) {
      const toLite = this.streams[check.pair.base.stream]!.remote?.lite
      this.tieBreaker = toLite ? highestTieBreaker : this.drawTieBreaker()
      // RFC 8445 6.1.1: whatever a lite peer takes itself for.
      if (!toLite) this.switchRole(now)
    }
    if (check.pair.state === 'in-progress') this.triggerCheck(now, check.pair)
  }

  /** Of two agents that both insist none would ever nominate. Where the peer has only not heard of our 487 yet, the conflict
   *  that this makes is the next to be resolved, by the same tie-breakers. */
  private meetClaim(now: Millis, { transactionId }: StunMessage): void {
    const transaction = transactionKey(transactionId)
    this.refusedClaim ??= { at: now, transaction }
    if (now - this.refusedClaim.at < stubbornAfterMs || transaction === this.refusedClaim.transaction) return
    this.refusedClaim = undefined
    this.switchRole(now)
  }

  private switchRole(now: Millis): void {
    this.hasSwitchedRole = true
    this.setRole(now, this.role === 'controlling' ? 'controlled' : 'controlling')
    this.options.emit({ type: 'role-conflict', now: this.role })
    this.options.record({ layer: 'ice', type: 'role-conflict', now: this.role })
  }

  // ── what a request means ─────────────────────────────────────────────────────────────────────

  /** RFC 8445 7.3.1.3 to 7.3.1.5. */
  private acceptCheck(now: Millis, stream: IceStream, arrived: ArrivedCheck): string | undefined {
    const { base, check } = arrived
    const state = stream.components.get(base.component)
    if (!state) return undefined
    const nominates = check.useCandidate && this.role === 'controlled'
    const pair = pairOfCheck(stream, arrived, this.options, this.role === 'controlling')
    if (!pair) return 'too many peer-reflexive candidates'
    pair.heard = true
    if (this.options.lite) {
      if (nominates) this.takeNominated(now, stream, pair)
      return undefined
    }
    if (pair.state === 'succeeded') {
      if (nominates && !pair.nominated) this.nominate(now, stream, pair)
      return undefined
    }
    if (pair.consentEnded) return 'check on a pair whose consent has ended'
    // Once a pair is selected only the peer's nomination can call for another one.
    if (state.selected && !nominates) return undefined
    if (nominates) pair.nominateOnSuccess = true
    // One just triggered is still under way and answers this check too; a flood of replayed checks gets no flood back.
    const fresh = pair.triggeredAt !== undefined && now - pair.triggeredAt < triggerIntervalMs
    if (fresh && pair.state === 'in-progress') return undefined
    pair.triggeredAt = now
    this.triggerCheck(now, pair)
    return undefined
  }

  /** RFC 8445 7.3.2: a lite agent has no check of its own to wait for. */
  private takeNominated(now: Millis, stream: IceStream, pair: CandidatePair): void {
    if (pair.state !== 'succeeded') {
      if (pair.state !== 'waiting') pair.transition('waiting')
      pair.transition('in-progress')
      pair.succeed(pair.local)
      this.options.record(pairOutcomeFact(pair, 'succeeded'))
    }
    if (!pair.nominated) this.nominate(now, stream, pair)
  }

  /** RFC 8445 8.2: of two lite agents neither checks; each takes its best pair. */
  private takeUnchecked(now: Millis, stream: IceStream): void {
    stream.checklist.form(
      this.options.locals.ofStream(stream.index),
      stream.remoteCandidates,
      this.role === 'controlling',
    )
    for (const component of stream.components.keys()) {
      const [best] = stream.checklist.ofComponent(component)
      if (!best) continue
      if (best.state === 'frozen') best.transition('waiting')
      this.takeNominated(now, stream, best)
    }
  }

  // ── nomination, selection, consent ───────────────────────────────────────────────────────────

  /** The pair is nominated and valid on both sides. Of several (a peer of RFC 5245 that nominates every check) the
   *  highest priority counts (RFC 5245 8.1.1.2). */
  private nominate(now: Millis, stream: IceStream, pair: CandidatePair): void {
    pair.nominated = true
    const state = stream.components.get(pair.component)
    if (!state || !pair.path || (state.selected && state.selected.priority >= pair.priority)) return
    state.selected = pair
    state.nominateAt = undefined
    for (const other of stream.checklist.ofComponent(pair.component)) {
      if (other !== pair && other.state !== 'succeeded' && other.state !== 'failed') {
        other.stopped = 'not needed: another pair was nominated'
      }
    }
    this.outgoing.cancel(now, (check) => check.pair.stopped !== undefined)
    this.options.emit({ type: 'selected', stream: stream.index, component: pair.component, pair: pair.path })
    this.options.record({
      layer: 'ice',
      type: 'selected',
      why: this.role === 'controlling' ? 'best valid pair, nominated by us' : 'nominated by the peer',
      checksSent: this.streams.flatMap((s) => s.checklist.pairs).reduce((sum, p) => sum + p.checksSent, 0),
      ...pairFact(pair),
    })
  }

  /** Draws every consequence of what has changed; called after each mutation. */
  private settle(now: Millis): void {
    if (this.state === 'closed') return
    for (const stream of this.streams) {
      if (!stream.remote) continue
      for (const [component, state] of stream.components) {
        this.settleUse(now, stream, component, state)
        if (this.role === 'controlling' && !state.selected && !state.nominating) {
          this.settleNomination(now, stream, component, state)
        }
      }
      stream.settleFailure(now)
    }
    const lists = this.checklists()
    if (!this.nextOrdinary(now)) unfreezeIdleFoundations(lists)
    this.settleState()
  }

  private settleUse(now: Millis, stream: IceStream, component: Component, state: ComponentState): void {
    const best =
      state.selected ?? stream.checklist.ofComponent(component).find((pair) => pair.state === 'succeeded')
    if (best === state.inUse) return
    const first = state.inUse === undefined && best !== undefined
    state.inUse = best
    // RFC 7675 5.1: it is the full agent that asks.
    const { lite, random } = this.options
    state.consent = best && !lite ? new Consent(now, best.answeredAt ?? now, random) : undefined
    // RFC 8445 11: where consent checks do not keep the way open.
    state.keepaliveAt = best && this.options.lite ? now + keepaliveIntervalMs : undefined
    if (first) this.options.emit({ type: 'valid', stream: stream.index, component })
  }

  private settleNomination(
    now: Millis,
    stream: IceStream,
    component: Component,
    state: ComponentState,
  ): void {
    const choice = chooseNomination(now, stream.checklist.ofComponent(component))
    state.nominateAt = choice && 'waitUntil' in choice ? choice.waitUntil : undefined
    if (!choice || !('nominate' in choice)) return
    state.nominating = choice.nominate
    this.sendCheck(now, choice.nominate, 'nomination')
  }

  private settleState(): void {
    const active = this.streams.filter((stream) => stream.remote)
    if (active.length === 0 || this.state === 'failed') return
    const state = stateOf(active)
    if (state === this.state) return
    // Lost consent is told as such; the session does not go back to checking.
    if (state === 'checking' && this.state !== 'new') return
    this.state = state
    const reason = state === 'failed' ? failureReason(active) : undefined
    this.options.emit({ type: 'state', state, ...(reason && { reason }) })
    this.options.record({ layer: 'ice', type: 'state', state, ...(reason && { reason }) })
  }

  private keepConsent(now: Millis, stream: IceStream, state: ComponentState): void {
    const { consent, inUse } = state
    if (inUse && state.keepaliveAt !== undefined && now >= state.keepaliveAt) {
      state.keepaliveAt = now + keepaliveIntervalMs
      const keepalive = writeKeepalive(this.options.random.bytes(transactionIdLengthBytes))
      inUse.base.send(now, keepalive, inUse.remoteAddress)
    }
    if (!consent || !inUse) return
    if (now >= consent.expiresAt) {
      this.loseConsent(stream, inUse)
    } else if (now >= consent.checkAt) {
      consent.checkSent(now)
      this.sendCheck(now, inUse, 'consent')
      if (consent.isDoubtful(now)) this.sendCheck(now, inUse, 'probe')
    }
  }

  /** Other valid pairs of the component go as well: nothing has renewed the consent on them (RFC 7675 5.1). */
  private loseConsent(stream: IceStream, lost: CandidatePair): void {
    const { component } = lost
    for (const pair of stream.checklist.ofComponent(component)) {
      if (pair.state !== 'succeeded') continue
      this.outgoing.forget((check) => check.pair === pair)
      this.failPair(pair, 'consent expired')
      pair.consentEnded = true
    }
    this.options.emit({ type: 'consent-lost', stream: stream.index, component })
    this.options.record({ layer: 'ice', type: 'consent-lost', stream: stream.index, component })
  }

  private formPairs(stream: IceStream, remotes: readonly Candidate[]): void {
    // RFC 8445 6.2: of a lite agent's pairs only those count that the peer checks.
    if (this.options.lite) return
    // A peer-reflexive candidate that is signalled now has its true priority.
    stream.checklist.reorder(this.role === 'controlling')
    stream.checklist.form(this.options.locals.ofStream(stream.index), remotes, this.role === 'controlling')
    limitPairs(this.checklists())
    unfreezeIdleFoundations(this.checklists())
  }

  private closePairs(now: Millis, base: Base, why: string, which: (pair: CandidatePair) => boolean): void {
    const pairs = this.streams[base.stream]!.checklist.pairs.filter(
      (pair) => pair.base === base && which(pair),
    )
    this.outgoing.forget(({ pair }) => pairs.includes(pair))
    for (const pair of pairs) this.failPair(pair, why)
    this.settle(now)
    this.sendOrdinaryChecks(now)
  }

  private componentOf(pair: CandidatePair): ComponentState | undefined {
    return this.streams[pair.base.stream]!.components.get(pair.component)
  }

  private checklists() {
    return this.streams.map(({ checklist }) => checklist)
  }

  private drawTieBreaker(): bigint {
    return this.options.random.bytes(8).reduce((value, octet) => (value << 8n) | BigInt(octet), 0n)
  }
}
