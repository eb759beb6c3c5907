// The proxies that a request passes (RFC 3261 8.1.2, 12.2.1.1, 16.12.1.1): whose place comes next, and the request as a strict
// router (RFC 2543, no "lr") wants it: with itself as Request-URI and the real one as the last Route.
import { NetworkError } from '../errors.ts'
import { parseNameAddr } from './header-values.ts'
import type { SipRequest } from './message.ts'
import { formatUri, type SipUri, sipUri } from './uri.ts'

/** Puts the request into the form that its first router wants, and says where it goes. Throws NetworkError.
 *  @param proxy an outbound proxy, which requests in a dialog no longer go to: its route set, even an empty one, overrides it
 *  (RFC 3261 12.1.2) */
export function takeRoute(request: SipRequest, proxy?: string): SipUri {
  const [first, ...others] = request.list('Route')
  const router = first === undefined ? undefined : parseNameAddr(first)?.uriText
  const target = (request.toTag === '' ? proxy : undefined) ?? router ?? request.uriText
  const uri = sipUri(target)
  if (!uri) throw new NetworkError(`cannot route to ${target}: give a sip: URI`, target)
  const strict = router === undefined ? undefined : sipUri(router)
  if (strict && !strict.params.has('lr')) {
    setRoutes(request, [...others, `<${request.uriText}>`])
    request.uriText = asRequestUri(strict, router!)
  }
  return uri
}

export function setRoutes(request: SipRequest, routes: readonly string[]): void {
  request.remove('Route')
  const behindVia = request.headers.findLastIndex(({ name }) => name === 'Via') + 1
  request.headers.splice(behindVia, 0, ...routes.map((value) => ({ name: 'Route', value })))
}

/** RFC 3261 19.1.1: a Request-URI has neither headers nor a method. */
function asRequestUri(uri: SipUri, text: string): string {
  if (uri.headers === undefined && !uri.params.has('method')) return text
  const { headers: _, ...bare } = uri
  return formatUri({ ...bare, params: new Map([...uri.params].filter(([name]) => name !== 'method')) })
}
