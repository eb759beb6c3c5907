// Connectivity checks that we sent and that wait for their response (RFC 8445 7.2): retransmission, matching, verdicts.
// What a verdict means for the checklist is the agent's business.
import type { TransportAddress } from '../runtime/address.ts'
import type { Deadline } from '../runtime/core.ts'
import type { Millis } from '../runtime/runtime.ts'
import { readErrorCode, readMappedAddress, unknownRequiredAttributes } from '../stun/attributes.ts'
import { integrityMatches } from '../stun/integrity.ts'
import { type StunMessage, transactionKey } from '../stun/message.ts'
import { ClientTransaction, type TransactionTiming } from '../stun/transaction.ts'
import type { Base } from './candidate.ts'
import { type CheckRequest, writeCheck } from './check-message.ts'
import type { CandidatePair } from './pair.ts'

/** Why a check was sent; "consent" is RFC 7675's, "probe" the same in haste. */
export type CheckPurpose = 'connectivity' | 'nomination' | 'consent' | 'probe'

export interface Check {
  pair: CandidatePair
  purpose: CheckPurpose
  request: CheckRequest
  transaction: ClientTransaction
  /** Set when cancelled: no retransmission, silence means nothing, a response until then still counts (RFC 8445 7.3.1.4). */
  cancelledUntil?: Millis
}

export type CheckOutcome =
  | { type: 'success'; check: Check; mapped: TransportAddress }
  | { type: 'error'; check: Check; code: number; authenticated: boolean }
  /** RFC 8445 7.2.5.2.1: the response came from or to another address than the request. */
  | { type: 'asymmetric'; check: Check }
  | { type: 'dropped'; reason: string }

/** How long the response to a cancelled check is still welcome: more than any round trip worth having. */
const cancelledPatienceMs = 2_000

export class OutgoingChecks {
  private readonly checks = new Map<string, Check>()

  send(
    now: Millis,
    pair: CandidatePair,
    purpose: CheckPurpose,
    request: CheckRequest,
    timing: TransactionTiming,
  ): void {
    const bytes = writeCheck(request)
    const transaction = new ClientTransaction(bytes, now, timing)
    this.checks.set(transactionKey(request.transactionId), { pair, purpose, request, transaction })
    pair.checksSent++
    pair.lastCheckAt = now
    pair.base.send(now, bytes, pair.remoteAddress)
  }

  /** Sends what waits for an answer once more, out of turn: whom it did not reach may be reached now. */
  repeat(now: Millis): void {
    for (const { pair, purpose, transaction, cancelledUntil } of this.checks.values()) {
      if (purpose !== 'connectivity' || cancelledUntil !== undefined) continue
      pair.checksSent++
      pair.base.send(now, transaction.request, pair.remoteAddress)
    }
  }

  receive(message: StunMessage, source: TransportAddress, base: Base): CheckOutcome {
    const key = transactionKey(message.transactionId)
    const check = this.checks.get(key)
    if (!check) return { type: 'dropped', reason: 'response to no request' }
    const authenticated = integrityMatches(message, check.request.key)
    const error = message.class === 'error' ? readErrorCode(message) : undefined
    // A peer that cannot authenticate us cannot sign what it answers (RFC 8489 9.1.3); all else must be signed. Once a peer has
    // answered on the pair it can sign, and nobody else shall end a nomination or a call in its name.
    const mayBeUnsigned = check.purpose === 'connectivity' && (error?.code === 400 || error?.code === 401)
    if (!authenticated && !mayBeUnsigned) {
      return { type: 'dropped', reason: 'response with a wrong password' }
    }
    const symmetric = check.pair.connects(base, source)
    if (!symmetric) {
      // Ends a pair that is still to prove itself. Later the genuine response is waited for: a replayed one must not
      // end a nomination or a call.
      if (!authenticated || check.purpose !== 'connectivity') {
        return { type: 'dropped', reason: 'response from another address' }
      }
      this.checks.delete(key)
      return { type: 'asymmetric', check }
    }
    if (message.class === 'error') {
      if (!error) return { type: 'dropped', reason: 'error response without ERROR-CODE' }
      this.checks.delete(key)
      return { type: 'error', check, code: error.code, authenticated }
    }
    if (unknownRequiredAttributes(message).length > 0) {
      return { type: 'dropped', reason: 'response with unknown attributes' }
    }
    const mapped = readMappedAddress(message)
    if (!mapped) return { type: 'dropped', reason: 'response without XOR-MAPPED-ADDRESS' }
    this.checks.delete(key)
    return { type: 'success', check, mapped }
  }

  /** Retransmits what is due and returns the checks whose time has run out; cancelled ones just go. */
  handleTimeout(now: Millis): Check[] {
    const expired: Check[] = []
    for (const [key, check] of this.checks) {
      const { transaction, pair, cancelledUntil } = check
      if (cancelledUntil !== undefined) {
        if (now >= cancelledUntil) this.checks.delete(key)
        continue
      }
      const due = transaction.handleTimeout(now)
      if (due === 'retransmit') {
        pair.checksSent++
        pair.base.send(now, transaction.request, pair.remoteAddress)
      } else if (due === 'timed-out') {
        this.checks.delete(key)
        expired.push(check)
      }
    }
    return expired
  }

  cancel(now: Millis, which: (check: Check) => boolean): void {
    for (const check of this.checks.values()) {
      if (check.cancelledUntil === undefined && which(check)) check.cancelledUntil = now + cancelledPatienceMs
    }
  }

  forget(which: (check: Check) => boolean): void {
    for (const [key, check] of this.checks) if (which(check)) this.checks.delete(key)
  }

  nextTimeout(): Deadline | undefined {
    let at = Number.POSITIVE_INFINITY
    for (const { transaction, cancelledUntil } of this.checks.values()) {
      at = Math.min(at, cancelledUntil ?? transaction.nextAt)
    }
    return at === Number.POSITIVE_INFINITY ? undefined : { at, why: 'connectivity check' }
  }
}
