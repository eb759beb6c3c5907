// Which pair the controlling agent nominates, and when (RFC 8445 8.1.1 leaves both to us).
//
// The rule: take the best valid pair of a component at once, unless a pair of higher priority may still answer. It may
// where its latest check left less than about one round trip ago, measured by the round trip of the valid pair: it went out
// before, to the same peer, so an answer that takes longer than that is not on its way. Pairs not checked yet do not
// count: checks go out in order of priority on both sides, so one that is still unsent when a lower one has answered
// was overtaken by the peer's checks, and the peer's own check of the better pair would have come before.
import type { Millis } from '../runtime/runtime.ts'
import type { CandidatePair } from './pair.ts'

/** How much longer than the valid pair's round trip a better pair may take: a quarter, and scheduling noise. */
const roundTripSlack = 1.25
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
  const patienceMs = (best.rttMs ?? 0) * roundTripSlack + schedulingSlackMs
  let waitUntil = now
  for (const pair of pairs) {
    if (pair.priority <= best.priority || pair.state !== 'in-progress' || pair.lastCheckAt === undefined)
      continue
    waitUntil = Math.max(waitUntil, pair.lastCheckAt + patienceMs)
  }
  return waitUntil > now ? { waitUntil } : { nominate: best }
}
