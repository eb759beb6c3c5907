// Candidates (RFC 8445 5.1, RFC 6544 4) and their bases, priority and text, and what the two ends tell each other about ICE
// (RFC 8839 5).
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import type { TurnServer, TurnTransport } from '../turn/server.ts'

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

/** Where packets of a local candidate really leave from (RFC 8445 5.1.1): a socket of our own, or a relay that wraps what is
 *  sent. What the shell knows it by is `address`: for an active TCP candidate its port only tells it from others. */
export interface Base {
  readonly stream: number
  readonly component: Component
  readonly address: TransportAddress
  /** RFC 8445 5.1.2.1, 0 to 65535. */
  readonly localPreference: number
  readonly transport: 'udp' | 'tcp'
  /** RFC 6544 4.1, with transport "tcp" alone. */
  readonly tcpType?: TcpType
  /** The allocation whose relayed address this is. */
  readonly relay?: Relay
  send(now: Millis, data: Uint8Array, to: TransportAddress, departAt?: Millis): void
}

/** An allocation at a TURN server, as its candidates see it. */
export interface Relay {
  readonly server: TurnServer
  /** What the server sees us as: the related address of its candidates (RFC 8839 5.1). */
  readonly mapped: TransportAddress
}

/** Media may leave from it without the agent. */
export const isOwnSocket = (base: Base): boolean => base.transport === 'udp' && !base.relay

export interface LocalCandidate extends Candidate {
  base: Base
  /** Who told us of it. */
  server?: TransportAddress
}

/** RFC 8445 5.1.2.2, the recommended values. */
const typePreferences = { host: 126, prflx: 110, srflx: 100, relay: 0 } as const
/** RFC 6544 4.2 leaves it to the media which transport is preferred. Speech suffers from TCP's retransmissions: any UDP path
 *  between the two ends is better, a relay is not. */
const tcpTypePreferences = { host: 90, prflx: 80, srflx: 70, relay: 0 } as const

/** RFC 8445 5.1.2.1. @param localPreference 0 to 65535 */
export const candidatePriority = (
  type: CandidateType,
  localPreference: number,
  component: number,
  transport: 'udp' | 'tcp' = 'udp',
): number => {
  const typePreference = (transport === 'tcp' ? tcpTypePreferences : typePreferences)[type]
  return typePreference * 2 ** 24 + localPreference * 2 ** 8 + (256 - component)
}

/** What a peer-reflexive candidate learned from a check of this base has (RFC 8445 7.1.1). Of a relayed base that of a relay: a
 *  relay that the peer was not told of is not to be preferred to a direct path. */
export const checkPriority = (base: Base): number => basePriority(base.relay ? 'relay' : 'prflx', base)

/** Whether packets of a candidate take the way of a relay, as far as can be told. */
export const isRelayed = ({ type, priority }: Candidate): boolean =>
  type === 'relay' || (type === 'prflx' && priority < 2 ** 24)

/** Of a candidate of this type on this base. */
export const basePriority = (type: CandidateType, base: Base): number =>
  candidatePriority(type, base.localPreference, base.component, base.transport)

/** What the other end of a TCP connection is (RFC 6544 4.1). */
export const oppositeTcpType = { active: 'passive', passive: 'active', so: 'so' } as const

/** RFC 6544 4.2: 2^13 times the direction preference of a host candidate, and what tells candidates of one direction apart.
 *  @param localPreference 0 to 65535, as it would be for UDP */
export const tcpLocalPreference = (tcpType: TcpType, localPreference: number): number =>
  ({ active: 6, passive: 4, so: 2 })[tcpType] * 2 ** 13 + Math.max(0, localPreference - 65_535 + 8_191)

/** The fewer layers between us and the relay, the better: UDP before TCP before TLS.
 *  @param order counts the relays of a component in the order in which they answered: the nearest first */
export const relayLocalPreference = (transport: TurnTransport, order: number): number =>
  ({ udp: 2, tcp: 1, tls: 0 })[transport] * 2 ** 14 + Math.max(0, 16_383 - order)

/** The value of an a=candidate line (RFC 8839 5.1, RFC 6544 4.5), for facts. */
export function candidateLine(c: Candidate): string {
  const related = c.related ? ` raddr ${c.related.address} rport ${c.related.port}` : ''
  const tcpType = c.tcpType ? ` tcptype ${c.tcpType}` : ''
  return `${c.foundation} ${c.component} ${c.transport} ${c.priority} ${c.address} ${c.port} typ ${c.type}${related}${tcpType}`
}
