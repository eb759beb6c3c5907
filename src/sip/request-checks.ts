// What a UAS examines before it acts on a request (RFC 3261 8.2): version and syntax are the wire's, the rest is here.
// A request for a user part that is not ours is no error: the application decides whom it is for.
import { bodyParts } from './body-parts.ts'
import { isSecure, type Protocol } from './flow.ts'
import type { SipRequest } from './message.ts'
import { isSessionTooBrief, minSeHeader } from './session-timer.ts'
import { allowedMethods } from './sipjs-core.ts'

export interface Refusal {
  status: number
  reason?: string
  headers: string[]
}

/** Methods of the IANA registry that floe does not serve: known, so 405 and not 501 (RFC 3261 21.4.6, 21.5.2). */
const otherMethods = ['PUBLISH', 'REGISTER', 'SUBSCRIBE']

export const allowHeader = `Allow: ${allowedMethods.join(',')}`
/** Info-Packages that floe takes (RFC 6086 5.2): candidates of ICE that trickle (RFC 8840 10). */
export const infoPackages: readonly string[] = ['trickle-ice']
export const recvInfoHeader = `Recv-Info: ${infoPackages.join(', ')}`
/** Option tags of the extensions that floe speaks in calls, whoever asks for them (RFC 3261 20.37): RFC 3262, RFC 4028, RFC 8840,
 *  RFC 3891, RFC 4488. */
const callExtensions: readonly string[] = ['100rel', 'timer', 'trickle-ice', 'replaces', 'norefersub']
const outbound = 'outbound'
const supportedExtensions: readonly string[] = [...callExtensions, outbound]
export const supportedHeader = `Supported: ${supportedExtensions.join(',')}`
/** What each INVITE and its 2xx say of us (RFC 3261 13.2.1, RFC 8840 10.5). Edges take `ob` in our Contact for theirs only beside
 *  "outbound" (RFC 5626 4.3), which is left out elsewhere: an INVITE must fit into a datagram. */
export const capabilitiesBeside = (contact: string): readonly string[] => {
  const extensions = contact.includes(';ob') ? supportedExtensions : callExtensions
  return [allowHeader, recvInfoHeader, `Supported: ${extensions.join(',')}`]
}
export const acceptHeader = 'Accept: application/sdp'

/** Why a request is refused at once, in the order of RFC 3261 8.2; undefined where it is not. ACK and CANCEL never come here. */
export function refusalOf(request: SipRequest, protocol: Protocol): Refusal | undefined {
  const { method } = request
  if (!allowedMethods.includes(method))
    return { status: otherMethods.includes(method) ? 405 : 501, headers: [allowHeader] }
  const scheme = request.uri?.scheme
  if (scheme !== 'sip' && scheme !== 'sips')
    return {
      status: 416,
      reason: `Unsupported URI Scheme "${scheme}": floe takes sip: and sips:`,
      headers: [],
    }
  if (scheme === 'sips' && !isSecure(protocol))
    return { status: 416, reason: 'Unsupported URI Scheme: sips came without TLS', headers: [] }
  const unknown = request.list('Require').filter((tag) => !supportedExtensions.includes(tag.toLowerCase()))
  if (unknown.length > 0) return { status: 420, headers: [`Unsupported: ${unknown.join(', ')}`] }
  if (method !== 'INVITE' && method !== 'UPDATE') return undefined
  if (isSessionTooBrief(request)) return { status: 422, headers: [minSeHeader] }
  if (request.get('Contact') === undefined)
    return { status: 400, reason: 'Missing Contact Header', headers: [] }
  return unsupportedBody(request) ?? unacceptableAnswer(request)
}

/** RFC 3261 20.1, 21.4.7: a session description is all that our 2xx could hold. */
function unacceptableAnswer(request: SipRequest): Refusal | undefined {
  if (request.get('Accept') === undefined) return undefined
  const taken = request.list('Accept').map((range) => range.replace(/\s*;.*$/s, '').toLowerCase())
  return taken.some((range) => ['application/sdp', 'application/*', '*/*'].includes(range))
    ? undefined
    : { status: 406, headers: [acceptHeader] }
}

/** RFC 3261 8.2.3. INFO bodies are the application's affair (RFC 6086). */
function unsupportedBody(request: SipRequest): Refusal | undefined {
  const encoding = request.get('Content-Encoding')?.toLowerCase() ?? 'identity'
  if (encoding !== 'identity') return { status: 415, headers: [acceptHeader, 'Accept-Encoding: identity'] }
  if (request.body.length === 0) return undefined
  const parts = bodyParts(request)
  const others = parts.filter(({ type }) => type !== 'application/sdp')
  // RFC 5621 8: what must be understood and is not. Where nothing is said of a part beside a description, it is passed over.
  const isRequired = others.some(({ handling }) => handling === 'required')
  const isSpare = parts.length > 0 && others.every(({ handling }) => handling === 'optional')
  if (!isRequired && (isSpare || others.length < parts.length)) return undefined
  return { status: 415, headers: [acceptHeader] }
}
