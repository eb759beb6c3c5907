// Re-INVITEs of the peer (RFC 3261 14.2): one at a time, answered by the application, ended by CANCEL, BYE, or an ACK that
// never comes.
import { Core } from 'sip.js'
import type { AgentContext } from './agent-context.ts'
import { responseOptions } from './response-options.ts'
import type { Reinvite } from './session.ts'
import { sipjsBody } from './sipjs-core.ts'
import { IncomingRequest, sessionBody } from './sipjs-messages.ts'

export interface PeerReinvitesOptions {
  context: AgentContext
  /** Of our 2xx. */
  headers: (request: IncomingRequest) => string[]
  /** Returns whether somebody takes it. */
  onOffer: (reinvite: Reinvite) => boolean
  onAckTimeout: () => void
}

export class PeerReinvites {
  private pending: Core.IncomingInviteRequest | undefined

  constructor(private readonly options: PeerReinvitesOptions) {}

  receive(dialog: Core.SessionDialog | undefined, request: Core.IncomingInviteRequest): void {
    const { context, headers, onOffer } = this.options
    const { message } = request
    if (!(message instanceof IncomingRequest)) return
    this.pending = request
    request.delegate = { onCancel: () => context.guard('CANCEL', () => this.reject()) }
    this.endWithoutAck(dialog, request)
    const offer = sessionBody(message.wire)
    const answerable = (): boolean => this.pending === request && isUnanswered(request)
    const reject = (status: number, reason?: string): void => {
      if (!answerable()) return
      this.pending = undefined
      request.reject(responseOptions(status, reason))
    }
    const taken = onOffer({
      ...(offer && { offer }),
      remoteTag: message.fromTag,
      accept: (body) => {
        if (answerable())
          request.accept({ statusCode: 200, extraHeaders: headers(message), body: sipjsBody(body) })
      },
      reject,
    })
    if (!taken) reject(488)
    // RFC 3261 17.2.1: an application that needs time must not make the peer repeat its INVITE.
    else if (answerable()) request.trying()
  }

  /** An ACK has come: to a re-INVITE? `answer` is what it carries where our 2xx carried the offer. */
  acknowledged(): { offered: boolean } | undefined {
    const { pending } = this
    this.pending = undefined
    return pending && { offered: !pending.message.body }
  }

  /** CANCEL, or a BYE, which leaves nothing unanswered (RFC 3261 15.1.2). */
  reject(): void {
    const { pending } = this
    this.pending = undefined
    if (!pending) return
    if (isUnanswered(pending)) pending.reject({ statusCode: 487 })
    else this.options.context.settle(pending.message.viaBranch)
  }

  /** RFC 3261 14.2 and 13.3.1.4: a 2xx to a re-INVITE that is never acknowledged ends the session too. */
  private endWithoutAck(dialog: Core.SessionDialog | undefined, request: Core.IncomingInviteRequest): void {
    const { transaction } = request as unknown as Core.ReInviteUserAgentServer
    let accepted = false
    transaction.addStateChangeListener(() => {
      if (transaction.state === Core.TransactionState.Accepted) accepted = true
      if (transaction.state !== Core.TransactionState.Terminated || !accepted) return
      if (dialog?.reinviteUserAgentServer === (request as unknown)) this.options.onAckTimeout()
    })
  }
}

const isUnanswered = (request: Core.IncomingInviteRequest): boolean =>
  (request as unknown as Core.UserAgentServer).transaction.state === Core.TransactionState.Proceeding
