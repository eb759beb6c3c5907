// Large requests go over TCP (RFC 3261 18.1.1), with the way back to UDP that the same section allows: peers whose TCP port
// did not answer are remembered for a while, so that not every request waits for it.
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'

/** Larger requests go over TCP where the path's MTU is not known (RFC 3261 18.1.1), in bytes. */
export const largestUdpRequestBytes = 1_300
/** How long a peer whose TCP port does not answer gets its requests over UDP at once. */
const lifetimeMs: Millis = 60_000
const maximumPeers = 1_024
/** Somebody waits for what a large request asks: a TCP port that has not answered by then is taken to be shut. */
export const tcpPatienceMs: Millis = 1_000

export class TcpFailures {
  private readonly until = new Map<string, Millis>()

  add(now: Millis, remote: TransportAddress): void {
    if (this.until.size >= maximumPeers) this.until.delete(this.until.keys().next().value!)
    this.until.set(formatAddress(remote), now + lifetimeMs)
  }

  has(now: Millis, remote: TransportAddress): boolean {
    const until = this.until.get(formatAddress(remote))
    return until !== undefined && until >= now
  }
}
