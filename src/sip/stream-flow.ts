// One TCP or TLS connection as a SIP flow: framing, keep-alive answers (RFC 5626 4.4.1), time of last use, and a limit to how long
// a message may take to arrive.
import type { TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis, TcpConnection, Timer, TlsPeer } from '../runtime/runtime.ts'
import {
  type ConnectionFlow,
  type ConnectionHandler,
  type ConnectionOrigin,
  messageTimeoutMs,
} from './connection-flow.ts'
import { MessageFramer } from './framing.ts'

const ping = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a)
const pong = ping.subarray(2)

export class StreamFlow implements ConnectionFlow {
  readonly protocol: 'tcp' | 'tls'
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
  private readonly framer: MessageFramer
  /** Runs while the peer owes the rest of a message. */
  private patience: Timer | undefined

  constructor(
    private readonly connection: TcpConnection,
    origin: ConnectionOrigin,
    private readonly clock: Clock,
    private readonly handler: ConnectionHandler,
  ) {
    this.protocol = connection.tls ? 'tls' : 'tcp'
    this.local = connection.local
    this.remote = connection.remote
    this.tls = connection.tls
    this.sentBy = origin.sentBy
    this.serverName = origin.serverName
    this.incoming = origin.incoming
    this.lastUsed = clock.now()
    this.heardAt = this.lastUsed
    if (origin.incoming) this.expectMessage()
    const framer = new MessageFramer({
      onMessage: (data) => {
        this.expectNothing()
        handler.onMessage(data, this)
      },
      onPing: () => connection.write(pong),
      onPong: () => {
        this.pongs++
      },
    })
    this.framer = framer
    connection.onClose = (error) => {
      this.expectNothing()
      this.open = false
      handler.onClosed(this, error)
    }
    connection.onData = (data) => {
      if (!this.open) return
      this.lastUsed = clock.now()
      this.heardAt = this.lastUsed
      const broken = framer.push(data)
      if (broken !== undefined) this.break(broken)
      else if (!framer.idle && this.open) this.expectMessage()
    }
  }

  send(data: Uint8Array): void {
    this.lastUsed = this.clock.now()
    if (this.open) this.connection.write(data)
  }

  ping(): void {
    this.framer.expectPong()
    this.send(ping)
  }

  close(): void {
    this.expectNothing()
    this.open = false
    this.connection.close()
  }

  abort(): void {
    this.expectNothing()
    this.open = false
    this.connection.abort()
  }

  private break(reason: string): void {
    this.handler.onBroken(reason, this)
    this.close()
  }

  private expectMessage(): void {
    this.patience ??= this.clock.setTimer(messageTimeoutMs, () =>
      this.break(`no whole message within ${messageTimeoutMs / 1000} s`),
    )
  }

  private expectNothing(): void {
    this.patience?.cancel()
    this.patience = undefined
  }
}
