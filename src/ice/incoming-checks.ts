// Checks of the peer (RFC 8445 7.3): answering them, and finding or making the pair that they came over. What such a check
// changes is checking.ts.
import type { KeyObject } from 'node:crypto'
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import type { StunMessage } from '../stun/message.ts'
import type { IceFact } from '../trace/facts.ts'
import { type Base, oppositeTcpType } from './candidate.ts'
import {
  judgeRequest,
  type ReceivedCheck,
  type Role,
  resolveRole,
  writeCheckSuccess,
  writeRoleConflict,
} from './check-message.ts'
import type { LocalCandidates } from './local-candidates.ts'
import type { CandidatePair } from './pair.ts'
import { candidateFact } from './report.ts'
import type { ArrivedCheck, IceStream } from './stream.ts'

/** What a request needs to be judged. */
export interface OwnSide {
  ufrag: string
  key: KeyObject
  role: Role
  tieBreaker: bigint
  /** Of the peer; absent before its description. */
  peerUfrag?: string
}

export type Answered =
  | { type: 'accepted'; check: ReceivedCheck; switchRole: boolean }
  /** The peer was told that its role is ours. */
  | { type: 'conflict' }
  /** Nothing follows from it; `reason` where it was refused or dropped. */
  | { type: 'done'; reason?: string }

/** Sends the response from the base that the request came to. */
export function answerCheck(
  now: Millis,
  message: StunMessage,
  source: TransportAddress,
  base: Base,
  { ufrag, key, role, tieBreaker, peerUfrag }: OwnSide,
): Answered {
  const judgement = judgeRequest(message, ufrag, key)
  if (judgement.verdict === 'refuse') {
    if (judgement.response) base.send(now, judgement.response, source)
    return { type: 'done', reason: judgement.reason }
  }
  const { check } = judgement
  // Another fork of our INVITE, that has lost or is not yet known to have won: answered, so that it does not give up.
  if (peerUfrag !== undefined && check.ufrag !== peerUfrag) {
    base.send(now, writeCheckSuccess(message, source, key), source)
    return { type: 'done', reason: 'check of another peer' }
  }
  const resolution = resolveRole({ role, tieBreaker }, check)
  if (resolution === 'conflict') {
    base.send(now, writeRoleConflict(message, key), source)
    return { type: 'conflict' }
  }
  base.send(now, writeCheckSuccess(message, source, key), source)
  return { type: 'accepted', check, switchRole: resolution === 'switch' }
}

/** The pair that a check came over, made where there is none; undefined where the peer has shown too many addresses. */
export function pairOfCheck(
  stream: IceStream,
  { base, remote: source, check }: ArrivedCheck,
  { locals, record }: { locals: LocalCandidates; record: (fact: IceFact) => void },
  controlling: boolean,
): CandidatePair | undefined {
  const known = stream.checklist.find(base, source)
  if (known) return known
  const local = locals.own(base)
  if (!local) return undefined
  let remote = stream.findRemote(base.component, source)
  if (!remote) {
    remote = {
      // RFC 8445 7.3.1.3: a foundation of its own.
      foundation: `prflx-${formatAddress(source)}`,
      component: base.component,
      transport: base.transport,
      // RFC 6544 7.2: to our passive candidate only an active one can have come, and the other way round.
      ...(base.tcpType && { tcpType: oppositeTcpType[base.tcpType] }),
      priority: check.priority,
      address: source.address,
      port: source.port,
      type: 'prflx',
    }
    if (!stream.learnRemote(remote)) return undefined
    record(candidateFact('remote', remote))
  }
  return stream.checklist.addPair(local, remote, controlling)
}
