// Which pair the controlling agent nominates, and when (RFC 8445 8.1.1 leaves both to us).
//
// The rule: take the best valid pair of a component at once, unless a better one may still answer as fast: its latest check
// left less than the valid pair's round trip ago. One that takes longer than that to answer is not on its way, or not the
// better pair after all. Better is what has a higher rank (UDP before TCP before a relay), and among the likely pairs of one
// rank (see checklist.ts) what has a higher priority: an unlikely pair of the same rank is not worth a round trip. Pairs not
// checked yet do not count: both sides check the likely pairs in order of priority, so a better one that is still unsent
// when a lower one has answered is one that routing would not choose, or was overtaken by the peer's checks, of which its
// own would have come before.
import type { Millis } from '../runtime/runtime.ts'
import type { CandidatePair } from './pair.ts'

/** A relay works for everybody, so it answers before a NAT is open whose first packet was dropped: direct pairs get until their
 *  first retransmission (RFC 8445 14.3: 500 ms) has been answered, and media flows over the relay meanwhile. */
const relayedPatienceMs = 1_000

/** How often a pair that was still under way may have been waited for: two NATs that show a new port with every packet make new
 *  pairs for ever. */
const longestPatience = 3

/** What timers and event loops add to a round trip. */
const schedulingSlackMs = 2

/** The pair to nominate now, or when to ask again; undefined while nothing is valid.
 *  @param pairs of one component, highest priority first */
export function chooseNomination(
  now: Millis,
  pairs: readonly CandidatePair[],
): { nominate: CandidatePair } | { waitUntil: Millis } | undefined {
  let best: CandidatePair | undefined
  for (const pair of pairs) {
    if (pair.state === 'succeeded' && (!best || pair.priority > best.priority)) best = pair
  }
  if (!best) return undefined
  const patienceMs = (best.rttMs ?? 0) + schedulingSlackMs
  let waitUntil = now
  let validAt = best.validAt ?? now
  for (const pair of pairs) if (pair.state === 'succeeded') validAt = Math.min(validAt, pair.validAt ?? now)
  for (const pair of pairs) {
    if (pair.priority <= best.priority || pair.state !== 'in-progress' || pair.lastCheckAt === undefined)
      continue
    if (!pair.likely && pair.rank <= best.rank) continue
    const direct = best.rank === 0 && pair.rank > 0
    waitUntil = Math.max(waitUntil, pair.lastCheckAt + patienceMs + (direct ? relayedPatienceMs : 0))
  }
  waitUntil = Math.min(
    waitUntil,
    validAt + longestPatience * (patienceMs + (best.rank === 0 ? relayedPatienceMs : 0)),
  )
  return waitUntil > now ? { waitUntil } : { nominate: best }
}
