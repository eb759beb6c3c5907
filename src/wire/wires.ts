// The shell under ICE, TURN and doctor: everything through which their datagrams travel. UDP sockets; TCP listeners (ICE-TCP
// passive, RFC 6544); connections that open on the first datagram sent on them, with framing, TLS, and an HTTP proxy on the way
// to TURN servers. Whatever a peer or the network does is told in a sentence and never thrown.
import { formatAddress, sameAddress, type TransportAddress } from '../runtime/address.ts'
import type { Datagram, Stream } from '../runtime/core.ts'
import type {
  Clock,
  Millis,
  Network,
  TcpConnection,
  TcpListener,
  UdpOptions,
  UdpSocket,
} from '../runtime/runtime.ts'
import { WireConnection } from './connection.ts'
import { rfc4571Framing, turnFraming } from './framing.ts'
import { connectThroughProxy, type HttpProxy } from './http-proxy.ts'

export interface WiresOptions {
  clock: Clock
  network: Network
  /** For connections to TURN servers. */
  proxy?: HttpProxy
  tls?: {
    /** Further authorities to trust, PEM. */
    ca?: string
    /** Default true. */
    verify?: boolean
  }
  /** For each step of opening a connection; default 10 s. */
  connectTimeoutMs?: Millis
  /** The name that the certificate of a TURN server must bear, where the datagram does not say it. */
  serverName?: (remote: TransportAddress) => string | undefined
}

/** The two ends of a connection and what it carries. */
export interface ConnectionEnds {
  local: TransportAddress
  remote: TransportAddress
  over: Stream
}

/** A caller waits for it; the RFCs name no limit. */
const defaultConnectTimeoutMs: Millis = 10_000
/** Between two tries of a simultaneous open. */
const againMs = [130, 210] as const
/** Who connects to us must send a first frame with STUN within this. */
const firstFrameTimeoutMs: Millis = 10_000
/** Connections that one listener holds: the peer's candidates, several of its addresses, and room for strangers. */
const maximumIncoming = 64

interface Listening {
  listener: TcpListener
  incoming: number
}

interface Wire {
  ends: ConnectionEnds
  connection: WireConnection
  /** Gives its place at the listener back, and waits for no first frame any more. */
  leave?: () => void
}

export class Wires {
  onDatagram: ((datagram: Datagram) => void) | undefined
  /** A connection could not be opened, or has ended. `reason` is one sentence. */
  onClosed: ((ends: ConnectionEnds, reason: string) => void) | undefined
  /** A UDP socket reports that something could not be sent or received. */
  onError: ((local: TransportAddress, error: Error) => void) | undefined
  private readonly sockets = new Map<string, UdpSocket>()
  private readonly listeners = new Map<string, Listening>()
  private readonly reserved = new Set<string>()
  private readonly connections = new Map<string, Wire>()
  /** The socket of the datagram before: seldom another one. */
  private last: UdpSocket | undefined
  private closed = false

  constructor(private readonly options: WiresOptions) {}

  /** Returns the address that was bound. Rejects with NetworkError. */
  async openUdp(bind: TransportAddress, options?: UdpOptions): Promise<TransportAddress> {
    const socket = await this.options.network.openUdp(bind, options)
    const { local } = socket
    if (this.closed) {
      socket.close()
      return local
    }
    this.sockets.set(formatAddress(local), socket)
    socket.onDatagram = (data, remote, arrivedAt) => this.onDatagram?.({ data, local, remote, arrivedAt })
    socket.onError = (error) => this.onError?.(local, error)
    return local
  }

  /** Returns the address that was bound. Rejects with NetworkError. */
  async listenTcp(bind: TransportAddress): Promise<TransportAddress> {
    const listener = await this.options.network.listenTcp(bind)
    const { local } = listener
    if (this.closed) {
      listener.close()
      return local
    }
    const listening: Listening = { listener, incoming: 0 }
    this.listeners.set(formatAddress(local), listening)
    listener.onConnection = (connection) => this.accept(local, listening, connection)
    return local
  }

  /** Takes a TCP port that connections to peers leave from who connect to it at the same time (RFC 6544 4.1). Nobody listens
   *  there: a kernel does not let a connection leave from where another socket listens. Rejects with NetworkError. */
  async reserveTcp(bind: TransportAddress): Promise<TransportAddress> {
    const listener = await this.options.network.listenTcp(bind)
    listener.close()
    this.reserved.add(formatAddress(listener.local))
    return listener.local
  }

  /** The socket bound to `local`, for media that needs no agent on its way. */
  udpSocket(local: TransportAddress): UdpSocket | undefined {
    if (this.last && sameAddress(this.last.local, local)) return this.last
    this.last = this.sockets.get(formatAddress(local))
    return this.last
  }

  /** Never throws; what cannot be sent is lost, as on any network. */
  transmit(datagram: Datagram): void {
    const { data, local, remote, over, departAt } = datagram
    if (over === undefined) this.udpSocket(local)?.send(data, remote, departAt)
    else this.connectionFor(datagram, over)?.send(data)
  }

  closeUdp(local: TransportAddress): void {
    const key = formatAddress(local)
    this.sockets.get(key)?.close()
    this.sockets.delete(key)
    this.last = undefined
  }

  /** Closes the connections from `local`, or the one to `remote`, without a call of `onClosed`. */
  closeConnections(local: TransportAddress, remote?: TransportAddress): void {
    for (const [key, { ends, connection, leave }] of this.connections) {
      if (!sameAddress(ends.local, local) || (remote && !sameAddress(ends.remote, remote))) continue
      this.connections.delete(key)
      connection.close()
      leave?.()
    }
  }

  /** Closes the listener and what has come in through it. */
  closeListener(local: TransportAddress): void {
    const key = formatAddress(local)
    this.listeners.get(key)?.listener.close()
    this.listeners.delete(key)
    this.closeConnections(local)
  }

  /** Everything; no handler is called any more. */
  close(): void {
    this.closed = true
    for (const socket of this.sockets.values()) socket.close()
    for (const { listener } of this.listeners.values()) listener.close()
    for (const { connection, leave } of this.connections.values()) {
      connection.close()
      leave?.()
    }
    this.sockets.clear()
    this.listeners.clear()
    this.connections.clear()
    this.last = undefined
    this.onDatagram = undefined
    this.onClosed = undefined
    this.onError = undefined
  }

  // ── connections ──────────────────────────────────────────────────────────────────────────────

  private connectionFor(datagram: Datagram, over: Stream): WireConnection | undefined {
    const { local, remote } = datagram
    const known = this.connections.get(keyOf(over, local, remote))
    if (known) return known.connection
    // Through a listener's address only those speak who have connected to it.
    if (this.closed || (over === 'tcp' && this.listeners.has(formatAddress(local)))) return undefined
    return this.add({ local, remote, over }, datagram)
  }

  private add(ends: ConnectionEnds, datagram: Datagram): WireConnection {
    const key = keyOf(ends.over, ends.local, ends.remote)
    const { local, remote, over } = ends
    const abort = new AbortController()
    const connection = new WireConnection(
      remote,
      over === 'tcp' ? rfc4571Framing : turnFraming,
      {
        onData: (data) => this.onDatagram?.({ data, local, remote, over }),
        onClosed: (reason) => {
          if (this.connections.get(key)?.connection === connection) this.connections.delete(key)
          this.onClosed?.(ends, reason)
        },
      },
      this.open(datagram, over, abort.signal),
      () => abort.abort(),
    )
    this.connections.set(key, { ends, connection })
    return connection
  }

  private get connectTimeoutMs(): Millis {
    return this.options.connectTimeoutMs ?? defaultConnectTimeoutMs
  }

  private async open(
    { local, remote, serverName, hostName }: Datagram,
    over: Stream,
    signal: AbortSignal,
  ): Promise<TcpConnection> {
    const { network, clock, proxy, tls = {} } = this.options
    const timeoutMs = this.connectTimeoutMs
    if (over === 'tcp' && this.reserved.has(formatAddress(local))) return this.openFrom(local, remote, signal)
    const isAnywhere = local.address === '0.0.0.0' || local.address === '::'
    const from = isAnywhere ? undefined : { address: local.address, port: 0 }
    const connection =
      proxy && over !== 'tcp'
        ? await connectThroughProxy(
            proxy,
            { ...remote, ...(hostName && { address: hostName }) },
            {
              network,
              clock,
              timeoutMs,
              tls,
              signal,
              ...(from && { from }),
            },
          )
        : await network.connectTcp(remote, { timeoutMs, signal, ...(from && { from }) })
    if (over !== 'turn-tls') return connection
    const name = serverName ?? this.options.serverName?.(remote) ?? remote.address
    return network.startTls(connection, { serverName: name, timeoutMs, ...tls })
  }

  /** Again and again: whoever comes before the other one is refused, or dropped by the other's firewall. The two ends pause for
   *  different times, lest they always miss each other. */
  private async openFrom(
    local: TransportAddress,
    remote: TransportAddress,
    signal: AbortSignal,
  ): Promise<TcpConnection> {
    const { network, clock } = this.options
    const until = clock.now() + this.connectTimeoutMs
    const pauseMs = againMs[formatAddress(local) < formatAddress(remote) ? 0 : 1]
    for (;;) {
      try {
        return await network.connectTcp(remote, { timeoutMs: until - clock.now(), from: local, signal })
      } catch (error) {
        if (signal.aborted || clock.now() + pauseMs >= until) throw error
        await new Promise<void>((done) => {
          const end = (): void => {
            timer.cancel()
            signal.removeEventListener('abort', end)
            done()
          }
          const timer = clock.setTimer(pauseMs, end)
          signal.addEventListener('abort', end)
        })
        if (signal.aborted) throw error
      }
    }
  }

  private accept(local: TransportAddress, listening: Listening, incoming: TcpConnection): void {
    if (this.closed || listening.incoming >= maximumIncoming) {
      incoming.close()
      return
    }
    const { remote } = incoming
    listening.incoming++
    let gone = false
    const leave = (): void => {
      if (gone) return
      gone = true
      listening.incoming--
      timer.cancel()
    }
    const ends: ConnectionEnds = { local, remote, over: 'tcp' }
    const key = keyOf('tcp', local, remote)
    const timer = this.options.clock.setTimer(firstFrameTimeoutMs, () => {
      connection.close()
      leave()
      if (this.connections.get(key)?.connection === connection) this.connections.delete(key)
    })
    const connection = new WireConnection(
      remote,
      rfc4571Framing,
      {
        onData: (data) => {
          timer.cancel()
          this.onDatagram?.({ data, local, remote, over: 'tcp' })
        },
        onClosed: (reason) => {
          leave()
          if (this.connections.get(key)?.connection === connection) this.connections.delete(key)
          if (connection.begun) this.onClosed?.(ends, reason)
        },
      },
      Promise.resolve(incoming),
    )
    this.connections.set(key, { ends, connection, leave })
  }
}

const keyOf = (over: Stream, local: TransportAddress, remote: TransportAddress): string =>
  `${over} ${formatAddress(local)} ${formatAddress(remote)}`
