// A request within a dialog (RFC 3261 12.2.1) that is no INVITE: credentials where they are asked for by whom may ask, and the final
// status, whoever it comes from.
import { Core } from 'sip.js'
import type { AgentContext, Identity } from './agent-context.ts'
import type { Body } from './session.ts'
import { type SignallingCore, sipjsBody } from './sipjs-core.ts'
import { challengeOf } from './sipjs-messages.ts'

/** What the requests of one dialog have in common. */
export interface DialogWay {
  context: AgentContext
  core: SignallingCore
  identity: Identity
  dialog: Core.Dialog
  /** The only IP address whose challenge is answered; absent: everyone's. */
  challenger?: string
}

/** @param onFinal hears the final response; 408 and 503 may be our own, `message` tells */
export function sendInDialog(
  { context, core, identity, dialog, challenger }: DialogWay,
  method: string,
  body: Body | undefined,
  headers: readonly string[],
  onFinal: (status: number, reason: string, message: Core.IncomingResponseMessage) => void,
): void {
  const target = dialog.remoteTarget.toRaw()
  const attempt = identity.digest.attempt(dialog.callId)
  const send = (): void => {
    const extraHeaders = [...headers, ...attempt.headers(method, target, body?.content)]
    const options = body ? { extraHeaders, body: sipjsBody(body) } : { extraHeaders }
    const message = dialog.createOutgoingRequestMessage(method, options)
    const onFinalResponse = ({ message }: Core.IncomingResponse): void => {
      const status = message.statusCode ?? 0
      const challenge = challengeOf(message, challenger)
      const problem = challenge && attempt.challenged(...challenge)
      if (challenge && problem === undefined) send()
      else onFinal(status, problem ?? message.reasonPhrase ?? '', message)
    }
    const heard = (response: Core.IncomingResponse): void =>
      context.guard(`response to ${method}`, () => onFinalResponse(response))
    const delegate = { onAccept: heard, onRedirect: heard, onReject: heard }
    new Core.UserAgentClient(Core.NonInviteClientTransaction, core, message, delegate)
  }
  send()
}
