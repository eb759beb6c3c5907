// The work that a Via header does: where a request really came from is written into it (RFC 3261 18.2.1, RFC 3581 4), where a
// response goes is read out of it (RFC 3261 18.2.2, RFC 3581 4), and our own says how we are reached over a given flow.
import type { TransportAddress } from '../runtime/address.ts'
import { defaultPorts, isProtocol, isSecure, isUnreachableName, isWebSocket, type Protocol } from './flow.ts'
import { formatVia, type Via } from './header-values.ts'
import type { SipMessage, SipRequest } from './message.ts'
import { formatHost } from './uri.ts'

/** Every branch of RFC 3261 8.1.1.7 starts with this; what follows it identifies the transaction. */
export const magicCookie = 'z9hG4bK'

/** Contact host of messages handed down; replaced by the flow's own address when they leave. The Via is replaced whatever it says. */
export const placeholderHost = 'floe.invalid'

/** Stamps received and rport; what the peer wrote there itself is overwritten. */
export function stampReceived(request: SipRequest, remote: TransportAddress): void {
  const via = request.topVia
  const wantsRport = via.params.has('rport')
  const claimsReceived = via.params.has('received')
  if (!wantsRport && !claimsReceived && via.host === remote.address) return
  const params = new Map(via.params)
  params.delete('received')
  if (wantsRport || via.host !== remote.address) params.set('received', remote.address)
  if (wantsRport) params.set('rport', String(remote.port))
  request.replaceFirst('Via', formatVia({ ...via, params }))
}

/** Where a response with this top Via goes; `host` may still be a name. maddr is not followed: it is for multicast, which floe does
 *  not hear, and would aim our answers, with all their repetitions, at whom the sender of a request likes. */
export function responseDestination(via: Via): { protocol: Protocol; host: string; port: number } {
  const protocol = protocolOf(via)
  const sentByPort = via.port ?? defaultPorts[protocol]
  const received = via.params.get('received')?.replace(/^\[|\]$/g, '')
  const rport = Number(via.params.get('rport') ?? Number.NaN)
  // rport says where a UDP request came from; over TCP a lost connection is replaced by one to the sent-by port.
  const port = protocol === 'udp' && rport > 0 && rport < 65_536 ? rport : sentByPort
  // A WebSocket's client listens nowhere: its name leads to its connection, its address to a stranger.
  const isNamed = isWebSocket(protocol) && isUnreachableName(via.host)
  return { protocol, host: isNamed ? via.host : received || via.host, port }
}

/** RFC 3261 18.2.2, RFC 7118 5.2. */
function protocolOf({ transport }: Via): Protocol {
  const token = transport.toLowerCase()
  return isProtocol(token) ? token : 'udp'
}

/** The port where the sender listens and may be reached over this connection too (RFC 5923 9): where there is nothing to prove
 *  who it is, nobody asks. */
export const aliasPort = (via: Via): number | undefined =>
  via.transport === 'TLS' && via.params.has('alias') ? (via.port ?? defaultPorts.tls) : undefined

/** Rewrites our own Via (the top one) so that it tells the truth about the flow.
 *  @param alias whether the peer may answer our sent-by port over the flow */
export function rewriteOwnVia(
  message: SipRequest,
  protocol: Protocol,
  sentBy: TransportAddress,
  alias = false,
): void {
  const via = message.topVia
  const params = new Map(via.params)
  if (alias) params.set('alias', null)
  // RFC 3581 3: asked of every UDP hop; harmless elsewhere.
  if (!params.has('rport')) params.set('rport', null)
  const transport = protocol.toUpperCase()
  message.replaceFirst(
    'Via',
    formatVia({
      transport,
      host: sentBy.address,
      ...(sentBy.port !== 0 && { port: sentBy.port }),
      params,
    }),
  )
}

/** Host, port and transport of a Contact that leads back over such a flow.
 *  @param sips whether its scheme is sips: */
export const contactAddress = (
  protocol: Protocol,
  { address, port }: TransportAddress,
  sips = false,
): string => `${formatHost(address)}${port === 0 ? '' : `:${port}`}${transportParam(protocol, sips)}`

/** Host and port of the placeholder in Contact become those of the flow, with the transport that keeps the peer on it.
 *  @param sips whether the dialog is one of sips: URIs (RFC 3261 8.1.1.8, 12.1.1) */
export function rewriteContact(
  message: SipMessage,
  placeholder: string,
  protocol: Protocol,
  sentBy: TransportAddress,
  sips = false,
): void {
  const contact = message.get('Contact')
  if (!contact?.includes(placeholder)) return
  const rewritten = contact.replaceAll(placeholder, contactAddress(protocol, sentBy, sips))
  message.set('Contact', sips && isSecure(protocol) ? rewritten.replaceAll('<sip:', '<sips:') : rewritten)
}

/** What a URI says so that requests for it come over `protocol`. RFC 7118 5.3 has "ws" for both; RFC 3261 26.2.2 none for sips. */
export function transportParam(protocol: Protocol, sips = false): string {
  if (isWebSocket(protocol)) return ';transport=ws'
  return protocol === 'udp' || sips ? '' : `;transport=${protocol}`
}
