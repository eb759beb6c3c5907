// What is decided about a request that begins something, after it is parsed and before it costs any memory: who is turned away is
// answered without state (stateless.ts). Requests within dialogs, ACK and CANCEL belong to what was let in, and pass.
// Overload and full tables are judged here; who may call and how many calls there may be is judged by the caller rules of the phone.
import type { Clock } from '../runtime/runtime.ts'
import type { Door } from './door.ts'
import type { Flow } from './flow.ts'
import type { SipRequest } from './message.ts'
import { Overload } from './overload.ts'
import { maximumTransactions } from './reliability.ts'
import type { StatelessAnswer } from './stateless.ts'

/** `suspicious`: a stranger who guesses is refused like that; who does it often is ignored. */
export interface TurnedAway extends StatelessAnswer {
  readonly suspicious?: boolean
}

/** Who may begin what. */
export type CallerRules = (request: SipRequest, flow: Flow) => TurnedAway | undefined

/** Above it new requests are refused, so that those under way are not forgotten. */
const crowded = 0.9 * maximumTransactions

export class Gate {
  rules: CallerRules | undefined
  readonly overload: Overload

  constructor(
    private readonly clock: Clock,
    private readonly door: Door,
  ) {
    this.overload = new Overload(clock)
  }

  /** @param transactions that are kept at the moment
   *  @returns how the request is answered; undefined where it may come in */
  judge(request: SipRequest, flow: Flow, transactions: number): TurnedAway | undefined {
    const { method } = request
    if (method === 'ACK' || method === 'CANCEL' || request.toTag !== '') return undefined
    if (transactions > crowded || (method === 'INVITE' && !this.overload.admits()))
      return busyFor(this.overload.retryAfter)
    const refusal = this.rules?.(request, flow)
    if (refusal?.suspicious) this.door.offenders.strike(this.clock.now(), flow.remote.address)
    return refusal
  }
}

const busyFor = (seconds: number): TurnedAway => ({
  status: 503,
  reason: 'Service Unavailable',
  headers: [{ name: 'Retry-After', value: String(seconds) }],
})
