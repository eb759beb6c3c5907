// A Network whose traffic is told to somebody on its way, for capture files: what passes the sockets, and the secrets of TLS
// that open it. Everything else is the network's own.
import type { TransportAddress } from './address.ts'
import type { Millis, Network, TcpConnection, TcpListener, UdpSocket } from './runtime.ts'

export interface Tap {
  /** @param at when it came, or leaves; now where that is not known */
  packet(
    over: 'udp' | 'tcp',
    from: TransportAddress,
    to: TransportAddress,
    data: Uint8Array,
    at?: Millis,
  ): void
  /** A line of SSLKEYLOGFILE. */
  secret(line: Uint8Array): void
}

/** Peers of a socket that listens everywhere whose way is kept in mind. */
const mostSources = 1_024

export function capturedNetwork(network: Network, tap: Tap): Network {
  const captured = (connection: TcpConnection): TcpConnection => new CapturedConnection(connection, tap)
  const onSecret = (line: Uint8Array): void => tap.secret(line)
  return {
    ...(network.departureLeadMs !== undefined && { departureLeadMs: network.departureLeadMs }),
    interfaces: () => network.interfaces(),
    resolve: (host) => network.resolve(host),
    resolveAddresses: (host) => network.resolveAddresses(host),
    resolveSrv: (name) => network.resolveSrv(name),
    resolveNaptr: (name) => network.resolveNaptr(name),
    sourceAddressFor: (to) => network.sourceAddressFor(to),
    openUdp: async (...words) => new CapturedSocket(await network.openUdp(...words), network, tap),
    listenTcp: async (bind) => capturedListener(await network.listenTcp(bind), captured),
    connectTcp: async (...words) => captured(await network.connectTcp(...words)),
    startTls: (connection, options) => network.startTls(connection, { ...options, onSecret }),
    listenTls: (bind, options) => network.listenTls(bind, { ...options, onSecret, beneath: captured }),
    openWebSocket: (connection, options) => network.openWebSocket(connection, options),
    acceptWebSocket: (connection, options) => network.acceptWebSocket(connection, options),
    withNameServers: (servers) => capturedNetwork(network.withNameServers(servers), tap),
  }
}

function capturedListener(
  listener: TcpListener,
  captured: (connection: TcpConnection) => TcpConnection,
): TcpListener {
  let handler: TcpListener['onConnection']
  return {
    local: listener.local,
    get onConnection() {
      return handler
    },
    set onConnection(next) {
      handler = next
      listener.onConnection = next && ((connection) => next(captured(connection)))
    },
    close: () => listener.close(),
  }
}

class CapturedSocket implements UdpSocket {
  onDatagram: UdpSocket['onDatagram']
  onError: UdpSocket['onError']
  readonly local: TransportAddress
  /** Of a socket that listens everywhere: from where that address is reached. */
  private readonly sources = new Map<string, string>()

  constructor(
    private readonly socket: UdpSocket,
    private readonly network: Network,
    private readonly tap: Tap,
  ) {
    this.local = socket.local
    socket.onDatagram = (data, from, arrivedAt) => {
      tap.packet('udp', from, this.localFor(from), data, arrivedAt)
      this.onDatagram?.(data, from, arrivedAt)
    }
    socket.onError = (error) => this.onError?.(error)
  }

  send(data: Uint8Array, to: TransportAddress, departAt?: Millis): void {
    this.tap.packet('udp', this.localFor(to), to, data, departAt)
    this.socket.send(data, to, departAt)
  }

  close(): void {
    this.socket.close()
  }

  private localFor({ address }: TransportAddress): TransportAddress {
    const { local } = this
    if (local.address !== '0.0.0.0' && local.address !== '::') return local
    const known = this.sources.get(address)
    if (known === undefined) {
      if (this.sources.size >= mostSources) this.sources.clear()
      this.sources.set(address, local.address)
      void this.network.sourceAddressFor({ address, port: 9 }).then(
        (source) => void (source !== undefined && this.sources.set(address, source)),
        () => undefined,
      )
    }
    return { address: known ?? local.address, port: local.port }
  }
}

class CapturedConnection implements TcpConnection {
  onClose: TcpConnection['onClose']
  readonly local: TransportAddress
  readonly remote: TransportAddress
  private handler: TcpConnection['onData']

  constructor(
    readonly inner: TcpConnection,
    private readonly tap: Tap,
  ) {
    this.local = inner.local
    this.remote = inner.remote
    inner.onClose = (error) => this.onClose?.(error)
  }

  get tls(): TcpConnection['tls'] {
    return this.inner.tls
  }

  get backlogBytes(): number {
    return this.inner.backlogBytes ?? 0
  }

  get onData(): TcpConnection['onData'] {
    return this.handler
  }

  /** Bytes wait below until there is a handler. */
  set onData(handler: TcpConnection['onData']) {
    this.handler = handler
    this.inner.onData =
      handler &&
      ((data) => {
        this.tap.packet('tcp', this.remote, this.local, data)
        this.handler?.(data)
      })
  }

  write(data: Uint8Array): void {
    this.tap.packet('tcp', this.local, this.remote, data)
    this.inner.write(data)
  }

  close(): void {
    this.inner.close()
  }

  abort(): void {
    this.inner.abort()
  }
}
