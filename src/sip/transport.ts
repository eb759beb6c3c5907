// SIP transport (RFC 3261 18) over Runtime.network: several UDP and TCP listening points at once, connections reused per
// remote address and closed when idle, received/rport stamped (RFC 3581), malformed requests answered without state.
// Leaves out: retransmission and transactions (above), TLS and WebSocket (to come, as further kinds of flow).
import { NetworkError } from '../errors.ts'
import { addressFamily, formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Runtime, TcpConnection, TcpListener, Timer, UdpSocket } from '../runtime/runtime.ts'
import { Door } from './door.ts'
import type { Flow, Hop, ListeningPoint, Protocol } from './flow.ts'
import { type ParseProblem, parseMessage, type SipMessage } from './message.ts'
import { SourceAddresses } from './source-addresses.ts'
import { answerStateless } from './stateless.ts'
import { TcpFlow } from './tcp-flow.ts'
import { stampReceived } from './via.ts'

export interface TransportOptions {
  /** What may come in; with the default rate limit where absent. */
  door?: Door
  /** A TCP connection without traffic for so long is closed. RFC 3261 18 asks for 32 s at least. */
  idleMs?: number
  connectTimeoutMs?: number
}

const defaultIdleMs = 600_000
const defaultConnectTimeoutMs = 5_000
const maximumConnections = 4_096
/** Rides out a pause of the process at thousands of datagrams a second. */
const receiveBufferBytes = 4 * 1024 * 1024

const isWildcard = (address: string): boolean => address === '0.0.0.0' || address === '::'

class UdpFlow implements Flow {
  readonly protocol = 'udp'
  readonly open = true
  constructor(
    private readonly socket: UdpSocket,
    readonly remote: TransportAddress,
    readonly sentBy: TransportAddress,
  ) {}
  get local(): TransportAddress {
    return this.socket.local
  }
  send(data: Uint8Array): void {
    this.socket.send(data, this.remote)
  }
}

export class SipTransport {
  /** Requests have received and rport stamped. */
  onMessage: ((message: SipMessage, flow: Flow, lengthBytes: number) => void) | undefined
  onFlowClosed: ((flow: Flow, error?: Error) => void) | undefined
  /** UDP datagrams that are no SIP but may be STUN (RFC 8489 5: the first two bits are 0). */
  onForeignDatagram: ((data: Uint8Array, flow: Flow) => void) | undefined
  onDropped: ((remote: TransportAddress, reason: string) => void) | undefined

  private readonly sockets: UdpSocket[] = []
  private readonly listeners: TcpListener[] = []
  private readonly connections = new Map<string, TcpFlow>()
  private readonly connecting = new Map<string, Promise<Flow>>()
  private readonly door: Door
  private readonly sources: SourceAddresses
  private readonly idleMs: number
  private readonly connectTimeoutMs: number
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
  }

  /** Opens every point or none. Rejects with NetworkError. Returns the points with their real ports. */
  async start(points: readonly ListeningPoint[]): Promise<ListeningPoint[]> {
    const bound: ListeningPoint[] = []
    try {
      for (const point of points) {
        // One port for both protocols: whoever has to switch from UDP to TCP finds us there (RFC 3261 18.1.1).
        const twin =
          point.port === 0
            ? bound.find((other, i) => other.address === point.address && points[i]!.port === 0)
            : undefined
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
      protocol === 'udp' ? this.openUdp({ address, port: at }) : this.listenTcp({ address, port: at })
    if (rather === undefined) return { protocol, ...(await open(port)) }
    // Somebody else may have that port of the other protocol; any one will do then.
    return { protocol, ...(await open(rather).catch(() => open(port))) }
  }

  stop(): void {
    this.stopped = true
    this.sweep?.cancel()
    for (const socket of this.sockets.splice(0)) socket.close()
    for (const listener of this.listeners.splice(0)) listener.close()
    for (const flow of this.connections.values()) flow.close()
    this.connections.clear()
  }

  /** Whether there is a listening point that serves that family. */
  readonly reaches = (protocol: Protocol, family: 4 | 6): boolean =>
    protocol === 'udp'
      ? this.socketsFor(family).length > 0
      : this.listeners.some(({ local }) => addressFamily(local.address) === family || local.address === '::')

  /** The flow to a hop. Throws, or rejects with, NetworkError. A promise where a connection or a lookup is needed. */
  flowTo(hop: Hop): Flow | Promise<Flow> {
    if (hop.flow?.open && hop.flow.protocol === hop.protocol) return hop.flow
    const remote = { address: hop.address, port: hop.port }
    return hop.protocol === 'udp' ? this.udpFlowTo(remote) : this.tcpFlowTo(remote)
  }

  /** The open connection with that remote end, whoever made it. */
  connectionTo(remote: TransportAddress): Flow | undefined {
    return this.connections.get(formatAddress(remote))
  }

  /** The flow between the listening point that peers know as `sentBy` and that remote end; undefined where its connection, or
   *  the point, has gone. */
  standingFlow(protocol: Protocol, sentBy: TransportAddress, remote: TransportAddress): Flow | undefined {
    if (protocol === 'tcp') return this.connectionTo(remote)
    const socket = this.sockets.find(
      ({ local }) =>
        local.port === sentBy.port && (local.address === sentBy.address || isWildcard(local.address)),
    )
    return socket && new UdpFlow(socket, remote, sentBy)
  }

  /** The same UDP socket towards another address: where a response goes when the request came from elsewhere than its Via says. */
  sameSocket(flow: Flow, remote: TransportAddress): Flow {
    const socket = this.sockets.find((candidate) => candidate.local === flow.local)
    return socket ? new UdpFlow(socket, remote, flow.sentBy) : flow
  }

  /** A local address as peers at `remote` see it: the listening point that serves them. For Contact and SDP. */
  async localAddressFor(protocol: Protocol, remote: TransportAddress): Promise<TransportAddress> {
    if (protocol === 'udp') return (await this.udpFlowTo(remote)).sentBy
    const address =
      (await this.sources.lookUp(remote)) ?? (addressFamily(remote.address) === 4 ? '127.0.0.1' : '::1')
    return this.tcpSentBy({ address, port: 0 })
  }

  // ---- UDP -------------------------------------------------------------------------------------------------------------

  private async openUdp(bind: TransportAddress): Promise<TransportAddress> {
    const socket = await this.runtime.network.openUdp(bind, { receiveBufferBytes })
    this.sockets.push(socket)
    socket.onDatagram = (data, from) => this.datagram(socket, data, from)
    socket.onError = (error) => this.onDropped?.(socket.local, `UDP error: ${error.message}`)
    return socket.local
  }

  private datagram(socket: UdpSocket, data: Uint8Array, from: TransportAddress): void {
    if (!this.admits(data, from)) return
    const first = data[0]
    if (first === undefined) return
    if (first < 0x04 && this.onForeignDatagram) {
      this.onForeignDatagram(data, new UdpFlow(socket, from, socket.local))
      return
    }
    // Keep-alives of older devices: line ends or a few octets of nothing.
    if (data.length <= 4) return
    if (!isWildcard(socket.local.address)) {
      this.received(data, new UdpFlow(socket, from, socket.local))
      return
    }
    const source = this.sources.known(from)
    const deliver = (address: string | undefined): void =>
      this.received(
        data,
        new UdpFlow(socket, from, { address: address ?? from.address, port: socket.local.port }),
      )
    if (source !== undefined) deliver(source)
    else if (this.sources.busy) this.onDropped?.(from, 'too many new sources at once')
    else void this.sources.lookUp(from).then(deliver)
  }

  private socketsFor(family: 4 | 6): UdpSocket[] {
    const fitting = this.sockets.filter((socket) => addressFamily(socket.local.address) === family)
    if (fitting.length > 0 || family === 6) return fitting
    return this.sockets.filter((socket) => socket.local.address === '::')
  }

  private udpFlowTo(remote: TransportAddress): Flow | Promise<Flow> {
    const sockets = this.socketsFor(addressFamily(remote.address))
    const only = sockets[0]
    if (!only)
      throw new NetworkError(
        `cannot send UDP to ${formatAddress(remote)}: no UDP listening point of that IP version; add one`,
        formatAddress(remote),
      )
    if (sockets.length === 1 && !isWildcard(only.local.address)) return new UdpFlow(only, remote, only.local)
    const choose = (source: string | undefined): Flow => {
      const socket =
        sockets.find((candidate) => candidate.local.address === source) ??
        sockets.find((candidate) => isWildcard(candidate.local.address)) ??
        only
      const address = isWildcard(socket.local.address) ? source : socket.local.address
      if (address === undefined)
        throw new NetworkError(
          `no route to ${formatAddress(remote)}: check the address`,
          formatAddress(remote),
        )
      return new UdpFlow(socket, remote, { address, port: socket.local.port })
    }
    const known = this.sources.known(remote)
    return known === undefined ? this.sources.lookUp(remote).then(choose) : choose(known)
  }

  // ---- TCP -------------------------------------------------------------------------------------------------------------

  private async listenTcp(bind: TransportAddress): Promise<TransportAddress> {
    const listener = await this.runtime.network.listenTcp(bind)
    this.listeners.push(listener)
    listener.onConnection = (connection) => {
      if (this.connections.size < maximumConnections) this.adopt(connection)
      else {
        this.onDropped?.(connection.remote, 'too many connections')
        connection.close()
      }
    }
    return listener.local
  }

  private tcpFlowTo(remote: TransportAddress): Flow | Promise<Flow> {
    const key = formatAddress(remote)
    const existing = this.connections.get(key) ?? this.connecting.get(key)
    if (existing) return existing
    const connecting = this.runtime.network
      .connectTcp(remote, { timeoutMs: this.connectTimeoutMs })
      .then((connection) => {
        if (!this.stopped) return this.adopt(connection)
        connection.close()
        throw new NetworkError(`connection to ${key} was no longer wanted: the transport has stopped`, key)
      })
      .finally(() => this.connecting.delete(key))
    this.connecting.set(key, connecting)
    return connecting
  }

  private adopt(connection: TcpConnection): TcpFlow {
    const key = formatAddress(connection.remote)
    const flow = new TcpFlow(connection, this.tcpSentBy(connection.local), this.runtime.clock, {
      onMessage: (data, from) => {
        if (this.admits(data, from.remote)) this.received(data, from)
      },
      onBroken: (reason, from) => this.onDropped?.(from.remote, `connection closed: ${reason}`),
      onClosed: (closed, error) => {
        if (this.connections.get(key) === closed) this.connections.delete(key)
        this.onFlowClosed?.(closed, error)
      },
    })
    this.connections.set(key, flow)
    this.sweep ??= this.runtime.clock.setTimer(this.idleMs / 2, () => this.closeIdle())
    return flow
  }

  /** Closes connections whose local address has gone with its interface: nothing else would tell for minutes. */
  networkChanged(): void {
    this.sources.forget()
    const own = new Set(this.runtime.network.interfaces().map(({ address }) => address))
    for (const flow of [...this.connections.values()]) if (!own.has(flow.local.address)) this.drop(flow)
  }

  /** A connection that leads nowhere; the next message opens another. A request that was given up would keep the peer waiting for
   *  an ACK if the line came back and it arrived after all. */
  drop(flow: Flow): void {
    const key = formatAddress(flow.remote)
    const known = this.connections.get(key)
    if (!known || known !== flow) return
    this.connections.delete(key)
    known.abort()
    this.onFlowClosed?.(known)
  }

  /** The listening point that serves this local address, so that a peer can come back after the connection has gone. */
  private tcpSentBy(local: TransportAddress): TransportAddress {
    const family = addressFamily(local.address)
    const listener =
      this.listeners.find((candidate) => candidate.local.address === local.address) ??
      this.listeners.find(({ local: { address } }) => isWildcard(address) && addressFamily(address) >= family)
    return listener ? { address: local.address, port: listener.local.port } : local
  }

  private closeIdle(): void {
    this.sweep = undefined
    const limit = this.runtime.clock.now() - this.idleMs
    for (const [key, flow] of this.connections) {
      if (flow.lastUsed > limit) continue
      this.connections.delete(key)
      flow.close()
    }
    if (this.connections.size > 0)
      this.sweep = this.runtime.clock.setTimer(this.idleMs / 2, () => this.closeIdle())
  }

  // ---- both ------------------------------------------------------------------------------------------------------------

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
    if (result.message.kind === 'request') stampReceived(result.message, flow.remote)
    this.onMessage?.(result.message, flow, data.length)
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
