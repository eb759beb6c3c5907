// Who may call this phone, and how many may at once: the rules behind the gate of the user agent. Without an allow-list everybody
// may, but of a phone that is registered strangers on the Internet must name its user: programs that look for telephones guess.
import { isPrivate } from '../diagnose/private-address.ts'
import { UsageError } from '../errors.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { CredentialsChecker } from '../sip/digest-server.ts'
import type { Flow } from '../sip/flow.ts'
import type { CallerRules, TurnedAway } from '../sip/gate.ts'
import type { SipRequest } from '../sip/message.ts'
import { decodedUser, type SipUri, sipUri } from '../sip/uri.ts'
import type { UserAgent } from '../sip/user-agent.ts'
import { isAllowed, parseAllowList } from './allow-list.ts'
import type { CallerOptions } from './options.ts'

export const callerDefaults = { maximumCalls: 1_000, maximumCallsPerSource: 100 }

/** Others belong to what was allowed (ACK, BYE), or are told nothing but that we are here (OPTIONS). */
const guarded: ReadonlySet<string> = new Set([
  'INVITE',
  'MESSAGE',
  'NOTIFY',
  'PUBLISH',
  'REFER',
  'REGISTER',
  'SUBSCRIBE',
])
/** Told with 486 and 503: a call lasts longer, but who waits should not wait for nothing. */
const retryAfter = { name: 'Retry-After', value: '10' }

/** @param account the address of record, where the phone registers
 *  @throws UsageError */
export function callerRules(
  options: CallerOptions,
  account: string | undefined,
  agent: UserAgent,
  runtime: Runtime,
): CallerRules {
  const { allow, callers = {}, ...limits } = options
  const { maximumCalls, maximumCallsPerSource } = { ...callerDefaults, ...limits }
  const list = allow && parseAllowList(allow)
  const own = account === undefined ? undefined : sipUri(account)
  if (list?.authenticated && Object.keys(callers).length === 0)
    throw new UsageError(
      'only authenticated callers are allowed, and nobody has a password: give `callers`, names and passwords',
    )
  const passwords = new Map(Object.entries(callers))
  const checker = list?.authenticated
    ? new CredentialsChecker(own?.host ?? 'floe', passwords, ['SHA-256', 'MD5'], runtime.random, 'refused')
    : undefined

  const mayCall = (request: SipRequest, { remote: { address } }: Flow): TurnedAway | undefined => {
    const trusted = agent.isRegistrar(address)
    if (!list) return trusted ? undefined : guessing(own, request, address)
    if (isAllowed(list, request, address, trusted)) return undefined
    return checker
      ? withoutPassword(checker, request, runtime.clock.now())
      : { status: 403, reason: 'Forbidden', suspicious: true }
  }
  return (request, flow) => {
    if (!guarded.has(request.method)) return undefined
    const refusal = mayCall(request, flow)
    if (refusal || request.method !== 'INVITE') return refusal
    const { calls } = agent
    const { address } = flow.remote
    if (calls.total >= maximumCalls) return { status: 486, reason: 'Busy Here', headers: [retryAfter] }
    if (calls.from(address) >= maximumCallsPerSource && !agent.isRegistrar(address))
      return { status: 503, reason: 'Service Unavailable', headers: [retryAfter] }
    return undefined
  }
}

/** A stranger from the Internet that asks for somebody else than us. */
function guessing(own: SipUri | undefined, request: SipRequest, source: string): TurnedAway | undefined {
  if (!own || isPrivate(source)) return undefined
  const asked = request.uri?.kind === 'sip' ? decodedUser(request.uri) : undefined
  return asked === decodedUser(own) ? undefined : { status: 404, reason: 'Not Found', suspicious: true }
}

function withoutPassword(
  checker: CredentialsChecker,
  request: SipRequest,
  now: number,
): TurnedAway | undefined {
  const verdict = checker.check(now, request, 'Authorization')
  if (verdict.accepted) return undefined
  const headers = checker.challenges(now, verdict.stale).map((value) => ({ name: 'WWW-Authenticate', value }))
  return { status: 401, reason: 'Unauthorized', headers, suspicious: verdict.wrong }
}
