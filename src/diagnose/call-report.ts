// The shape of a call's report and of its verdict: plain data that survives JSON unchanged.
// Times are milliseconds with one decimal.
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import type { CallStateName, IceFact, PairFact, StreamStatistics } from '../trace/facts.ts'
import type { CauseCode, VerdictLayer } from './causes.ts'
import type { RedirectReport, TransferReport } from './handed-over.ts'

export interface CallReport {
  callId: string
  direction: 'outgoing' | 'incoming'
  local: string
  remote: string
  /** Where the call stands, or how it ended. */
  outcome: { state: CallStateName; status?: number; reason?: string; by?: 'local' | 'remote' | 'network' }
  timings: Timings
  /** Redirections that were followed, in order; absent where there were none. */
  redirects?: RedirectReport[]
  /** Absent where there were none. */
  transfers?: TransferReport[]
  /** What media was agreed on last; absent where it came to no agreement. */
  codec?: CodecReport
  /** Absent where media is in the clear. */
  srtp?: { by: 'sdes' | 'dtls'; suite: string }
  ice: IceReport
  /** Every pair that was tried, and its fate. */
  pairs: PairReport[]
  /** The pair in use, one per component. */
  selected: SelectedPair[]
  /** Where media really went and came from; without ICE they can differ from what was signalled. */
  media: { sentTo?: TransportAddress; receivedFrom?: TransportAddress; latchedFrom?: TransportAddress }
  statistics?: ReportStatistics
  dtmf: { sent: string; received: string }
  played: string[]
  recordings: { path: string; durationMs: Millis }[]
  hearings: HearingReport[]
  /** Things worth knowing that did not break the call. */
  warnings: string[]
  verdict: Verdict
}

/** Milliseconds after the INVITE (first sent, or received); absent where it did not happen. */
export interface Timings {
  ringing?: Millis
  answered?: Millis
  /** Both descriptions known. */
  negotiated?: Millis
  iceNominated?: Millis
  firstRtpSent?: Millis
  firstRtpReceived?: Millis
  firstAudioHeard?: Millis
  ended?: Millis
  /** From both descriptions known to the last component nominated. */
  iceMs?: Millis
  /** From the answer to the end, or to now. */
  durationMs?: Millis
}

export interface CodecReport {
  name: string
  payloadType: number
  receivePayloadType: number
  /** Length of the packets we send; of those that come `statistics` tells. */
  ptimeMs: Millis
  telephoneEvent: boolean
  /** Whether either end may send it in the place of silence. */
  comfortNoise?: boolean
  /** What we may do. */
  direction: 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'
  rtcpMux: boolean
}

export interface IceReport {
  /** 'none' where it never came to a negotiation. */
  mode: Extract<IceFact, { type: 'mode' }>['mode'] | 'none'
  role?: 'controlling' | 'controlled'
  state?: Extract<IceFact, { type: 'state' }>['state']
  reason?: string
  gatheringMs?: Millis
  localCandidates: CandidateReport[]
  remoteCandidates: CandidateReport[]
  servers: ServerReport[]
  /** Every restart (RFC 8445 9), in order; what died is tried again until it works. */
  restarts: RestartReport[]
}

export interface ServerReport {
  server: string
  /** What was asked for. */
  protocol: NonNullable<Extract<IceFact, { type: 'server' }>['protocol']>
  outcome: 'answered' | 'timeout' | 'error'
  afterMs: Millis
  code?: number
  detail?: string
}

export interface RestartReport {
  /** After the INVITE. */
  atMs: Millis
  /** Who began it. */
  by: 'local' | 'remote'
  why: string
  /** From its beginning to a new pair; absent where it came to nothing. */
  pathAfterMs?: Millis
  /** How long nothing had been received when media came back; absent where media went on all the time. */
  silentMs?: Millis
}

export interface CandidateReport {
  kind: string
  address: TransportAddress
}

export interface PairReport extends PairFact {
  state: 'succeeded' | 'failed'
  selected: boolean
  checksSent: number
  rttMs?: Millis
  detail?: string
  /** "host 10.0.0.1:4000 -> srflx 192.0.2.7:4002: no response" */
  text: string
}

export interface SelectedPair extends PairFact {
  why: string
  rttMs?: Millis
}

/** StreamStatistics as JSON can carry it: a level of -Infinity dB is null. */
export type ReportStatistics = Omit<StreamStatistics, 'received'> & {
  received: Omit<StreamStatistics['received'], 'levelDbfs'> & { levelDbfs: number | null }
}

export interface HearingReport {
  expected: string
  heard: boolean
  score: number
  detail: string
}

/** What the verdict is made from. */
export type UnjudgedReport = Omit<CallReport, 'verdict' | 'warnings'>

/** Why there is no audio, or that there is. Judged by what was negotiated: a sendonly call need not receive. */
export type Verdict =
  | { ok: true; evidence: string[] }
  | {
      ok: false
      cause: CauseCode
      layer: VerdictLayer
      /** Which way media or signalling did not work, from our side. */
      direction: 'both' | 'sending' | 'receiving'
      /** What the trace shows, most telling first. */
      evidence: string[]
      /** What to change. */
      fix: string
    }
