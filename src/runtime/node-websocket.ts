// WebSocket (RFC 6455) by the package "ws", on a connection that is open already, TCP or TLS, as client or as server. Messages are
// never compressed: SIP's are small. Whatever prevents it is told in one sentence. Leaves out: cookies, redirects, proxies.
import { isUtf8 } from 'node:buffer'
import { createServer, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { NetworkError } from '../errors.ts'
import { formatAddress, type TransportAddress } from './address.ts'
import { errnoOf } from './node-addresses.ts'
import { CONNECT_TIMEOUT_MS, MAXIMUM_BACKLOG_BYTES, socketOf } from './node-tcp.ts'
import type { Network, TcpConnection, TlsPeer, WebSocketConnection } from './runtime.ts'

/** How long the other end may take to say that it closes too. */
const CLOSE_LINGER_MS = 2_000

class NodeWebSocketConnection implements WebSocketConnection {
  onMessage: WebSocketConnection['onMessage']
  onClose: WebSocketConnection['onClose']
  readonly local: TransportAddress
  readonly remote: TransportAddress
  readonly tls: TlsPeer | undefined
  private failure: Error | undefined

  constructor(
    private readonly socket: WebSocket,
    { local, remote, tls }: TcpConnection,
  ) {
    this.local = local
    this.remote = remote
    this.tls = tls
    socket.binaryType = 'nodebuffer'
    socket.on('message', (data) => this.onMessage?.(data as Buffer))
    // Answered by ws; who asks without end and does not read would fill the memory.
    socket.on('ping', () => this.limitBacklog())
    // What breaks the protocol is answered by ws with a close frame; that the other end answers it is not waited for in vain.
    socket.on('error', (error) => {
      this.failure = error
      this.close()
    })
    socket.on('close', () => this.onClose?.(this.failure))
  }

  send(data: Uint8Array): void {
    if (this.socket.readyState !== WebSocket.OPEN) return
    this.socket.send(data, { binary: !isUtf8(data) })
    this.limitBacklog()
  }

  close(): void {
    this.socket.close(1000)
    const linger = setTimeout(() => this.socket.terminate(), CLOSE_LINGER_MS)
    this.socket.once('close', () => clearTimeout(linger))
  }

  abort(): void {
    this.socket.terminate()
  }

  private limitBacklog(): void {
    if (this.socket.bufferedAmount <= MAXIMUM_BACKLOG_BYTES) return
    const at = formatAddress(this.remote)
    this.failure = new NetworkError(`WebSocket ${at} does not read what it is sent: it was closed`, at)
    this.socket.terminate()
  }
}

// ---- client ------------------------------------------------------------------------------------------------------------

export const openWebSocket: Network['openWebSocket'] = (connection, options) =>
  new Promise((resolve, reject) => {
    const { host, path, subprotocol, maximumMessageBytes, timeoutMs = CONNECT_TIMEOUT_MS } = options
    const { tls, remote } = connection
    const at = `${tls ? 'wss' : 'ws'}://${host}${path}`
    const socket = socketOf(connection)
    const client = new WebSocket(at, [subprotocol], {
      createConnection: () => socket,
      maxPayload: maximumMessageBytes,
      perMessageDeflate: false,
    })
    socket.resume()
    const timer = setTimeout(
      () => fail(`${at} did not open the WebSocket within ${timeoutMs} ms: check port and path`),
      timeoutMs,
    )
    const fail = (message: string, cause?: unknown): void => {
      clearTimeout(timer)
      client.off('error', failed)
      // What it still says of itself is not news.
      client.on('error', () => undefined)
      client.terminate()
      socket.destroy()
      reject(new NetworkError(message, formatAddress(remote), { cause }))
    }
    const failed = (error: Error): void => fail(openingProblem(at, error, subprotocol), error)
    client.once('error', failed)
    client.once('unexpected-response', (_request, response) =>
      fail(responseProblem(at, response.statusCode ?? 0, path)),
    )
    client.once('open', () => {
      clearTimeout(timer)
      client.off('error', failed)
      resolve(new NodeWebSocketConnection(client, connection))
    })
  })

function responseProblem(at: string, status: number, path: string): string {
  const said = `${at} answered ${status} ${STATUS_CODES[status] ?? ''}`.trimEnd()
  switch (status) {
    case 404:
      return `${said}: there is no WebSocket at ${path}, name the path as in ${at.replace(/\/[^/]*$/, '/ws')}`
    case 400:
    case 426:
      return `${said}: its port speaks HTTP and no SIP over WebSocket, or wants wss instead of ws; check port and path`
    case 401:
    case 403:
      return `${said}: it lets nobody in from here; check what it asks of its clients`
  }
  if (status >= 300 && status < 400) return `${said}: it has moved; name its new address`
  return `${said} and opens no WebSocket: check port and path`
}

function openingProblem(at: string, error: Error, subprotocol: string): string {
  const { message } = error
  const code = errnoOf(error)
  if (/subprotocol/.test(message))
    return `${at} is a WebSocket that does not speak "${subprotocol}": check port and path`
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return `${at} closed the connection before the WebSocket was open: check the port, and whether it wants wss`
  return `${at} does not speak WebSocket (${code.startsWith('HPE_') ? 'no HTTP' : message}): check the port`
}

// ---- server ------------------------------------------------------------------------------------------------------------

interface Opening {
  connection: TcpConnection
  options: Parameters<Network['acceptWebSocket']>[1]
  resolve(connection: WebSocketConnection): void
}

const openings = new WeakMap<Duplex, Opening>()

/** Reads the handshakes; it listens nowhere. */
const handshakes = createServer((_request, response) => {
  const headers = { Connection: 'close', Upgrade: 'websocket', 'Content-Type': 'text/plain' }
  response.writeHead(426, headers).end('SIP over WebSocket (RFC 7118) is spoken here, and nothing else.\n')
})
handshakes.on('clientError', (_error, socket) => socket.destroy())
handshakes.on('upgrade', (request, socket, head) => {
  const opening = openings.get(socket)
  if (!opening) {
    socket.destroy()
    return
  }
  const { subprotocol, maximumMessageBytes } = opening.options
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  if (!offered.includes(subprotocol)) {
    const reason = `the subprotocol "${subprotocol}" was not offered`
    socket.end(
      `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\nX-Reason: ${reason}\r\n\r\n`,
    )
    return
  }
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maximumMessageBytes,
    handleProtocols: () => subprotocol,
  })
  server.handleUpgrade(request, socket, head, (client) =>
    opening.resolve(new NodeWebSocketConnection(client, opening.connection)),
  )
})

export const acceptWebSocket: Network['acceptWebSocket'] = (connection, options) =>
  new Promise((resolve, reject) => {
    const at = formatAddress(connection.remote)
    const socket = socketOf(connection)
    const fail = (): void => {
      clearTimeout(timer)
      socket.destroy()
      reject(new NetworkError(`${at} connected and opened no WebSocket`, at))
    }
    const timer = setTimeout(fail, options.timeoutMs ?? CONNECT_TIMEOUT_MS)
    socket.once('close', fail)
    openings.set(socket, {
      connection,
      options,
      resolve: (opened) => {
        clearTimeout(timer)
        socket.off('close', fail)
        resolve(opened)
      },
    })
    handshakes.emit('connection', socket)
    socket.resume()
  })
