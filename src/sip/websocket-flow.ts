// One WebSocket as a SIP flow (RFC 7118): a message in each frame, text or binary, and keep-alives by CRLF beside those of WebSocket
// itself. A client cannot be reached but over it: what it calls itself ends in ".invalid" (RFC 7118 5.2).
import type { TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis, Timer, TlsPeer, WebSocketConnection } from '../runtime/runtime.ts'
import {
  type ConnectionFlow,
  type ConnectionHandler,
  type ConnectionOrigin,
  messageTimeoutMs,
} from './connection-flow.ts'

const CR = 0x0d
const LF = 0x0a
const ping = Uint8Array.of(CR, LF, CR, LF)
const pong = ping.subarray(2)

export class WebSocketFlow implements ConnectionFlow {
  readonly protocol: 'ws' | 'wss'
  readonly local: TransportAddress
  readonly remote: TransportAddress
  readonly sentBy: TransportAddress
  readonly serverName: string | undefined
  readonly incoming: boolean
  readonly tls: TlsPeer | undefined
  open = true
  lastUsed: Millis
  heardAt: Millis
  pongs = 0
  /** Runs until the first message of whoever has connected. */
  private patience: Timer | undefined

  constructor(
    private readonly connection: WebSocketConnection,
    origin: ConnectionOrigin,
    private readonly clock: Clock,
    handler: ConnectionHandler,
  ) {
    this.protocol = connection.tls ? 'wss' : 'ws'
    this.local = connection.local
    this.remote = connection.remote
    this.tls = connection.tls
    this.sentBy = origin.sentBy
    this.serverName = origin.serverName
    this.incoming = origin.incoming
    this.lastUsed = clock.now()
    this.heardAt = this.lastUsed
    if (origin.incoming)
      this.patience = clock.setTimer(messageTimeoutMs, () => {
        handler.onBroken(`no message within ${messageTimeoutMs / 1000} s`, this)
        this.close()
      })
    connection.onClose = (error) => {
      this.patience?.cancel()
      this.open = false
      handler.onClosed(this, error)
    }
    connection.onMessage = (data) => {
      if (!this.open) return
      this.lastUsed = clock.now()
      this.heardAt = this.lastUsed
      if (isKeepAlive(data)) {
        if (data.length === 4) connection.send(pong)
        else this.pongs++
        return
      }
      this.patience?.cancel()
      handler.onMessage(data, this)
    }
  }

  send(data: Uint8Array): void {
    this.lastUsed = this.clock.now()
    if (this.open) this.connection.send(data)
  }

  ping(): void {
    this.send(ping)
  }

  close(): void {
    this.patience?.cancel()
    this.open = false
    this.connection.close()
  }

  abort(): void {
    this.patience?.cancel()
    this.open = false
    this.connection.abort()
  }
}

/** RFC 7118 6, RFC 5626 3.5.1: line ends and nothing else. */
const isKeepAlive = (data: Uint8Array): boolean =>
  data.length <= 4 && data.every((octet) => octet === CR || octet === LF)
