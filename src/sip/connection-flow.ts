// A flow over a connection, whatever carries its messages: a peer that may have shown a certificate, a time of last use, a limit to
// how long a message may take to arrive, and an end. How messages are cut and written is stream-flow.ts and websocket-flow.ts.
import type { TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis, TcpConnection, Timer, TlsPeer } from '../runtime/runtime.ts'
import type { Flow, Protocol } from './flow.ts'

/** A peer that has begun a message, or connected and not yet sent one, has so long to finish it. Most take one round trip; what
 *  takes longer holds a connection for nothing. */
export const messageTimeoutMs: Millis = 30_000

export interface ConnectionFlow extends Flow {
  readonly lastUsed: Millis
  /** Absent: no TLS. */
  readonly tls?: TlsPeer | undefined
  /** The other end has opened it. */
  readonly incoming: boolean
  close(): void
  /** Nothing that was sent and has not left arrives any more. */
  abort(): void
}

export interface ConnectionHandler {
  onMessage(data: Uint8Array, flow: ConnectionFlow): void
  /** What comes cannot be followed; the flow closes itself. */
  onBroken(reason: string, flow: ConnectionFlow): void
  onClosed(flow: ConnectionFlow, error?: Error): void
}

/** How a connection came about. */
export interface ConnectionOrigin {
  readonly sentBy: Flow['sentBy']
  readonly incoming: boolean
  readonly serverName?: string | undefined
}

/** What streams and WebSockets have in common. */
type Carried = Pick<TcpConnection, 'local' | 'remote' | 'tls' | 'onClose' | 'close' | 'abort'>

export abstract class CarriedFlow implements ConnectionFlow {
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
  /** Runs while the peer owes a message, or the rest of one. */
  private patience: Timer | undefined

  constructor(
    readonly protocol: Protocol,
    private readonly connection: Carried,
    origin: ConnectionOrigin,
    private readonly clock: Clock,
    protected readonly handler: ConnectionHandler,
  ) {
    this.local = connection.local
    this.remote = connection.remote
    this.tls = connection.tls
    this.sentBy = origin.sentBy
    this.serverName = origin.serverName
    this.incoming = origin.incoming
    this.lastUsed = this.heardAt = clock.now()
    if (origin.incoming) this.expectMessage()
    connection.onClose = (error) => {
      this.over()
      handler.onClosed(this, error)
    }
  }

  abstract ping(): void
  protected abstract write(data: Uint8Array): void

  send(data: Uint8Array): void {
    this.lastUsed = this.clock.now()
    if (this.open) this.write(data)
  }

  close(): void {
    this.over()
    this.connection.close()
  }

  abort(): void {
    this.over()
    this.connection.abort()
  }

  /** Something has come. */
  protected heard(): void {
    this.lastUsed = this.heardAt = this.clock.now()
  }

  protected receive(message: Uint8Array): void {
    this.expectNothing()
    this.handler.onMessage(message, this)
  }

  protected break(reason: string): void {
    this.handler.onBroken(reason, this)
    this.close()
  }

  protected expectMessage(): void {
    this.patience ??= this.clock.setTimer(messageTimeoutMs, () =>
      this.break(`no whole message within ${messageTimeoutMs / 1000} s`),
    )
  }

  private expectNothing(): void {
    this.patience?.cancel()
    this.patience = undefined
  }

  private over(): void {
    this.expectNothing()
    this.open = false
  }
}
