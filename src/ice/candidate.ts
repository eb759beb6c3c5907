// Candidates (RFC 8445 5.1), their priority and text, and what the two ends tell each other about ICE (RFC 8839 5).
import type { TransportAddress } from '../runtime/address.ts'

export type CandidateType = 'host' | 'srflx' | 'prflx' | 'relay'

/** Field for field what an a=candidate line says (RFC 8839 5.1). */
export interface Candidate {
  foundation: string
  /** 1 is RTP, 2 is RTCP. */
  component: number
  /** Lower case: "udp", "tcp" (RFC 6544); others are kept and ignored. */
  transport: string
  priority: number
  address: string
  port: number
  type: CandidateType
  /** raddr and rport. */
  related?: TransportAddress
  /** RFC 6544 4.5, with transport "tcp" alone. */
  tcpType?: TcpType
}

export type TcpType = 'active' | 'passive' | 'so'

/** The peer's half, one per data stream. */
export interface RemoteIce {
  ufrag: string
  pwd: string
  lite: boolean
  options: string[]
  candidates: Candidate[]
  /** a=end-of-candidates (RFC 8838 8.2): nothing will be trickled. */
  endOfCandidates?: boolean
  /** a=ice-pacing (RFC 8839 5.5): the Ta that the peer asks for. */
  pacingMs?: number
}

export type Component = 1 | 2

/** Where packets of a local candidate really leave from (RFC 8445 5.1.1): a socket, or a relay that wraps what is sent. */
export interface Base {
  readonly stream: number
  readonly component: Component
  readonly address: TransportAddress
  readonly localPreference: number
  /** Of ICE over TCP (RFC 6544); absent where datagrams leave, as from sockets and relays. */
  readonly tcpType?: TcpType
  send(data: Uint8Array, to: TransportAddress): void
}

export interface LocalCandidate extends Candidate {
  base: Base
  /** Who told us of it. */
  server?: TransportAddress
}

/** RFC 8445 5.1.2.2, the recommended values. */
const typePreferences = { host: 126, prflx: 110, srflx: 100, relay: 0 } as const

/** RFC 8445 5.1.2.1. @param localPreference 0 to 65535 */
export const candidatePriority = (type: CandidateType, localPreference: number, component: number): number =>
  typePreferences[type] * 2 ** 24 + localPreference * 2 ** 8 + (256 - component)

/** The value of an a=candidate line (RFC 8839 5.1), for facts. */
export function candidateLine(c: Candidate): string {
  const related = c.related ? ` raddr ${c.related.address} rport ${c.related.port}` : ''
  return `${c.foundation} ${c.component} ${c.transport} ${c.priority} ${c.address} ${c.port} typ ${c.type}${related}`
}
