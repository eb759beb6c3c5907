// What sip.js 0.21.2's Core does differently from RFC 3261 and cannot be told otherwise, corrected in one place.
// Each entry says what is wrong and checks that what it wraps is still there, so that another version of sip.js
// stops floe at start-up with a sentence instead of failing in a call.
import { Core, version as sipjsVersion } from 'sip.js'
import { AllowedMethods } from 'sip.js/lib/core/user-agent-core/allowed-methods.js'
import { InvariantError } from '../errors.ts'
import { canonicalName } from './header-names.ts'

/** The members that are not in sip.js's types, or are private there. */
interface Internals {
  ClientTransaction: { makeId(request: Core.OutgoingRequestMessage): string }
  InviteClientTransaction: { prototype: { ack(response: Core.IncomingResponseMessage): void } }
  SessionDialog: {
    prototype: { start2xxRetransmissionTimer(): void; startReInvite2xxRetransmissionTimer(): void }
  }
}

/** The parts of a transaction that the corrections use. */
interface InviteClient {
  request: Core.OutgoingRequestMessage
  send(text: string): Promise<void>
}

interface ClientInternals {
  receiveResponse(message: Core.IncomingResponseMessage): void
}

interface TransactionInternals {
  stateTransition(state: Core.TransactionState): void
}

interface DialogInternals {
  dialogState: { remoteTarget: Core.URI }
  initialTransaction: Core.Transaction
  delegate: Core.SessionDelegate | undefined
  ackWait: boolean
  sequenceGuard(message: Core.IncomingRequestMessage): boolean
}

/** Of every request that floe writes (sipjs-core.ts). */
interface WithTransactionId {
  transactionId?: string
}

const internals = Core as unknown as Internals

const requireThat = (present: boolean, what: string): void => {
  if (present) return
  throw new InvariantError(
    `sip.js ${sipjsVersion} has no ${what}, which floe corrects; install the version that floe's package.json names (0.21.2).`,
  )
}

/** What sip.js asks of the headers of its messages. */
interface HeaderTable {
  headers: Record<string, unknown[] | undefined>
  getHeader(name: string): string | undefined
  getHeaders(name: string): string[]
  hasHeader(name: string): boolean
  parseHeader(name: string, index?: number): unknown
  setHeader(name: string, value: string | string[]): void
}

let corrected = false

/** Applies the corrections once in the life of the process. Throws InvariantError where sip.js is not the one they were written for. */
export function correctCore(allowedMethods: readonly string[]): void {
  if (corrected) return
  correctBranches()
  correctAckOfRejection()
  correctAllow(allowedMethods)
  correctRepeated2xx()
  quickenHeaderNames()
  for (const name of ['dispose', 'receiveRequest', 'ack', 'invite'] as const)
    requireThat(typeof Core.SessionDialog?.prototype[name] === 'function', `SessionDialog.${name}`)
  const guarded = Core.SessionDialog?.prototype as unknown as Partial<DialogInternals>
  requireThat(typeof guarded?.sequenceGuard === 'function', 'SessionDialog.sequenceGuard')
  const client = Core.UserAgentClient?.prototype as unknown as Partial<ClientInternals>
  requireThat(typeof client?.receiveResponse === 'function', 'UserAgentClient.receiveResponse')
  const server = Core.InviteServerTransaction?.prototype as unknown as Partial<TransactionInternals>
  requireThat(typeof server?.stateTransition === 'function', 'InviteServerTransaction.stateTransition')
  corrected = true
}

/** Branches come from ten million values, and repeat within minutes under load: take the request's own (RFC 3261 8.1.1.7). */
function correctBranches(): void {
  const transaction = internals.ClientTransaction
  requireThat(typeof transaction?.makeId === 'function', 'ClientTransaction.makeId')
  const original = transaction.makeId
  transaction.makeId = (request) =>
    (request.method !== 'CANCEL' && (request as WithTransactionId).transactionId) || original(request)
}

/** The ACK to a 3xx-6xx carries only the first Route of its INVITE; it must carry all (RFC 3261 17.1.1.3). */
function correctAckOfRejection(): void {
  const prototype = internals.InviteClientTransaction?.prototype
  requireThat(typeof prototype?.ack === 'function', 'InviteClientTransaction.ack')
  prototype.ack = function (this: InviteClient, response: Core.IncomingResponseMessage): void {
    const { request } = this
    let text = `ACK ${request.ruri.toRaw()} SIP/2.0\r\nVia: ${request.getHeader('via')}\r\n`
    for (const route of request.getHeaders('route')) text += `Route: ${route}\r\n`
    text += `Max-Forwards: 70\r\nFrom: ${request.getHeader('from')}\r\nTo: ${response.getHeader('to')}\r\n`
    text += `Call-ID: ${request.callId}\r\nCSeq: ${request.cseq} ACK\r\nContent-Length: 0\r\n\r\n`
    this.send(text).catch(() => undefined)
  }
}

/** Allow in a 2xx lists methods that floe does not know (MESSAGE, NOTIFY, PRACK, REFER ...). */
function correctAllow(allowedMethods: readonly string[]): void {
  requireThat(Array.isArray(AllowedMethods), 'AllowedMethods')
  AllowedMethods.splice(0, AllowedMethods.length, ...allowedMethods)
}

/** The wire repeats our 2xx until its ACK (on bytes, over UDP and TCP); sip.js's timers for that would run beside it, and leak
 *  when a re-INVITE follows quickly. What remains is the report of an ACK that never came. */
function correctRepeated2xx(): void {
  const prototype = internals.SessionDialog?.prototype
  for (const name of ['start2xxRetransmissionTimer', 'startReInvite2xxRetransmissionTimer'] as const)
    requireThat(typeof prototype?.[name] === 'function', `SessionDialog.${name}`)
  prototype.startReInvite2xxRetransmissionTimer = () => {}
  prototype.start2xxRetransmissionTimer = function (this: DialogInternals): void {
    const transaction = this.initialTransaction
    if (transaction.kind !== 'ist') return
    transaction.addStateChangeListener(() => {
      if (transaction.state === Core.TransactionState.Terminated && this.ackWait)
        this.delegate?.onAckTimeout?.()
    })
  }
}

/** Each look at a header spells its name anew, letter by letter, a dozen times a message: known names are known. */
function quickenHeaderNames(): void {
  const incoming = Core.IncomingMessage?.prototype as unknown as HeaderTable | undefined
  const outgoing = Core.OutgoingRequestMessage?.prototype as unknown as HeaderTable | undefined
  for (const name of ['getHeader', 'getHeaders', 'hasHeader'] as const) {
    requireThat(typeof incoming?.[name] === 'function', `IncomingMessage.${name}`)
    requireThat(typeof outgoing?.[name] === 'function', `OutgoingRequestMessage.${name}`)
  }
  requireThat(typeof incoming?.parseHeader === 'function', 'IncomingMessage.parseHeader')
  requireThat(typeof outgoing?.setHeader === 'function', 'OutgoingRequestMessage.setHeader')
  type Read = { raw: string; parsed?: unknown }
  const { getHeader, getHeaders, hasHeader } = outgoing!
  const { parseHeader } = incoming!
  const read = (table: HeaderTable, name: string) => table.headers[canonicalName(name)] as Read[] | undefined
  incoming!.getHeader = function (name) {
    return read(this, name)?.[0]?.raw
  }
  incoming!.getHeaders = function (name) {
    return read(this, name)?.map(({ raw }) => raw) ?? []
  }
  incoming!.hasHeader = function (name) {
    return read(this, name) !== undefined
  }
  incoming!.parseHeader = function (name, index = 0) {
    return read(this, name)?.[index]?.parsed ?? parseHeader.call(this, name, index)
  }
  const written = (table: HeaderTable, name: string) =>
    table.headers[canonicalName(name)] as string[] | undefined
  outgoing!.getHeader = function (name) {
    return written(this, name)?.[0] ?? getHeader.call(this, name)
  }
  outgoing!.getHeaders = function (name) {
    return written(this, name)?.slice() ?? getHeaders.call(this, name)
  }
  outgoing!.hasHeader = function (name) {
    return written(this, name) !== undefined || hasHeader.call(this, name)
  }
  outgoing!.setHeader = function (name, value) {
    this.headers[canonicalName(name)] = Array.isArray(value) ? value : [value]
  }
}

/** Ends a client transaction whose request could not be sent: sip.js says nothing once a provisional response has come. */
export function failTransaction(core: Core.UserAgentCore, key: string, error: Error): void {
  const client = core.userAgentClients.get(key)
  if (!client) return
  discard(core, client)
  const message = new Core.IncomingResponseMessage()
  message.statusCode = 503
  message.reasonPhrase = error.message
  ;(client as unknown as ClientInternals).receiveResponse(message)
}

/** Forgets a client transaction that waits for ever: sip.js ends an INVITE that rings with its final response alone. */
export function discard(core: Core.UserAgentCore, client: Core.UserAgentClient): void {
  core.userAgentClients.delete(client.transaction.id + client.message.method)
  client.dispose()
}

/** Calls back before sip.js takes a request of the peer: it answers a re-INVITE that crosses one of ours with 491 by itself, and
 *  knows no UPDATE. What the callback has dealt with (true) sip.js does not see. */
export function beforeRequest(
  dialog: Core.Session,
  callback: (message: Core.IncomingRequestMessage) => boolean,
): void {
  const session = dialog as Core.SessionDialog
  const receive = session.receiveRequest
  session.receiveRequest = (message) => {
    if (!callback(message)) receive.call(session, message)
  }
}

/** Takes a request that sip.js does not know into its dialog (RFC 3261 12.2.2); false where it came out of order, which has been
 *  answered 500. */
export function admitRequest(dialog: Core.SessionDialog, message: Core.IncomingRequestMessage): boolean {
  if (!(dialog as unknown as DialogInternals).sequenceGuard(message)) return false
  Core.Dialog.prototype.receiveRequest.call(dialog, message)
  return true
}

/** Forgets a re-INVITE of ours that nobody has answered, as if it had been refused. Where it is accepted all the same, that is
 *  acknowledged (RFC 3261 13.2.2.4), or the peer could not change the call any more. Returns what ends the waiting for it. */
export function abandonReinvite(
  dialog: Core.SessionDialog,
  client: Core.ReInviteUserAgentClient,
): () => void {
  dialog.signalingStateRollback()
  dialog.reinviteUserAgentClient = undefined
  const transaction = client.transaction as Core.InviteClientTransaction
  const internals = client as unknown as ClientInternals
  internals.receiveResponse = ({ statusCode = 0 }) => {
    if (statusCode < 200) return
    if (statusCode < 300)
      transaction.ackResponse(dialog.createOutgoingRequestMessage('ACK', { cseq: transaction.request.cseq }))
    discard(dialog.userAgentCore, client)
  }
  return () => discard(dialog.userAgentCore, client)
}

/** Drops an acknowledged INVITE at once: sip.js keeps it for 32 s to absorb repetitions, which never get past the wire. */
export function retire(server: Core.InviteUserAgentServer): void {
  const transaction = server.transaction as unknown as TransactionInternals
  if (server.transaction.state === Core.TransactionState.Accepted)
    transaction.stateTransition(Core.TransactionState.Terminated)
}

/** The To tag of the responses of a server transaction. */
export const setLocalTag = (server: Core.UserAgentServer, tag: string): void => {
  ;(server as unknown as { toTag: string }).toTag = tag
}
export const localTagOf = (server: Core.UserAgentServer): string =>
  (server as unknown as { toTag: string }).toTag

const stateOf = (dialog: Core.Session): DialogInternals => dialog as unknown as DialogInternals

/** sip.js keeps the remote target of the first response; every 2xx of an INVITE or re-INVITE refreshes it (RFC 3261 12.2.1.2,
 *  13.2.2.4), and UPDATE in both directions (RFC 3311 5.1, 5.2). */
export function refreshRemoteTarget(dialog: Core.Session, message: Core.IncomingMessage): void {
  const contact: unknown = message.parseHeader('contact')
  if (contact instanceof Core.NameAddrHeader) stateOf(dialog).dialogState.remoteTarget = contact.uri
}

/** Our 2xx has not been acknowledged yet: no BYE may be sent (RFC 3261 15). */
export const isWaitingForAck = (dialog: Core.Session): boolean => stateOf(dialog).ackWait

/** Whether we sent the first INVITE of the dialog. */
export const isCaller = (dialog: Core.Session): boolean => stateOf(dialog).initialTransaction.kind === 'ict'

/** The ACK to a re-INVITE says that our 2xx to the first INVITE has arrived, though its own ACK is lost: sip.js would drop it, and
 *  wait for it until the call is over. */
export function takeImpliedAck(dialog: Core.Dialog, ack: Core.IncomingRequestMessage): void {
  const { ackWait, initialTransaction } = stateOf(dialog as Core.SessionDialog)
  if (!ackWait) return
  const { request } = initialTransaction as Core.InviteServerTransaction
  if (ack.cseq > request.cseq) stopWaitingForAck(dialog as Core.SessionDialog)
}

export const stopWaitingForAck = (dialog: Core.Session): void => {
  stateOf(dialog).ackWait = false
}

/** Ends a dialog without a message. A disposed dialog would otherwise go on to report a missing ACK after 32 s. */
export function closeDialog(dialog: Core.Session): void {
  stopWaitingForAck(dialog)
  dialog.dispose()
}
