// A UDP socket that asks STUN servers (RFC 8489) the questions of NAT behaviour discovery (RFC 5780): it tells from where an
// answer came and at which of our sockets it arrived.

import { NetworkError } from '../errors.ts'
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis, Timer, UdpSocket } from '../runtime/runtime.ts'
import { readAddress, readErrorCode, readMappedAddress } from '../stun/attributes.ts'
import { decode, MessageWriter, transactionIdLengthBytes, transactionKey } from '../stun/message.ts'
import { discoveryAttribute, method } from '../stun/numbers.ts'
import { ClientTransaction, type TransactionTiming } from '../stun/transaction.ts'
import type { Kit } from './kit.ts'

export interface Answer {
  from: TransportAddress
  /** The socket at which it arrived. */
  at: StunSocket
  /** Absent in an error response. */
  mapped?: TransportAddress
  /** OTHER-ADDRESS: the server's address that differs in both parts. */
  other?: TransportAddress
  /** ERROR-CODE. */
  code?: number
  rttMs: Millis
  lengthBytes: number
}

export interface Question {
  /** Writes attributes. */
  fill?: (writer: MessageWriter) => void
  /** Also takes the answer where it comes to this socket. */
  alsoAt?: StunSocket
  timing?: TransactionTiming
}

/** A person waits: requests at 0, 0.2, 0.6 and 1.4 s, given up after 3.4 s, as in gathering. */
const firstTiming: TransactionTiming = { rtoMs: 200, rc: 4, rm: 10 }

/** Where silence is as good an answer as any other: three requests, in the time of a few of the round trips measured. */
export const silenceTiming = (rttMs: Millis): TransactionTiming => ({
  rtoMs: Math.min(1_000, Math.max(200, 2 * rttMs)),
  rc: 3,
  rm: 3,
})

interface Pending {
  transaction: ClientTransaction
  to: TransportAddress
  settle: (answer: Answer | undefined) => void
}

export class StunSocket {
  /** A STUN request that reached this socket: somebody hairpins. */
  onRequest: ((from: TransportAddress) => void) | undefined
  private readonly pending = new Map<string, Pending>()
  private forget: () => void = () => undefined
  private closed = false

  private constructor(
    private readonly kit: Kit,
    private readonly socket: UdpSocket,
  ) {
    socket.onDatagram = (data, from) => this.receive(data, from)
    // What cannot be sent is not answered either.
    socket.onError = () => undefined
    this.forget = kit.onGiveUp(() => this.close())
  }

  /** On the address from which the system reaches `server`. Rejects with NetworkError. */
  static async open(kit: Kit, server: TransportAddress): Promise<StunSocket> {
    const address = await kit.sourceFor(server)
    if (address === undefined) {
      const at = formatAddress(server)
      throw new NetworkError(`there is no route to ${at}: check the address and the interfaces`, at)
    }
    return new StunSocket(kit, await kit.network.openUdp({ address, port: 0 }))
  }

  get local(): TransportAddress {
    return this.socket.local
  }

  /** Undefined where nobody answers. */
  ask(
    to: TransportAddress,
    { fill, alsoAt, timing = firstTiming }: Question = {},
  ): Promise<Answer | undefined> {
    const id = this.kit.random.bytes(transactionIdLengthBytes)
    const writer = new MessageWriter('request', method.binding, id)
    fill?.(writer)
    const key = transactionKey(id)
    return new Promise((resolve) => {
      const transaction = new ClientTransaction(writer.finish(), this.kit.clock.now(), timing)
      let timer: Timer | undefined
      const pending: Pending = {
        transaction,
        to,
        settle: (answer) => {
          timer?.cancel()
          this.pending.delete(key)
          alsoAt?.pending.delete(key)
          resolve(answer)
        },
      }
      const arm = (): void => {
        timer = this.kit.clock.setTimer(transaction.nextAt - this.kit.clock.now(), () => {
          const due = transaction.handleTimeout(this.kit.clock.now())
          if (due === 'timed-out') pending.settle(undefined)
          else {
            if (due === 'retransmit') this.socket.send(transaction.request, to)
            arm()
          }
        })
      }
      if (this.closed) return resolve(undefined)
      this.pending.set(key, pending)
      alsoAt?.pending.set(key, pending)
      this.socket.send(transaction.request, to)
      arm()
    })
  }

  /** Sends a request that expects no answer. */
  send(to: TransportAddress): void {
    if (this.closed) return
    const id = this.kit.random.bytes(transactionIdLengthBytes)
    this.socket.send(new MessageWriter('request', method.binding, id).finish(), to)
  }

  /** Whoever still waits gets no answer. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.forget()
    this.socket.close()
    for (const { settle } of [...this.pending.values()]) settle(undefined)
  }

  private receive(data: Uint8Array, from: TransportAddress): void {
    const message = decode(data)
    if (typeof message === 'string' || message.method !== method.binding) return
    if (message.class === 'request') this.onRequest?.(from)
    if (message.class !== 'success' && message.class !== 'error') return
    const pending = this.pending.get(transactionKey(message.transactionId))
    if (!pending) return
    const mapped = message.class === 'success' ? readMappedAddress(message) : undefined
    const other = readAddress(message, discoveryAttribute.otherAddress)
    const code = readErrorCode(message)?.code
    pending.settle({
      from,
      at: this,
      ...(mapped && { mapped }),
      ...(other && { other }),
      ...(code !== undefined && { code }),
      rttMs: pending.transaction.roundTripMs(this.kit.clock.now()),
      lengthBytes: data.length,
    })
  }
}
