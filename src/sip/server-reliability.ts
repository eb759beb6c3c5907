// The unreliable-transport half of server transactions (RFC 3261 17.2, 13.3.1.4, RFC 6026 7.1): repeated requests are absorbed
// and answered from memory (I, J), final responses to INVITE are repeated until the ACK (G; 2xx over any transport), H and L end it.
import type { Millis } from '../runtime/runtime.ts'
import { type DeadlineOwner, DeadlineQueue } from './deadlines.ts'
import type { Flow } from './flow.ts'
import type { SipRequest, SipResponse } from './message.ts'
import {
  dialogKey,
  evictOldest,
  maximumTransactions,
  type Packet,
  ringingLifetimeMs,
  serverKey,
  type TimerValues,
  transactionLifetimeMs,
} from './reliability.ts'

export interface ServerTransaction extends DeadlineOwner {
  /** serverKey and method: CANCEL is a transaction beside its INVITE. */
  readonly tableKey: string
  readonly method: string
  readonly flow: Flow
  /** For a sips: URI: our Contact becomes one as well (RFC 3261 12.1.1). */
  readonly sips: boolean
  state: 'proceeding' | 'completed' | 'accepted' | 'confirmed'
  /** The last response: what answers a repeated request. */
  response?: Packet
  /** Where an ACK to our 2xx finds this. */
  acceptedKey?: string
  acceptedAt?: Millis
  intervalMs: Millis
  retransmitAt: Millis
  endAt: Millis
}

/** `unknown`: an ACK that belongs to nothing. */
export type RequestVerdict = 'new' | 'retransmission' | 'unknown'

const tableKey = (key: string, method: string): string => (method === 'CANCEL' ? `${key} CANCEL` : key)

export class ServerReliability {
  private readonly transactions = new Map<string, ServerTransaction>()
  private readonly accepted = new Map<string, ServerTransaction>()
  private readonly deadlines = new DeadlineQueue<ServerTransaction>()
  private readonly outgoing: Packet[] = []

  /** @param onAcknowledged how long after our 2xx its ACK came */
  constructor(
    private readonly timers: TimerValues,
    private readonly onAcknowledged: (afterMs: Millis) => void = () => undefined,
  ) {}

  get size(): number {
    return this.transactions.size
  }

  /** Whether a request is one that has come before. @param key serverKey(request) */
  knows(key: string, method: string): boolean {
    return this.transactions.has(tableKey(key, method))
  }

  /** @param key serverKey(request) */
  received(now: Millis, request: SipRequest, key: string, flow: Flow): RequestVerdict {
    if (request.method === 'ACK') return this.acknowledged(now, request, key)
    const known = this.transactions.get(tableKey(key, request.method))
    if (known) {
      if (known.response) this.outgoing.push(known.response)
      return 'retransmission'
    }
    const transaction: ServerTransaction = {
      tableKey: tableKey(key, request.method),
      method: request.method,
      flow,
      sips: request.uri?.scheme === 'sips',
      state: 'proceeding',
      intervalMs: this.timers.t1Ms,
      retransmitAt: Number.POSITIVE_INFINITY,
      endAt: now + ringingLifetimeMs,
      deadline: Number.POSITIVE_INFINITY,
      heapIndex: -1,
    }
    const evicted = evictOldest(this.transactions, maximumTransactions)
    if (evicted) this.forget(evicted)
    this.transactions.set(transaction.tableKey, transaction)
    this.arm(transaction)
    return 'new'
  }

  /** The transaction that a response answers. */
  transactionOf(response: SipResponse): ServerTransaction | undefined {
    return this.transactions.get(tableKey(serverKey(response), response.cseq.method))
  }

  /** Whether the user agent may still answer; a second final response is the first one again and is not sent twice. */
  isOpen(transaction: ServerTransaction): boolean {
    return transaction.state === 'proceeding'
  }

  /** A response has been sent for the first time. */
  sent(now: Millis, transaction: ServerTransaction, response: SipResponse, packet: Packet): void {
    transaction.response = packet
    const reliable = packet.flow.protocol !== 'udp'
    if (response.status < 200) transaction.endAt = now + ringingLifetimeMs
    else if (transaction.method !== 'INVITE') {
      transaction.state = 'completed'
      // Timer J; over TCP nothing is repeated.
      transaction.endAt = now + (reliable ? 0 : transactionLifetimeMs(this.timers))
    } else {
      const success = response.status < 300
      transaction.state = success ? 'accepted' : 'completed'
      transaction.endAt = now + transactionLifetimeMs(this.timers) // Timers H and L
      if (!reliable || success) transaction.retransmitAt = now + this.timers.t1Ms // Timer G
      if (success) {
        transaction.acceptedAt = now
        transaction.acceptedKey = dialogKey(response)
        this.accepted.set(transaction.acceptedKey, transaction)
      }
    }
    this.arm(transaction)
  }

  /** The dialog ended although its 2xx was never acknowledged: a BYE came instead. */
  settle(key: string): void {
    const transaction = this.transactions.get(key)
    if (transaction?.state === 'accepted') this.confirm(transaction, transaction.endAt)
  }

  handleTimeout(now: Millis): void {
    for (let due = this.deadlines.takeDue(now); due; due = this.deadlines.takeDue(now)) {
      if (due.endAt <= now) {
        this.forget(due)
        continue
      }
      if (due.retransmitAt <= now && due.response) {
        this.outgoing.push(due.response)
        due.intervalMs = Math.min(due.intervalMs * 2, this.timers.t2Ms)
        due.retransmitAt = now + due.intervalMs
      }
      this.arm(due)
    }
  }

  nextTimeout(): Millis | undefined {
    return this.deadlines.next()
  }

  pollTransmit(): Packet | undefined {
    return this.outgoing.shift()
  }

  private acknowledged(now: Millis, ack: SipRequest, key: string): RequestVerdict {
    const refused = this.transactions.get(key)
    if (refused && refused.state !== 'accepted') {
      if (refused.state === 'proceeding') return 'unknown'
      if (refused.state === 'confirmed') return 'retransmission'
      this.confirm(refused, now + this.timers.t4Ms) // Timer I
      return 'new'
    }
    const accepted = this.accepted.get(dialogKey(ack))
    if (!accepted) return 'unknown'
    if (accepted.state === 'confirmed') return 'retransmission'
    this.onAcknowledged(now - (accepted.acceptedAt ?? now))
    // Repeated INVITEs are still answered with the 2xx until Timer L.
    this.confirm(accepted, accepted.endAt)
    return 'new'
  }

  private confirm(transaction: ServerTransaction, endAt: Millis): void {
    transaction.state = 'confirmed'
    transaction.retransmitAt = Number.POSITIVE_INFINITY
    transaction.endAt = endAt
    this.arm(transaction)
  }

  private arm(transaction: ServerTransaction): void {
    this.deadlines.schedule(transaction, Math.min(transaction.retransmitAt, transaction.endAt))
  }

  private forget(transaction: ServerTransaction): void {
    this.deadlines.schedule(transaction, Number.POSITIVE_INFINITY)
    if (this.transactions.get(transaction.tableKey) === transaction)
      this.transactions.delete(transaction.tableKey)
    const { acceptedKey } = transaction
    if (acceptedKey !== undefined && this.accepted.get(acceptedKey) === transaction)
      this.accepted.delete(acceptedKey)
  }
}
