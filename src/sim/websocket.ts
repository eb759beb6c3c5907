// A WebSocket in the simulated network: segments of simulated TCP keep their boundaries, so that each is a message. Left out: the
// handshake and everything that can go wrong with it.
import type { TcpConnection, WebSocketConnection } from '../runtime/runtime.ts'

export function virtualWebSocket(connection: TcpConnection): WebSocketConnection {
  const { local, remote, tls } = connection
  const socket: WebSocketConnection = {
    local,
    remote,
    tls,
    onMessage: undefined,
    onClose: undefined,
    send: (data) => connection.write(data),
    close: () => connection.close(),
    abort: () => connection.abort(),
  }
  connection.onClose = (error) => socket.onClose?.(error)
  connection.onData = (data) => socket.onMessage?.(data)
  return socket
}
