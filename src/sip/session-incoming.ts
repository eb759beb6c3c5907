// A call that comes in (RFC 3261 13.3, 9.2): ringing, answering, rejecting, being cancelled. The 2xx is repeated until its
// ACK by the wire; a 100 goes out when the application has said nothing for 200 ms.
import { Core } from 'sip.js'
import type { Timer } from '../runtime/runtime.ts'
import type { AgentContext, Identity } from './agent-context.ts'
import { DialogSession } from './dialog-session.ts'
import { formatReason, type Peer, shown } from './peer.ts'
import { SentProvisionals } from './reliable-provisionals.ts'
import { allowHeader, capabilitiesBeside } from './request-checks.ts'
import { responseOptions } from './response-options.ts'
import type { Body, IncomingSession, Session } from './session.ts'
import { contactUri, randomToken, sipjsBody } from './sipjs-core.ts'
import { retire, setLocalTag } from './sipjs-corrections.ts'
import { type IncomingRequest, sessionBody } from './sipjs-messages.ts'
import { sipUri } from './uri.ts'

/** RFC 3261 17.2.1: the server transaction sends 100 unless an answer follows within this time. */
const tryingAfterMs = 200
/** A longer Expires is none: setTimeout ends at 24.8 days, patience before. */
const longestExpirySeconds = 86_400

export class IncomingCall extends DialogSession implements IncomingSession {
  readonly direction = 'incoming'
  readonly callId: string
  readonly remote: { uri: string; displayName?: string }
  readonly local: { uri: string }
  readonly peerInfo: Peer
  readonly localAddress: string
  readonly offer?: Body
  readonly userAgent?: string

  private readonly server: Core.InviteUserAgentServer
  private accepted = false
  /** The 2xx is out, or waits for a PRACK. */
  private accepting = false
  private readonly provisionals: SentProvisionals
  private trying: Timer | undefined
  private readonly expiry: Timer | undefined
  private readonly done: () => void

  /** @param replaces the call that ends when this one is accepted (RFC 3891 3) */
  constructor(
    context: AgentContext,
    identity: Identity,
    private readonly invitation: IncomingRequest,
    readonly replaces?: Session,
  ) {
    super(
      context,
      context.core.through({
        contact: identity.contact ?? contactUri(sipUri(invitation.wire.uriText)?.user),
      }),
      identity,
    )
    const { wire, flow } = invitation
    this.callId = wire.callId
    this.challenger = flow.remote.address
    this.learn(wire)
    this.remote = {
      uri: wire.from.uriText,
      ...(wire.from.displayName && { displayName: shown(wire.from.displayName) }),
    }
    this.peerInfo = { ...this.remote }
    this.hear(invitation)
    this.local = { uri: wire.to.uriText }
    this.localAddress = /^(0\.0\.0\.0|::)$/.test(flow.local.address)
      ? flow.sentBy.address
      : flow.local.address
    const offer = sessionBody(wire)
    if (offer) this.offer = offer
    const userAgent = wire.get('User-Agent')
    if (userAgent !== undefined) this.userAgent = userAgent
    this.done = context.pending()
    this.server = new Core.InviteUserAgentServer(this.core, invitation, {
      onCancel: (cancel) => context.guard('CANCEL', () => this.onCancel(cancel as IncomingRequest)),
    })
    setLocalTag(this.server, randomToken(context.random))
    this.provisionals = new SentProvisionals({
      context,
      server: this.server,
      onSession: (session) => this.attach(session),
      onLost: () => this.giveUp(),
    })
    this.trying = context.clock.setTimer(tryingAfterMs, () =>
      context.guard('100', () => {
        if (this.unanswered) this.server.trying()
      }),
    )
    // RFC 3261 13.3.1: how long the invitation stands.
    const expiresSeconds = wire.number('Expires', longestExpirySeconds)
    if (expiresSeconds)
      this.expiry = context.clock.setTimer(expiresSeconds * 1000, () =>
        context.guard('Expires', () => this.withdrawn({ reason: 'the invitation has expired' })),
      )
  }

  /** Told when the server transaction has ended. */
  onTransactionEnded(listener: () => void): void {
    const { transaction } = this.server
    transaction.addStateChangeListener(() => {
      if (transaction.state === Core.TransactionState.Terminated) listener()
    })
  }

  private get unanswered(): boolean {
    return !this.ended && !this.accepted
  }

  progress(status: number, body?: Body, { reliable = false } = {}): void {
    if (!this.unanswered || this.accepting) return
    this.trying?.cancel()
    if (status === 100) {
      this.server.trying()
      return
    }
    const response = { statusCode: status, ...(body && { body: sipjsBody(body) }) }
    const { wire } = this.invitation
    const isWelcome = wire.hasToken('Supported', '100rel') && (reliable || body !== undefined)
    if (isWelcome || wire.hasToken('Require', '100rel')) this.provisionals.send(response)
    else this.attach(this.server.progress(response).session)
  }

  accept(body: Body): void {
    if (!this.unanswered || this.accepting) return
    const answer = sipjsBody(body)
    this.trying?.cancel()
    this.expiry?.cancel()
    this.accepting = true
    this.provisionals.whenFinal(() => this.acceptNow(answer))
  }

  private acceptNow(answer: Core.Body): void {
    if (!this.unanswered) return
    this.accepted = true
    const extraHeaders = [
      ...capabilitiesBeside(this.contactHeader).filter((header) => header !== allowHeader),
      ...this.timer.answerHeaders(this.invitation.wire),
    ]
    const { session } = this.server.accept({ statusCode: 200, extraHeaders, body: answer })
    this.attach(session)
    this.replaces?.hangUp({ text: 'replaced by another call' })
    this.done()
  }

  reject(status: number, reason?: string): void {
    if (!this.unanswered) return
    this.server.reject(responseOptions(status, reason))
    this.end({ by: 'local', status, reason: reason ?? 'rejected' })
  }

  hangUp(reason?: { status?: number; text?: string }): void {
    if (this.ended) return
    if (!this.accepted) {
      this.reject(reason?.status ?? 603, reason?.text)
      return
    }
    if (this.dialog) this.bye(this.dialog, formatReason(reason))
    this.end({ by: 'local', status: 200, reason: reason?.text ?? 'hung up' })
  }

  /** RFC 3262 3: a provisional response that nobody acknowledges. */
  private giveUp(): void {
    if (!this.unanswered) return
    this.server.reject({ statusCode: 504 })
    this.end({ by: 'network', status: 408, reason: 'the caller never acknowledged that it rings (PRACK)' })
  }

  protected override receivePrack(dialog: Core.SessionDialog, message: IncomingRequest): void {
    const { wire } = message
    const answer = (statusCode: number, body?: Body): void => {
      const options = body ? { statusCode, body: sipjsBody(body) } : { statusCode }
      this.core.replyStateless(message, { ...options, toTag: message.toTag })
    }
    if (!this.provisionals.acknowledge(wire.get('RAck'))) {
      answer(481)
      return
    }
    const body = sessionBody(wire)
    if (body && dialog.signalingState === Core.SignalingState.Stable) {
      this.answerOffer(dialog, message, body, answer)
      return
    }
    if (body && dialog.signalingState === Core.SignalingState.HaveLocalOffer) {
      dialog.signalingStateTransition(message)
      this.handler?.onEarlyAnswer?.(body)
    }
    answer(200)
    this.provisionals.proceed()
  }

  /** RFC 3262 5: a PRACK may carry another offer; its answer comes with the 2xx. */
  private answerOffer(
    dialog: Core.SessionDialog,
    message: IncomingRequest,
    offer: Body,
    answer: (status: number, body?: Body) => void,
  ): void {
    dialog.signalingStateTransition(message)
    let isOpen = true
    const reply = (status: number, body?: Body): void => {
      if (!isOpen) return
      isOpen = false
      if (body) dialog.signalingStateTransition(sipjsBody(body))
      else dialog.signalingStateRollback()
      answer(status, body)
      this.provisionals.proceed()
    }
    const taken = this.onOffer({
      offer,
      remoteTag: message.fromTag,
      accept: (body) => reply(200, body),
      reject: (status) => reply(status),
    })
    if (!taken) reply(488)
  }

  private onCancel(cancel: IncomingRequest): void {
    this.hear(cancel)
    const reasonHeader = cancel.wire.get('Reason')
    this.withdrawn({
      reason: 'the caller hung up before the answer',
      ...(reasonHeader !== undefined && { reasonHeader }),
    })
  }

  private withdrawn(why: { reason: string; reasonHeader?: string }): void {
    if (!this.unanswered) return
    this.server.reject({ statusCode: 487 })
    this.end({ by: 'remote', status: 487, ...why })
  }

  protected override rejectPending(): void {
    // A BYE in an early dialog (RFC 3261 15) ends the INVITE as well.
    if (this.unanswered) this.server.reject({ statusCode: 487 })
    else this.context.settle(this.server.message.viaBranch)
    super.rejectPending()
  }

  protected override onAck(message: Core.IncomingRequestMessage): void {
    retire(this.server)
    super.onAck(message)
  }

  protected cleanUp(): void {
    this.provisionals.stop()
    this.trying?.cancel()
    this.expiry?.cancel()
    this.done()
  }
}
