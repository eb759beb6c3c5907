// The checklist of one data stream (RFC 8445 6.1.2): forming pairs, pruning, the limit, and which pair is checked next
// in the set of all checklists (6.1.4.2). Triggered checks do not queue here: they are sent at once (see agent.ts).

import type { TransportAddress } from '../runtime/address.ts'
import { addressFamily } from '../runtime/address.ts'
import type { Base, Candidate, Component, LocalCandidate } from './candidate.ts'
import { CandidatePair, pairPriority } from './pair.ts'

/** RFC 8445 6.1.2.5: SHOULD be 100 by default, over all checklists. */
export const maximumPairs = 100

export class Checklist {
  /** Highest priority first, of both components. */
  pairs: CandidatePair[] = []

  find(base: Base, remote: TransportAddress): CandidatePair | undefined {
    return this.pairs.find((pair) => pair.connects(base, remote))
  }

  ofComponent(component: Component): CandidatePair[] {
    return this.pairs.filter((pair) => pair.component === component)
  }

  /** Pairs each local with each remote candidate that it can reach; pairs that are there already stay as they are. */
  form(locals: readonly LocalCandidate[], remotes: readonly Candidate[], controlling: boolean): void {
    for (const local of locals) {
      // A reflexive candidate stands for its base, whose own pair has the higher priority (RFC 8445 6.1.2.4).
      if (local.type === 'srflx' || local.type === 'prflx') continue
      for (const remote of remotes) {
        if (remote.component === local.component && canReach(local, remote))
          this.add(local, remote, controlling)
      }
    }
    this.sort()
  }

  /** For a peer-reflexive remote candidate. */
  addPair(local: LocalCandidate, remote: Candidate, controlling: boolean): CandidatePair {
    const pair = this.add(local, remote, controlling)
    this.sort()
    return pair
  }

  /** After a change of role (RFC 8445 7.3.1.1). */
  reorder(controlling: boolean): void {
    for (const pair of this.pairs) {
      pair.priority = priorityOf(pair.validLocal ?? pair.local, pair.remote, controlling)
    }
    this.sort()
  }

  dropComponent(component: Component): void {
    this.pairs = this.pairs.filter((pair) => pair.component !== component)
  }

  private add(local: LocalCandidate, remote: Candidate, controlling: boolean): CandidatePair {
    const existing = this.find(local.base, remote)
    if (existing) return existing
    const pair = new CandidatePair(local.base, local, remote, priorityOf(local, remote, controlling))
    this.pairs.push(pair)
    return pair
  }

  sort(): void {
    this.pairs.sort(byPriority)
  }
}

export const priorityOf = (local: Candidate, remote: Candidate, controlling: boolean): bigint =>
  controlling ? pairPriority(local.priority, remote.priority) : pairPriority(remote.priority, local.priority)

const byPriority = (a: CandidatePair, b: CandidatePair): number =>
  a.priority < b.priority ? 1 : a.priority > b.priority ? -1 : 0

/** RFC 8445 6.1.2.2: same family, and IPv6 link-local only with its like. */
const canReach = (local: Candidate, remote: Candidate): boolean =>
  addressFamily(local.address) === addressFamily(remote.address) &&
  isLinkLocal(local.address) === isLinkLocal(remote.address)

const isLinkLocal = (address: string): boolean => /^fe[89ab]/i.test(address)

/** RFC 8445 6.1.2.5: the lowest priorities go, wherever they are; what was checked already stays. */
export function limitPairs(checklists: readonly Checklist[]): void {
  const all = checklists.flatMap((checklist) => checklist.pairs).sort(byPriority)
  const excess = new Set(
    all.slice(maximumPairs).filter(({ state }) => state === 'frozen' || state === 'waiting'),
  )
  if (excess.size === 0) return
  for (const checklist of checklists) {
    checklist.pairs = checklist.pairs.filter((pair) => !excess.has(pair))
  }
}

/** RFC 8445 6.1.2.6 and 6.1.4.2: of every foundation that is neither waiting nor in progress anywhere, the pair of the
 *  lowest component, then of the highest priority, starts waiting. */
export function unfreezeIdleFoundations(checklists: readonly Checklist[]): void {
  const all = checklists.flatMap((checklist) => checklist.pairs)
  const busy = new Set<string>()
  for (const pair of all) {
    if ((pair.state === 'waiting' || pair.state === 'in-progress') && !pair.stopped) busy.add(pair.foundation)
  }
  for (const component of [1, 2] as const) {
    for (const pair of all) {
      if (pair.component !== component || pair.state !== 'frozen' || pair.stopped) continue
      if (busy.has(pair.foundation)) continue
      pair.transition('waiting')
      busy.add(pair.foundation)
    }
  }
}

/** RFC 8445 7.2.5.3.3: a success makes every pair of its foundation worth a check. */
export function unfreezeFoundation(checklists: readonly Checklist[], foundation: string): void {
  for (const checklist of checklists) {
    for (const pair of checklist.pairs) {
      if (pair.state === 'frozen' && pair.foundation === foundation) pair.transition('waiting')
    }
  }
}

/** The next ordinary check over all checklists: the waiting pair of highest priority. */
export function nextOrdinaryCheck(checklists: readonly Checklist[]): CandidatePair | undefined {
  let next: CandidatePair | undefined
  for (const checklist of checklists) {
    const first = checklist.pairs.find((pair) => pair.state === 'waiting' && !pair.stopped)
    if (first && (!next || first.priority > next.priority)) next = first
  }
  return next
}
