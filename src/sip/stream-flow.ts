// One TCP or TLS connection as a SIP flow: framing, and keep-alives by CRLF with their answers (RFC 5626 4.4.1).
import type { Clock, TcpConnection } from '../runtime/runtime.ts'
import { CarriedFlow, type ConnectionHandler, type ConnectionOrigin } from './connection-flow.ts'
import { MessageFramer } from './framing.ts'

const ping = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a)
const pong = ping.subarray(2)

export class StreamFlow extends CarriedFlow {
  private readonly framer: MessageFramer

  constructor(
    private readonly stream: TcpConnection,
    origin: ConnectionOrigin,
    clock: Clock,
    handler: ConnectionHandler,
  ) {
    super(stream.tls ? 'tls' : 'tcp', stream, origin, clock, handler)
    const framer = new MessageFramer({
      onMessage: (data) => this.receive(data),
      onPing: () => stream.write(pong),
      onPong: () => {
        this.pongs++
      },
    })
    this.framer = framer
    stream.onData = (data) => {
      if (!this.open) return
      this.heard()
      const broken = framer.push(data)
      if (broken !== undefined) this.break(broken)
      else if (!framer.idle && this.open) this.expectMessage()
    }
  }

  ping(): void {
    this.framer.expectPong()
    this.send(ping)
  }

  protected write(data: Uint8Array): void {
    this.stream.write(data)
  }
}
