// Requests within a call that are no part of the call itself: MESSAGE (RFC 3428), and what REFER and NOTIFY need of the dialog.
import type { Core } from 'sip.js'
import type { AgentContext } from './agent-context.ts'
import type { SipResponse } from './message.ts'
import type { Refusal } from './request-checks.ts'
import type { Body } from './session.ts'
import { IncomingRequest, IncomingResponse } from './sipjs-messages.ts'

/** How requests leave in a dialog. */
export interface DialogOutlet {
  readonly contactHeader: string
  /** Sends with our Contact, which REFER and NOTIFY must have (RFC 3515 3, RFC 6665 8.2).
   *  @param onFinal hears the final response; 408 and 503 may be our own, `message` tells */
  send(
    method: string,
    body: Body | undefined,
    headers: string[],
    onFinal: (status: number, reason: string, message: Core.IncomingResponseMessage) => void,
  ): void
  /** The peer does not know the dialog any more, or does not answer in it. */
  gone(status: number): void
}

/** The response of the peer; undefined where it is none of the peer's. */
export const finalResponse = (message: Core.IncomingResponseMessage): SipResponse | undefined =>
  message instanceof IncomingResponse ? message.wire : undefined

export function receiveMessage(context: AgentContext, request: Core.IncomingMessageRequest): void {
  const { message } = request
  let refusal: Refusal | undefined
  try {
    if (message instanceof IncomingRequest) refusal = context.takeMessage(message)
  } catch (error) {
    request.reject({ statusCode: 500 })
    throw error
  }
  if (!refusal) request.accept()
  else
    request.reject({
      statusCode: refusal.status,
      extraHeaders: refusal.headers,
      ...(refusal.reason !== undefined && { reasonPhrase: refusal.reason }),
    })
}
