// One TCP connection as a SIP flow: framing, keep-alive answers (RFC 5626 4.4.1), time of last use.
import type { TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis, TcpConnection } from '../runtime/runtime.ts'
import type { Flow } from './flow.ts'
import { MessageFramer } from './framing.ts'

const pong = Uint8Array.of(0x0d, 0x0a)

export interface TcpFlowHandler {
  onMessage(data: Uint8Array, flow: TcpFlow): void
  /** The stream cannot be followed; the flow closes itself. */
  onBroken(reason: string, flow: TcpFlow): void
  onClosed(flow: TcpFlow, error?: Error): void
}

export class TcpFlow implements Flow {
  readonly protocol = 'tcp'
  readonly local: TransportAddress
  readonly remote: TransportAddress
  open = true
  lastUsed: Millis

  constructor(
    private readonly connection: TcpConnection,
    readonly sentBy: TransportAddress,
    private readonly clock: Clock,
    handler: TcpFlowHandler,
  ) {
    this.local = connection.local
    this.remote = connection.remote
    this.lastUsed = clock.now()
    const framer = new MessageFramer({
      onMessage: (data) => handler.onMessage(data, this),
      onPing: () => connection.write(pong),
    })
    connection.onClose = (error) => {
      this.open = false
      handler.onClosed(this, error)
    }
    connection.onData = (data) => {
      if (!this.open) return
      this.lastUsed = clock.now()
      const broken = framer.push(data)
      if (broken === undefined) return
      handler.onBroken(broken, this)
      this.close()
    }
  }

  send(data: Uint8Array): void {
    this.lastUsed = this.clock.now()
    if (this.open) this.connection.write(data)
  }

  close(): void {
    this.open = false
    this.connection.close()
  }

  /** Nothing that was sent and has not left arrives any more. */
  abort(): void {
    this.open = false
    this.connection.abort()
  }
}
