// What the layers above know of the way a message came or goes: protocol, both addresses, and the flow itself (a UDP socket
// and a peer, or a TCP connection), so that an answer leaves the way its request came (RFC 3261 18.2.2, RFC 3581, RFC 5626 3).
import type { TransportAddress } from '../runtime/address.ts'

export type Protocol = 'udp' | 'tcp'

/** Where to listen. Port 0 lets the system choose; "0.0.0.0" and "::" listen on every address of the family. */
export interface ListeningPoint {
  readonly protocol: Protocol
  readonly address: string
  readonly port: number
}

export interface Flow {
  readonly protocol: Protocol
  /** The local end; on a wildcard UDP socket the address is the wildcard. */
  readonly local: TransportAddress
  readonly remote: TransportAddress
  /** The address that peers reach us at over this flow: what Via and Contact say. */
  readonly sentBy: TransportAddress
  /** False once a TCP connection has gone. */
  readonly open: boolean
  send(data: Uint8Array): void
}

/** Where a message goes next. With an open `flow` of the same protocol it goes there, whatever the address says. */
export interface Hop {
  readonly protocol: Protocol
  readonly address: string
  readonly port: number
  readonly flow?: Flow
}
