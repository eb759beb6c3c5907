// How much of what we send is likely to get lost, from what the peer's reports say of the time since the one before (RFC 3550 6.4.1).
// Quicker to rise than to fall: an interval without loss says little of the next burst.

/** Of what a report tells beyond what was expected. */
const weight = { rising: 1 / 2, falling: 1 / 4 }

export class ExpectedLoss {
  /** Undefined until somebody has told. */
  percent: number | undefined

  /** @param fractionLost of 256 */
  learn(fractionLost: number): number {
    const told = (100 * fractionLost) / 256
    const before = this.percent ?? told
    this.percent = before + (told - before) * (told > before ? weight.rising : weight.falling)
    return this.percent
  }
}
