// What is told about candidates and pairs: facts for the trace, rows for people (read-only over streams and pairs).
import { formatAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import type { IceFact, PairFact } from '../trace/facts.ts'
import { type Candidate, type Component, candidateLine } from './candidate.ts'
import type { CandidatePair, PairState } from './pair.ts'
import type { IceStream } from './stream.ts'

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
function formatPairReport(row: PairReport): string {
  const end = (candidate: Candidate) => `${candidate.type} ${formatAddress(candidate)}`
  return `${end(row.local)} -> ${end(row.remote)}: ${row.detail ?? (row.nominated ? 'nominated' : row.state)}`
}

/** Every pair of the streams, highest priority first within each. */
export const reportPairs = (streams: readonly IceStream[]): PairReport[] =>
  streams.flatMap((stream) =>
    stream.checklist.pairs.map((pair) => {
      const detail = pair.detail ?? pair.stopped
      return {
        stream: stream.index,
        component: pair.component,
        local: withoutBase(pair.validLocal ?? pair.local),
        remote: pair.remote,
        state: pair.state,
        nominated: pair.nominated,
        selected: stream.components.get(pair.component)?.selected === pair,
        checksSent: pair.checksSent,
        ...(pair.rttMs !== undefined && { rttMs: pair.rttMs }),
        ...(detail !== undefined && { detail }),
      }
    }),
  )

/** Enough pairs to see the pattern; all of them are in the report. */
const pairsInReason = 5

export function failureReason(streams: readonly IceStream[]): string {
  const rows = reportPairs(streams)
  if (rows.length === 0) return 'no local candidate can reach a candidate of the peer'
  const shown = rows.slice(0, pairsInReason).map(formatPairReport).join('; ')
  return `none of ${rows.length} candidate pairs works: ${shown}${rows.length > pairsInReason ? '; …' : ''}`
}

export const candidateFact = (side: 'local' | 'remote', candidate: Candidate): IceFact => ({
  layer: 'ice',
  type: 'candidate',
  side,
  candidate: candidateLine(candidate),
  kind: candidate.type,
  address: { address: candidate.address, port: candidate.port },
})

export function pairFact(pair: CandidatePair): PairFact {
  const local = pair.validLocal ?? pair.local
  return {
    stream: pair.base.stream,
    component: pair.component,
    local: { type: local.type, address: { address: local.address, port: local.port } },
    remote: { type: pair.remote.type, address: pair.remoteAddress },
    ...(local.transport === 'tcp' && { transport: 'tcp' as const }),
  }
}

export const pairOutcomeFact = (pair: CandidatePair, state: 'succeeded' | 'failed'): IceFact => ({
  layer: 'ice',
  type: 'pair',
  state,
  checksSent: pair.checksSent,
  ...(pair.rttMs !== undefined && { rttMs: pair.rttMs }),
  ...(pair.detail !== undefined && { detail: pair.detail }),
  ...pairFact(pair),
})

/** What others may hold: without the sending side of the base. */
function withoutBase({ base: _base, ...candidate }: CandidatePair['local']): Candidate {
  return candidate
}
