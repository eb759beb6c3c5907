// What the server does with a request, decided without sending anything (RFC 3261 10.3, 16.3-16.6): answer it, pass it on, or let
// it end here.
import type { Millis } from '../runtime/runtime.ts'
import type { CredentialsChecker } from '../sip/digest-server.ts'
import { type Flow, isSecure } from '../sip/flow.ts'
import type { SipRequest } from '../sip/message.ts'
import { decodedUser, parseUri, type SipUri } from '../sip/uri.ts'
import type { FlowTokens } from './flow-token.ts'
import { type NamedFlow, ownTag, takeOwnRoutes } from './proxy.ts'
import { type Binding, type Registrar, userOf } from './registrar.ts'

export interface Answer {
  readonly status: number
  readonly reason: string
  readonly headers: readonly (readonly [name: string, value: string])[]
}

export type Decision =
  | {
      readonly kind: 'answer'
      readonly answer: Answer /** A REGISTER that was accepted. */
      readonly registered?: string
    }
  /** To `binding` where there is one, else over `named` while that flow stands, else to where `uri` leads. */
  | {
      readonly kind: 'forward'
      readonly targetText: string
      readonly uri: SipUri
      readonly binding?: Binding
      readonly named?: NamedFlow
    }
  | { readonly kind: 'absorb' }

export interface ServerRules {
  readonly registrar: Registrar
  readonly tokens: FlowTokens
  readonly credentials: CredentialsChecker | undefined
  /** Who may exist; undefined: everybody. */
  readonly users: ReadonlySet<string> | undefined
  readonly challengeCalls: boolean
  /** Whether a URI names this server. */
  isOurs(uri: SipUri): boolean
}

const answer = (status: number, reason: string, headers: Answer['headers'] = []): Decision => ({
  kind: 'answer',
  answer: { status, reason, headers },
})
const unsupported = (tags: readonly string[]): Decision =>
  answer(420, 'Bad Extension', [['Unsupported', tags.join(', ')]])

/** Takes our own entries off the request's route. */
export function decide(rules: ServerRules, now: Millis, request: SipRequest, flow: Flow): Decision {
  // An ACK to a response of our own.
  if (request.method === 'ACK' && request.toTag === ownTag(request)) return { kind: 'absorb' }
  const uri = parseUri(request.uriText)
  if (uri?.kind !== 'sip') return answer(416, 'Unsupported URI Scheme')
  // RFC 3261 26.4.4: it has come a way that its sender did not want.
  if (uri.scheme === 'sips' && !isSecure(flow.protocol))
    return answer(416, 'Unsupported URI Scheme (sips came without TLS)')
  if (request.method === 'REGISTER') return register(rules, now, request, flow)

  if (request.maxForwards === 0) return answer(483, 'Too Many Hops')
  const required = request.list('Proxy-Require')
  if (required.length > 0) return unsupported(required)
  const named = takeOwnRoutes(request, rules.tokens, rules.isOurs)
  const challenge = authenticateCall(rules, now, request)
  if (challenge) return challenge
  const targetText = request.uriText
  // The newest way to a phone: its NAT may have moved it since the dialog began.
  const binding = rules.registrar.byContact(now, targetText, named !== undefined)
  if (binding) return { kind: 'forward', targetText, uri, binding }
  // Whatever the domain is called: it is the user who is looked for. Others are reached only within dialogs set up through here.
  if (!named || rules.isOurs(uri)) return toUser(rules, now, request, uri)
  const route = request.nameAddrs('Route')[0]?.uri ?? uri
  return route.kind === 'sip'
    ? { kind: 'forward', targetText, uri: route, named }
    : answer(416, 'Unsupported URI Scheme')
}

function register(rules: ServerRules, now: Millis, request: SipRequest, flow: Flow): Decision {
  const required = request.list('Require')
  if (required.length > 0) return unsupported(required)
  const user = userOf(request.to)
  if (!user || (rules.users && !rules.users.has(user))) return answer(404, 'Not Found')
  if (rules.credentials) {
    const verdict = rules.credentials.check(now, request, 'Authorization')
    if (!verdict.accepted) {
      const challenges = rules.credentials.challenges(now, verdict.stale)
      return answer(
        401,
        'Unauthorized',
        challenges.map((value) => ['WWW-Authenticate', value]),
      )
    }
    if (verdict.user !== user) return answer(403, 'Forbidden')
  }
  const result = rules.registrar.register(now, request, user, flow)
  return result.status === 200
    ? { kind: 'answer', answer: result, registered: user }
    : { kind: 'answer', answer: result }
}

function authenticateCall(rules: ServerRules, now: Millis, request: SipRequest): Decision | undefined {
  const { credentials } = rules
  if (!credentials || !rules.challengeCalls || request.toTag !== '') return undefined
  if (request.method === 'ACK' || request.method === 'CANCEL') return undefined
  const verdict = credentials.check(now, request, 'Proxy-Authorization')
  if (verdict.accepted) {
    request.remove('Proxy-Authorization')
    return undefined
  }
  const challenges = credentials.challenges(now, verdict.stale)
  return answer(
    407,
    'Proxy Authentication Required',
    challenges.map((value) => ['Proxy-Authenticate', value]),
  )
}

function toUser(rules: ServerRules, now: Millis, request: SipRequest, uri: SipUri): Decision {
  const user = decodedUser(uri)
  if (user === undefined)
    return request.method === 'OPTIONS'
      ? answer(200, 'OK', [['Accept', 'application/sdp']])
      : answer(404, 'Not Found')
  const binding = rules.registrar.newest(now, user)
  const contact = binding && parseUri(binding.contact)
  if (uri.scheme === 'sips' && contact?.scheme === 'sip')
    return answer(480, 'Temporarily Unavailable (not registered with a sips: contact)')
  if (contact?.kind === 'sip')
    return { kind: 'forward', targetText: binding!.contact, uri: contact, binding: binding! }
  return rules.registrar.knows(user) || rules.users?.has(user)
    ? answer(480, 'Temporarily Unavailable (not registered)')
    : answer(404, 'Not Found')
}
