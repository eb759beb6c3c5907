// One data stream of a session (RFC 8445 2): its components, what the peer said about it, its checklist, and per
// component the pair that media uses now.
import type { KeyObject } from 'node:crypto'
import { sameAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import { canonicalIp, isUnicast } from '../stun/ip-address.ts'
import type { Base, Candidate, Component } from './candidate.ts'
import type { ReceivedCheck } from './check-message.ts'
import { Checklist } from './checklist.ts'
import type { Consent } from './consent.ts'
import type { IceState } from './events.ts'
import type { CandidatePair } from './pair.ts'

/** A genuine check of the peer and the path it came over. Before the peer's description comes they are kept (RFC 8445 7.3:
 *  answered at once, worked through later). */
export interface ArrivedCheck {
  base: Base
  remote: TransportAddress
  check: ReceivedCheck
}

export interface ComponentState {
  /** The nominated pair of highest priority. */
  selected: CandidatePair | undefined
  /** The pair in use: the selected one, before that the best valid one; its consent is what `consent` watches. */
  inUse: CandidatePair | undefined
  consent: Consent | undefined
  /** The controlling agent's nomination that waits for its response. */
  nominating: CandidatePair | undefined
  /** When to choose again (see nomination.ts). */
  nominateAt: Millis | undefined
  /** When the next packet is due that only keeps the way open (RFC 8445 11). */
  keepaliveAt: Millis | undefined
}

/** Bounds what a peer that floods us with checks from many addresses can make us remember. */
const maximumArrivedChecks = 32
const maximumPeerReflexive = 32
/** More candidates than any honest peer has. */
const maximumRemoteCandidates = 100

export class IceStream {
  readonly components = new Map<Component, ComponentState>()
  readonly checklist = new Checklist()
  remote: { ufrag: string; key: KeyObject; lite: boolean } | undefined
  remoteCandidates: Candidate[] = []
  earlyChecks: ArrivedCheck[] = []
  /** RFC 8838 8.2: the peer will trickle no more. */
  endOfCandidates = false
  /** Until when a checklist without hope still waits for checks of the peer (RFC 8863 4); undefined once that is over. */
  patienceEndsAt: Millis | undefined
  failed = false

  constructor(
    readonly index: number,
    components: 1 | 2,
  ) {
    for (const component of components === 2 ? ([1, 2] as const) : ([1] as const)) {
      this.components.set(component, {
        selected: undefined,
        inUse: undefined,
        consent: undefined,
        nominating: undefined,
        nominateAt: undefined,
        keepaliveAt: undefined,
      })
    }
  }

  findRemote(component: Component, address: TransportAddress): Candidate | undefined {
    return this.remoteCandidates.find((c) => c.component === component && sameAddress(c, address))
  }

  /** Of several checks over one path one is kept, with what any of them asked for; returns whether there was room. */
  rememberEarly(early: ArrivedCheck): boolean {
    const { base, remote, check } = early
    const known = this.earlyChecks.find(
      (e) => e.base === base && sameAddress(e.remote, remote) && e.check.ufrag === check.ufrag,
    )
    if (known) {
      const useCandidate = check.useCandidate || known.check.useCandidate
      known.check = { ...check, useCandidate }
      return true
    }
    if (this.earlyChecks.length >= maximumArrivedChecks) return false
    this.earlyChecks.push(early)
    return true
  }

  /** Returns those that are new and usable; host names, mDNS names, addresses of no single host, active TCP candidates (who
   *  connects to us is learned then) and components that we do not have are ignored, as RFC 8839 5.1 says of what an agent
   *  does not understand. A candidate that was peer-reflexive until now becomes what it is signalled as, and counts as new: other bases may reach it. */
  addRemoteCandidates(candidates: readonly Candidate[]): Candidate[] {
    const added: Candidate[] = []
    for (const candidate of candidates) {
      const { transport, port } = candidate
      const component = candidate.component as Component
      const address = canonicalIp(candidate.address)
      const waitsForUs = candidate.tcpType === 'passive' || candidate.tcpType === 'so'
      const reachable = transport === 'udp' || (transport === 'tcp' && waitsForUs)
      if (!address || !isUnicast(address) || !reachable || !this.components.has(component)) continue
      if (!(port > 0 && port < 65_536)) continue
      const known = this.findRemote(component, { address, port })
      if (known?.type === 'prflx') {
        // In place: its pairs hold this object.
        added.push(Object.assign(known, candidate, { address }))
        continue
      }
      if (known?.transport === transport) continue
      if (this.remoteCandidates.length >= maximumRemoteCandidates) break
      const fresh = { ...candidate, address }
      this.remoteCandidates.push(fresh)
      added.push(fresh)
    }
    return added
  }

  /** A peer-reflexive candidate (RFC 8445 7.3.1.3); returns whether there was room. */
  learnRemote(candidate: Candidate): boolean {
    const learned = this.remoteCandidates.filter(({ type }) => type === 'prflx').length
    if (learned >= maximumPeerReflexive) return false
    this.remoteCandidates.push(candidate)
    return true
  }

  dropComponent(component: Component): void {
    this.components.delete(component)
    this.checklist.dropComponent(component)
    this.remoteCandidates = this.remoteCandidates.filter((c) => c.component !== component)
    this.earlyChecks = this.earlyChecks.filter(({ base }) => base.component !== component)
  }

  /** Without hope: patience is over, and a component has no pair in use and none that may still succeed. */
  settleFailure(now: Millis): void {
    if (this.patienceEndsAt !== undefined && now < this.patienceEndsAt) return
    this.patienceEndsAt = undefined
    if (this.failed || this.connected) return
    this.failed = [...this.components].some(
      ([component, { inUse }]) =>
        !inUse && this.checklist.ofComponent(component).every((pair) => pair.state === 'failed'),
    )
  }

  get connected(): boolean {
    return this.every(({ inUse }) => inUse !== undefined)
  }

  get completed(): boolean {
    return this.every(({ selected }) => selected !== undefined)
  }

  private every(holds: (state: ComponentState) => boolean): boolean {
    return [...this.components.values()].every(holds)
  }
}

/** Of the whole session, by its streams (RFC 8445 6.1.3). */
export function stateOf(streams: readonly IceStream[]): Exclude<IceState, 'new' | 'closed'> {
  if (streams.some(({ failed }) => failed)) return 'failed'
  if (streams.every(({ completed }) => completed)) return 'completed'
  return streams.every(({ connected }) => connected) ? 'connected' : 'checking'
}
