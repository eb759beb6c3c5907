// What both roles of a call share once there is a dialog (RFC 3261 12 to 15): BYE, INFO, re-INVITE in both directions, and
// the one place where a session ends. Built on sip.js's SessionDialog; reinvite.ts holds our own re-INVITE.
import { Core } from 'sip.js'
import { CallFailed } from '../errors.ts'
import { type AgentContext, type Identity, transactionTimeoutMs } from './agent-context.ts'
import { type DialogOutlet, finalResponse, receiveMessage } from './dialog-requests.ts'
import { sendInDialog } from './in-dialog-request.ts'
import { checkMessage } from './instant-message.ts'
import type { SipMessage } from './message.ts'
import { learnPeer, type Peer } from './peer.ts'
import { PeerReinvites } from './peer-reinvite.ts'
import { formatReferTo } from './refer-to.ts'
import { Referee } from './referee.ts'
import { Referrer } from './referrer.ts'
import { Reinviter } from './reinvite.ts'
import type { Replaces } from './replaces.ts'
import { capabilitiesBeside, infoPackages, recvInfoHeader } from './request-checks.ts'
import type { Body, EndInfo, Offer, Reinvite, ResponseInfo, Session, SessionHandler } from './session.ts'
import { SessionTimer } from './session-timer.ts'
import type { SignallingCore } from './sipjs-core.ts'
import {
  admitRequest,
  beforeRequest,
  closeDialog,
  isWaitingForAck,
  stopWaitingForAck,
} from './sipjs-corrections.ts'
import { anyBody, IncomingRequest, IncomingResponse, sessionBody } from './sipjs-messages.ts'
import { failedRequest } from './unanswered.ts'
import { Updates } from './update.ts'

export abstract class DialogSession implements Session {
  abstract readonly callId: string
  abstract readonly direction: 'outgoing' | 'incoming'
  abstract readonly remote: { uri: string; displayName?: string }
  abstract readonly local: { uri: string }
  abstract readonly peerInfo: Peer
  handler: SessionHandler | undefined
  /** The user agent's own book-keeping. */
  onClosed: (() => void) | undefined

  protected dialog: Core.Session | undefined
  /** The IP address that the call came from or was answered from: a proxy there may ask for credentials in the dialog. Nobody
   *  else may: who calls a phone could otherwise challenge its BYE and crack the password at leisure. */
  challenger = ''
  protected ended = false
  private byeSent = false
  /** A BYE that goes out with the ACK to our 2xx: why, and what keeps the user agent until then. */
  private byeAfterAck: { reason: string | undefined; done: () => void } | undefined
  protected readonly timer: SessionTimer
  private readonly reinviter: Reinviter
  private readonly referrer: Referrer
  private readonly referee: Referee
  /** Told when the call ends before their request is answered. */
  private readonly asked = new Set<(error: CallFailed) => void>()
  private readonly reinvites: PeerReinvites
  private readonly updates: Updates
  private readonly listened = new WeakSet<Core.Session>()
  /** Methods that the peer takes. */
  private peerMethods: ReadonlySet<string> = new Set()

  peerInfoPackages: ReadonlySet<string> = new Set()

  constructor(
    readonly context: AgentContext,
    readonly core: SignallingCore,
    readonly identity: Identity,
    sessionExpiresSeconds: number = context.sessionExpiresSeconds,
  ) {
    const guarded = (what: string, run: () => void) => () => context.guard(what, run)
    this.timer = new SessionTimer({
      clock: context.clock,
      wantedSeconds: sessionExpiresSeconds,
      onRefresh: guarded('session refresh', () => this.refresh()),
      onLapse: guarded('session expiry', () => this.lapse()),
    })
    this.reinviter = new Reinviter(context, identity, (status) => this.dialogIsGone(status), {
      headers: () => [...this.headers, ...this.timer.requestHeaders()],
      onAccepted: (response) => {
        this.learn(response)
        this.timer.accepted(response)
      },
      onTooBrief: (response) => this.timer.refused(response),
      isBusy: () => this.updates.isPending,
    })
    this.reinvites = new PeerReinvites({
      context,
      headers: (message) => {
        this.learn(message.wire)
        this.hear(message)
        return [...this.headers, ...this.timer.answerHeaders(message.wire)]
      },
      onOffer: (offer) => this.onOffer(offer),
      onAckTimeout: () => this.onAckTimeout(),
    })
    this.updates = new Updates({
      context,
      timer: this.timer,
      send: (dialog, body, headers, onFinal) => this.sendInDialog(dialog, 'UPDATE', body, onFinal, headers),
      headers: () => this.headers,
      learn: (message) => {
        this.learn(message.wire)
        this.hear(message)
      },
      onOffer: (offer) => this.onOffer(offer),
    })
    const outlet: DialogOutlet = {
      contactHeader: this.contactHeader,
      send: (method, body, headers, onFinal) => {
        if (this.dialog)
          this.sendInDialog(this.dialog, method, body, onFinal, [this.contactHeader, ...headers])
      },
      gone: (status) => this.dialogIsGone(status),
    }
    this.referrer = new Referrer(context, outlet)
    this.referee = new Referee(context, outlet)
  }

  abstract hangUp(reason?: { status?: number; text?: string }): void

  get contactHeader(): string {
    return `Contact: ${this.core.configuration.contact.toString()}`
  }

  /** Of each INVITE and UPDATE of ours, and its 2xx. */
  private get headers(): string[] {
    return [this.contactHeader, ...capabilitiesBeside(this.contactHeader)]
  }

  /** The dialog from its 2xx to its end. */
  private get confirmedDialog(): Core.Session | undefined {
    const { dialog } = this
    return this.ended || dialog?.sessionState === Core.SessionState.Early ? undefined : dialog
  }

  reinvite(offer: Offer, options: { limitMs?: number } = {}): Promise<Body | undefined> {
    const dialog = this.confirmedDialog
    // Before the answer only UPDATE can change anything (RFC 3311 5.1).
    if (!dialog && !this.ended && this.dialog && this.peerMethods.has('UPDATE'))
      return this.updates.offer(this.dialog, typeof offer === 'function' ? offer() : offer)
    if (!dialog)
      return Promise.reject(
        new CallFailed('The call cannot be changed: it is not established.', 0, 'not established'),
      )
    return this.reinviter.offer(dialog, offer, this.challenger, options.limitMs)
  }

  info(body: Body, infoPackage?: string): Promise<void> {
    const dialog = this.confirmedDialog
    if (!dialog)
      return Promise.reject(
        new CallFailed('INFO cannot be sent: the call is not established.', 0, 'not established'),
      )
    const headers =
      infoPackage === undefined ? [] : [`Info-Package: ${infoPackage}`, 'Content-Disposition: Info-Package']
    return this.ask(dialog, 'INFO', body, headers, infoPackage !== undefined)
  }

  message(body: Body): Promise<void> {
    checkMessage(body)
    const dialog = this.confirmedDialog
    if (!dialog)
      return Promise.reject(
        new CallFailed('The message cannot be sent: the call is not established.', 0, 'not established'),
      )
    return this.ask(dialog, 'MESSAGE', body, [], false)
  }

  /** What names the dialog to others (RFC 3891 6.1), and where they reach the peer; undefined before it is confirmed. */
  get replaceable(): { target: string; replaces: Replaces } | undefined {
    const dialog = this.confirmedDialog
    if (!dialog) return undefined
    const { callId, localTag, remoteTag } = dialog as Core.SessionDialog
    return {
      target: dialog.remoteTarget.toRaw(),
      replaces: { callId, toTag: remoteTag, fromTag: localTag, earlyOnly: false },
    }
  }

  /** The dialog as its peer would name it to us, also when it is over; undefined before there is one. */
  get dialogKey(): string | undefined {
    const dialog = this.dialog as Core.SessionDialog | undefined
    return dialog && `${dialog.callId} ${dialog.localTag} ${dialog.remoteTag}`
  }

  refer(
    target: string,
    replaces?: Replaces,
    onProgress?: (status: number, reason: string) => void,
  ): Promise<void> {
    if (!this.confirmedDialog)
      return Promise.reject(
        new CallFailed('The call cannot be transferred: it is not established.', 0, 'not established'),
      )
    return this.referrer.refer(formatReferTo(target, replaces), this.local.uri, onProgress)
  }

  /** A request that leaves the call as it is, unless it shows that the peer has gone.
   *  @param spare what is told beside the call, and again with the next: a missing answer ends nothing */
  private ask(
    dialog: Core.Session,
    method: string,
    body: Body,
    headers: string[],
    spare: boolean,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.asked.add(reject)
      const onFinal = (status: number, reason: string, message: Core.IncomingResponseMessage): void => {
        this.asked.delete(reject)
        if (status < 300) {
          resolve()
          return
        }
        if (status === 481 || (status === 408 && !spare)) this.dialogIsGone(status)
        reject(failedRequest(`the ${method}`, status, reason, finalResponse(message) !== undefined))
      }
      this.sendInDialog(dialog, method, body, onFinal, headers)
    })
  }

  /** What each INVITE, UPDATE and 2xx of the peer says counts from then on (RFC 6086 5.2.2, RFC 3311 4). */
  protected learn(message: SipMessage): void {
    const methods = message.list('Allow').map((method) => method.toUpperCase())
    if (methods.length > 0) this.peerMethods = new Set(methods)
    this.peerInfoPackages = new Set(
      message.list('Recv-Info').map((name) => name.replace(/;.*$/s, '').trim().toLowerCase()),
    )
  }

  /** What a message of the peer says of it. */
  protected hear(message: Core.IncomingMessage): void {
    if (message instanceof IncomingRequest || message instanceof IncomingResponse)
      learnPeer(this.peerInfo, message.wire, this.context.isTrusted(message.flow.remote.address))
  }

  /** Everything that ends a session comes through here, once. */
  protected end(end: EndInfo, rejected?: ResponseInfo): void {
    if (this.ended) return
    this.ended = true
    this.timer.stop()
    this.reinviter.stop()
    this.referrer.stop(end.by === 'remote')
    this.referee.stop()
    this.updates.stop()
    for (const reject of this.asked)
      reject(new CallFailed('The call ended before its request was answered.', 487, 'Request Terminated'))
    this.cleanUp()
    this.onClosed?.()
    this.context.guard('onEnded', () => this.handler?.onEnded(end, rejected))
  }

  /** The user agent stops: nothing more is sent. */
  abandon(): void {
    if (this.dialog) closeDialog(this.dialog)
    this.end({ by: 'local', status: 487, reason: 'the user agent stopped' })
  }

  /** Timers and tables of the role. */
  protected abstract cleanUp(): void

  protected attach(dialog: Core.Session): void {
    this.dialog = dialog
    this.listen(dialog)
    dialog.delegate = {
      onAck: ({ message }) => this.context.guard('ACK', () => this.onAck(message)),
      onAckTimeout: () => this.context.guard('ACK time-out', () => this.onAckTimeout()),
      onBye: (request) => this.context.guard('BYE', () => this.onBye(request)),
      onInfo: (request) => this.context.guard('INFO', () => this.onInfo(request)),
      onInvite: (request) =>
        this.context.guard('re-INVITE', () =>
          this.reinvites.receive(this.dialog as Core.SessionDialog, request),
        ),
      onNotify: (request) => this.context.guard('NOTIFY', () => this.referrer.receiveNotify(request)),
      onRefer: (request) => this.context.guard('REFER', () => this.onRefer(request)),
      onMessage: (request) => this.context.guard('MESSAGE', () => receiveMessage(this.context, request)),
    }
  }

  /** Hears what sip.js would not tell of. */
  protected listen(dialog: Core.Session): void {
    if (this.listened.has(dialog)) return
    this.listened.add(dialog)
    beforeRequest(dialog, (message) => {
      if (message.method === 'INVITE') this.reinviter.yield()
      if (!(message instanceof IncomingRequest)) return false
      if (message.method === 'UPDATE') this.updates.receive(dialog, message)
      else if (message.method !== 'PRACK') return false
      else if (admitRequest(dialog as Core.SessionDialog, message))
        this.receivePrack(dialog as Core.SessionDialog, message)
      return true
    })
  }

  /** Only who has sent a reliable provisional response expects one (RFC 3262 3). */
  protected receivePrack(_dialog: Core.SessionDialog, message: IncomingRequest): void {
    this.core.replyStateless(message, { statusCode: 481, toTag: message.toTag })
  }

  /** RFC 4028 10: by UPDATE without an offer where the peer takes that, else by a re-INVITE that changes nothing. */
  private refresh(): void {
    const dialog = this.confirmedDialog
    if (!dialog) return
    if (!this.peerMethods.has('UPDATE')) {
      this.handler?.onRefreshDue?.()
      return
    }
    this.updates.send(dialog, undefined, (status) => {
      if (this.ended || status < 300) return
      if (status === 481 || status === 408) this.dialogIsGone(status)
      else if (status === 491 || status === 500 || status === 503) this.timer.tryAgain()
      else {
        // It takes none after all.
        this.peerMethods = new Set()
        this.handler?.onRefreshDue?.()
      }
    })
  }

  /** RFC 4028 10. */
  private lapse(): void {
    if (this.ended || !this.dialog) return
    this.bye(this.dialog, 'SIP;cause=408;text="Session timer expired"')
    const reason = 'the session timer ran out: nobody refreshed the call (RFC 4028)'
    this.end({ by: 'network', status: 408, reason })
  }

  protected onOffer(offer: Reinvite): boolean {
    if (this.ended || !this.handler?.onReinvite) return false
    this.handler.onReinvite(offer)
    return true
  }

  /** BYE now, or as soon as our 2xx is acknowledged (RFC 3261 15). The dialog is gone afterwards. */
  protected bye(dialog: Core.Session, reason?: string): void {
    if (isWaitingForAck(dialog)) {
      this.byeAfterAck ??= { reason, done: this.context.pending() }
      return
    }
    this.byeAfterAck?.done()
    this.byeAfterAck = undefined
    if (dialog === this.dialog) {
      if (this.byeSent) return
      this.byeSent = true
    }
    const done = this.context.pending()
    this.sendInDialog(dialog, 'BYE', undefined, done, reason ? [`Reason: ${reason}`] : [])
    closeDialog(dialog)
  }

  /** Sends a request in the dialog, answers challenges, and reports the final status: 408 and 503 may be our own. */
  protected sendInDialog(
    dialog: Core.Session,
    method: string,
    body: Body | undefined,
    onFinal: (status: number, reason: string, message: Core.IncomingResponseMessage) => void,
    headers: string[] = [],
  ): void {
    const { context, core, identity, challenger } = this
    sendInDialog(
      { context, core, identity, dialog: dialog as Core.SessionDialog, challenger },
      method,
      body,
      headers,
      onFinal,
    )
  }

  /** The peer does not know the dialog any more, or does not answer in it (RFC 3261 12.2.1.2). */
  private dialogIsGone(status: number): void {
    if (this.ended) return
    if (this.dialog) this.bye(this.dialog)
    const reason = status === 481 ? 'the peer no longer knows the call' : 'the peer stopped answering'
    this.end({ by: 'network', status, reason })
  }

  protected onAck(message: Core.IncomingRequestMessage): void {
    if (this.ended) {
      if (this.dialog && this.byeAfterAck) this.bye(this.dialog, this.byeAfterAck.reason)
      return
    }
    const reinvite = this.reinvites.acknowledged()
    const answer = message instanceof IncomingRequest ? sessionBody(message.wire) : undefined
    if (reinvite && !(answer && reinvite.offered)) return
    this.handler?.onConfirmed?.(answer)
  }

  /** RFC 3261 13.3.1.4: no ACK came within 64*T1. */
  private onAckTimeout(): void {
    const { dialog } = this
    if (!dialog) return
    stopWaitingForAck(dialog)
    this.bye(dialog)
    this.end({ by: 'network', status: 408, reason: `no ACK came within ${transactionTimeoutMs / 1000} s` })
  }

  private onBye(request: Core.IncomingByeRequest): void {
    request.accept()
    this.hear(request.message)
    // RFC 3261 15.1.2: pending requests are answered 487.
    this.rejectPending()
    this.byeAfterAck?.done()
    this.byeAfterAck = undefined
    this.byeSent = true
    if (this.dialog) closeDialog(this.dialog)
    const reasonHeader =
      request.message instanceof IncomingRequest ? request.message.wire.get('Reason') : undefined
    const end: EndInfo = { by: 'remote', status: 200, reason: 'the peer hung up' }
    this.end(reasonHeader === undefined ? end : { ...end, reasonHeader })
  }

  /** What the peer's BYE leaves unanswered. */
  protected rejectPending(): void {
    this.reinvites.reject()
  }

  private onInfo(request: Core.IncomingInfoRequest): void {
    const { message } = request
    const named = message instanceof IncomingRequest ? message.wire.get('Info-Package') : undefined
    const infoPackage = named?.replace(/;.*$/s, '').trim().toLowerCase()
    if (infoPackage !== undefined && !infoPackages.includes(infoPackage)) {
      // RFC 6086 4.2.2.
      request.reject({ statusCode: 469, reasonPhrase: 'Bad Info Package', extraHeaders: [recvInfoHeader] })
      return
    }
    request.accept()
    if (!this.ended && message instanceof IncomingRequest)
      this.handler?.onInfo?.(anyBody(message.wire), infoPackage)
  }

  private onRefer(request: Core.IncomingReferRequest): void {
    if (this.ended) request.reject({ statusCode: 481 })
    else this.referee.receive(request, this.handler?.onRefer?.bind(this.handler))
  }
}
