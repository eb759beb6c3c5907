// A STUN Binding request to the server at the far end of a UDP flow (RFC 5626 4.4.2, 8): it keeps NATs awake, and its answer tells
// whether the server is there and under which address it sees us. Given up after 10 s, six requests later. Without FINGERPRINT,
// as that RFC has it; what does not come from the flow's far end is no answer.
import type { TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis, Random, Timer } from '../runtime/runtime.ts'
import { readMappedAddress } from '../stun/attributes.ts'
import { decode, MessageWriter, transactionIdLengthBytes, transactionKey } from '../stun/message.ts'
import { method } from '../stun/numbers.ts'
import type { Flow } from './flow.ts'

/** RFC 8489 6.2.1, cut short after the 10 s that RFC 5626 4.4.1 gives a pong. */
const firstRepeatMs: Millis = 500
export const answerLimitMs: Millis = 10_000
const longestRepeatMs: Millis = 2_000

export class StunEnquiry {
  private readonly id: Uint8Array
  private readonly request: Uint8Array
  private readonly startedAt: Millis
  private lastSentAt: Millis
  private timer: Timer | undefined

  /** @param onEnd once: with our address as the server sees it, or undefined where none came in time */
  constructor(
    private readonly clock: Clock,
    random: Random,
    private readonly flow: Pick<Flow, 'send'>,
    private readonly onEnd: (mapped: TransportAddress | undefined, rttMs: Millis) => void,
  ) {
    this.id = random.bytes(transactionIdLengthBytes)
    this.request = new MessageWriter('request', method.binding, this.id).finish()
    this.startedAt = clock.now()
    this.lastSentAt = this.startedAt
    this.send(firstRepeatMs)
  }

  /** A datagram that may be the answer. */
  receive(data: Uint8Array): void {
    if (!this.timer) return
    const message = decode(data)
    if (typeof message === 'string' || message.class !== 'success' || message.method !== method.binding)
      return
    if (transactionKey(message.transactionId) !== transactionKey(this.id)) return
    const mapped = readMappedAddress(message)
    if (!mapped) return
    this.stop()
    this.onEnd(mapped, this.clock.now() - this.lastSentAt)
  }

  stop(): void {
    this.timer?.cancel()
    this.timer = undefined
  }

  private send(repeatMs: Millis): void {
    this.lastSentAt = this.clock.now()
    this.flow.send(this.request)
    const leftMs = this.startedAt + answerLimitMs - this.lastSentAt
    this.timer = this.clock.setTimer(Math.min(repeatMs, leftMs), () => {
      if (leftMs > repeatMs) {
        this.send(Math.min(2 * repeatMs, longestRepeatMs))
        return
      }
      this.timer = undefined
      this.onEnd(undefined, answerLimitMs)
    })
  }
}
