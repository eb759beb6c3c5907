// Where an incoming request goes: to its transaction, its dialog, or a new call; or straight back with a refusal. Done here
// rather than in sip.js, which takes calls for a single user part only and scans every transaction for merged requests.
// RFC 3261 8.2, 9.2, 11.2, 12.2.2, 17.2.3. Repeated requests never get here: the wire absorbs them.
import { Core } from 'sip.js'
import type { Flow } from './flow.ts'
import type { SipRequest } from './message.ts'
import { acceptHeader, allowHeader, type Refusal, refusalOf, supportedHeader } from './request-checks.ts'
import type { IncomingCall } from './session-incoming.ts'
import { contactUri, randomToken, type SignallingCore } from './sipjs-core.ts'
import { localTagOf, takeImpliedAck } from './sipjs-corrections.ts'
import { IncomingRequest } from './sipjs-messages.ts'

export class RequestReceiver {
  /** INVITEs in progress outside of dialogs, by what RFC 3261 8.2.2.2 compares. */
  private readonly merging = new Set<string>()

  /** @param takeCall makes a call of an INVITE, or says what refuses it
   *  @param announce tells the application of the call
   *  @param takeMessage delivers a MESSAGE, or says what refuses it
   *  @param takeRefer answers a REFER outside of calls, or does not want it
   *  @param takeNotify answers a NOTIFY that belongs to a subscription which has no dialog yet
   *  @param takeUnsolicited delivers a NOTIFY that belongs to none, or says what refuses it
   *  @param readiness the status with which a call would be answered or refused now */
  constructor(
    private readonly core: SignallingCore,
    private readonly takeCall: (message: IncomingRequest) => IncomingCall | Refusal,
    private readonly announce: (call: IncomingCall) => void,
    private readonly takeMessage: (message: IncomingRequest) => Refusal | undefined,
    private readonly takeRefer: (message: IncomingRequest) => boolean,
    private readonly takeNotify: (message: IncomingRequest) => boolean,
    private readonly takeUnsolicited: (message: IncomingRequest) => Refusal | undefined,
    private readonly readiness: () => number,
  ) {}

  /** Throws what the application throws, after answering 500. */
  receive(request: SipRequest, flow: Flow, id: string): void {
    const message = new IncomingRequest(request, flow, id)
    const server = this.core.userAgentServers.get(id)
    if (request.method === 'ACK') {
      this.receiveAck(message, server)
      return
    }
    if (request.method === 'CANCEL') {
      this.receiveCancel(message, server)
      return
    }
    if (server) {
      server.transaction.receiveRequest(message)
      return
    }
    try {
      this.receiveNewRequest(message)
    } catch (error) {
      if (!this.core.userAgentServers.has(id)) this.reply(message, 500)
      throw error
    }
  }

  /** Of a rejection: its transaction's. Of a 2xx: its dialog's. Of neither: absorbed (RFC 3261 8.2.7). */
  private receiveAck(message: IncomingRequest, server: Core.UserAgentServer | undefined): void {
    const state = server?.transaction.state
    if (state === Core.TransactionState.Completed || state === Core.TransactionState.Confirmed)
      server?.transaction.receiveRequest(message)
    else {
      const dialog = this.dialogOf(message)
      if (dialog) takeImpliedAck(dialog, message)
      dialog?.receiveRequest(message)
    }
  }

  private receiveCancel(message: IncomingRequest, server: Core.UserAgentServer | undefined): void {
    if (!server) {
      this.reply(message, 481)
      return
    }
    this.core.replyStateless(message, { statusCode: 200, toTag: localTagOf(server) })
    if (server.transaction.state === Core.TransactionState.Proceeding) server.receiveCancel(message)
  }

  private receiveNewRequest(message: IncomingRequest): void {
    const { method, wire } = message
    const refusal = refusalOf(wire, message.flow.protocol)
    if (refusal) {
      this.reply(message, refusal.status, refusal.headers, refusal.reason)
      return
    }
    if (message.toTag) {
      const dialog = this.dialogOf(message)
      if (!dialog) {
        if (method !== 'NOTIFY' || !this.takeNotify(message)) this.reply(message, 481)
      } else if (method === 'OPTIONS') this.answerOptions(message, 200)
      else dialog.receiveRequest(message)
      return
    }
    if (method === 'OPTIONS') this.answerOptions(message, this.readiness())
    else if (method === 'INVITE') this.receiveInvite(message)
    else if (method === 'MESSAGE') this.answer(message, this.takeMessage(message))
    else if (method === 'NOTIFY') this.answer(message, this.takeUnsolicited(message))
    else if (method === 'REFER') {
      // Whoever could refer us could let us dial at our cost.
      if (!this.takeRefer(message)) this.reply(message, 603)
    } else this.reply(message, 481)
  }

  private receiveInvite(message: IncomingRequest): void {
    const key = `${message.callId} ${message.fromTag} ${message.cseq}`
    if (this.merging.has(key)) {
      this.reply(message, 482, [], 'Loop Detected: this INVITE came by two ways')
      return
    }
    const call = this.takeCall(message)
    if ('status' in call) {
      this.reply(message, call.status, call.headers, call.reason)
      return
    }
    this.merging.add(key)
    call.onTransactionEnded(() => this.merging.delete(key))
    try {
      this.announce(call)
    } catch (error) {
      call.reject(500)
      throw error
    }
  }

  private answer(message: IncomingRequest, refusal: Refusal | undefined): void {
    if (refusal) this.reply(message, refusal.status, refusal.headers, refusal.reason)
    else this.reply(message, 200)
  }

  private dialogOf(message: IncomingRequest): Core.Dialog | undefined {
    return this.core.dialogs.get(message.callId + message.toTag + message.fromTag)
  }

  /** RFC 3261 11.2: as an INVITE would be, and in any case with what we can do. */
  private answerOptions(message: IncomingRequest, status: number): void {
    const contact = `Contact: <${contactUri(undefined)}>`
    this.reply(message, status, [allowHeader, acceptHeader, supportedHeader, contact])
  }

  private reply(
    message: IncomingRequest,
    statusCode: number,
    extraHeaders: string[] = [],
    reasonPhrase?: string,
  ): void {
    this.core.replyStateless(message, {
      statusCode,
      extraHeaders,
      toTag: randomToken(this.core.random),
      ...(reasonPhrase !== undefined && { reasonPhrase }),
    })
  }
}
