// What the user agent half of src/sip stands on: transport, routing and retransmission in one object. Text of sip.js goes in,
// parsed messages come out; everything unreliable about UDP (RFC 3261 17) is dealt with below this line.
import type { SipFact } from '../trace/facts.ts'
import type { Flow, Hop, ListeningPoint } from './flow.ts'
import type { SipRequest, SipResponse } from './message.ts'

/** Via sent-by and Contact host of every message handed down; replaced by the flow's own address when it leaves. */
export const placeholderHost = 'floe.invalid'

export interface WireOptions {
  record?: (fact: SipFact) => void
  /** Timers of RFC 3261 17, in ms; for tests. */
  timers?: { t1Ms: number; t2Ms: number; t4Ms: number }
}

/** Signature sketch; the class follows. */
export interface SipWireShape {
  /** A request that is no retransmission. `transactionId` tells server transactions apart (RFC 3261 17.2.3) and
   *  stands in for the branch, which RFC 2543 peers do not have: give it to sip.js as `viaBranch`. ACK and CANCEL carry
   *  the id of the INVITE they belong to. Its top Via already holds received and rport. */
  onRequest: ((request: SipRequest, flow: Flow, transactionId: string) => void) | undefined
  /** A response that is no retransmission and belongs to a request sent here. */
  onResponse: ((response: SipResponse, flow: Flow) => void) | undefined
  /** The request with this branch could not be sent, or its connection went before a final response. */
  onTransportError: ((branch: string, method: string, error: Error) => void) | undefined

  start(listen: ListeningPoint[]): Promise<ListeningPoint[]>
  /** `hop`: a place, or a SIP URI to be resolved (RFC 3263 4); absent: first Route, else Request-URI. CANCEL, and ACK of a
   *  non-2xx, always follow their INVITE. Failures arrive through onTransportError, never as an exception. */
  sendRequest(text: string, hop?: Hop | string): void
  /** Finds its way by the server transaction it answers, else by its top Via (RFC 3261 18.2.2). */
  sendResponse(text: string): void
  stop(): Promise<void>
}
