// The unreliable-transport half of client transactions (RFC 3261 17.1, RFC 6026 7.2): timers A and E repeat requests, D, K and M
// absorb late responses, an ACK is sent again for every final response that comes again. B and F (giving up) are sip.js's.
import type { Millis } from '../runtime/runtime.ts'
import { type DeadlineOwner, DeadlineQueue } from './deadlines.ts'
import type { Flow } from './flow.ts'
import type { SipRequest, SipResponse } from './message.ts'
import {
  clientKey,
  evictOldest,
  maximumTransactions,
  type Packet,
  ringingLifetimeMs,
  type TimerValues,
  transactionLifetimeMs,
} from './reliability.ts'

/** More forks of one INVITE are not told apart. */
const maximumForks = 32

export interface ClientTransaction extends DeadlineOwner {
  readonly key: string
  readonly branch: string
  readonly method: string
  readonly packet: Packet
  /** Request-URI and Route lines as sent: ACK and CANCEL carry the same (RFC 3261 9.1, 17.1.1.3). */
  readonly uriText: string
  readonly routes: readonly string[]
  state: 'calling' | 'proceeding' | 'completed' | 'accepted'
  intervalMs: Millis
  retransmitAt: Millis
  endAt: Millis
  /** A CANCEL has gone out: provisional responses no longer prolong the INVITE. */
  cancelled?: boolean
  /** The ACK to a non-2xx. */
  ack?: Packet
  /** The ACK to the 2xx of each fork, by To tag; undefined while it has not been sent. */
  acks?: Map<string, Packet | undefined>
  readonly invitationKey: string
}

/** `retransmission`: absorbed. `unknown`: belongs to no request sent here. */
export type ResponseVerdict = 'new' | 'retransmission' | 'unknown'

export class ClientReliability {
  private readonly transactions = new Map<string, ClientTransaction>()
  /** INVITEs by Call-ID, From tag and CSeq, for the ACK to a 2xx, whose branch is its own. */
  private readonly invitations = new Map<string, ClientTransaction>()
  private readonly deadlines = new DeadlineQueue<ClientTransaction>()
  private readonly outgoing: Packet[] = []

  constructor(private readonly timers: TimerValues) {}

  get size(): number {
    return this.transactions.size
  }

  /** A request other than ACK has been sent for the first time. */
  sent(now: Millis, request: SipRequest, packet: Packet): void {
    const branch = request.topVia.params.get('branch') ?? ''
    const { method } = request
    const reliable = packet.flow.protocol !== 'udp'
    const key = clientKey(branch, method)
    const transaction: ClientTransaction = {
      key,
      branch,
      method,
      packet,
      uriText: request.uriText,
      routes: request.lines('Route'),
      state: 'calling',
      intervalMs: this.timers.t1Ms,
      retransmitAt: reliable ? Number.POSITIVE_INFINITY : now + this.timers.t1Ms,
      endAt: now + transactionLifetimeMs(this.timers) + this.timers.t4Ms,
      deadline: Number.POSITIVE_INFINITY,
      heapIndex: -1,
      invitationKey: method === 'INVITE' ? invitationKey(request) : '',
    }
    const evicted = evictOldest(this.transactions, maximumTransactions)
    if (evicted) this.forget(evicted)
    this.transactions.set(key, transaction)
    if (method === 'INVITE') this.invitations.set(transaction.invitationKey, transaction)
    this.arm(transaction)
    if (method === 'CANCEL') this.cancelled(now, this.invitationOf(request))
  }

  /** Whether the INVITE of that branch has been sent. */
  has(branch: string): boolean {
    return this.transactions.has(clientKey(branch, 'INVITE'))
  }

  /** Repeats a request no more: whoever sent it has given it up. Returns its flow where nothing came back over it. */
  giveUp(branch: string, method: string): Flow | undefined {
    const transaction = this.transactions.get(clientKey(branch, method))
    if (!transaction) return undefined
    transaction.retransmitAt = Number.POSITIVE_INFINITY
    this.arm(transaction)
    return transaction.state === 'calling' ? transaction.packet.flow : undefined
  }

  /** RFC 3261 9.1: 64*T1 after the CANCEL the INVITE is over, whether or not its final response has come. */
  private cancelled(now: Millis, invitation: ClientTransaction | undefined): void {
    if (invitation?.state !== 'proceeding') return
    invitation.cancelled = true
    invitation.endAt = now + transactionLifetimeMs(this.timers)
    this.arm(invitation)
  }

  /** The INVITE that this CANCEL, or this ACK to a non-2xx, belongs to: it goes the same way (RFC 3261 9.1, 17.1.1.3). */
  invitationOf(request: SipRequest): ClientTransaction | undefined {
    return this.transactions.get(clientKey(request.topVia.params.get('branch') ?? '', 'INVITE'))
  }

  /** An ACK has been sent for the first time; it is kept for final responses that come again. */
  acknowledged(ack: SipRequest, packet: Packet): void {
    const own = this.invitationOf(ack)
    if (own) {
      own.ack = packet
      return
    }
    const transaction = this.invitations.get(invitationKey(ack))
    transaction?.acks?.set(ack.toTag, packet)
  }

  received(now: Millis, response: SipResponse): ResponseVerdict {
    const branch = response.topVia.params.get('branch') ?? ''
    const transaction = this.transactions.get(clientKey(branch, response.cseq.method))
    if (!transaction) return 'unknown'
    const verdict =
      transaction.method === 'INVITE'
        ? this.inviteResponse(now, transaction, response)
        : this.otherResponse(now, transaction, response)
    this.arm(transaction)
    return verdict
  }

  handleTimeout(now: Millis): void {
    for (let due = this.deadlines.takeDue(now); due; due = this.deadlines.takeDue(now)) {
      if (due.endAt <= now) {
        this.forget(due)
        continue
      }
      if (due.retransmitAt <= now) this.retransmit(now, due)
      this.arm(due)
    }
  }

  nextTimeout(): Millis | undefined {
    return this.deadlines.next()
  }

  pollTransmit(): Packet | undefined {
    return this.outgoing.shift()
  }

  /** Forgets and returns the transactions without a final response whose connection has gone. */
  lose(flow: Flow): ClientTransaction[] {
    const lost: ClientTransaction[] = []
    for (const transaction of this.transactions.values()) {
      if (transaction.packet.flow !== flow) continue
      if (transaction.state === 'calling' || transaction.state === 'proceeding') lost.push(transaction)
    }
    for (const transaction of lost) this.forget(transaction)
    return lost
  }

  private inviteResponse(
    now: Millis,
    transaction: ClientTransaction,
    response: SipResponse,
  ): ResponseVerdict {
    const { status, toTag } = response
    const final = transaction.state === 'completed' || transaction.state === 'accepted'
    if (status < 200) {
      if (final) return 'retransmission'
      transaction.state = 'proceeding'
      transaction.retransmitAt = Number.POSITIVE_INFINITY
      if (!transaction.cancelled) transaction.endAt = now + ringingLifetimeMs
      return 'new'
    }
    if (status >= 300) {
      if (final) {
        if (transaction.ack) this.outgoing.push(transaction.ack)
        return 'retransmission'
      }
      transaction.state = 'completed'
    } else {
      if (transaction.state === 'completed') return 'retransmission'
      if (transaction.acks?.has(toTag)) {
        const ack = transaction.acks.get(toTag)
        if (ack) this.outgoing.push(ack)
        return 'retransmission'
      }
      transaction.acks ??= new Map()
      if (transaction.acks.size >= maximumForks) return 'unknown'
      transaction.acks.set(toTag, undefined)
      if (transaction.state === 'accepted') return 'new'
      transaction.state = 'accepted'
    }
    // Timer D and Timer M.
    transaction.retransmitAt = Number.POSITIVE_INFINITY
    transaction.endAt = now + transactionLifetimeMs(this.timers)
    return 'new'
  }

  private otherResponse(now: Millis, transaction: ClientTransaction, response: SipResponse): ResponseVerdict {
    if (transaction.state === 'completed') return 'retransmission'
    if (response.status < 200) {
      // Timer E goes on, at its longest interval (RFC 3261 17.1.2.2).
      if (transaction.state === 'calling') transaction.intervalMs = this.timers.t2Ms
      transaction.state = 'proceeding'
      return 'new'
    }
    transaction.state = 'completed'
    transaction.retransmitAt = Number.POSITIVE_INFINITY
    transaction.endAt = now + this.timers.t4Ms // Timer K
    return 'new'
  }

  private retransmit(now: Millis, transaction: ClientTransaction): void {
    this.outgoing.push(transaction.packet)
    const doubled = transaction.intervalMs * 2
    transaction.intervalMs = transaction.method === 'INVITE' ? doubled : Math.min(doubled, this.timers.t2Ms)
    transaction.retransmitAt = now + transaction.intervalMs
    // Timer B or F ends the repeating; absorption goes on until endAt.
    if (transaction.retransmitAt > transaction.endAt - this.timers.t4Ms)
      transaction.retransmitAt = Number.POSITIVE_INFINITY
  }

  private arm(transaction: ClientTransaction): void {
    this.deadlines.schedule(transaction, Math.min(transaction.retransmitAt, transaction.endAt))
  }

  private forget(transaction: ClientTransaction): void {
    this.deadlines.schedule(transaction, Number.POSITIVE_INFINITY)
    if (this.transactions.get(transaction.key) === transaction) this.transactions.delete(transaction.key)
    if (this.invitations.get(transaction.invitationKey) === transaction)
      this.invitations.delete(transaction.invitationKey)
  }
}

const invitationKey = (request: SipRequest): string =>
  `${request.callId} ${request.fromTag} ${request.cseq.sequence}`
