// Where a peer without ICE is: symmetric RTP. Media goes to the signalled address until the peer's own media comes from
// another one, and then there (latching); a stranger's packets move nothing while the peer is heard.
import { sameAddress, type TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis } from '../runtime/runtime.ts'

/** A peer that moved without saying so is followed once its old address has been silent for this long. */
const relatchAfterSilenceMs = 1_000

/** One component's other end. */
export class PlainPeer {
  private signalled: TransportAddress | undefined
  private latched: TransportAddress | undefined
  /** Where media came from until a new description moved it: what is still on its way is not followed. */
  private former: { address: TransportAddress; until: Millis } | undefined
  private heardAt: Millis = 0

  /** @param onLatched the peer's media comes from here, and not from where it said */
  constructor(
    private readonly clock: Clock,
    private readonly onLatched: (from: TransportAddress, signalled: TransportAddress | undefined) => void,
  ) {}

  get address(): TransportAddress | undefined {
    return this.latched ?? this.signalled
  }

  /** Where the peer says it is. A new description moves the media (RFC 3264 8.3.1), whatever had been learned. */
  signal(address: TransportAddress | undefined): void {
    if (address && this.signalled && sameAddress(address, this.signalled)) return
    this.forget(this.address)
    this.signalled = address
    this.latched = undefined
  }

  /** Packets still on their way from here are not the peer's any more. */
  forget(address: TransportAddress | undefined): void {
    if (address) this.former = { address, until: this.clock.now() + relatchAfterSilenceMs }
  }

  /** Whether a packet from this source is the peer's; learns from it where the peer really is. */
  admits(from: TransportAddress, now: Millis): boolean {
    const { address, former } = this
    if (address && sameAddress(address, from)) {
      this.latched = address
      this.heardAt = now
      return true
    }
    if (former && now < former.until && sameAddress(former.address, from)) return false
    const free = this.latched === undefined || now - this.heardAt > relatchAfterSilenceMs
    if (!free) return false
    this.latched = from
    this.heardAt = now
    this.onLatched(from, this.signalled)
    return true
  }
}
