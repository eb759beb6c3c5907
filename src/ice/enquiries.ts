// What STUN servers are asked (RFC 8445 5.1.1.2): one Binding transaction per socket and server, all in parallel, and keepalives
// that hold the NAT's mapping until checks take over (5.1.1.4). Relays are asked for in relays.ts.
import { formatAddress, sameAddress, type TransportAddress } from '../runtime/address.ts'
import type { Datagram, Deadline } from '../runtime/core.ts'
import type { Millis, Random } from '../runtime/runtime.ts'
import { readErrorCode, readMappedAddress } from '../stun/attributes.ts'
import { isUsable } from '../stun/ip-address.ts'
import { MessageWriter, type StunMessage, transactionIdLengthBytes, transactionKey } from '../stun/message.ts'
import { method } from '../stun/numbers.ts'
import { ClientTransaction } from '../stun/transaction.ts'
import { canAsk } from './bases.ts'
import type { Base } from './candidate.ts'
import { keepaliveIntervalMs, writeKeepalive } from './check-message.ts'

/** A caller waits for this. RFC 8489 6.2.1 lets Rc and Rm be configured, and its 500 ms for the RTO is a SHOULD: a lost request
 *  is repeated while the caller still waits (requests at 0, 0.2, 0.6 and 1.4 s; given up after 3.4 s, not 39.5 s). */
const serverTiming = { rtoMs: 200, rc: 4, rm: 10 }

export interface EnquiryOutcome {
  base: Base
  server: TransportAddress
  afterMs: Millis
  result:
    | { type: 'answered'; mapped: TransportAddress }
    | { type: 'timeout' }
    | { type: 'error'; detail: string }
}

interface Enquiry {
  base: Base
  server: TransportAddress
  transaction: ClientTransaction
}

export class Enquiries {
  private readonly enquiries = new Map<string, Enquiry>()
  private mappings: { base: Base; server: TransportAddress }[] = []
  private keepaliveAt: Millis | undefined

  constructor(
    private readonly servers: readonly TransportAddress[],
    private readonly random: Random,
  ) {}

  get pending(): boolean {
    return this.enquiries.size > 0
  }

  enquire(now: Millis, base: Base): void {
    for (const server of this.servers) {
      if (!canAsk(base.address.address, server.address)) continue
      const transactionId = this.random.bytes(transactionIdLengthBytes)
      const request = new MessageWriter('request', method.binding, transactionId).fingerprint().finish()
      const transaction = new ClientTransaction(request, now, serverTiming)
      this.enquiries.set(transactionKey(transactionId), { base, server, transaction })
      base.send(now, request, server)
    }
  }

  /** Undefined where the message answers no enquiry, or comes from anybody but the server that was asked. */
  receive(now: Millis, message: StunMessage, datagram: Datagram): EnquiryOutcome | undefined {
    const key = transactionKey(message.transactionId)
    const enquiry = this.enquiries.get(key)
    if (!enquiry) return undefined
    const { base, server, transaction } = enquiry
    if (!sameAddress(datagram.remote, server) || !sameAddress(datagram.local, base.address)) return undefined
    const told = message.class === 'success' ? readMappedAddress(message) : undefined
    // What is no host's address would be told to the peer, and where it has no ICE even media would go there.
    const mapped = told && isUsable(told) ? told : undefined
    const afterMs = now - transaction.startedAt
    this.enquiries.delete(key)
    if (!mapped) {
      const error = readErrorCode(message)
      const detail = error
        ? `${error.code} ${error.reason}`.trim()
        : told
          ? `answer with ${formatAddress(told)}, which is no address of a host`
          : 'answer without an address'
      return { base, server, afterMs, result: { type: 'error', detail } }
    }
    this.mappings.push({ base, server })
    this.keepaliveAt ??= now + keepaliveIntervalMs
    return { base, server, afterMs, result: { type: 'answered', mapped } }
  }

  handleTimeout(now: Millis): EnquiryOutcome[] {
    const silent: EnquiryOutcome[] = []
    for (const [key, { base, server, transaction }] of this.enquiries) {
      const due = transaction.handleTimeout(now)
      if (due === 'retransmit') base.send(now, transaction.request, server)
      if (due !== 'timed-out') continue
      this.enquiries.delete(key)
      silent.push({ base, server, afterMs: now - transaction.startedAt, result: { type: 'timeout' } })
    }
    if (this.keepaliveAt !== undefined && now >= this.keepaliveAt) {
      this.keepaliveAt = now + keepaliveIntervalMs
      for (const { base, server } of this.mappings) {
        base.send(now, writeKeepalive(this.random.bytes(transactionIdLengthBytes)), server)
      }
    }
    return silent
  }

  /** Checks hold the mappings from now on. */
  endKeepalives(): void {
    this.keepaliveAt = undefined
    this.mappings = []
  }

  dropBases(which: (base: Base) => boolean): void {
    for (const [key, { base }] of this.enquiries) if (which(base)) this.enquiries.delete(key)
    this.mappings = this.mappings.filter(({ base }) => !which(base))
  }

  nextTimeout(): Deadline | undefined {
    let at = this.keepaliveAt ?? Number.POSITIVE_INFINITY
    let why = 'keepalive to STUN server'
    for (const { transaction, server } of this.enquiries.values()) {
      if (transaction.nextAt >= at) continue
      at = transaction.nextAt
      why = `STUN server ${formatAddress(server)}`
    }
    return at === Number.POSITIVE_INFINITY ? undefined : { at, why }
  }
}
