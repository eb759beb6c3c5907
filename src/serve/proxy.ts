// A stateless, record-routing proxy (RFC 3261 16, 16.11): what is done to a request before it goes on, and to a response on its
// way back. Nothing is remembered: the branch is a digest of what retransmissions, ACK and CANCEL share with their INVITE, a TCP
// connection is found again by a parameter of our own Via, and the two phones of a dialog by flow tokens: the Record-Route has
// one URI of ours for each side, whose user part names where that side was seen (RFC 5626 5.2), so that requests of the dialog
// reach a phone behind a NAT, registered or not. Leaves out: forking, strict routers, loop detection beyond hops.
import { createHash } from 'node:crypto'
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import { defaultPorts, type Flow, isProtocol, isReliable, type Protocol } from '../sip/flow.ts'
import { formatVia, parseNameAddr, parseVia, type Via } from '../sip/header-values.ts'
import { type SipMessage, SipRequest, type SipResponse } from '../sip/message.ts'
import { formatHost, type SipUri } from '../sip/uri.ts'
import { magicCookie } from '../sip/via.ts'
import type { FlowTokens } from './flow-token.ts'

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

/** Both ends of a flow that one of our Record-Route URIs names: ours as peers know it, and the phone's. */
export interface NamedFlow {
  readonly protocol: Protocol
  readonly sentBy: TransportAddress
  readonly remote: TransportAddress
}

/** Takes our own addresses off the top of the route (RFC 3261 16.4). Of the two that a dialog has here the last is that of the
 *  side to which the request goes: returns the flow it names, undefined where the peer is in no dialog that we routed. */
export function takeOwnRoutes(
  request: SipRequest,
  tokens: FlowTokens,
  isOurs: (uri: SipUri) => boolean,
): NamedFlow | undefined {
  const routes = request.list('Route')
  let last: SipUri | undefined
  let own = 0
  for (; own < 2; own++) {
    const route = routes[own]
    const uri = route === undefined ? undefined : parseNameAddr(route)?.uri
    if (uri?.kind !== 'sip' || !isOurs(uri)) break
    last = uri
  }
  if (!last) return undefined
  request.remove('Route')
  for (const route of routes.slice(own)) request.headers.push({ name: 'Route', value: route })
  return namedFlow(last, tokens)
}

function namedFlow(uri: SipUri, tokens: FlowTokens): NamedFlow | undefined {
  const protocol = protocolOf(uri)
  const sentBy = { address: uri.host, port: portOf(uri) }
  const remote = tokens.open(uri.user ?? '', ownEnd(protocol, sentBy))
  return remote && { protocol, sentBy, remote }
}

const ownEnd = (protocol: Protocol, sentBy: TransportAddress): string =>
  `${protocol} ${formatAddress(sentBy)}`

/** The request as it goes on over `next`: one hop less, our Via on top, and both our ends in the route of the dialog it forms. */
export function forwardedRequest(
  request: SipRequest,
  targetText: string,
  from: Flow,
  next: Flow,
  tokens: FlowTokens,
): SipRequest {
  const forwarded = new SipRequest(request.method, targetText, request.headers.slice(), request.body)
  forwarded.set('Max-Forwards', String(request.maxForwards - 1))
  if (formsDialog(request.method) && request.toTag === '') {
    // RFC 3261 16.6, 4.
    const scheme = request.uri?.scheme === 'sips' ? 'sips' : 'sip'
    forwarded.prepend('Record-Route', routeEntry(scheme, from, tokens))
    forwarded.prepend('Record-Route', routeEntry(scheme, next, tokens))
  }
  const params = new Map<string, string | null>([['branch', statelessBranch(request)]])
  if (isReliable(from.protocol)) params.set(connectionParam, tokens.seal(from.remote, connectionParam))
  const { address, port } = next.sentBy
  forwarded.prepend('Via', formatVia({ transport: next.protocol.toUpperCase(), host: address, port, params }))
  return forwarded
}

function routeEntry(scheme: SipUri['scheme'], flow: Flow, tokens: FlowTokens): string {
  const { protocol, sentBy, remote } = flow
  const token = tokens.seal(remote, ownEnd(protocol, sentBy))
  const transport = protocol === 'udp' ? '' : `;transport=${protocol}`
  return `<${scheme}:${token}@${formatHost(sentBy.address)}:${sentBy.port}${transport};lr>`
}

/** Removes our Via from a response; returns the connection it names, or undefined for UDP. */
export function takeOwnVia(response: SipResponse, tokens: FlowTokens): TransportAddress | undefined {
  const named = response.topVia.params.get(connectionParam)
  response.replaceFirst('Via', undefined)
  return named == null ? undefined : tokens.open(named, connectionParam)
}

/** Whether a response has another Via below ours, one that can be read. */
export const nextVia = (response: SipResponse): Via | undefined => {
  const next = response.lines('Via')[1]
  return next === undefined ? undefined : parseVia(next)
}

/** The tag of every response we make ourselves: an ACK that carries it ends here (RFC 3261 8.2.7, 16.11). */
export const ownTag = (message: SipMessage): string =>
  digest(`${message.callId} ${message.fromTag} ${message.cseq.sequence}`).slice(0, 16)

export const portOf = (uri: SipUri): number => uri.port ?? defaultPorts[protocolOf(uri)]

const protocolOf = ({ scheme, params }: SipUri): Protocol => {
  const said = params.get('transport')?.toLowerCase() ?? ''
  if (isProtocol(said)) return said
  return scheme === 'sips' ? 'tls' : 'udp'
}
