// Reliable provisional responses (RFC 3262). As UAC: which of them are new, by RSeq. As UAS: one at a time, repeated until its
// PRACK comes. sip.js has half of this; the machine is here.
import type { Core } from 'sip.js'
import type { Timer } from '../runtime/runtime.ts'
import { type AgentContext, transactionTimeoutMs } from './agent-context.ts'
import type { SipResponse } from './message.ts'

/** RFC 3262 3: the first interval, doubled with each repetition, in ms. */
const firstIntervalMs = 500
/** RSeq begins at random in the lower half of its range and counts up (RFC 3262 3). */
const rseqRange = 2 ** 31 - 1

/** The RSeq of a response that must be acknowledged; undefined where it need not be. */
export function reliableSequence(response: SipResponse): number | undefined {
  const { status } = response
  if (status <= 100 || status >= 200 || !response.hasToken('Require', '100rel')) return undefined
  return response.number('RSeq') || undefined
}

/** What a UAC has taken, fork by fork (RFC 3262 4): a repetition or one that overtook others is not passed on. */
export class ReceivedProvisionals {
  private readonly last = new Map<string, number>()

  isNext(remoteTag: string, rseq: number): boolean {
    const before = this.last.get(remoteTag)
    if (before !== undefined && rseq !== before + 1) return false
    this.last.set(remoteTag, rseq)
    return true
  }
}

type Provisional = Core.ResponseOptions & { statusCode: number }

interface Outstanding {
  rseq: number
  hasBody: boolean
  timer: Timer
}

export interface SentProvisionalsOptions {
  context: AgentContext
  server: Core.InviteUserAgentServer
  /** A dialog has begun. */
  onSession: (session: Core.Session) => void
  /** Nobody acknowledges. */
  onLost: () => void
}

export class SentProvisionals {
  private rseq: number
  private outstanding: Outstanding | undefined
  /** Whose PRACK has not come; it may come after the final response. */
  private readonly unacknowledged = new Set<number>()
  private readonly waiting: Provisional[] = []
  private onAcknowledged: (() => void) | undefined

  constructor(private readonly options: SentProvisionalsOptions) {
    this.rseq = options.context.random.integer(rseqRange)
  }

  /** Sends one, or keeps it until the one before is acknowledged. */
  send(response: Provisional): void {
    if (this.outstanding) {
      this.waiting.push(response)
      return
    }
    const { server, context, onSession } = this.options
    const rseq = ++this.rseq
    const extraHeaders = [...(response.extraHeaders ?? []), 'Require: 100rel', `RSeq: ${rseq}`]
    const { message, session } = server.progress({ ...response, extraHeaders })
    this.unacknowledged.add(rseq)
    const repeatAfter = (intervalMs: number, leftMs: number): Timer =>
      context.clock.setTimer(Math.min(intervalMs, leftMs), () =>
        context.guard('reliable provisional', () => {
          if (this.outstanding?.rseq !== rseq) return
          if (leftMs <= intervalMs) {
            this.options.onLost()
            return
          }
          server.transaction.receiveResponse(response.statusCode, message)
          this.outstanding.timer = repeatAfter(intervalMs * 2, leftMs - intervalMs)
        }),
      )
    const timer = repeatAfter(firstIntervalMs, transactionTimeoutMs)
    this.outstanding = { rseq, hasBody: response.body !== undefined, timer }
    onSession(session)
  }

  /** RAck of a PRACK: whether it acknowledges what was sent. */
  acknowledge(rack: string | undefined): boolean {
    const [, rseq, cseq, method] = /^(\d+)\s+(\d+)\s+(\w+)$/.exec(rack?.trim() ?? '') ?? []
    const { message } = this.options.server
    if (Number(cseq) !== message.cseq || method?.toUpperCase() !== 'INVITE') return false
    if (!this.unacknowledged.delete(Number(rseq))) return false
    this.outstanding?.timer.cancel()
    this.outstanding = undefined
    return true
  }

  /** The PRACK has been answered: what waited for it follows. */
  proceed(): void {
    const next = this.waiting.shift()
    const { onAcknowledged } = this
    this.onAcknowledged = undefined
    if (onAcknowledged) onAcknowledged()
    else if (next) this.send(next)
  }

  /** RFC 3262 3: a 2xx waits until what carried a description is acknowledged; what did not may be overtaken. */
  whenFinal(proceed: () => void): void {
    if (!this.outstanding?.hasBody) {
      this.stop()
      proceed()
      return
    }
    this.waiting.length = 0
    this.onAcknowledged = proceed
  }

  stop(): void {
    this.outstanding?.timer.cancel()
    this.outstanding = undefined
    this.waiting.length = 0
  }
}
