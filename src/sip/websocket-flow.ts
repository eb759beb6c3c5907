// One WebSocket as a SIP flow (RFC 7118): a message in each frame, text or binary, and keep-alives by CRLF beside those of WebSocket
// itself. A client cannot be reached but over it: what it calls itself ends in ".invalid" (RFC 7118 5.2).
import type { Clock, WebSocketConnection } from '../runtime/runtime.ts'
import { CarriedFlow, type ConnectionHandler, type ConnectionOrigin } from './connection-flow.ts'

const CR = 0x0d
const LF = 0x0a
const ping = Uint8Array.of(CR, LF, CR, LF)
const pong = ping.subarray(2)

export class WebSocketFlow extends CarriedFlow {
  constructor(
    private readonly webSocket: WebSocketConnection,
    origin: ConnectionOrigin,
    clock: Clock,
    handler: ConnectionHandler,
  ) {
    super(webSocket.tls ? 'wss' : 'ws', webSocket, origin, clock, handler)
    webSocket.onMessage = (data) => {
      if (!this.open) return
      this.heard()
      if (!isKeepAlive(data)) this.receive(data)
      else if (data.length === 4) webSocket.send(pong)
      else this.pongs++
    }
  }

  ping(): void {
    this.send(ping)
  }

  protected write(data: Uint8Array): void {
    this.webSocket.send(data)
  }
}

/** RFC 7118 6, RFC 5626 3.5.1: line ends and nothing else. */
const isKeepAlive = (data: Uint8Array): boolean =>
  data.length <= 4 && data.every((octet) => octet === CR || octet === LF)
