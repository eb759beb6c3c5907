// A stateless, record-routing proxy (RFC 3261 16, 16.11): what is done to a request before it goes on, and to a response on its
// way back. Nothing is remembered: the branch is a digest of what retransmissions, ACK and CANCEL share with their INVITE, and a
// TCP connection is found again by a parameter of our own Via. Leaves out: forking, strict routers, loop detection beyond hops.
import { createHash } from 'node:crypto'
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Flow } from '../sip/flow.ts'
import { formatVia, parseNameAddr, parseVia, type Via } from '../sip/header-values.ts'
import { type SipMessage, SipRequest, type SipResponse } from '../sip/message.ts'
import { formatHost, type SipUri } from '../sip/uri.ts'
import { defaultPort, magicCookie } from '../sip/via.ts'

/** Names the connection a request came over, in our own Via. */
const connectionParam = 'floe-connection'

const formsDialog = (method: string): boolean =>
  method === 'INVITE' || method === 'SUBSCRIBE' || method === 'REFER' || method === 'NOTIFY'

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32)

/** RFC 3261 16.11: the same for a request, its retransmissions, its ACK (to a non-2xx) and its CANCEL. */
function statelessBranch(request: SipRequest): string {
  const via = request.topVia
  const branch = via.params.get('branch') ?? ''
  const sentBy = `${via.host}:${via.port ?? ''}`
  if (branch.startsWith(magicCookie) && branch.length > magicCookie.length)
    return magicCookie + digest(`${branch} ${sentBy}`)
  // The To tag is left out: an ACK has one, its INVITE may not.
  return (
    magicCookie + digest(`${sentBy} ${request.fromTag} ${request.callId} ${request.cseq.sequence} ${branch}`)
  )
}

/** Takes our own addresses off the top of the route (RFC 3261 16.4); true where there was one: the peer is in a dialog we routed. */
export function takeOwnRoutes(request: SipRequest, isOurs: (uri: SipUri) => boolean): boolean {
  const routes = request.list('Route')
  let own = 0
  // Two in a row where the dialog changes transport here.
  while (own < 2 && isOwnRoute(routes[own], isOurs)) own++
  if (own === 0) return false
  request.remove('Route')
  for (const route of routes.slice(own)) request.headers.push({ name: 'Route', value: route })
  return true
}

function isOwnRoute(route: string | undefined, isOurs: (uri: SipUri) => boolean): boolean {
  const uri = route === undefined ? undefined : parseNameAddr(route)?.uri
  return uri?.kind === 'sip' && isOurs(uri)
}

/** The request as it goes on over `next`: one hop less, our Via on top, and in the route of the dialog it forms. */
export function forwardedRequest(
  request: SipRequest,
  targetText: string,
  from: Flow,
  next: Flow,
): SipRequest {
  const forwarded = new SipRequest(request.method, targetText, request.headers.slice(), request.body)
  forwarded.set('Max-Forwards', String(request.maxForwards - 1))
  if (formsDialog(request.method) && request.toTag === '') {
    const incoming = routeEntry(from)
    const outgoing = routeEntry(next)
    if (incoming !== outgoing) forwarded.prepend('Record-Route', incoming)
    forwarded.prepend('Record-Route', outgoing)
  }
  const params = new Map<string, string | null>([['branch', statelessBranch(request)]])
  if (from.protocol === 'tcp')
    params.set(connectionParam, Buffer.from(formatAddress(from.remote)).toString('hex'))
  const { address, port } = next.sentBy
  forwarded.prepend('Via', formatVia({ transport: next.protocol.toUpperCase(), host: address, port, params }))
  return forwarded
}

function routeEntry(flow: Flow): string {
  const { address, port } = flow.sentBy
  return `<sip:${formatHost(address)}:${port}${flow.protocol === 'tcp' ? ';transport=tcp' : ''};lr>`
}

/** Removes our Via from a response; returns the connection it names, or undefined for UDP. */
export function takeOwnVia(response: SipResponse): TransportAddress | undefined {
  const named = response.topVia.params.get(connectionParam)
  response.replaceFirst('Via', undefined)
  if (named == null) return undefined
  const via = parseVia(`SIP/2.0/TCP ${Buffer.from(named, 'hex').toString('latin1')}`)
  return via?.port === undefined ? undefined : { address: via.host, port: via.port }
}

/** Whether a response has another Via below ours, one that can be read. */
export const nextVia = (response: SipResponse): Via | undefined => {
  const next = response.lines('Via')[1]
  return next === undefined ? undefined : parseVia(next)
}

/** The tag of every response we make ourselves: an ACK that carries it ends here (RFC 3261 8.2.7, 16.11). */
export const ownTag = (message: SipMessage): string =>
  digest(`${message.callId} ${message.fromTag} ${message.cseq.sequence}`).slice(0, 16)

export const portOf = (uri: SipUri): number => uri.port ?? defaultPort
