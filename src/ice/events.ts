// What an agent tells its owner.
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import type { Candidate, Component } from './candidate.ts'
import type { IcePath } from './pair.ts'

/** "connected": media can flow on every component; "completed": every component has its nominated pair. */
export type IceState = 'new' | 'checking' | 'connected' | 'completed' | 'failed' | 'closed'

export type IceEvent =
  | { type: 'candidate'; stream: number; candidate: Candidate }
  /** A STUN server has spoken, or has not: the socket it was asked from, and how long it took. */
  | {
      type: 'server'
      server: TransportAddress
      protocol: 'stun' | 'turn-udp' | 'turn-tcp' | 'turn-tls'
      base: TransportAddress
      outcome: 'answered' | 'timeout' | 'error'
      afterMs: Millis
      detail?: string
    }
  | { type: 'gathered' }
  | { type: 'state'; state: IceState; reason?: string }
  /** The first pair of a component works: media may use `sendPair`. */
  | { type: 'valid'; stream: number; component: Component }
  | { type: 'selected'; stream: number; component: Component; pair: IcePath }
  /** RFC 7675 5.1: nothing may be sent on this component any more. */
  | { type: 'consent-lost'; stream: number; component: Component }
  /** What came through a relay or a TCP candidate and is no STUN: RTP and RTCP of a known remote candidate. */
  | { type: 'data'; stream: number; component: Component; data: Uint8Array; from: TransportAddress }
  /** What `probe` found: whether the peer answers on the pair in use. */
  | { type: 'probe'; stream: number; component: Component; alive: boolean }
  | { type: 'role-conflict'; now: 'controlling' | 'controlled' }
