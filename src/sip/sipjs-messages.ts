// Messages of the wire as sip.js's Core wants to see them. Every header that Core looks at is given in parsed form, so that
// its grammar (0.2 ms to 2 ms a message) never runs. URIs pass through verbatim: a peer gets back exactly what it wrote.
import { Core } from 'sip.js'
import { bodyOfType } from './body-parts.ts'
import type { Flow } from './flow.ts'
import type { NameAddr } from './header-values.ts'
import type { SipMessage, SipRequest, SipResponse } from './message.ts'
import type { Body, ResponseInfo } from './session.ts'
import { formatHost } from './uri.ts'
import { transportParam } from './via.ts'

/** A URI that is only ever copied. sip.js's own re-escapes the user part, which changes it and throws on a stray "%". */
export class VerbatimUri extends Core.URI {
  constructor(private readonly text: string) {
    super('sip', '', 'verbatim')
  }
  override clone(): VerbatimUri {
    return this
  }
  override toRaw(): string {
    return this.text
  }
  override toString(): string {
    return this.text
  }
}

/** Marks what came from the network; sip.js makes up responses of its own for time-outs (408). */
export class IncomingResponse extends Core.IncomingResponseMessage {
  constructor(
    readonly wire: SipResponse,
    readonly flow: Flow,
  ) {
    super()
    this.statusCode = wire.status
    this.reasonPhrase = wire.reason
    fill(this, wire, flow)
    this.viaBranch = wire.topVia.params.get('branch') ?? ''
    // RFC 3261 12.1.1 wants a tag in every 18x; some gateways ring without one.
    if (wire.status < 200 && !this.toTag) this.toTag = untagged
  }
}

const untagged = 'untagged'

export class IncomingRequest extends Core.IncomingRequestMessage {
  constructor(
    readonly wire: SipRequest,
    readonly flow: Flow,
    transactionId: string,
  ) {
    super()
    this.ruri = new VerbatimUri(wire.uriText)
    fill(this, wire, flow)
    this.viaBranch = transactionId
  }
}

type Incoming = Core.IncomingRequestMessage | Core.IncomingResponseMessage

function fill(target: Incoming, wire: SipMessage, flow: Flow): void {
  const { cseq, from, to } = wire
  target.method = cseq.method
  target.cseq = cseq.sequence
  target.callId = wire.callId
  target.from = nameAddr(from)
  target.to = nameAddr(to)
  target.fromTag = wire.fromTag
  target.toTag = wire.toTag
  const headers: Core.IncomingMessage['headers'] = {
    Via: wire.lines('Via').map((raw) => ({ raw })),
    From: [{ raw: wire.get('From') ?? '', parsed: target.from }],
    To: [{ raw: wire.get('To') ?? '', parsed: target.to }],
  }
  const routes = wire.list('Record-Route')
  if (routes.length > 0) headers['Record-Route'] = routes.map((raw) => ({ raw }))
  headers['Contact'] = [contactOf(wire, flow)]
  // Truthy, so that sip.js does not parse them; floe answers challenges itself (digest.ts).
  if (wire.kind === 'response' && (wire.status === 401 || wire.status === 407))
    headers[wire.status === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate'] = [{ raw: '', parsed: {} }]
  const description = sessionBody(wire)
  if (description) {
    target.body = description.content
    headers['Content-Type'] = [{ raw: description.contentType, parsed: description.contentType }]
    headers['Content-Disposition'] = [{ raw: 'session', parsed: { type: 'session' } }]
  }
  target.headers = headers
}

const nameAddr = ({ uriText, params }: NameAddr): Core.NameAddrHeader => {
  const tag = params.get('tag')
  return new Core.NameAddrHeader(new VerbatimUri(uriText), '', tag ? { tag } : {})
}

/** The remote target; where a peer forgot its Contact, the address that it writes from. Headers of the URI do not go into a Request-URI. */
function contactOf(wire: SipMessage, flow: Flow): { raw: string; parsed: Core.NameAddrHeader } {
  const given = wire.nameAddrs('Contact')[0]
  const transport = transportParam(flow.protocol)
  const text = given
    ? given.uriText.replace(/\?.*$/, '')
    : `sip:${formatHost(flow.remote.address)}:${flow.remote.port}${transport}`
  return { raw: `<${text}>`, parsed: new Core.NameAddrHeader(new VerbatimUri(text), '', {}) }
}

/** The session description, alone or as a part of a multipart body. */
export function sessionBody(message: SipMessage): Body | undefined {
  const content = message.body.length > 0 ? bodyOfType(message, 'application/sdp') : undefined
  return content && { contentType: 'application/sdp', content: text(content) }
}

/** Any other body, as text. */
export const anyBody = (message: SipMessage): Body | undefined =>
  message.body.length > 0
    ? { contentType: message.get('Content-Type') ?? 'application/octet-stream', content: text(message.body) }
    : undefined

const text = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')

/** What a response says of itself; the To tag is "" where it has none. */
const tagOf = (message: Core.IncomingResponseMessage): string =>
  message.toTag === untagged ? '' : (message.toTag ?? '')

/** What digest.ts needs of a 401 or 407; undefined for every other response.
 *  @param challenger the only IP address whose challenge counts; absent: every one's */
export function challengeOf(
  message: Core.IncomingResponseMessage,
  challenger?: string,
): [401 | 407, string[]] | undefined {
  if (!(message instanceof IncomingResponse)) return undefined
  if (challenger !== undefined && message.flow.remote.address !== challenger) return undefined
  if (message.statusCode === 401) return [401, message.wire.lines('WWW-Authenticate')]
  if (message.statusCode === 407) return [407, message.wire.lines('Proxy-Authenticate')]
  return undefined
}

export function responseInfo(message: Core.IncomingResponseMessage): ResponseInfo {
  const info: ResponseInfo = {
    status: message.statusCode ?? 0,
    reason: message.reasonPhrase ?? '',
    remoteTag: tagOf(message),
  }
  if (!(message instanceof IncomingResponse)) return info
  const { wire } = message
  const body = sessionBody(wire)
  if (body) info.body = body
  if (wire.status >= 300 && wire.status < 400)
    info.contacts = wire.nameAddrs('Contact').map((contact) => contact.uriText)
  const retryAfter = Number.parseInt(wire.get('Retry-After') ?? '', 10)
  if (Number.isFinite(retryAfter)) info.retryAfter = retryAfter
  return info
}
