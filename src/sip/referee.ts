// The transferee's half of a REFER (RFC 3515): the application accepts or refuses it, and what becomes of the call that follows is
// told to whoever referred us, by NOTIFYs with message/sipfrag, one after the other. RFC 4488: none where none is wanted.
import type { Core } from 'sip.js'
import type { Millis, Timer } from '../runtime/runtime.ts'
import type { AgentContext } from './agent-context.ts'
import type { DialogOutlet } from './dialog-requests.ts'
import { type ReferRequest, readRefer } from './refer-to.ts'
import type { IncomingRefer, ReferProgress } from './session.ts'
import { IncomingRequest } from './sipjs-messages.ts'

/** A person may think about it, but whoever asks must hear something within 32 s (RFC 4320 4.1). */
const decisionLimitMs: Millis = 20_000
/** How long we report: as long as a call may ring (RFC 3515 2.4.4). */
const reportingSeconds = 180

export class Referee {
  /** Whether one is being thought about or carried out. */
  private busy = false
  private first = true
  /** Runs while one is being thought about. */
  private limit: Timer | undefined

  constructor(
    private readonly context: AgentContext,
    private readonly outlet: DialogOutlet,
  ) {}

  /** @param onRefer absent: refused, as whoever could refer us could let us dial at our cost */
  receive(request: Core.IncomingReferRequest, onRefer: ((refer: IncomingRefer) => void) | undefined): void {
    const { message } = request
    if (!(message instanceof IncomingRequest)) return
    const refuse = (statusCode: number, reasonPhrase?: string): void => {
      request.reject(reasonPhrase === undefined ? { statusCode } : { statusCode, reasonPhrase })
    }
    const refer = readRefer(message.wire)
    if ('status' in refer) {
      refuse(refer.status, refer.reason)
      return
    }
    if (!onRefer) {
      refuse(603)
      return
    }
    if (this.busy) {
      refuse(491)
      return
    }
    this.busy = true
    let open = true
    const close = (): boolean => {
      const wasOpen = open
      open = false
      if (wasOpen) this.limit?.cancel()
      return wasOpen
    }
    const reject = (status: number): void => {
      if (!close()) return
      this.busy = false
      refuse(status)
    }
    this.limit = this.context.clock.setTimer(decisionLimitMs, () =>
      this.context.guard('REFER', () => reject(603)),
    )
    const { target, replaces, referredBy } = refer
    try {
      onRefer({
        target,
        ...(replaces && { replaces }),
        ...(referredBy !== undefined && { referredBy }),
        accept: () => (close() ? this.accept(request, refer) : nobodyListens),
        reject: (status = 603) => reject(status),
      })
    } catch (error) {
      reject(500)
      throw error
    }
  }

  /** The call has ended: nobody waits for a decision any more. */
  stop(): void {
    this.limit?.cancel()
  }

  private accept(request: Core.IncomingReferRequest, refer: ReferRequest): ReferProgress {
    const { cseq } = request.message
    // RFC 3515 2.4.6: the first of a dialog may go without.
    const event = this.first ? 'refer' : `refer;id=${cseq}`
    this.first = false
    const extraHeaders = [this.outlet.contactHeader]
    if (refer.silent) {
      this.busy = false
      request.accept({ statusCode: 200, extraHeaders: [...extraHeaders, 'Refer-Sub: false'] })
      return nobodyListens
    }
    request.accept({ statusCode: 202, extraHeaders })
    const progress = new ReportedProgress(this.outlet, event, () => {
      this.busy = false
    })
    progress.tell(100, 'Trying')
    return progress
  }
}

const nobodyListens: ReferProgress = { tell: () => {} }

/** Tells one status after the other; those that are overtaken are left out. */
class ReportedProgress implements ReferProgress {
  private sending = false
  private over = false
  private next: { status: number; reason: string } | undefined

  constructor(
    private readonly outlet: DialogOutlet,
    private readonly event: string,
    private readonly onOver: () => void,
  ) {}

  tell(status: number, reason: string): void {
    if (this.over) return
    this.next = { status, reason }
    if (status >= 200) {
      this.over = true
      this.onOver()
    }
    if (!this.sending) this.send()
  }

  private send(): void {
    const { next } = this
    if (!next) return
    this.next = undefined
    this.sending = true
    const state = next.status < 200 ? `active;expires=${reportingSeconds}` : 'terminated;reason=noresource'
    const content = `SIP/2.0 ${next.status} ${next.reason.replace(/[\r\n]+/g, ' ')}\r\n`
    this.outlet.send(
      'NOTIFY',
      { contentType: 'message/sipfrag;version=2.0', content },
      [`Event: ${this.event}`, `Subscription-State: ${state}`],
      (status) => {
        this.sending = false
        // RFC 5057 5.1: 481 ends the reports, silence the dialog.
        if (status === 408) this.outlet.gone(status)
        if (status >= 300) {
          if (!this.over) this.onOver()
          this.over = true
        } else this.send()
      },
    )
  }
}
