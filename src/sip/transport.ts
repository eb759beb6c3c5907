// SIP transport (RFC 3261 18) over Runtime.network.
import type { TransportAddress } from '../runtime/address.ts'
import type { SipFact } from '../trace/facts.ts'
import type { Flow, Hop, ListeningPoint } from './flow.ts'
import type { SipMessage } from './message.ts'

/** Signature sketch; the class follows. */
export interface SipTransportShape {
  onMessage: ((message: SipMessage, flow: Flow) => void) | undefined
  onFlowClosed: ((flow: Flow, error?: Error) => void) | undefined
  /** UDP datagrams that are no SIP: STUN on the SIP port. */
  onForeignDatagram: ((data: Uint8Array, flow: Flow) => void) | undefined
  record: (fact: SipFact) => void
  start(points: ListeningPoint[]): Promise<(ListeningPoint & TransportAddress)[]>
  flowTo(hop: Hop): Flow | Promise<Flow>
  stop(): void
}
