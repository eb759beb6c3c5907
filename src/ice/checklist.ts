// The checklist of one data stream (RFC 8445 6.1.2): forming pairs, pruning, the limit, and which pair is checked next
// in the set of all checklists (6.1.4.2). Triggered checks do not queue here: they are sent at once (see checking.ts).
//
// A deviation from 6.1.4.2: of the waiting pairs the likely ones go first, by priority, then the others, by priority. Of
// ten addresses on each side usually one pair works, and it is the one that routing would choose; strictly by priority
// it may come as the hundredth check.
import { addressFamily, type TransportAddress } from '../runtime/address.ts'
import { parseIp } from '../stun/ip-address.ts'
import type { Base, Candidate, Component, LocalCandidate } from './candidate.ts'
import { CandidatePair, pairPriority } from './pair.ts'

/** RFC 8445 6.1.2.5: SHOULD be 100 by default, over all checklists. */
const maximumPairs = 100

export class Checklist {
  /** Highest priority first, of both components. */
  pairs: CandidatePair[] = []

  find(base: Base, remote: TransportAddress): CandidatePair | undefined {
    return this.pairs.find((pair) => pair.connects(base, remote))
  }

  ofComponent(component: Component): CandidatePair[] {
    return this.pairs.filter((pair) => pair.component === component)
  }

  /** Pairs each local with each remote candidate that it can reach; pairs that are there already stay as they are.
   *  @param locals highest priority first */
  form(locals: readonly LocalCandidate[], remotes: readonly Candidate[], controlling: boolean): void {
    // A reflexive candidate stands for its base, whose own pair has the higher priority (RFC 8445 6.1.2.4).
    const bases = locals.filter(({ type }) => type === 'host' || type === 'relay')
    for (const remote of remotes) {
      const able = bases.filter((local) => local.component === remote.component && canReach(local, remote))
      // A relay near the peer says nothing of where we are.
      const isNeighbour = (local: Candidate): boolean =>
        local.type === 'host' && sameNetwork(local.address, remote.address)
      const likely = able.find(isNeighbour) ?? able[0]
      for (const local of able) this.add(local, remote, controlling).likely ||= local === likely
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

/** RFC 8445 6.1.2.2 and RFC 6544 6.2: same transport, and over TCP we connect to who listens; same family, and IPv6 link-local
 *  only with its like. */
const canReach = (local: Candidate, remote: Candidate): boolean =>
  local.transport === remote.transport &&
  local.tcpType !== 'passive' &&
  addressFamily(local.address) === addressFamily(remote.address) &&
  isLinkLocal(local.address) === isLinkLocal(remote.address)

const isLinkLocal = (address: string): boolean => /^fe[89ab].:/i.test(address)

/** Neighbours by the prefix lengths that subnets usually have: /24 and /64. */
function sameNetwork(a: string, b: string): boolean {
  const octets = parseIp(b)
  const prefixLengthBytes = octets?.length === 4 ? 3 : 8
  return (
    parseIp(a)
      ?.subarray(0, prefixLengthBytes)
      .every((octet, i) => octet === octets?.[i]) ?? false
  )
}

/** RFC 8445 6.1.2.5: the lowest priorities go, wherever they are; what was checked already stays. Unlikely pairs go before
 *  likely ones, or the last addresses of a peer with many would never be tried. */
export function limitPairs(checklists: readonly Checklist[]): void {
  const all = checklists.flatMap((checklist) => checklist.pairs)
  all.sort((a, b) => Number(b.likely) - Number(a.likely) || byPriority(a, b))
  const excess = new Set(
    all.slice(maximumPairs).filter(({ state }) => state === 'frozen' || state === 'waiting'),
  )
  if (excess.size === 0) return
  for (const checklist of checklists) {
    checklist.pairs = checklist.pairs.filter((pair) => !excess.has(pair))
  }
}

/** RFC 8445 6.1.2.6 and 6.1.4.2: of every foundation that is neither waiting nor in progress anywhere, the pair of the
 *  lowest component, then of the highest priority, starts waiting.
 *
 *  A deviation: a pair whose check had to be repeated holds its foundation no longer. There are peers that give all their
 *  candidates one foundation, and there a dead pair would hold up the living one for the 39.5 s of its checks. */
export function unfreezeIdleFoundations(checklists: readonly Checklist[]): void {
  const all = checklists.flatMap((checklist) => checklist.pairs)
  const busy = new Set<string>()
  for (const pair of all) {
    const held = pair.state === 'waiting' || (pair.state === 'in-progress' && pair.checksSent <= 1)
    if (held && !pair.stopped) busy.add(pair.foundation)
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

/** The next ordinary check over all checklists: of the waiting pairs the likely one of highest priority, else any. */
export function nextOrdinaryCheck(checklists: readonly Checklist[]): CandidatePair | undefined {
  let next: CandidatePair | undefined
  for (const { pairs } of checklists) {
    for (const pair of pairs) {
      if (pair.state !== 'waiting' || pair.stopped || (next?.likely && !pair.likely)) continue
      if (!next || (pair.likely && !next.likely) || pair.priority > next.priority) next = pair
    }
  }
  return next
}
