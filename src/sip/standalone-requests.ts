// Requests outside of dialogs that are answered and forgotten: MESSAGE (RFC 3428), OPTIONS (RFC 3261 11). Credentials are given
// where they are asked for; what never comes back becomes a TimeoutError, what cannot leave a NetworkError.
import type { Core } from 'sip.js'
import { NetworkError, TimeoutError, type UsageError } from '../errors.ts'
import { type AgentContext, type Identity, transactionTimeoutMs, wayOf } from './agent-context.ts'
import { hostOf } from './digest.ts'
import { quote } from './grammar.ts'
import type { SipResponse } from './message.ts'
import type { Body } from './session.ts'
import { randomToken, sipjsBody } from './sipjs-core.ts'
import { challengeOf, IncomingResponse, VerbatimUri } from './sipjs-messages.ts'

export interface Standalone {
  method: string
  target: string
  identity: Identity
  headers?: readonly string[]
  body?: Body
  /** Whether a challenge is answered; else it is the answer. */
  authenticate: boolean
}

export interface Answer {
  response: SipResponse
  /** Why no credentials could be given, in words. */
  problem?: string
  rttMs: number
}

export class StandaloneRequests {
  private readonly waiting = new Set<(error: Error) => void>()

  constructor(private readonly context: AgentContext) {}

  /** Resolves with the final response, whatever it is. Rejects with TimeoutError, NetworkError or what `stop` was told. */
  async send(request: Standalone): Promise<Answer> {
    const { method, target, identity, body } = request
    const core = this.context.core.through(wayOf(identity))
    const attempt = identity.digest.attempt(hostOf(typeof identity.hop === 'string' ? identity.hop : target))
    const to = new VerbatimUri(target)
    const callId = randomToken(this.context.random)
    const fromTag = randomToken(this.context.random)
    const startedAt = this.context.clock.now()
    const content = body && sipjsBody(body)
    let sequence = 0
    return new Promise((resolve, reject) => {
      const settle = (run: () => void): void => {
        this.waiting.delete(reject)
        done()
        run()
      }
      const done = request.authenticate ? this.context.pending() : () => {}
      this.waiting.add(reject)
      const onFinal = ({ message }: Core.IncomingResponse): void => {
        const rttMs = this.context.clock.now() - startedAt
        if (!(message instanceof IncomingResponse)) {
          const error = this.failure(request, message, rttMs)
          settle(() => reject(error))
          return
        }
        const challenge = request.authenticate ? challengeOf(message) : undefined
        const problem = challenge && attempt.challenged(...challenge)
        if (challenge && problem === undefined) send()
        else
          settle(() => resolve({ response: message.wire, ...(problem !== undefined && { problem }), rttMs }))
      }
      const heard = (response: Core.IncomingResponse): void =>
        this.context.guard(`response to ${method}`, () => onFinal(response))
      const send = (): void => {
        const message = core.makeOutgoingRequestMessage(
          method,
          to,
          new VerbatimUri(identity.uri),
          to,
          {
            callId,
            fromTag,
            cseq: ++sequence,
            fromDisplayName: identity.displayName ? quote(identity.displayName).slice(1, -1) : '',
          },
          [...(request.headers ?? []), ...attempt.headers(method, target, body?.content)],
          content,
        )
        core.request(message, { onAccept: heard, onRedirect: heard, onReject: heard })
      }
      send()
    })
  }

  /** The user agent stops. */
  stop(error: UsageError): void {
    for (const reject of this.waiting) reject(error)
    this.waiting.clear()
  }

  /** sip.js's own 408 and 503. */
  private failure(request: Standalone, message: Core.IncomingResponseMessage, afterMs: number): Error {
    const { method, target } = request
    if (message.statusCode === 408) {
      const seconds = transactionTimeoutMs / 1000
      return new TimeoutError(`${target} did not answer ${method} within ${seconds} s.`, afterMs)
    }
    return new NetworkError(`${method} could not be sent to ${target}: ${message.reasonPhrase}.`, target)
  }
}
