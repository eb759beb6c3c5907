// What an agent tells its owner, and the rows of its report.
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import type { Candidate, Component } from './candidate.ts'
import type { IcePath, PairState } from './pair.ts'

/** "connected": media can flow on every component; "completed": every component has its nominated pair. */
export type IceState = 'new' | 'checking' | 'connected' | 'completed' | 'failed' | 'closed'

export type IceEvent =
  | { type: 'candidate'; stream: number; candidate: Candidate }
  /** A STUN server has spoken, or has not: the socket it was asked from, and how long it took. */
  | {
      type: 'server'
      server: TransportAddress
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
  | { type: 'role-conflict'; now: 'controlling' | 'controlled' }

/** One pair and its fate. */
export interface PairReport {
  stream: number
  component: Component
  local: Candidate
  remote: Candidate
  state: PairState
  nominated: boolean
  selected: boolean
  /** Binding requests sent, retransmissions included. */
  checksSent: number
  rttMs?: Millis
  /** Why it failed, or why it was not tried to the end. */
  detail?: string
}

/** "host 10.0.0.1:4000 -> srflx 192.0.2.7:4002: no response" */
export function formatPairReport(row: PairReport): string {
  const end = (c: Candidate) =>
    `${c.type} ${c.address.includes(':') ? `[${c.address}]` : c.address}:${c.port}`
  const fate = row.detail ?? (row.nominated ? 'nominated' : row.state)
  return `${end(row.local)} -> ${end(row.remote)}: ${fate}`
}
