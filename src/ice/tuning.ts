// The times of connectivity checks: pacing (RFC 8445 14.2), retransmission (14.3), patience (RFC 8863), and why they are so.
import type { Millis } from '../runtime/runtime.ts'
import { defaultRtoMs, type TransactionTiming } from '../stun/transaction.ts'
import type { CheckPurpose } from './outgoing-checks.ts'
import type { CandidatePair } from './pair.ts'

export interface Tuning {
  /** Pacing of ordinary checks, RFC 8445 14.2: not below 5 ms, which is what NATs need to make bindings one after the
   *  other (B.1). The default of 50 ms was chosen for access links that a 100-octet packet every 5 ms (160 kbit/s, for as
   *  long as the pairs last) would have filled. We take 5 ms, and more where the peer asks for more (a=ice-pacing). A peer
   *  that says nothing is not taken to mean 50 ms, as the RFC would: Ta spares the NAT and the link of the sender, us. */
  taMs: Millis
  /** RTO of a check whose round trip is unknown, RFC 8445 14.3. */
  initialRtoMs: Millis
  /** RFC 8863 4: a checklist without hope lives on for as long as one check would (39.5 s), since peer-reflexive pairs may
   *  still come. A caller who will not wait that long ends the call. */
  patienceMs: Millis
}

export const defaultTuning: Readonly<Tuning> = { taMs: 5, initialRtoMs: defaultRtoMs, patienceMs: 39_500 }

/** A retransmission sooner than this measures our event loop, not the network. */
const minimumRtoMs = 50
/** RFC 8489 6.2.1 takes ICE out of the 500 ms, and RFC 8445 14.3 puts them in again. A likely pair is asked once more before
 *  that: where the round trip is shorter and a packet was lost, or came before its own could open the NAT, nobody waits for
 *  half a second; where it is longer, one packet was sent for nothing. */
const earlyMs = 150
/** Of more than 100 pairs (RFC 8445 6.1.2.5) unlikely ones get fewer requests: 400 pairs then cost a liar's victim twice what
 *  100 would. */
const manyPairs = 100
const unlikelyTiming = { rc: 2 } as const
/** On a pair where the peer has been heard, silence is loss and no dead path: doubling the interval (RFC 8489 6.2.1) would only
 *  keep the call waiting, up to 10 s where one packet in five is lost. So the interval stops growing, and there are more
 *  requests, over about the same time. */
const aliveTiming = { longestIntervalMs: 250, rc: 30, rm: 4 } as const
/** RFC 7675 5.1: sent once; its response counts for as long as consent lives. */
const consentTiming = { rtoMs: 30_000, rc: 1, rm: 1 } as const

/** Four requests within three round trips and a second at most: enough where one packet in five is lost (0.4 % all lost). */
const probeTiming = { rtoMs: 250, rc: 4, rm: 2, longestIntervalMs: 250 } as const

/** RFC 8445 14.3; where this pair or another one to the same host has measured the round trip, two of them, and not the three
 *  that RFC 6298 2 takes after one measurement, made for streams of packets. A nomination is one packet that all wait for:
 *  it is repeated after one and a half. @param pairs of all checklists */
export function checkTiming(
  pair: CandidatePair,
  purpose: CheckPurpose,
  pairs: readonly CandidatePair[],
  { taMs, initialRtoMs }: Tuning,
): TransactionTiming {
  if (purpose === 'consent') return consentTiming
  if (purpose === 'probe') return probeTiming
  const sameHost = pairs.find((p) => p.rttMs !== undefined && p.remote.address === pair.remote.address)
  const rttMs = pair.rttMs ?? sameHost?.rttMs
  const alive = pair.heard || pair.rttMs !== undefined ? aliveTiming : {}
  if (rttMs !== undefined) {
    return { ...alive, rtoMs: Math.max(minimumRtoMs, (purpose === 'nomination' ? 1.5 : 2) * rttMs) }
  }
  if (pair.heard) return { ...alive, rtoMs: earlyMs }
  const busy = pairs.filter((p) => (p.state === 'waiting' || p.state === 'in-progress') && !p.stopped)
  const rtoMs = Math.max(initialRtoMs, taMs * busy.length)
  if (pair.likely && pair.base.transport === 'udp') return { rtoMs, earlyMs }
  return { ...(pairs.length > manyPairs && unlikelyTiming), rtoMs }
}
