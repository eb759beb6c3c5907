// SIP transport (RFC 3261 18): several listening points at once, and the table of flows: connections are reused (RFC 5923), opened
// once however many wait for them, closed when idle, and limited in number. received/rport are stamped (RFC 3581), malformed
// requests answered without state. Leaves out: retransmission and transactions (above); how each kind of flow works (beside).
import { NetworkError } from '../errors.ts'
import { addressFamily, formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis, Runtime, TcpListener, Timer } from '../runtime/runtime.ts'
import type { ConnectionFlow, ConnectionHandler } from './connection-flow.ts'
import { Door } from './door.ts'
import {
  type Flow,
  type Hop,
  isSecure,
  isUnreachableName,
  isWebSocket,
  type ListeningPoint,
  type Protocol,
} from './flow.ts'
import { FlowTable } from './flow-table.ts'
import type { Via } from './header-values.ts'
import { type ParseProblem, parseMessage, type SipMessage } from './message.ts'
import { type Carrier, listenForCarriers, openCarrier } from './opening.ts'
import { SourceAddresses } from './source-addresses.ts'
import { answerStateless } from './stateless.ts'
import { StreamFlow } from './stream-flow.ts'
import type { TlsSettings } from './tls-settings.ts'
import { isWildcard, UdpPoints } from './udp-points.ts'
import { aliasPort, stampReceived } from './via.ts'
import { WebSocketFlow } from './websocket-flow.ts'

export interface TransportOptions {
  /** What may come in; with the default rate limit where absent. */
  door?: Door
  /** A connection without traffic for so long is closed. RFC 3261 18 asks for 32 s at least. */
  idleMs?: Millis
  /** For each step of opening a connection. */
  connectTimeoutMs?: Millis
  tls?: TlsSettings
}

const defaultIdleMs: Millis = 600_000
const defaultConnectTimeoutMs: Millis = 5_000
const maximumConnections = 4_096
/** From one address, behind which there may be a whole office. */
const maximumFromOne = 1_024

const connected: readonly Protocol[] = ['tcp', 'tls', 'ws', 'wss']

interface Listening {
  readonly protocol: Protocol
  readonly listener: TcpListener
}

export class SipTransport {
  /** Requests have received and rport stamped. */
  onMessage: ((message: SipMessage, flow: Flow, lengthBytes: number) => void) | undefined
  onFlowClosed: ((flow: Flow, error?: Error) => void) | undefined
  /** UDP datagrams that are no SIP but may be STUN (RFC 8489 5: the first two bits are 0). */
  onForeignDatagram: ((data: Uint8Array, flow: Flow) => void) | undefined
  onDropped: ((remote: TransportAddress, reason: string) => void) | undefined

  private readonly udp: UdpPoints
  private readonly listening: Listening[] = []
  private readonly flows = new FlowTable()
  private readonly connecting = new Map<string, Promise<Flow>>()
  private readonly door: Door
  private readonly sources: SourceAddresses
  private readonly idleMs: Millis
  private readonly connectTimeoutMs: Millis
  private readonly tls: TlsSettings
  private sweep: Timer | undefined
  private stopped = false

  constructor(
    private readonly runtime: Runtime,
    options: TransportOptions = {},
  ) {
    this.door = options.door ?? new Door(runtime.clock)
    this.sources = new SourceAddresses(runtime)
    this.idleMs = options.idleMs ?? defaultIdleMs
    this.connectTimeoutMs = options.connectTimeoutMs ?? defaultConnectTimeoutMs
    this.tls = options.tls ?? {}
    const transport = this
    this.udp = new UdpPoints(runtime, this.sources, {
      admits: (data, from) => this.admits(data, from),
      onMessage: (data, flow) => this.received(data, flow),
      get onForeign() {
        return transport.onForeignDatagram
      },
      onDropped: (remote, reason) => this.onDropped?.(remote, reason),
    })
  }

  /** Opens every point or none. Rejects with NetworkError, or UsageError where TLS lacks a certificate. Returns the points with
   *  their real ports. */
  async start(points: readonly ListeningPoint[]): Promise<ListeningPoint[]> {
    const bound: ListeningPoint[] = []
    try {
      for (const point of points) {
        // One port for UDP and TCP: whoever has to switch from the one to the other finds us there (RFC 3261 18.1.1).
        const isTwin = (other: ListeningPoint, i: number): boolean =>
          other.address === point.address && points[i]!.port === 0 && areTwins(other.protocol, point.protocol)
        const twin = point.port === 0 ? bound.find(isTwin) : undefined
        bound.push(await this.listen(point, twin?.port))
      }
    } catch (error) {
      this.stop()
      throw error
    }
    return bound
  }

  private async listen(
    { protocol, address, port }: ListeningPoint,
    rather?: number,
  ): Promise<ListeningPoint> {
    const open = (at: number): Promise<TransportAddress> =>
      protocol === 'udp'
        ? this.udp.open({ address, port: at })
        : this.openListener({ protocol, address, port: at })
    if (rather === undefined) return { protocol, ...(await open(port)) }
    // Somebody else may have that port of the other protocol; any one will do then.
    return { protocol, ...(await open(rather).catch(() => open(port))) }
  }

  stop(): void {
    this.stopped = true
    this.sweep?.cancel()
    this.udp.close()
    for (const { listener } of this.listening.splice(0)) listener.close()
    for (const flow of this.flows) {
      this.flows.remove(flow)
      flow.close()
    }
  }

  /** Whether there is a listening point that serves that family. */
  readonly reaches = (protocol: Protocol, family: 4 | 6): boolean =>
    protocol === 'udp'
      ? this.udp.reaches(family)
      : this.listening.some(
          ({ protocol: own, listener: { local } }) =>
            own === protocol && (addressFamily(local.address) === family || local.address === '::'),
        )

  /** The flow to a hop. Throws, or rejects with, NetworkError. A promise where a connection or a lookup is needed. */
  flowTo(hop: Hop): Flow | Promise<Flow> {
    const { protocol, flow } = hop
    if (flow?.open && flow.protocol === protocol) return flow
    if (isUnreachableName(hop.address)) return this.namedFlow(hop.address)
    const remote = { address: hop.address, port: hop.port }
    if (protocol === 'udp') return this.udp.flowTo(remote)
    const serverName = isSecure(protocol) ? (hop.serverName ?? hop.address) : undefined
    const key = `${protocol} ${formatAddress(remote)} ${serverName ?? ''}`
    const known = this.flows.find(protocol, remote, serverName) ?? this.connecting.get(key)
    if (known) return known
    const connecting = this.connect(hop, serverName).finally(() => this.connecting.delete(key))
    this.connecting.set(key, connecting)
    return connecting
  }

  private namedFlow(host: string): Flow {
    const flow = this.flows.findNamed(host)
    if (flow) return flow
    throw new NetworkError(
      `could not resolve ${host}: it is the name of a WebSocket's client, reached over its own connection alone, and there is none`,
      host,
    )
  }

  /** The open connection with that remote end, whoever made it. */
  connectionTo(remote: TransportAddress): Flow | undefined {
    return connected.map((protocol) => this.flows.find(protocol, remote)).find((flow) => flow !== undefined)
  }

  /** The flow between the listening point that peers know as `sentBy` and that remote end; undefined where its connection, or
   *  the point, has gone. */
  standingFlow(protocol: Protocol, sentBy: TransportAddress, remote: TransportAddress): Flow | undefined {
    return protocol === 'udp' ? this.udp.standingFlow(sentBy, remote) : this.flows.find(protocol, remote)
  }

  /** The same UDP socket towards another address: where a response goes when the request came from elsewhere than its Via says. */
  sameSocket(flow: Flow, remote: TransportAddress): Flow {
    return this.udp.sameSocket(flow, remote)
  }

  /** A local address as peers at `remote` see it: the listening point that serves them. For Contact and SDP. */
  async localAddressFor(protocol: Protocol, remote: TransportAddress): Promise<TransportAddress> {
    if (protocol === 'udp') return (await this.udp.flowTo(remote)).sentBy
    const address =
      (await this.sources.lookUp(remote)) ?? (addressFamily(remote.address) === 4 ? '127.0.0.1' : '::1')
    return this.sentBy(protocol, { address, port: 0 })
  }

  /** Whether the peer may reach our listening point over this connection, which we opened and proved who we are on (RFC 5923 6). */
  offersAlias(flow: Flow): boolean {
    if (flow.protocol !== 'tls' || this.tls.cert === undefined || !this.flows.has(flow)) return false
    return !flow.incoming && flow.sentBy.port !== flow.local.port
  }

  // ---- connections -----------------------------------------------------------------------------------------------------

  private async openListener(point: ListeningPoint): Promise<TransportAddress> {
    const { protocol } = point
    const accept = (carrier: Carrier): void => {
      const { remote } = carrier.stream ?? carrier.webSocket
      const isFull =
        this.flows.size >= maximumConnections || this.flows.countFrom(remote.address) >= maximumFromOne
      if (!isFull && !this.stopped) {
        this.adopt(protocol, carrier, { incoming: true })
        return
      }
      this.onDropped?.(remote, 'too many connections')
      closeCarrier(carrier)
    }
    const listener = await listenForCarriers(
      this.runtime.network,
      point,
      this.tls,
      this.connectTimeoutMs,
      accept,
      ({ remote }, reason) => this.onDropped?.(remote, reason),
    )
    this.listening.push({ protocol, listener })
    return listener.local
  }

  private async connect(hop: Hop, serverName: string | undefined): Promise<Flow> {
    const carrier = await openCarrier(this.runtime.network, hop, this.tls, this.connectTimeoutMs)
    if (!this.stopped) return this.adopt(hop.protocol, carrier, { incoming: false, serverName })
    closeCarrier(carrier)
    const key = formatAddress(hop)
    throw new NetworkError(`connection to ${key} was no longer wanted: the transport has stopped`, key)
  }

  private adopt(
    protocol: Protocol,
    carrier: Carrier,
    how: { incoming: boolean; serverName?: string | undefined },
  ): ConnectionFlow {
    const handler: ConnectionHandler = {
      onMessage: (data, from) => {
        if (this.admits(data, from.remote)) this.received(data, from)
      },
      onBroken: (reason, from) => this.onDropped?.(from.remote, `connection closed: ${reason}`),
      onClosed: (closed, error) => {
        this.flows.remove(closed)
        this.onFlowClosed?.(closed, error)
      },
    }
    const { local } = carrier.stream ?? carrier.webSocket
    const isClient = isWebSocket(protocol) && !how.incoming
    const origin = { sentBy: isClient ? this.unreachable() : this.sentBy(protocol, local), ...how }
    const flow = carrier.stream
      ? new StreamFlow(carrier.stream, origin, this.runtime.clock, handler)
      : new WebSocketFlow(carrier.webSocket, origin, this.runtime.clock, handler)
    this.flows.add(flow)
    this.sweep ??= this.runtime.clock.setTimer(this.idleMs / 2, () => this.closeIdle())
    return flow
  }

  /** Closes connections whose local address has gone with its interface: nothing else would tell for minutes. */
  networkChanged(): void {
    this.sources.forget()
    const own = new Set(this.runtime.network.interfaces().map(({ address }) => address))
    for (const flow of this.flows) if (!own.has(flow.local.address)) this.drop(flow)
  }

  /** A connection that leads nowhere; the next message opens another. A request that was given up would keep the peer waiting for
   *  an ACK if the line came back and it arrived after all. */
  drop(flow: Flow): void {
    if (!this.flows.has(flow)) return
    this.flows.remove(flow)
    flow.abort()
    this.onFlowClosed?.(flow)
  }

  /** The listening point that serves this local address, so that a peer can come back after the connection has gone. */
  private sentBy(protocol: Protocol, local: TransportAddress): TransportAddress {
    const family = addressFamily(local.address)
    const points = this.listening.flatMap((point) =>
      point.protocol === protocol ? point.listener.local : [],
    )
    const own =
      points.find(({ address }) => address === local.address) ??
      points.find(({ address }) => isWildcard(address) && addressFamily(address) >= family)
    return own ? { address: local.address, port: own.port } : local
  }

  /** What a WebSocket's client calls itself (RFC 7118 5.2): nobody can connect to it. */
  private unreachable(): TransportAddress {
    return { address: `${Buffer.from(this.runtime.random.bytes(6)).toString('hex')}.invalid`, port: 0 }
  }

  private closeIdle(): void {
    this.sweep = undefined
    const limit = this.runtime.clock.now() - this.idleMs
    for (const flow of this.flows) {
      if (flow.lastUsed > limit) continue
      this.flows.remove(flow)
      flow.close()
    }
    if (this.flows.size > 0) this.sweep = this.runtime.clock.setTimer(this.idleMs / 2, () => this.closeIdle())
  }

  // ---- all -------------------------------------------------------------------------------------------------------------

  private admits(data: Uint8Array, from: TransportAddress): boolean {
    const reason = this.door.refuses(data, from)
    if (reason !== undefined) this.onDropped?.(from, reason)
    return reason === undefined
  }

  /** Whatever is wrong with us, a message of a peer is never the end of the process. */
  private received(data: Uint8Array, flow: Flow): void {
    try {
      this.takeIn(data, flow)
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      this.onDropped?.(flow.remote, `internal error: ${problem}`)
    }
  }

  private takeIn(data: Uint8Array, flow: Flow): void {
    if (this.stopped) return
    const result = parseMessage(data)
    if ('problem' in result) {
      this.onDropped?.(flow.remote, result.problem)
      this.refuse(result, flow, data.length)
      return
    }
    const { message } = result
    if (message.kind === 'request') {
      if (this.flows.has(flow)) this.learn(message.topVia, flow)
      stampReceived(message, flow.remote)
    }
    this.onMessage?.(message, flow, data.length)
  }

  /** Where else the sender of a request is reached over its connection. */
  private learn(via: Via, flow: ConnectionFlow): void {
    const port = aliasPort(via)
    if (port !== undefined) this.flows.alias(flow, { address: flow.remote.address, port })
    if (isWebSocket(flow.protocol) && isUnreachableName(via.host)) this.flows.name(flow, via.host)
  }

  private refuse({ problem, status, request }: ParseProblem, flow: Flow, lengthBytes: number): void {
    if (!request) return
    const reason = {
      400: `Bad Request (${problem})`,
      505: 'Version Not Supported',
      513: 'Message Too Large',
    }[status]
    answerStateless(request, flow, lengthBytes, { status, reason })
  }
}

const closeCarrier = (carrier: Carrier): void => (carrier.stream ?? carrier.webSocket).close()

const areTwins = (a: Protocol, b: Protocol): boolean =>
  (a === 'udp' && b === 'tcp') || (a === 'tcp' && b === 'udp')
