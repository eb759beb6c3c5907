// Requests of the peer within a call that are no part of the call itself: MESSAGE (RFC 3428).
import type { Core } from 'sip.js'
import type { AgentContext } from './agent-context.ts'
import type { Refusal } from './request-checks.ts'
import { IncomingRequest } from './sipjs-messages.ts'

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
