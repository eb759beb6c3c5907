// One data stream of a session (RFC 8445 2): its components, what the peer said about it, its checklist, and per
// component the pair that media uses now.
import type { KeyObject } from 'node:crypto'
import { sameAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import { canonicalIp } from '../stun/ip-address.ts'
import type { Base, Candidate, Component } from './candidate.ts'
import type { ReceivedCheck } from './check-message.ts'
import { Checklist } from './checklist.ts'
import type { Consent } from './consent.ts'
import type { CandidatePair } from './pair.ts'

/** A check that came before the peer's description (RFC 8445 7.3: answered at once, worked through later). */
export interface EarlyCheck {
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
}

/** Bounds what a peer that floods us with checks from many addresses can make us remember. */
export const maximumEarlyChecks = 32
export const maximumPeerReflexive = 32
/** More candidates than any honest peer has. */
const maximumRemoteCandidates = 100

export class IceStream {
  readonly components = new Map<Component, ComponentState>()
  readonly checklist = new Checklist()
  remote: { ufrag: string; key: KeyObject; lite: boolean } | undefined
  remoteCandidates: Candidate[] = []
  earlyChecks: EarlyCheck[] = []
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
      })
    }
  }

  findRemote(component: Component, address: TransportAddress): Candidate | undefined {
    return this.remoteCandidates.find((c) => c.component === component && sameAddress(c, address))
  }

  /** Returns those that are new and usable; host names, mDNS names, TCP candidates and components that we do not have are
   *  ignored, as RFC 8839 5.1 says of what an agent does not understand. */
  addRemoteCandidates(candidates: readonly Candidate[]): Candidate[] {
    const added: Candidate[] = []
    for (const candidate of candidates) {
      const { transport, port } = candidate
      const component = candidate.component as Component
      const address = canonicalIp(candidate.address)
      if (!address || transport !== 'udp' || port === 0 || !this.components.has(component)) continue
      if (this.findRemote(component, { address, port })) continue
      if (this.remoteCandidates.length >= maximumRemoteCandidates) break
      const known = { ...candidate, address }
      this.remoteCandidates.push(known)
      added.push(known)
    }
    return added
  }

  dropComponent(component: Component): void {
    this.components.delete(component)
    this.checklist.dropComponent(component)
    this.remoteCandidates = this.remoteCandidates.filter((c) => c.component !== component)
    this.earlyChecks = this.earlyChecks.filter(({ base }) => base.component !== component)
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
