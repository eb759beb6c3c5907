// A TURN server as its user names it, and the credentials to use there (RFC 8656; RFC 7065 for the URIs).
import type { TransportAddress } from '../runtime/address.ts'

/** How the client speaks to the server; what is relayed is UDP always. */
export type TurnTransport = 'udp' | 'tcp' | 'tls'

export interface TurnServer {
  readonly address: TransportAddress
  readonly transport: TurnTransport
  /** The name it was given by: what its certificate must name, and what is shown to people. */
  readonly host: string
  readonly username: string
  /** Never recorded, never printed. */
  readonly password: string
}
