// `floe serve`: a registrar, a stateless proxy between what is registered, and a STUN Binding responder, in one process and
// without configuration. For demonstrations and tests: it keeps no account data on disk and routes to nobody else.
import type { TransportAddress } from '../runtime/address.ts'
import type { Millis, Runtime, UdpSocket } from '../runtime/runtime.ts'
import { chain, settle } from '../sip/chain.ts'
import { DestinationResolver } from '../sip/destination.ts'
import { CredentialsChecker, type DigestAlgorithm } from '../sip/digest-server.ts'
import { defaultPorts, type Flow, type Hop, isReliable, type ListeningPoint } from '../sip/flow.ts'
import {
  responseTo,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  serializeMessage,
} from '../sip/message.ts'
import { largestUdpRequestBytes, TcpFailures } from '../sip/tcp-preference.ts'
import type { TlsSettings } from '../sip/tls-settings.ts'
import { SipTransport } from '../sip/transport.ts'
import type { SipUri } from '../sip/uri.ts'
import { responseDestination } from '../sip/via.ts'
import { answerBinding } from '../stun/binding-responder.ts'
import { type Answer, type Decision, decide, type ServerRules } from './decision.ts'
import { FlowTokens } from './flow-token.ts'
import { forwardedRequest, nextVia, ownTag, portOf, takeOwnVia } from './proxy.ts'
import { Registrar } from './registrar.ts'

export interface ServeOptions {
  readonly runtime: Runtime
  /** Default: UDP and TCP on 127.0.0.1 port 5060. */
  readonly listen?: readonly ListeningPoint[]
  /** For points with tls and wss: certificate and key. */
  readonly tls?: TlsSettings
  /** Of digest challenges. Default "floe". */
  readonly realm?: string
  /** Passwords by user name. Absent: everybody may register under any name. */
  readonly users?: Readonly<Record<string, string>>
  /** With `users`: calls are challenged (407) as registrations are. Default false. */
  readonly challengeCalls?: boolean
  /** Offered in this order. Default SHA-256, MD5. */
  readonly algorithms?: readonly DigestAlgorithm[]
  /** Shortest registration accepted, in seconds (423 below). Default 10. */
  readonly minimumExpiresSeconds?: number
  /** Longest registration granted, in seconds. Default a day. */
  readonly longestExpiresSeconds?: number
  /** A STUN port of its own; the SIP UDP ports answer STUN in any case. */
  readonly stun?: TransportAddress
  readonly onEvent?: (event: ServeEvent) => void
}

export type ServeEvent =
  | { readonly type: 'registered'; readonly user: string; readonly contacts: readonly string[] }
  | { readonly type: 'forwarded'; readonly summary: string; readonly to: TransportAddress }
  | {
      readonly type: 'refused'
      readonly summary: string
      readonly status: number
      readonly from: TransportAddress
    }
  | { readonly type: 'dropped'; readonly reason: string; readonly from: TransportAddress }

export interface Registration {
  readonly user: string
  readonly contact: string
  /** Where its REGISTER came from. */
  readonly from: TransportAddress
  readonly expiresInMs: Millis
}

export interface RunningServer {
  /** With their real ports. */
  readonly sip: readonly ListeningPoint[]
  /** Where STUN Binding requests are answered over UDP; absent where there is no UDP listening point. */
  readonly stun?: TransportAddress
  registrations(): Registration[]
  stop(): void
}

const defaultListen: readonly ListeningPoint[] = [
  { protocol: 'udp', address: '127.0.0.1', port: 5060 },
  { protocol: 'tcp', address: '127.0.0.1', port: 5060 },
]

/** Rejects with NetworkError where a port cannot be had. */
export const startServer = (options: ServeOptions): Promise<RunningServer> => new Server(options).start()

class Server {
  private readonly runtime: Runtime
  private readonly transport: SipTransport
  private readonly resolver: DestinationResolver
  private readonly registrar: Registrar
  private readonly rules: ServerRules
  private readonly tokens: FlowTokens
  private readonly tcpFailures = new TcpFailures()
  private stunSocket: UdpSocket | undefined
  private points: ListeningPoint[] = []

  constructor(private readonly options: ServeOptions) {
    const { runtime, users } = options
    this.runtime = runtime
    this.transport = new SipTransport(runtime, { ...(options.tls && { tls: options.tls }) })
    this.resolver = new DestinationResolver(runtime, this.transport.reaches)
    this.registrar = new Registrar(options.minimumExpiresSeconds ?? 10, options.longestExpiresSeconds)
    this.tokens = new FlowTokens(runtime.random)
    const algorithms = options.algorithms ?? ['SHA-256', 'MD5']
    this.rules = {
      registrar: this.registrar,
      tokens: this.tokens,
      credentials:
        users &&
        new CredentialsChecker(
          options.realm ?? 'floe',
          new Map(Object.entries(users)),
          algorithms,
          runtime.random,
        ),
      users: users && new Set(Object.keys(users)),
      challengeCalls: options.challengeCalls ?? false,
      isOurs: (uri) => this.isOurs(uri),
    }
    this.transport.onMessage = (message, flow) => this.received(message, flow)
    this.transport.onDropped = (from, reason) => this.tell({ type: 'dropped', reason, from })
    this.transport.onForeignDatagram = (data, flow) => {
      const answer = answerBinding(data, flow.remote)
      if (answer) flow.send(answer)
    }
  }

  async start(): Promise<RunningServer> {
    this.points = await this.transport.start(this.options.listen ?? defaultListen)
    try {
      const stun = this.options.stun
        ? await this.openStun(this.options.stun)
        : this.points.find((point) => point.protocol === 'udp')
      return {
        sip: this.points,
        ...(stun && { stun: { address: stun.address, port: stun.port } }),
        registrations: () => this.registrations(),
        stop: () => this.stop(),
      }
    } catch (error) {
      this.stop()
      throw error
    }
  }

  private stop(): void {
    this.stunSocket?.close()
    this.transport.stop()
  }

  private async openStun(bind: TransportAddress): Promise<TransportAddress> {
    const socket = await this.runtime.network.openUdp(bind)
    this.stunSocket = socket
    socket.onDatagram = (data, from) => {
      const answer = answerBinding(data, from)
      if (answer) socket.send(answer, from)
    }
    return socket.local
  }

  private registrations(): Registration[] {
    const now = this.runtime.clock.now()
    return this.registrar.all(now).map(({ user, contact, flow, expiresAt }) => ({
      user,
      contact,
      from: flow.remote,
      expiresInMs: expiresAt - now,
    }))
  }

  private received(message: SipMessage, flow: Flow): void {
    if (message.kind === 'response') {
      this.forwardResponse(message, flow)
      return
    }
    const decision = decide(this.rules, this.runtime.clock.now(), message, flow)
    if (decision.kind === 'forward') this.forward(message, flow, decision)
    else if (decision.kind === 'answer') {
      this.answer(message, flow, decision.answer)
      if (decision.registered !== undefined) this.tellRegistered(decision.registered)
    }
  }

  private forward(request: SipRequest, from: Flow, decision: Decision & { kind: 'forward' }): void {
    const render = (flow: Flow) => ({
      flow,
      data: serializeMessage(forwardedRequest(request, decision.targetText, from, flow, this.tokens)),
    })
    const reliably = (next: Flow) => {
      const rendered = render(next)
      return isReliable(from.protocol) || rendered.data.length > largestUdpRequestBytes
        ? chain(this.preferTcp(next, decision.uri), (flow) => (flow === next ? rendered : render(flow)))
        : rendered
    }
    const send = ({ flow, data }: ReturnType<typeof render>): void => {
      flow.send(data)
      this.tell({ type: 'forwarded', summary: summaryOf(request), to: flow.remote })
    }
    // RFC 3261 16.9: what cannot be sent is answered as if 503 had come back.
    const unreachable = { status: 503, reason: 'Service Unavailable (next hop not reached)', headers: [] }
    settle(
      () => chain(this.hopOf(decision), (hop) => chain(this.transport.flowTo(hop), reliably)),
      send,
      () => this.answer(request, from, unreachable),
    )
  }

  /** A binding is reached the way its REGISTER came where the contact is another address (a NAT, a name), and over its connection. */
  private hopOf({ uri, binding, named }: Decision & { kind: 'forward' }): Hop | Promise<Hop> {
    const known =
      binding?.flow ?? (named && this.transport.standingFlow(named.protocol, named.sentBy, named.remote))
    const first = (): Hop | Promise<Hop> => chain(this.resolver.resolveUri(uri, ''), (hops) => hops[0]!)
    if (!known) return first()
    const { protocol, remote } = known
    const standing = isReliable(protocol) && known.open
    return uri.host === remote.address && !standing
      ? first()
      : { protocol, address: remote.address, port: remote.port, flow: known }
  }

  /** Nobody repeats a datagram of ours: the sender has a connection and trusts it, or the request is too large for UDP
   *  (RFC 3261 18.1.1). A peer that is where its URI says, behind no NAT, is asked for TCP at the same port, else UDP it is; UDP
   *  too where we have no point that its own requests would come back to over TCP. */
  private preferTcp(next: Flow, { host, port = defaultPorts.udp }: SipUri): Flow | Promise<Flow> {
    const { protocol, remote } = next
    const now = this.runtime.clock.now()
    const direct = host === remote.address && port === remote.port
    const hasPoint = this.points.some((point) => point.protocol === 'tcp')
    if (isReliable(protocol) || !direct || !hasPoint || this.tcpFailures.has(now, remote)) return next
    const stream = this.transport.flowTo({ protocol: 'tcp', ...remote })
    if (!(stream instanceof Promise)) return stream
    return stream.catch(() => {
      this.tcpFailures.add(this.runtime.clock.now(), remote)
      return next
    })
  }

  private forwardResponse(response: SipResponse, from: Flow): void {
    const drop = (why: string): void =>
      this.tell({ type: 'dropped', reason: `${response.startLine}: ${why}`, from: from.remote })
    const own = response.topVia
    const via = nextVia(response)
    if (!via || !this.isOurSentBy(own.host, own.port)) {
      drop('not for us')
      return
    }
    const connection = takeOwnVia(response, this.tokens)
    const data = serializeMessage(response)
    const standing = connection && this.transport.connectionTo(connection)
    const { protocol, host, port } = responseDestination(via)
    settle(
      () =>
        standing ??
        chain(this.resolver.resolveHost(protocol, host, port), ([hop]) => this.transport.flowTo(hop!)),
      (flow) => flow.send(data),
      (error) => drop(`not sent: ${error instanceof Error ? error.message : String(error)}`),
    )
  }

  private answer(request: SipRequest, flow: Flow, { status, reason, headers }: Answer): void {
    if (request.method === 'ACK') return
    const response = responseTo(request, status, reason, ownTag(request))
    for (const [name, value] of headers) response.headers.push({ name, value })
    const { host, port } = responseDestination(response.topVia)
    const back = flow.protocol === 'udp' ? this.transport.sameSocket(flow, { address: host, port }) : flow
    back.send(serializeMessage(response))
    if (status >= 300) this.tell({ type: 'refused', summary: summaryOf(request), status, from: flow.remote })
  }

  private isOurs(uri: SipUri): boolean {
    return this.isOurSentBy(uri.host, portOf(uri))
  }

  private isOurSentBy(host: string, port: number | undefined): boolean {
    return this.points.some((point) => point.port === port && this.isOurAddress(point.address, host))
  }

  private isOurAddress(listening: string, host: string): boolean {
    if (host === 'localhost' || host === listening) return true
    if (listening !== '0.0.0.0' && listening !== '::') return false
    return this.runtime.network.interfaces().some(({ address }) => address === host)
  }

  private tell(event: ServeEvent): void {
    this.options.onEvent?.(event)
  }

  private tellRegistered(user: string): void {
    const contacts = this.registrations().flatMap((binding) => (binding.user === user ? binding.contact : []))
    this.tell({ type: 'registered', user, contacts })
  }
}

const summaryOf = (request: SipRequest): string => `${request.method} ${request.uriText}`
