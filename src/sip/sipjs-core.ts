// sip.js's user agent core, as floe uses it: one set of tables (transactions, dialogs) for the whole user agent, and a
// light core for each call that shares them, so that every dialog has its own way out and its own Contact.
// Outgoing requests are written here: sip.js's writer does not escape display names and throws on odd bodies.
// Left to others: parsing, routing, Via and Contact addresses, retransmission (the wire), credentials (digest.ts).
import { Core } from 'sip.js'
import { UsageError } from '../errors.ts'
import type { Random } from '../runtime/runtime.ts'
import type { Hop } from './flow.ts'
import { evictOldest } from './reliability.ts'
import type { Body } from './session.ts'
import { correctCore } from './sipjs-corrections.ts'
import { VerbatimUri } from './sipjs-messages.ts'
import { placeholderHost } from './via.ts'

/** Methods that floe answers with something better than 405 or 501. */
export const allowedMethods = [
  'INVITE',
  'ACK',
  'BYE',
  'CANCEL',
  'OPTIONS',
  'INFO',
  'MESSAGE',
  'REFER',
  'NOTIFY',
  'UPDATE',
  'PRACK',
]

/** What the core hands its text to. */
export interface Outlet {
  sendRequest(text: string, hop?: Hop | string): void
  sendResponse(text: string): void
}

/** How one call or registration leaves: absent `hop` follows Route and Request-URI. */
export interface Way {
  hop?: Hop | string
  /** Route values of requests outside of a dialog. */
  routes?: readonly string[]
  /** The Contact URI; its host is the wire's placeholder, where it is not known otherwise. Read anew for each message: a dialog may
   *  outlive an address. */
  readonly contact: string
}

/** The Contact of a user: the wire puts the address and transport of the flow in. */
export const contactUri = (user: string | undefined, parameters = ''): string =>
  `sip:${user === undefined ? '' : `${user}@`}${placeholderHost}${parameters}`

const silentLogs = new Core.LoggerFactory()
silentLogs.builtinEnabled = false
silentLogs.level = Core.Levels.error

const sent = Promise.resolve()

const maximumWays = 64

export class SignallingCore extends Core.UserAgentCore {
  private readonly ways = new Map<string, SignallingCore>()

  private constructor(
    readonly random: Random,
    private readonly userAgent: string,
    private readonly outlet: Outlet,
    way: Way,
    shared?: SignallingCore,
  ) {
    const uri = new VerbatimUri(way.contact)
    const transport = {
      protocol: 'UDP',
      send(text: string): Promise<void> {
        try {
          if (text.startsWith('SIP/2.0 ')) outlet.sendResponse(text)
          else outlet.sendRequest(text, way.hop)
          return sent
        } catch (error) {
          return Promise.reject(error)
        }
      },
    } as unknown as Core.Transport
    super({
      aor: uri,
      contact: { uri, pubGruu: undefined, tempGruu: undefined, toString: () => `<${way.contact}>` },
      displayName: '',
      loggerFactory: silentLogs,
      hackViaTcp: false,
      routeSet: [...(way.routes ?? [])],
      sipjsId: '',
      supportedOptionTags: [],
      // No "Supported" line in responses: floe supports no extension that a response would name.
      supportedOptionTagsResponse: undefined as never,
      userAgentHeaderFieldValue: userAgent,
      viaForceRport: true,
      viaHost: placeholderHost,
      authenticationFactory: () => undefined,
      transportAccessor: () => transport,
    })
    if (shared) {
      this.dialogs = shared.dialogs
      this.subscribers = shared.subscribers
      this.userAgentClients = shared.userAgentClients
      this.userAgentServers = shared.userAgentServers
    }
  }

  /** The core that owns the tables. Throws InvariantError where sip.js is not the one that floe was written for. */
  static create(random: Random, userAgent: string, outlet: Outlet): SignallingCore {
    correctCore(allowedMethods)
    return new SignallingCore(random, userAgent, outlet, { contact: contactUri(undefined) })
  }

  /** A core with the same tables and another way out: one for all calls that go the same way, of which there are few. */
  through(way: Way): SignallingCore {
    const key =
      typeof way.hop === 'object' ? undefined : [way.contact, way.hop ?? '', ...(way.routes ?? [])].join(' ')
    const known = key !== undefined && this.ways.get(key)
    if (known) return known
    const core = new SignallingCore(this.random, this.userAgent, this.outlet, way, this)
    if (key !== undefined) {
      // Whom a call is for is said by the caller: what many of them make up must not stay.
      evictOldest(this.ways, maximumWays)
      this.ways.set(key, core)
    }
    return core
  }

  override makeOutgoingRequestMessage(
    ...[method, ruri, from, to, options, extraHeaders, body]: Parameters<
      Core.UserAgentCore['makeOutgoingRequestMessage']
    >
  ): Core.OutgoingRequestMessage {
    const { routeSet } = this.configuration
    const identifiers =
      options.callId && options.fromTag
        ? { routeSet, ...options }
        : { routeSet, callId: randomToken(this.random), fromTag: randomTag(this.random), ...options }
    const request = new OutgoingRequest(method, ruri, from, to, identifiers, extraHeaders, body)
    request.userAgent = this.userAgent
    request.transactionId = `z9hG4bK${randomToken(this.random)}`
    return request
  }
}

/** 64 random bits as a token: an INVITE with relays has to fit into 1300 octets. */
export const randomToken = (random: Random): string => Buffer.from(random.bytes(8)).toString('base64url')
/** 48 random bits: RFC 3261 19.3 asks for 32 at least in a tag. */
export const randomTag = (random: Random): string => Buffer.from(random.bytes(6)).toString('base64url')

class OutgoingRequest extends Core.OutgoingRequestMessage {
  userAgent = ''
  /** The id under which sip.js files this request, and its branch (see sipjs-corrections.ts). */
  transactionId = ''

  /** sip.js passes the branch of its transaction; an ACK to a 2xx is a transaction of its own. */
  override setViaHeader(branch: string, protocol: string): void {
    this.branch = this.method === 'ACK' ? this.transactionId : branch
    // RFC 6223: we shall keep the flow of a registration alive, and the server may say how often.
    const keep = this.method === 'REGISTER' ? ';keep' : ''
    this.setHeader('via', `SIP/2.0/${protocol} ${placeholderHost};branch=${this.branch};rport${keep}`)
  }

  override toString(): string {
    const { headers } = this
    let text = `${this.method} ${this.ruri.toRaw()} SIP/2.0\r\nVia: ${headers['Via']?.[0]}\r\n`
    for (const route of headers['Route'] ?? []) text += `Route: ${route}\r\n`
    text += `Max-Forwards: 70\r\nFrom: ${headers['From']?.[0]}\r\nTo: ${headers['To']?.[0]}\r\n`
    text += `Call-ID: ${this.callId}\r\nCSeq: ${this.cseq} ${this.method}\r\n`
    if (headers['Reason']) text += `Reason: ${headers['Reason'][0]}\r\n`
    for (const header of this.extraHeaders) text += `${header}\r\n`
    if (this.method !== 'ACK') text += `User-Agent: ${this.userAgent}\r\n`
    const body = this.body as { body: string; contentType: string } | undefined
    if (!body?.body) return `${text}Content-Length: 0\r\n\r\n`
    const length = Buffer.byteLength(body.body)
    return `${text}Content-Type: ${body.contentType}\r\nContent-Length: ${length}\r\n\r\n${body.body}`
  }
}

/** A body in sip.js's form. A lone surrogate, which has no UTF-8, becomes U+FFFD here and not an exception there. */
export function sipjsBody({ contentType, content }: Body): Core.Body {
  if (/[\r\n]/.test(contentType)) throw new UsageError('The content type holds a line break; leave it out.')
  const utf8 = Buffer.from(content, 'utf8').toString('utf8')
  return { contentDisposition: 'session', contentType, content: utf8 }
}
