// Consent to send (RFC 7675): the peer must go on answering checks on the pair that media uses. These checks are the
// keepalives of RFC 8445 11 as well.
import type { Millis, Random } from '../runtime/runtime.ts'

/** RFC 7675 5.1: the interval is 5 s, randomised by 0.8 to 1.2 for each check. */
const intervalMs = 5_000
/** RFC 7675 5.1: consent ends 30 s after the last valid response. */
const consentExpiryMs = 30_000
/** Each consent check is sent once (RFC 7675 5.1), and six packets in 30 s are too few to tell loss from refusal: with one in ten
 *  lost each way they would end one call in fifty within ten minutes. After so long without an answer every consent check is
 *  joined by a check that is repeated, as RFC 8445 has it. */
const doubtAfterMs = 12_000

export class Consent {
  checkAt: Millis
  expiresAt: Millis

  /** Consent begins with the peer's last response on the pair. Where that is long ago, since another pair was in use that has gone,
   *  the peer is asked at once. */
  constructor(
    now: Millis,
    answeredAt: Millis,
    private readonly random: Random,
  ) {
    const isOver = now >= answeredAt + consentExpiryMs
    this.checkAt = isOver ? now : now + this.interval()
    this.expiresAt = (isOver ? now : answeredAt) + consentExpiryMs
  }

  checkSent(now: Millis): void {
    this.checkAt = now + this.interval()
  }

  refreshed(now: Millis): void {
    this.expiresAt = now + consentExpiryMs
  }

  /** Whether it is time to make sure. */
  isDoubtful(now: Millis): boolean {
    return now >= this.expiresAt - consentExpiryMs + doubtAfterMs
  }

  nextAt(): Millis {
    return Math.min(this.checkAt, this.expiresAt)
  }

  private interval(): Millis {
    return intervalMs * (0.8 + this.random.integer(4_001) / 10_000)
  }
}
