// When a registration speaks next (RFC 3261 10.2.4, RFC 5626 4.5): how long before its end it is refreshed, and how long a
// flow that failed is left alone. Numbers alone: whoever holds the timer is registration-binding.ts.
import type { Millis, Random } from '../runtime/runtime.ts'

/** A day: more is no keep-alive, and setTimeout ends at 24.8 days. */
export const maximumExpiresSeconds = 86_400
/** RFC 5626 4.5's shape (doubling, 50 to 100 % of it), with a base that suits a person who waits where no flow is left. */
const backOff = {
  alone: { baseMs: 4_000, maximumMs: 300_000 },
  /** RFC 5626 4.5's own base-time-not-failed and max-time, where calls still come over another flow. */
  besideOthers: { baseMs: 90_000, maximumMs: 1_800_000 },
} as const
/** A password that was right and is refused now: asked for again so rarely that no account is locked. */
export const refusedPasswordRetryMs: Millis = 300_000
/** A refresh is due this share of the interval before its end, and at least 5 s, at most 60 s. */
const refreshMargin = 0.1
/** Phones that registered together, after a power cut, part again: by this share of the interval at most, and 30 s. */
const refreshSpread = 0.05
const maximumSpreadMs: Millis = 30_000

/** @param grantedSeconds by the registrar, above 0 */
export function refreshDelayMs(grantedSeconds: number, random: Random): Millis {
  const expiresSeconds = Math.min(grantedSeconds, maximumExpiresSeconds)
  const marginSeconds = Math.min(Math.max(5, expiresSeconds * refreshMargin), 60, expiresSeconds / 2)
  const spreadMs = Math.min(expiresSeconds * refreshSpread * 1000, maximumSpreadMs)
  return (expiresSeconds - marginSeconds) * 1000 - random.integer(Math.floor(spreadMs) + 1)
}

/** @param failures in a row before this one */
export function retryDelayMs(failures: number, random: Random, othersUp: boolean): Millis {
  const { baseMs, maximumMs } = othersUp ? backOff.besideOthers : backOff.alone
  const doubledMs = Math.min(baseMs * 2 ** failures, maximumMs)
  return doubledMs / 2 + random.integer(Math.ceil(doubledMs / 2) + 1)
}
