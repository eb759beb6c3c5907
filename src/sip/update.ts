// UPDATE (RFC 3311) both ways: the peer's is answered, with or without an offer; ours refreshes the session (RFC 4028) or
// changes it before the answer. What may not cross is refused as RFC 3311 5.2 has it.
import { Core } from 'sip.js'
import { CallFailed } from '../errors.ts'
import type { AgentContext } from './agent-context.ts'
import type { Body, Reinvite } from './session.ts'
import type { SessionTimer } from './session-timer.ts'
import { sipjsBody } from './sipjs-core.ts'
import { admitRequest, refreshRemoteTarget } from './sipjs-corrections.ts'
import { type IncomingRequest, IncomingResponse, sessionBody } from './sipjs-messages.ts'
import { failedRequest } from './unanswered.ts'

/** RFC 3311 5.2: how long the peer should wait before it tries again, at most, in seconds. */
const longestRetryAfterSeconds = 10

export interface UpdatesOptions {
  context: AgentContext
  timer: SessionTimer
  send: (
    dialog: Core.Session,
    body: Body | undefined,
    headers: string[],
    onFinal: (status: number, reason: string, message: Core.IncomingResponseMessage) => void,
  ) => void
  /** Contact, Allow, Supported ... of each UPDATE and its 2xx. */
  headers: () => string[]
  /** The peer's offer; undefined where nobody takes one. */
  onOffer: (offer: Reinvite) => boolean
  /** What the peer's messages say of it. */
  learn: (message: IncomingRequest | IncomingResponse) => void
}

export class Updates {
  /** The peer's, while its offer is being answered. */
  private pending: Core.UserAgentServer | undefined

  constructor(private readonly options: UpdatesOptions) {}

  get isPending(): boolean {
    return this.pending !== undefined
  }

  /** Sends one of ours. Where the offer is refused the session stays as it was. */
  send(
    session: Core.Session,
    offer: Body | undefined,
    onFinal: (status: number, reason: string, answer: Body | undefined, byPeer: boolean) => void,
  ): void {
    const dialog = session as Core.SessionDialog
    const { timer, headers } = this.options
    if (offer) dialog.signalingStateTransition(sipjsBody(offer))
    this.options.send(
      session,
      offer,
      [...headers(), ...timer.requestHeaders()],
      (status, reason, message) => {
        const response = message instanceof IncomingResponse ? message : undefined
        if (status === 422 && response && timer.refused(response.wire)) {
          if (offer) dialog.signalingStateRollback()
          this.send(session, offer, onFinal)
          return
        }
        if (!response || status >= 300) {
          if (offer) dialog.signalingStateRollback()
          onFinal(status, reason, undefined, response !== undefined)
          return
        }
        const answer = sessionBody(response.wire)
        if (offer && answer) dialog.signalingStateTransition(response)
        else if (offer) dialog.signalingStateRollback()
        this.options.learn(response)
        refreshRemoteTarget(session, response)
        timer.accepted(response.wire)
        onFinal(status, reason, answer, true)
      },
    )
  }

  /** Offers a change; rejects with CallFailed. */
  offer(session: Core.Session, offer: Body): Promise<Body | undefined> {
    if ((session as Core.SessionDialog).signalingState !== Core.SignalingState.Stable)
      return Promise.reject(
        new CallFailed(
          'The call cannot be changed yet: its first offer is not answered.',
          491,
          'Request Pending',
        ),
      )
    return new Promise((resolve, reject) => {
      this.send(session, offer, (status, reason, answer, byPeer) => {
        if (status < 300) resolve(answer)
        else reject(failedRequest('the change of the call', status, reason, byPeer))
      })
    })
  }

  /** The peer's. */
  receive(session: Core.Session, message: IncomingRequest): void {
    const dialog = session as Core.SessionDialog
    const { context, timer, headers, learn, onOffer } = this.options
    const { wire } = message
    if (!admitRequest(dialog, message)) return
    const server = new Core.UserAgentServer(Core.NonInviteServerTransaction, dialog.userAgentCore, message)
    const refuse = (statusCode: number): void => {
      const seconds = context.random.integer(longestRetryAfterSeconds + 1)
      server.reject({ statusCode, extraHeaders: statusCode === 500 ? [`Retry-After: ${seconds}`] : [] })
    }
    const offer = sessionBody(wire)
    const { signalingState } = dialog
    if (this.pending || (offer && signalingState === Core.SignalingState.HaveRemoteOffer)) {
      refuse(500)
      return
    }
    if (offer && signalingState !== Core.SignalingState.Stable) {
      refuse(491)
      return
    }
    learn(message)
    const accept = (body?: Body): void => {
      refreshRemoteTarget(session, message)
      const extraHeaders = [...headers(), ...timer.answerHeaders(wire)]
      server.accept({ statusCode: 200, extraHeaders, ...(body && { body: sipjsBody(body) }) })
    }
    if (!offer) {
      accept()
      return
    }
    dialog.signalingStateTransition(message)
    this.pending = server
    const answerable = (): boolean => {
      if (this.pending !== server) return false
      this.pending = undefined
      return true
    }
    const taken = onOffer({
      offer,
      remoteTag: message.fromTag,
      accept: (body) => {
        if (!answerable()) return
        dialog.signalingStateTransition(sipjsBody(body))
        accept(body)
      },
      reject: (status) => {
        if (!answerable()) return
        dialog.signalingStateRollback()
        refuse(status)
      },
    })
    if (!taken && answerable()) {
      dialog.signalingStateRollback()
      refuse(488)
    }
  }

  /** The call has ended: who waits for an answer is told (RFC 3261 15.1.2). */
  stop(): void {
    this.pending?.reject({ statusCode: 487 })
    this.pending = undefined
  }
}
