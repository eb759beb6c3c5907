// TCP by Node: connections, listeners, and what went wrong as one sentence (NetworkError). A connection may also be the inside
// of TLS (node-tls.ts); a layer above takes the socket out of it with `release`.
import { createServer, connect as netConnect, type Server, type Socket as StreamSocket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { NetworkError } from '../errors.ts'
import { formatAddress, plainAddress, type TransportAddress } from './address.ts'
import { ConnectionStream } from './connection-stream.ts'
import { bindError, errnoOf, zonedAddress } from './node-addresses.ts'
import type { Network, TcpConnection, TcpListener, TlsPeer } from './runtime.ts'

/** How long a closed connection may still flush what was written. */
const CLOSE_LINGER_MS = 2_000
export const CONNECT_TIMEOUT_MS = 10_000
/** What may wait for a peer that does not read; its connection is closed beyond that, before the memory is full. */
export const MAXIMUM_BACKLOG_BYTES = 4 * 1024 * 1024

export class NodeTcpConnection implements TcpConnection {
  onClose: TcpConnection['onClose']
  readonly local: TransportAddress
  readonly remote: TransportAddress
  private receive: TcpConnection['onData']
  private failure: Error | undefined

  /** @param explain makes a sentence of what ended it
   *  @param beneath TLS on a stream does not know its ends */
  constructor(
    private readonly socket: StreamSocket,
    readonly tls?: TlsPeer,
    explain: (error: Error) => Error = (error) => error,
    beneath?: TcpConnection,
  ) {
    this.local = beneath?.local ?? {
      address: plainAddress(socket.localAddress ?? ''),
      port: socket.localPort ?? 0,
    }
    this.remote = beneath?.remote ?? {
      address: plainAddress(socket.remoteAddress ?? ''),
      port: socket.remotePort ?? 0,
    }
    socket.setNoDelay(true)
    socket.on('data', (data) => this.receive?.(data))
    socket.on('error', (error) => {
      this.failure = explain(error)
    })
    socket.on('close', () => this.onClose?.(this.failure))
    socket.pause() // A stream loses nothing: bytes wait in the kernel until there is a handler.
  }

  get onData(): TcpConnection['onData'] {
    return this.receive
  }

  set onData(handler: TcpConnection['onData']) {
    this.receive = handler
    if (handler) this.socket.resume()
    else this.socket.pause()
  }

  get backlogBytes(): number {
    return this.socket.writableLength
  }

  /** Hands the socket over to another layer. */
  release(): StreamSocket {
    this.socket.removeAllListeners('data')
    this.socket.removeAllListeners('close')
    return this.socket
  }

  write(data: Uint8Array): void {
    if (!this.socket.writable) return
    this.socket.write(data)
    if (this.socket.writableLength <= MAXIMUM_BACKLOG_BYTES) return
    const at = formatAddress(this.remote)
    this.socket.destroy(
      new NetworkError(`TCP ${at} does not read what it is sent: the connection was closed`, at),
    )
  }

  close(): void {
    if (this.socket.destroyed) return
    this.socket.resume()
    this.socket.destroySoon()
    const linger = setTimeout(() => this.socket.destroy(), CLOSE_LINGER_MS)
    this.socket.once('close', () => clearTimeout(linger))
  }

  abort(): void {
    // TLS has no handle of its own to reset.
    if (this.socket instanceof TLSSocket) this.socket.destroy()
    else this.socket.resetAndDestroy()
  }
}

/** What TLS and WebSockets are put on: the socket, which no other layer has any more, or a stream where there is none of ours. */
export const socketOf = (connection: TcpConnection): StreamSocket | ConnectionStream =>
  connection instanceof NodeTcpConnection ? connection.release() : new ConnectionStream(connection)

export class NodeTcpListener implements TcpListener {
  onConnection: TcpListener['onConnection']
  readonly local: TransportAddress

  constructor(private readonly server: Server) {
    const bound = server.address() as { address: string; port: number }
    this.local = { address: plainAddress(bound.address), port: bound.port }
    // An accept() that fails (too many open files) costs that connection, not the listener.
    server.on('error', () => undefined)
  }

  accept(socket: StreamSocket, tls?: TlsPeer, beneath?: TcpConnection): void {
    if (this.onConnection) this.onConnection(new NodeTcpConnection(socket, tls, undefined, beneath))
    else socket.destroy()
  }

  close(): void {
    this.server.close()
  }
}

/** Binds a server of Node's. Rejects with NetworkError. */
export const listenWith = (server: Server, bind: TransportAddress): Promise<NodeTcpListener> =>
  new Promise((resolve, reject) => {
    const refuse = (error: unknown): void => reject(bindError('TCP', bind, error))
    server.once('error', refuse)
    try {
      server.listen({ port: bind.port, host: zonedAddress(bind.address) }, () => {
        server.off('error', refuse)
        resolve(new NodeTcpListener(server))
      })
    } catch (error) {
      refuse(error)
    }
  })

export const listenTcp: Network['listenTcp'] = async (bind) => {
  const server = createServer()
  const listener = await listenWith(server, bind)
  server.on('connection', (socket) => listener.accept(socket))
  return listener
}

export const connectTcp: Network['connectTcp'] = (to, options) =>
  new Promise((resolve, reject) => {
    const timeoutMs = options?.timeoutMs ?? CONNECT_TIMEOUT_MS
    const at = formatAddress(to)
    let socket: StreamSocket | undefined
    const { from, signal } = options ?? {}
    const abandon = (): void => refuse(`the connection to TCP ${at} was given up`)
    const refuse = (message: string, cause?: unknown): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abandon)
      socket?.destroy()
      reject(new NetworkError(message, at, { cause }))
    }
    const timer = setTimeout(
      () => refuse(`TCP ${at} did not answer within ${timeoutMs} ms: check address, port and firewall`),
      timeoutMs,
    )
    const failed = (error: unknown): void => {
      const code = errnoOf(error)
      if (code === 'ECONNREFUSED')
        refuse(`TCP ${at} refused the connection: check the port and that the server runs`, error)
      else refuse(`cannot connect to TCP ${at} (${code}): check the address and the route to it`, error)
    }
    try {
      signal?.addEventListener('abort', abandon)
      const bind = from && { localAddress: zonedAddress(from.address), localPort: from.port }
      const connecting = netConnect({ host: to.address, port: to.port, ...bind })
      socket = connecting
      connecting.once('error', failed)
      connecting.once('connect', () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abandon)
        connecting.off('error', failed)
        resolve(new NodeTcpConnection(connecting))
      })
    } catch (error) {
      failed(error)
    }
  })
