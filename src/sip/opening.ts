// The layers of a connection, from the bottom: TCP, TLS for tls and wss, WebSocket for ws and wss; as the end that connects, and as
// the one that is connected to.
import { NetworkError } from '../errors.ts'
import type { Millis, Network, TcpConnection, TcpListener, WebSocketConnection } from '../runtime/runtime.ts'
import { type Hop, isSecure, isWebSocket, type ListeningPoint } from './flow.ts'
import { maximumMessageBytes } from './message.ts'
import { clientTls, serverTls, type TlsSettings } from './tls-settings.ts'
import { formatHost } from './uri.ts'

/** What carries messages: a stream that is cut into them, or a WebSocket whose frames are. */
export type Carrier =
  | { readonly stream: TcpConnection; readonly webSocket?: never }
  | { readonly webSocket: WebSocketConnection; readonly stream?: never }

/** Where Asterisk has it, and others follow. */
const defaultWebSocketPath = '/ws'
/** RFC 7118 4.1. */
const subprotocol = 'sip'
/** WebSockets that whoever has connected has not opened yet. */
const maximumHandshakes = 256

/** Rejects with NetworkError, or UsageError where our own certificate is none. */
export async function openCarrier(
  network: Network,
  hop: Hop,
  settings: TlsSettings,
  timeoutMs: Millis,
): Promise<Carrier> {
  const { protocol, address, port, serverName = address, path = defaultWebSocketPath } = hop
  let connection = await network.connectTcp({ address, port }, { timeoutMs })
  if (isSecure(protocol))
    connection = await network.startTls(connection, { ...clientTls(settings, serverName), timeoutMs })
  if (!isWebSocket(protocol)) return { stream: connection }
  const host = `${formatHost(serverName)}:${port}`
  const options = { host, path, subprotocol, maximumMessageBytes, timeoutMs }
  return { webSocket: await network.openWebSocket(connection, options) }
}

/** @param onDropped of a connection that came to nothing
 *  Rejects with NetworkError, or UsageError where TLS lacks a certificate. */
export async function listenForCarriers(
  network: Network,
  { protocol, address, port }: ListeningPoint,
  settings: TlsSettings,
  timeoutMs: Millis,
  onCarrier: (carrier: Carrier) => void,
  onDropped: (connection: TcpConnection, reason: string) => void,
): Promise<TcpListener> {
  const bind = { address, port }
  const listener = await (isSecure(protocol)
    ? network.listenTls(bind, { ...serverTls(settings), timeoutMs })
    : network.listenTcp(bind))
  let handshakes = 0
  listener.onConnection = (connection) => {
    if (!isWebSocket(protocol)) {
      onCarrier({ stream: connection })
      return
    }
    if (handshakes >= maximumHandshakes) {
      onDropped(connection, 'too many WebSockets that are not open yet')
      connection.close()
      return
    }
    handshakes++
    network
      .acceptWebSocket(connection, { subprotocol, maximumMessageBytes, timeoutMs })
      .then(
        (webSocket) => onCarrier({ webSocket }),
        (error: unknown) =>
          onDropped(connection, error instanceof NetworkError ? error.message : String(error)),
      )
      .finally(() => handshakes--)
  }
  return listener
}
