// The checklist of one data stream (RFC 8445 6.1.2): forming pairs, pruning, the limit, and which pair is checked next
// in the set of all checklists (6.1.4.2). Triggered checks do not queue here: they are sent at once (see checking.ts).
//
// A deviation from 6.1.4.2: of the waiting pairs the likely ones go first, by priority. Of ten addresses on each side
// usually one pair works, and it is the one that routing would choose; strictly by priority it may come as the hundredth
// check. The two ends share the unlikely pairs of host candidates, since the check of one end triggers that of the other: the
// controlling end begins with the highest priority, the controlled one with the lowest, and each leaves to the last what the
// other probably checks first.
import { addressFamily, type TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import { parseIp } from '../stun/ip-address.ts'
import {
  type Base,
  type Candidate,
  type Component,
  type LocalCandidate,
  oppositeTcpType,
} from './candidate.ts'
import { bestRank, CandidatePair, pairPriority } from './pair.ts'

/** Over all checklists. RFC 8445 6.1.2.5 has 100 by default: of twenty addresses on each side, three times in four that would
 *  leave out the only pair that works. See tuning.ts for how the packets stay few all the same. */
const maximumPairs = 400
/** How long a pair that was heard may take to answer before unlikely ones are checked again. */
const heardPatienceMs = 250

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
      const able = bases.filter((local) => reaches(local, remote))
      const likely = likeliest(able, remote)
      for (const local of able) this.add(local, remote, controlling).likely ||= local === likely
    }
    const theirHosts = remotes
      .filter(({ type }) => type === 'host')
      .sort((one, other) => other.priority - one.priority)
    for (const local of bases) {
      const able = theirHosts.filter((remote) => reaches(local, remote))
      const likely = likeliest(able, local)
      const pair = likely && this.find(local.base, likely)
      if (pair) pair.likelyForPeer = true
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

/** RFC 8445 6.1.2.2 and RFC 6544 6.2: same transport, and over TCP we connect to who listens, or both to each other; same
 *  family, and IPv6 link-local only with its like. */
const canReach = (local: Candidate, remote: Candidate): boolean =>
  local.transport === remote.transport &&
  local.tcpType !== 'passive' &&
  (local.tcpType === undefined || oppositeTcpType[local.tcpType] === remote.tcpType) &&
  addressFamily(local.address) === addressFamily(remote.address) &&
  isLinkLocal(local.address) === isLinkLocal(remote.address)

const reaches = (local: Candidate, remote: Candidate): boolean =>
  local.component === remote.component && canReach(local, remote)

/** Of one end's candidates, highest priority first, the one that its routing would choose for the other end's. A relay near
 *  the other end says nothing of where the one is. */
const likeliest = <C extends Candidate>(candidates: readonly C[], other: Candidate): C | undefined =>
  candidates.find(({ type, address }) => type === 'host' && sameNetwork(address, other.address)) ??
  candidates[0]

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
  if (!all.some(({ state }) => state === 'frozen')) return
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

/** The next ordinary check over all checklists, and from when on it may be sent. */
export function nextOrdinaryCheck(
  now: Millis,
  checklists: readonly Checklist[],
  controlling: boolean,
): { pair: CandidatePair; from: Millis } | undefined {
  let next: { pair: CandidatePair; from: Millis } | undefined
  for (const checklist of checklists) {
    const restUntil = { 1: restUntilOf(now, checklist, 1), 2: restUntilOf(now, checklist, 2) }
    for (const pair of checklist.pairs) {
      if (pair.state !== 'waiting' || pair.stopped) continue
      const from = pair.likely ? now : restUntil[pair.component]
      if (from === Number.POSITIVE_INFINITY || (next && from > next.from)) continue
      if (!next || from < next.from || goesBefore(pair, next.pair, controlling)) next = { pair, from }
    }
  }
  return next
}

/** Unlikely pairs need no check while a direct one of their component is valid, or has been heard and is about to be. */
function restUntilOf(now: Millis, { pairs }: Checklist, component: Component): Millis {
  let until = now
  for (const pair of pairs) {
    if (pair.component !== component || pair.rank < bestRank) continue
    if (pair.state === 'succeeded') return Number.POSITIVE_INFINITY
    if (pair.state === 'in-progress' && pair.triggeredAt !== undefined)
      until = Math.max(until, pair.triggeredAt + heardPatienceMs)
  }
  return until
}

function goesBefore(pair: CandidatePair, other: CandidatePair, controlling: boolean): boolean {
  const [turn, otherTurn] = [turnOf(pair), turnOf(other)]
  if (turn !== otherTurn) return turn < otherTurn
  return turn === 1 && !controlling ? pair.priority < other.priority : pair.priority > other.priority
}

/** Likely pairs; those that the ends share; the others, among them what only checks of both ends can open. */
function turnOf({ likely, likelyForPeer, local, remote }: CandidatePair): 0 | 1 | 2 {
  if (likely) return 0
  const shared = local.type === 'host' && remote.type === 'host' && local.transport === 'udp'
  return shared && !likelyForPeer ? 1 : 2
}
