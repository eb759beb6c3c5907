// One end of a simulated TCP connection: an ordered, reliable stream. Segments carry a place in the stream and wait for
// those before them. Left out: windows, congestion, half-open connections.
import { NetworkError } from '../errors.ts'
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { TcpConnection, TlsPeer } from '../runtime/runtime.ts'
import type { Packet, TcpFlag } from './link.ts'

const NOTHING = new Uint8Array(0)

export class VirtualTcpConnection implements TcpConnection {
  onClose: TcpConnection['onClose']
  private receive: TcpConnection['onData']
  private nextSent = 0
  private nextReceived = 0
  /** Segments that came before their turn. */
  private readonly early = new Map<number, Packet>()
  /** In order, but not handed out for want of a handler. */
  private readonly waiting: Packet[] = []
  private closed = false
  /** Where there is one, what is written looks like TLS to firewalls. */
  tls: TlsPeer | undefined

  /** @param transmit hands a segment to the host
   *  @param forget tells the host that the connection is over */
  constructor(
    readonly local: TransportAddress,
    readonly remote: TransportAddress,
    private readonly transmit: (packet: Packet) => void,
    private readonly forget: () => void,
  ) {}

  get onData(): TcpConnection['onData'] {
    return this.receive
  }

  set onData(handler: TcpConnection['onData']) {
    this.receive = handler
    this.handOut()
  }

  write(data: Uint8Array): void {
    if (!this.closed) this.sendSegment('data', data.slice())
  }

  close(): void {
    if (this.closed) return
    this.sendSegment('fin')
    this.end()
  }

  abort(): void {
    if (this.closed) return
    this.sendSegment('rst')
    this.end()
  }

  sendSegment(flag: TcpFlag, data: Uint8Array = NOTHING): void {
    const segment = { flag, sequence: this.nextSent++, ...(this.tls && { tls: true }) }
    this.transmit({ protocol: 'tcp', source: this.local, destination: this.remote, data, segment })
  }

  /** Our SYN once more, with the acknowledgement of the peer's: a simultaneous open (RFC 9293 3.5, figure 7). */
  answerSyn(): void {
    const segment = { flag: 'syn-ack' as const, sequence: 0, ...(this.tls && { tls: true }) }
    this.transmit({ protocol: 'tcp', source: this.local, destination: this.remote, data: NOTHING, segment })
  }

  handleSegment(packet: Packet): void {
    const { flag, sequence } = packet.segment!
    // Known already.
    if (flag !== 'rst' && sequence < this.nextReceived) return
    if (flag === 'rst') {
      const at = formatAddress(this.remote)
      this.end(new NetworkError(`TCP ${at} reset the connection: it may have restarted`, at))
      return
    }
    this.early.set(sequence, packet)
    for (let next = this.early.get(this.nextReceived); next; next = this.early.get(this.nextReceived)) {
      this.early.delete(this.nextReceived++)
      if (next.segment!.flag === 'data' || next.segment!.flag === 'fin') this.waiting.push(next)
    }
    this.handOut()
  }

  private handOut(): void {
    while (!this.closed && this.waiting.length > 0) {
      if (this.waiting[0]!.segment!.flag === 'fin') {
        this.end()
        return
      }
      if (!this.receive) return
      this.receive(this.waiting.shift()!.data)
    }
  }

  private end(error?: Error): void {
    if (this.closed) return
    this.closed = true
    this.forget()
    // As with a real socket, never within the call that closes.
    queueMicrotask(() => this.onClose?.(error))
  }
}
