// What is decided about a message before a single header of it is parsed: whether its source sends too much, is a scanner by its
// own account, or has been refused too often. What is turned away here costs about as much as its reception, and is not answered.
import type { TransportAddress } from '../runtime/address.ts'
import type { Clock } from '../runtime/runtime.ts'
import { defaultRateLimit, type RateLimit, SourceLimiter } from './limits.ts'
import { Offenders } from './offenders.ts'
import { scannerOf } from './scanner.ts'

export class Door {
  /** Addresses that are never ignored, whatever seems to come from them. */
  trusted: (address: string) => boolean = () => false
  readonly offenders = new Offenders((address) => this.trusted(address))
  private readonly limiter: SourceLimiter

  constructor(
    private readonly clock: Clock,
    rateLimit: RateLimit = defaultRateLimit,
  ) {
    this.limiter = new SourceLimiter(rateLimit)
  }

  /** Why this message is dropped; undefined where it may come in. */
  refuses(data: Uint8Array, from: TransportAddress): string | undefined {
    const now = this.clock.now()
    if (!this.limiter.admits(now, from.address)) return 'rate limit'
    if (!beginsSomething(data)) return undefined
    if (this.offenders.ignores(now, from.address)) return 'refused too often'
    const scanner = scannerOf(data)
    return scanner === undefined ? undefined : `a scanner (${scanner})`
  }
}

/** By their first letters: all methods but those that belong to what exists already (ACK, BYE, CANCEL, PRACK), and no responses
 *  ("SIP/2.0"; SUBSCRIBE shares its first letter). */
function beginsSomething(data: Uint8Array): boolean {
  switch (data[0]) {
    case 0x49: // INVITE, INFO
    case 0x4f: // OPTIONS
    case 0x52: // REGISTER, REFER
    case 0x4d: // MESSAGE
    case 0x4e: // NOTIFY
      return true
    case 0x53: // SUBSCRIBE
      return data[1] === 0x55
    default:
      return false
  }
}
