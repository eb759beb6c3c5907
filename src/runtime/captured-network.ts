// A Network whose traffic is told to somebody on its way, for capture files: datagrams as they are, connections by what is written
// and read, inside TLS and WebSockets too (there in the clear). Everything else is the network's own.
import type { TransportAddress } from './address.ts'
import type {
  Millis,
  Network,
  TcpConnection,
  TcpListener,
  UdpSocket,
  WebSocketConnection,
} from './runtime.ts'

export type Tap = (
  over: 'udp' | 'tcp',
  from: TransportAddress,
  to: TransportAddress,
  data: Uint8Array,
  /** It is encrypted on the wire. */
  isSecret: boolean,
) => void

export function capturedNetwork(network: Network, tap: Tap): Network {
  /** What a layer above is put on. */
  const inner = new WeakMap<TcpConnection, TcpConnection>()
  const bare = (connection: TcpConnection): TcpConnection => inner.get(connection) ?? connection

  const stream = (connection: TcpConnection): TcpConnection => {
    const captured = new CapturedConnection(connection, tap)
    inner.set(captured, connection)
    return captured
  }
  const listening = (listener: TcpListener): TcpListener => {
    let handler: TcpListener['onConnection']
    return {
      local: listener.local,
      get onConnection() {
        return handler
      },
      set onConnection(next) {
        handler = next
        listener.onConnection = next && ((connection) => next(stream(connection)))
      },
      close: () => listener.close(),
    }
  }

  return {
    ...(network.departureLeadMs !== undefined && { departureLeadMs: network.departureLeadMs }),
    interfaces: () => network.interfaces(),
    resolve: (host) => network.resolve(host),
    resolveAddresses: (host) => network.resolveAddresses(host),
    resolveSrv: (name) => network.resolveSrv(name),
    resolveNaptr: (name) => network.resolveNaptr(name),
    sourceAddressFor: (to) => network.sourceAddressFor(to),
    openUdp: async (...words) => new CapturedSocket(await network.openUdp(...words), network, tap),
    listenTcp: async (...words) => listening(await network.listenTcp(...words)),
    connectTcp: async (...words) => stream(await network.connectTcp(...words)),
    startTls: async (connection, options) => stream(await network.startTls(bare(connection), options)),
    listenTls: async (...words) => listening(await network.listenTls(...words)),
    openWebSocket: async (connection, options) =>
      messages(await network.openWebSocket(bare(connection), options), tap),
    acceptWebSocket: async (connection, options) =>
      messages(await network.acceptWebSocket(bare(connection), options), tap),
    withNameServers: (servers) => capturedNetwork(network.withNameServers(servers), tap),
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
      tap('udp', from, this.localFor(from), data, false)
      this.onDatagram?.(data, from, arrivedAt)
    }
    socket.onError = (error) => this.onError?.(error)
  }

  send(data: Uint8Array, to: TransportAddress, departAt?: Millis): void {
    this.tap('udp', this.localFor(to), to, data, false)
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
    private readonly connection: TcpConnection,
    private readonly tap: Tap,
  ) {
    this.local = connection.local
    this.remote = connection.remote
    connection.onClose = (error) => this.onClose?.(error)
  }

  get tls(): TcpConnection['tls'] {
    return this.connection.tls
  }

  get backlogBytes(): number {
    return this.connection.backlogBytes ?? 0
  }

  get onData(): TcpConnection['onData'] {
    return this.handler
  }

  /** Bytes wait below until there is a handler. */
  set onData(handler: TcpConnection['onData']) {
    this.handler = handler
    this.connection.onData =
      handler &&
      ((data) => {
        this.tap('tcp', this.remote, this.local, data, this.tls !== undefined)
        this.handler?.(data)
      })
  }

  write(data: Uint8Array): void {
    this.tap('tcp', this.local, this.remote, data, this.tls !== undefined)
    this.connection.write(data)
  }

  close(): void {
    this.connection.close()
  }

  abort(): void {
    this.connection.abort()
  }
}

/** The messages without their frames: Wireshark then sees SIP over TCP. */
function messages(socket: WebSocketConnection, tap: Tap): WebSocketConnection {
  const { local, remote } = socket
  const isSecret = socket.tls !== undefined
  let handler: WebSocketConnection['onMessage']
  let closed: WebSocketConnection['onClose']
  socket.onClose = (error) => closed?.(error)
  return {
    local,
    remote,
    tls: socket.tls,
    send: (data) => {
      tap('tcp', local, remote, data, isSecret)
      socket.send(data)
    },
    get onMessage() {
      return handler
    },
    set onMessage(next) {
      handler = next
      socket.onMessage =
        next &&
        ((data) => {
          tap('tcp', remote, local, data, isSecret)
          next(data)
        })
    },
    get onClose() {
      return closed
    },
    set onClose(next) {
      closed = next
    },
    close: () => socket.close(),
    abort: () => socket.abort(),
  }
}
