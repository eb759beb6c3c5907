// Candidates (RFC 8445 5.1) and what the two ends tell each other about ICE (RFC 8839 5).
import type { TransportAddress } from '../runtime/address.ts'

export type CandidateType = 'host' | 'srflx' | 'prflx' | 'relay'

/** Field for field what an a=candidate line says (RFC 8839 5.1). */
export interface Candidate {
  foundation: string
  /** 1 is RTP, 2 is RTCP. */
  component: number
  /** Lower case. Only "udp" is used; others are kept and ignored. */
  transport: string
  priority: number
  address: string
  port: number
  type: CandidateType
  /** raddr and rport. */
  related?: TransportAddress
}

/** The peer's half, one per data stream. */
export interface RemoteIce {
  ufrag: string
  pwd: string
  lite: boolean
  options: string[]
  candidates: Candidate[]
}
