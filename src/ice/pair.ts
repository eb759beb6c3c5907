// A candidate pair (RFC 8445 6.1.2) and its states. A pair here is a base and a remote candidate: since RFC 8445 6.1.2.4
// replaces every reflexive local candidate by its base, that is all that distinguishes pairs. What the RFC calls the
// valid pair is the same object once `validLocal` names the candidate that the check's response has shown.
import { InvariantError } from '../errors.ts'
import { sameAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import {
  type Base,
  type Candidate,
  type Component,
  isOwnSocket,
  isRelayed,
  type LocalCandidate,
} from './candidate.ts'

export type PairState = 'frozen' | 'waiting' | 'in-progress' | 'succeeded' | 'failed'

/** RFC 8445 6.1.2.6 and 7. A triggered check revives a failed pair (7.3.1.4); lost consent or a failed nomination ends a succeeded one. */
const transitions: Record<PairState, readonly PairState[]> = {
  frozen: ['waiting', 'failed'],
  waiting: ['in-progress', 'failed'],
  'in-progress': ['waiting', 'succeeded', 'failed'],
  succeeded: ['failed'],
  failed: ['waiting'],
}

/** What media may use: from `local.base` to `remote`. */
export interface IcePath {
  readonly stream: number
  readonly component: Component
  readonly local: Candidate & { base: TransportAddress }
  readonly remote: Candidate
  /** Media may leave straight from the UDP socket at `local.base`; otherwise a relay or TCP lies between (`IceAgent.send`). */
  readonly viaSocket: boolean
}

/** RFC 8445 6.1.2.3. @param controlling the candidate priority of the controlling agent */
export function pairPriority(controlling: number, controlled: number): bigint {
  const g = BigInt(controlling)
  const d = BigInt(controlled)
  return 2n ** 32n * (g < d ? g : d) + 2n * (g > d ? g : d) + (g > d ? 1n : 0n)
}

type Rank = 0 | 1 | 2
export const bestRank: Rank = 2

export class CandidatePair {
  state: PairState = 'frozen'
  /** Set when a check succeeded: the local candidate that its response named (RFC 8445 7.2.5.3.2). */
  validLocal: LocalCandidate | undefined
  path: IcePath | undefined
  nominated = false
  /** USE-CANDIDATE came before our own check succeeded (RFC 8445 7.3.1.5). */
  nominateOnSuccess = false
  /** Routing would probably send to the remote candidate from this base (see checklist.ts). */
  likely = false
  /** The same as the peer sees it, between host candidates. */
  likelyForPeer = false
  /** A genuine check of the peer came over this pair: one direction works. */
  heard = false
  /** RFC 7675 5.1: these credentials must not be used on this pair again; only an ICE restart can. */
  consentEnded = false
  /** Why no more checks are made although the pair neither succeeded nor failed. */
  stopped: string | undefined
  checksSent = 0
  lastCheckAt: Millis | undefined
  rttMs: Millis | undefined
  /** Since when it has been valid. */
  validAt: Millis | undefined
  /** When the peer last answered a check of this pair. */
  answeredAt: Millis | undefined
  /** When a check of the peer last made us send one. */
  triggeredAt: Millis | undefined
  /** Why it failed. */
  detail: string | undefined
  readonly remoteAddress: TransportAddress

  constructor(
    readonly base: Base,
    readonly local: LocalCandidate,
    public remote: Candidate,
    public priority: bigint,
  ) {
    this.remoteAddress = { address: remote.address, port: remote.port }
  }

  get component(): Component {
    return this.base.component
  }

  get foundation(): string {
    return `${this.local.foundation}:${this.remote.foundation}`
  }

  /** What media gains by it, in whole steps: a relay is 0, TCP 1, UDP from end to end 2. */
  get rank(): Rank {
    if (isRelayed(this.local) || isRelayed(this.remote)) return 0
    return this.base.transport === 'tcp' ? 1 : 2
  }

  connects(base: Base, remote: TransportAddress): boolean {
    return this.base === base && sameAddress(this.remoteAddress, remote)
  }

  transition(to: PairState): void {
    if (!transitions[this.state].includes(to)) {
      throw new InvariantError(`A candidate pair cannot go from ${this.state} to ${to}.`)
    }
    this.state = to
  }

  succeed(local: LocalCandidate): void {
    this.transition('succeeded')
    this.validLocal = local
    this.path = {
      stream: this.base.stream,
      component: this.component,
      local: { ...local, base: this.base.address },
      remote: this.remote,
      viaSocket: isOwnSocket(this.base),
    }
  }

  fail(why: string): void {
    this.transition('failed')
    this.detail = why
    this.validLocal = undefined
    this.validAt = undefined
    this.path = undefined
    this.nominated = false
    this.nominateOnSuccess = false
  }
}
