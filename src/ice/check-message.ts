// Connectivity checks on the wire (RFC 8445 7.1, 7.3): building requests and answers, and judging a request that came in.
import type { KeyObject } from 'node:crypto'
import type { TransportAddress } from '../runtime/address.ts'
import { readText, readUint32, readUint64, unknownRequiredAttributes } from '../stun/attributes.ts'
import { integrityMatches } from '../stun/integrity.ts'
import { MessageWriter, type StunMessage } from '../stun/message.ts'
import { attribute, errorCode, method } from '../stun/numbers.ts'

export type Role = 'controlling' | 'controlled'

export interface CheckRequest {
  transactionId: Uint8Array
  /** "theirs:ours" (RFC 8445 7.2.2). */
  username: string
  /** Of the peer's password. */
  key: KeyObject
  priority: number
  role: Role
  tieBreaker: bigint
  useCandidate: boolean
}

export function writeCheck(check: CheckRequest): Uint8Array {
  const writer = new MessageWriter('request', method.binding, check.transactionId)
    .text(attribute.username, check.username)
    .uint32(attribute.priority, check.priority)
    .uint64(
      check.role === 'controlling' ? attribute.iceControlling : attribute.iceControlled,
      check.tieBreaker,
    )
  if (check.useCandidate) writer.octets(attribute.useCandidate)
  return writer.integrity(check.key).fingerprint().finish()
}

export const writeCheckSuccess = (
  request: StunMessage,
  source: TransportAddress,
  key: KeyObject,
): Uint8Array =>
  new MessageWriter('success', method.binding, request.transactionId)
    .xorAddress(attribute.xorMappedAddress, source)
    .integrity(key)
    .fingerprint()
    .finish()

export const writeRoleConflict = (request: StunMessage, key: KeyObject): Uint8Array =>
  new MessageWriter('error', method.binding, request.transactionId)
    .errorCode(errorCode.roleConflict)
    .integrity(key)
    .fingerprint()
    .finish()

/** RFC 8445 11: Tr SHOULD be 15 s or more. */
export const keepaliveIntervalMs = 15_000

/** RFC 8445 11 (and 5.1.1.4 for bindings towards a server): keeps a NAT binding, expects no answer. */
export const writeKeepalive = (transactionId: Uint8Array): Uint8Array =>
  new MessageWriter('indication', method.binding, transactionId).fingerprint().finish()

/** What a genuine check says. */
export interface ReceivedCheck {
  /** The sender's, the second half of the USERNAME (RFC 8445 7.2.2): tells the forks of an INVITE apart. */
  ufrag: string
  priority: number
  useCandidate: boolean
  /** The peer's role and tie-breaker; absent in requests of agents that leave them out. */
  role?: { role: Role; tieBreaker: bigint }
}

export type Judgement =
  | { verdict: 'accept'; check: ReceivedCheck }
  | { verdict: 'refuse'; reason: string; response?: Uint8Array }

/** RFC 8489 9.1.3 and RFC 8445 7.3. A refusal of what is not authenticated is never longer than the request: no amplification. */
export function judgeRequest(request: StunMessage, ufrag: string, key: KeyObject): Judgement {
  const refuse = (code: number, reason: string): Judgement => {
    const response = new MessageWriter('error', method.binding, request.transactionId)
      .errorCode(code)
      .fingerprint()
      .finish()
    return response.length <= request.bytes.length
      ? { verdict: 'refuse', reason, response }
      : { verdict: 'refuse', reason }
  }
  const username = readText(request, attribute.username)
  if (username === undefined || request.integrityOffset === undefined) {
    return refuse(errorCode.badRequest, 'request without USERNAME or MESSAGE-INTEGRITY')
  }
  if (!username.startsWith(`${ufrag}:`)) return refuse(errorCode.unauthenticated, 'request for another ufrag')
  if (!integrityMatches(request, key))
    return refuse(errorCode.unauthenticated, 'request with a wrong password')
  const unknown = unknownRequiredAttributes(request)
  if (unknown.length > 0) {
    const response = new MessageWriter('error', method.binding, request.transactionId)
      .errorCode(errorCode.unknownAttribute)
      .unknownAttributes(unknown)
      .integrity(key)
      .fingerprint()
      .finish()
    return { verdict: 'refuse', reason: 'request with unknown attributes', response }
  }
  const priority = readUint32(request, attribute.priority)
  if (priority === undefined) return refuse(errorCode.badRequest, 'request without PRIORITY')
  const controlling = readUint64(request, attribute.iceControlling)
  const controlled = readUint64(request, attribute.iceControlled)
  const check: ReceivedCheck = {
    ufrag: username.slice(ufrag.length + 1),
    priority,
    useCandidate: request.attributes.has(attribute.useCandidate),
  }
  if (controlling !== undefined) check.role = { role: 'controlling', tieBreaker: controlling }
  else if (controlled !== undefined) check.role = { role: 'controlled', tieBreaker: controlled }
  return { verdict: 'accept', check }
}

/** RFC 8445 7.3.1.1: who keeps the role is whose tie-breaker is larger. */
export function resolveRole(
  ours: { role: Role; tieBreaker: bigint },
  check: ReceivedCheck,
): 'agreed' | 'switch' | 'conflict' {
  if (!check.role || check.role.role !== ours.role) return 'agreed'
  const oursIsLarger = ours.tieBreaker >= check.role.tieBreaker
  return oursIsLarger === (ours.role === 'controlling') ? 'conflict' : 'switch'
}
