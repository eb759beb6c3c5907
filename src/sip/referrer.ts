// The transferor's half of a REFER within a call (RFC 3515, RFC 5589): it asks the peer to call somebody else, and hears by NOTIFY
// how that goes. One at a time; reports of earlier ones that still come are taken and change nothing. RFC 4488: a peer that will
// not report says so. Leaves out: refreshing the subscription, whose time (Subscription-State) is what a transfer may take.
import type { Core } from 'sip.js'
import { CallFailed, TimeoutError } from '../errors.ts'
import type { Millis, Timer } from '../runtime/runtime.ts'
import { type AgentContext, transactionTimeoutMs } from './agent-context.ts'
import { type DialogOutlet, finalResponse } from './dialog-requests.ts'
import { fragmentStatus } from './refer-to.ts'
import { IncomingRequest } from './sipjs-messages.ts'
import { readEvent, readSubscriptionState } from './subscription-state.ts'

/** Where the peer does not say how long it reports: a phone rings that long. */
const defaultPatienceMs: Millis = 180_000
/** Nobody waits longer for a transfer. */
const longestPatienceMs: Millis = 600_000

interface Referral {
  /** CSeq of the REFER that was accepted, which its reports name; undefined before. */
  sequence: number | undefined
  timer: Timer | undefined
  onProgress: ((status: number, reason: string) => void) | undefined
  /** Undefined once it is decided. */
  settle: ((outcome: Error | undefined) => void) | undefined
}

export class Referrer {
  private readonly referrals = new Set<Referral>()

  constructor(
    private readonly context: AgentContext,
    private readonly outlet: DialogOutlet,
  ) {}

  /** Resolves when the peer reports success, or accepts and will not report. Rejects with CallFailed or TimeoutError.
   *  @param referTo the value of Refer-To */
  refer(
    referTo: string,
    referredBy: string,
    onProgress?: (status: number, reason: string) => void,
  ): Promise<void> {
    if ([...this.referrals].some(({ settle }) => settle))
      return Promise.reject(new CallFailed('Another transfer is still under way.', 491, 'Request Pending'))
    return new Promise((resolve, reject) => {
      const referral: Referral = {
        sequence: undefined,
        timer: undefined,
        onProgress,
        settle: (error) => {
          referral.settle = undefined
          referral.timer?.cancel()
          if (error) reject(error)
          else resolve()
        },
      }
      this.referrals.add(referral)
      const headers = [`Refer-To: ${referTo}`, `Referred-By: <${referredBy}>`]
      this.outlet.send('REFER', undefined, headers, (status, reason, message) => {
        const response = finalResponse(message)
        if (status >= 300) {
          this.referrals.delete(referral)
          referral.settle?.(
            new CallFailed(`The far end refused the transfer: ${status} ${reason}.`, status, reason),
          )
          if (status === 481 || status === 408) this.outlet.gone(status)
          return
        }
        referral.sequence = response?.cseq.sequence
        if (/^false\b/i.test(response?.get('Refer-Sub') ?? '')) {
          this.referrals.delete(referral)
          referral.settle?.(undefined)
          return
        }
        // Timer N of RFC 6665 4.1.2.4, unless a report came before the answer.
        if (!referral.timer) this.wait(referral, transactionTimeoutMs)
      })
    })
  }

  receiveNotify(request: Core.IncomingNotifyRequest): void {
    const { message } = request
    if (!(message instanceof IncomingRequest)) return
    const event = readEvent(message.wire)
    if (event?.name !== 'refer') {
      request.reject({ statusCode: 489, extraHeaders: ['Allow-Events: refer'] })
      return
    }
    const referral = this.referralOf(event.id)
    if (!referral) {
      request.reject({ statusCode: 481 })
      return
    }
    request.accept()
    const state = readSubscriptionState(message.wire)
    const report = fragmentStatus(message.wire)
    const over = state?.state === 'terminated'
    if (over) this.referrals.delete(referral)
    if (!referral.settle) return
    if (report) referral.onProgress?.(report.status, report.reason)
    if (report && report.status >= 200) {
      const { status, reason } = report
      referral.settle(
        status < 300
          ? undefined
          : new CallFailed(`The transfer failed: ${status} ${reason}.`, status, reason),
      )
    } else if (over) {
      const why = state.reason ?? 'no reason given'
      referral.settle(
        new CallFailed(`The far end stopped reporting before the transfer was decided: ${why}.`, 0, why),
      )
    } else {
      const patienceMs = state?.expiresSeconds === undefined ? defaultPatienceMs : state.expiresSeconds * 1000
      this.wait(referral, Math.min(patienceMs, longestPatienceMs))
    }
  }

  /** The call has ended. A peer that accepted and then hangs up by itself has left us for the other: exchanges do so, and their
   *  last report may come too late for the dialog. */
  stop(byPeer: boolean): void {
    for (const { settle, sequence } of this.referrals)
      settle?.(
        byPeer && sequence !== undefined
          ? undefined
          : new CallFailed('The call ended before the transfer was decided.', 487, 'Request Terminated'),
      )
    this.referrals.clear()
  }

  /** The id of RFC 3515 2.4.6, which may be left out for the first. */
  private referralOf(id: string | undefined): Referral | undefined {
    const all = [...this.referrals]
    const named = id === undefined ? undefined : all.find(({ sequence }) => String(sequence) === id)
    // A report may come before the answer that tells us its number.
    return (
      named ??
      all.find((one) => one.settle && (id === undefined || one.sequence === undefined)) ??
      (id === undefined ? all.at(-1) : undefined)
    )
  }

  private wait(referral: Referral, patienceMs: Millis): void {
    referral.timer?.cancel()
    referral.timer = this.context.clock.setTimer(patienceMs, () =>
      this.context.guard('transfer time-out', () => {
        this.referrals.delete(referral)
        const seconds = Math.round(patienceMs / 1000)
        referral.settle?.(
          new TimeoutError(
            `The far end did not report how the transfer goes within ${seconds} s.`,
            patienceMs,
          ),
        )
      }),
    )
  }
}
