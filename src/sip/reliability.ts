// What client and server side of the retransmission layer (RFC 3261 17, RFC 6026) share: timers, packets, keys.
// The layer is sans-I/O: messages and time go in; verdicts, packets to repeat and one deadline come out.
import type { Millis } from '../runtime/runtime.ts'
import type { Flow, Hop } from './flow.ts'
import type { SipMessage } from './message.ts'
import { magicCookie } from './via.ts'

/** RFC 3261 17.1.1.1 and table 4. */
export interface TimerValues {
  /** Round-trip estimate. */
  t1Ms: Millis
  /** Longest interval between retransmissions of a non-INVITE request or a response to INVITE. */
  t2Ms: Millis
  /** How long a message may stay in the network. */
  t4Ms: Millis
}

export const rfc3261Timers: TimerValues = { t1Ms: 500, t2Ms: 4_000, t4Ms: 5_000 }

/** Timers B, D, F, H, J, L and M: 64 * T1. */
export const transactionLifetimeMs = (timers: TimerValues): Millis => 64 * timers.t1Ms

/** An INVITE that rings, or a request nobody answers, is forgotten after this long without news. Longer than any Timer C (RFC 3261 16.6). */
export const ringingLifetimeMs: Millis = 900_000

/** How many transactions one side keeps; the oldest go first. Sized for 2,000 calls a second over 32 s. */
export const maximumTransactions = 131_072

/** What a fact says of a message, kept for its repetitions. */
export interface MessageDescription {
  summary: string
  method: string
  status?: number
  callId: string
  cseq: number
  hasBody: boolean
}

/** Octets that have been sent once and may be sent again. */
export interface Packet {
  readonly data: Uint8Array
  readonly flow: Flow
  /** Where it goes when its connection has gone. */
  readonly fallback?: Hop
  readonly description?: MessageDescription | undefined
}

/** Identifies a client transaction by what its responses carry (RFC 3261 17.1.3). */
export const clientKey = (branch: string, method: string): string => `${branch} ${method}`

/** Identifies a server transaction (RFC 3261 17.2.3): branch and sent-by, or what RFC 2543 peers repeat instead. ACK and CANCEL
 *  have the key of their INVITE. Computed alike from the request and from its response. */
export function serverKey(message: SipMessage): string {
  const { topVia: via, cseq } = message
  const kind = cseq.method === 'ACK' || cseq.method === 'CANCEL' ? 'INVITE' : cseq.method
  const sentBy = `${via.host}:${via.port ?? ''}`
  const branch = via.params.get('branch') ?? ''
  if (branch.startsWith(magicCookie) && branch.length > magicCookie.length)
    return `${branch} ${sentBy} ${kind}`
  return `2543 ${branch} ${sentBy} ${message.callId} ${message.fromTag} ${cseq.sequence} ${kind}`
}

/** One INVITE of one dialog, from both tags: where an ACK to a 2xx belongs. */
export const dialogKey = (message: SipMessage): string =>
  `${message.callId} ${message.fromTag} ${message.toTag} ${message.cseq.sequence}`

/** Makes room for one more, oldest first. */
export function evictOldest<T>(table: Map<string, T>, maximum: number): T | undefined {
  if (table.size < maximum) return undefined
  const [key, oldest] = table.entries().next().value!
  table.delete(key)
  return oldest
}
