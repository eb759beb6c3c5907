// REGISTER and its answer (RFC 3261 10.2): one Call-ID and a rising CSeq for all of a binding, challenges answered on the way.
import type { Core } from 'sip.js'
import type { Millis } from '../runtime/runtime.ts'
import { type AgentContext, type Identity, wayOf } from './agent-context.ts'
import { type DigestAttempt, hostOf } from './digest.ts'
import { quote } from './grammar.ts'
import { contactUri, randomToken } from './sipjs-core.ts'
import { challengeOf, IncomingResponse, VerbatimUri } from './sipjs-messages.ts'

export interface RegisterRequest {
  /** Where it is sent, whatever the Request-URI says. */
  server: string
  /** As who; routes included. */
  identity: Identity
  /** Asked anew for each try: the answer to a challenge may know better. */
  headers: () => string[]
  /** Every response of the server, challenges included. */
  onResponse: (response: IncomingResponse, rttMs: Millis) => void
  /** A final response; one that sip.js has made up where none came. `problem`: why a challenge was not answered, in words. */
  onFinal: (message: Core.IncomingResponseMessage, problem: string | undefined) => void
}

export class RegisterExchange {
  /** RFC 3261 10.2: no new REGISTER before the one under way is answered. */
  inFlight = false
  private readonly callId: string
  private readonly fromTag: string
  private sequence = 0

  /** @param registrar the Request-URI: the domain of the address of record */
  constructor(
    private readonly context: AgentContext,
    private readonly registrar: string,
  ) {
    this.callId = randomToken(context.random)
    this.fromTag = randomToken(context.random)
  }

  send(request: RegisterRequest): void {
    this.inFlight = true
    this.attempt(request, request.identity.digest.attempt(hostOf(request.server)))
  }

  private attempt(request: RegisterRequest, digest: DigestAttempt): void {
    const { context, registrar } = this
    const { identity } = request
    const aor = new VerbatimUri(identity.uri)
    const core = context.core.through({ ...wayOf(identity), contact: contactUri(identity.user) })
    const message = core.makeOutgoingRequestMessage(
      'REGISTER',
      new VerbatimUri(registrar),
      aor,
      aor,
      {
        callId: this.callId,
        fromTag: this.fromTag,
        cseq: ++this.sequence,
        fromDisplayName: identity.displayName ? quote(identity.displayName).slice(1, -1) : '',
      },
      [...request.headers(), ...digest.headers('REGISTER', registrar)],
    )
    const sentAt = context.clock.now()
    const onFinal = ({ message: response }: Core.IncomingResponse): void =>
      context.guard('REGISTER response', () => {
        if (response instanceof IncomingResponse) request.onResponse(response, context.clock.now() - sentAt)
        const challenge = challengeOf(response)
        const problem = challenge && digest.challenged(...challenge)
        if (challenge && problem === undefined) {
          this.attempt(request, digest)
          return
        }
        this.inFlight = false
        request.onFinal(response, problem)
      })
    core.register(message, { onAccept: onFinal, onRedirect: onFinal, onReject: onFinal })
  }
}
