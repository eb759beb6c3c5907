// Which servers did not answer, or asked to be left alone (503 with Retry-After, RFC 3261 21.5.4), and until when: every request
// of a user agent learns from it, so that a dead server costs one call its seconds and not every call (RFC 3263 4.3). A server
// that is down is tried last, not never.
import { formatAddress } from '../runtime/address.ts'
import type { Clock, Millis } from '../runtime/runtime.ts'
import type { Hop } from './flow.ts'

/** RFC 5626 4.5 has 30 s for the first, too. */
const firstPauseMs: Millis = 30_000
const longestPauseMs: Millis = 300_000
const longestRetryAfterMs: Millis = 3_600_000
const maximumServers = 1_024

interface Trouble {
  failures: number
  until: Millis
}

const keyOf = ({ protocol, address, port }: Hop): string => `${protocol} ${formatAddress({ address, port })}`

export class ServerLiveness {
  private readonly troubles = new Map<string, Trouble>()

  constructor(private readonly clock: Clock) {}

  failed(hop: Hop): void {
    const failures = (this.troubles.get(keyOf(hop))?.failures ?? 0) + 1
    this.store(hop, failures, Math.min(firstPauseMs * 2 ** (failures - 1), longestPauseMs))
  }

  leaveAlone(hop: Hop, retryAfterMs: Millis): void {
    this.store(hop, this.troubles.get(keyOf(hop))?.failures ?? 0, Math.min(retryAfterMs, longestRetryAfterMs))
  }

  answered(hop: Hop): void {
    this.troubles.delete(keyOf(hop))
  }

  /** It did not answer the last time, even where its pause is over: nobody waits long for it. */
  isDoubtful(hop: Hop): boolean {
    return (this.troubles.get(keyOf(hop))?.failures ?? 0) > 0
  }

  /** Those in trouble behind the others; each part in the order given. */
  inOrder(hops: readonly Hop[]): Hop[] {
    const now = this.clock.now()
    const isDown = (hop: Hop): boolean => (this.troubles.get(keyOf(hop))?.until ?? 0) > now
    return [...hops.filter((hop) => !isDown(hop)), ...hops.filter(isDown)]
  }

  private store(hop: Hop, failures: number, pauseMs: Millis): void {
    const key = keyOf(hop)
    this.troubles.delete(key)
    if (this.troubles.size >= maximumServers) this.troubles.delete(this.troubles.keys().next().value!)
    this.troubles.set(key, { failures, until: this.clock.now() + pauseMs })
  }
}
