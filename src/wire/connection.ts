// One connection of an ICE agent, as a place to send datagrams to: opened in the background (directly, or to a TURN server
// through a proxy, with TLS), a bounded queue meanwhile, framing in both directions. What is late is dropped, as on UDP: nobody
// wants old media.
import { NetworkError } from '../errors.ts'
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { TcpConnection } from '../runtime/runtime.ts'
import { Deframer, type Framing } from './framing.ts'

export interface WireConnectionHandler {
  onData(data: Uint8Array): void
  /** Once, unless `close` was called before. @param reason one sentence */
  onClosed(reason: string): void
}

/** What waits for a connection to open, at most: a media stream's fifth of a second, or checks to many candidates. */
const longestQueueDatagrams = 64
const longestQueueBytes = 128 * 1024
/** What waits in an open connection before more is dropped: half a second of G.722 through a path that has come to a halt. */
const longestBacklogBytes = 64 * 1024

export class WireConnection {
  /** Datagrams that had no place to wait. */
  dropped = 0
  private connection: TcpConnection | undefined
  private queue: Uint8Array[] = []
  private queuedBytes = 0
  private closed = false
  private readonly deframer: Deframer

  constructor(
    private readonly remote: TransportAddress,
    private readonly framing: Framing,
    private readonly handler: WireConnectionHandler,
    opening: Promise<TcpConnection>,
    /** Gives `opening` up. */
    private readonly abandon: () => void = () => {},
  ) {
    this.deframer = new Deframer(framing, (data) => {
      if (!this.closed) handler.onData(data)
    })
    opening.then(
      (connection) => this.opened(connection),
      (error: unknown) => this.end(error instanceof Error ? error.message : String(error)),
    )
  }

  /** Whether the peer has begun to speak the protocol. */
  get begun(): boolean {
    return this.deframer.begun
  }

  send(data: Uint8Array): void {
    if (this.closed) return
    const { connection } = this
    const mayWait = connection
      ? (connection.backlogBytes ?? 0) + data.length <= longestBacklogBytes
      : this.queue.length < longestQueueDatagrams && this.queuedBytes + data.length <= longestQueueBytes
    if (!mayWait || data.length > 0xffff) this.dropped++
    else if (connection) connection.write(this.framing.wrap(data))
    else {
      this.queue.push(data)
      this.queuedBytes += data.length
    }
  }

  /** Silently. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.queue = []
    if (this.connection) this.connection.close()
    else this.abandon()
  }

  private opened(connection: TcpConnection): void {
    if (this.closed) {
      connection.close()
      return
    }
    this.connection = connection
    connection.onClose = (error) => this.end(this.reasonFor(error))
    for (const data of this.queue) connection.write(this.framing.wrap(data))
    this.queue = []
    connection.onData = (chunk) => {
      if (this.closed) return
      const problem = this.deframer.push(chunk)
      if (problem !== undefined)
        this.end(`${formatAddress(this.remote)} sent ${problem}: check that its port speaks the protocol`)
    }
  }

  private reasonFor(error: Error | undefined): string {
    if (error instanceof NetworkError) return error.message
    const at = formatAddress(this.remote)
    if (!error) return `${at} closed the connection`
    return `the connection to ${at} broke (${(error as NodeJS.ErrnoException).code ?? error.message})`
  }

  private end(reason: string): void {
    if (this.closed) return
    this.close()
    this.handler.onClosed(reason)
  }
}
