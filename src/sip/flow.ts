// What the layers above know of the way a message came or goes: protocol, both addresses, and the flow itself (a UDP socket
// and a peer, or a connection), so that an answer leaves the way its request came (RFC 3261 18.2.2, RFC 3581, RFC 5626 3).
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'

export type Protocol = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'

/** RFC 3261 19.1.2, RFC 7118 4.2. */
export const defaultPorts: Readonly<Record<Protocol, number>> = {
  udp: 5060,
  tcp: 5060,
  tls: 5061,
  ws: 80,
  wss: 443,
}

export const isProtocol = (text: string): text is Protocol => Object.hasOwn(defaultPorts, text)

/** Over a connection: nothing is lost on it, and a message may be of any size. */
export const isReliable = (protocol: Protocol): boolean => protocol !== 'udp'
/** What a sips: URI asks of every hop. */
export const isSecure = (protocol: Protocol): boolean => protocol === 'tls' || protocol === 'wss'
export const isWebSocket = (protocol: Protocol): protocol is 'ws' | 'wss' =>
  protocol === 'ws' || protocol === 'wss'

/** What a WebSocket's client calls itself in Via and Contact (RFC 7118 5.2): nobody can connect to it. */
export const isUnreachableName = (host: string): boolean => host.endsWith('.invalid')

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
  /** The address that peers reach us at over this flow: what Via and Contact say. Port 0: none is said. */
  readonly sentBy: TransportAddress
  /** The name that the peer's certificate was asked for; absent where it was not asked. */
  readonly serverName?: string | undefined
  /** False once a connection has gone. */
  readonly open: boolean
  /** Of a connection: when the far end was heard last, and how often it has answered a keep-alive (RFC 5626 4.4.1). */
  readonly heardAt?: Millis
  readonly pongs?: number
  /** Asks the far end of a connection for a sign of life. */
  ping?(): void
  send(data: Uint8Array): void
}

/** Where a message goes next. With an open `flow` of the same protocol it goes there, whatever the address says. */
export interface Hop {
  readonly protocol: Protocol
  readonly address: string
  readonly port: number
  readonly flow?: Flow
  /** The domain of the URI, which the certificate must bear (RFC 5922 7.1) and SNI and a WebSocket's Host say; absent: the address. */
  readonly serverName?: string
  /** Of a WebSocket. */
  readonly path?: string
}

/** The place at the other end of a flow, for a connection that replaces it. */
export const hopTo = ({ protocol, remote, serverName }: Flow): Hop => ({
  protocol,
  ...remote,
  ...(serverName !== undefined && { serverName }),
})
