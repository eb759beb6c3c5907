// A capture file of one phone: everything that passes its sockets, media that SRTP hides in the clear beside it, and the secrets of
// TLS and DTLS. Blocks of one turn of the event loop are written together, secrets first: Wireshark reads once from top to
// bottom. Whenever the process ends the file is whole; a disk that is full ends the capture, and not the call.
import type { TransportAddress } from '../runtime/address.ts'
import { capturedNetwork } from '../runtime/captured-network.ts'
import type { Millis, RandomAccessFile, Runtime } from '../runtime/runtime.ts'
import { type CaptureInterface, PcapngWriter } from './pcapng.ts'

/** What may wait for the end of a turn. */
const mostPendingBytes = 256 * 1024

export class Capture {
  /** The same world, listened to. */
  readonly runtime: Runtime
  private readonly file: RandomAccessFile
  private readonly writer: PcapngWriter
  private position = 0
  private closed = false
  private pending: Uint8Array[] = []
  private pendingBytes = 0

  /** Throws UsageError where the file cannot be written.
   *  @param onEnd is told in one sentence why nothing more is written */
  constructor(
    private readonly inner: Runtime,
    path: string,
    private readonly onEnd: (message: string) => void,
  ) {
    this.file = inner.files.openForWriting(path, { secret: true })
    this.writer = new PcapngWriter((block) => {
      this.pending.push(block)
      this.pendingBytes += block.length
    })
    this.flush()
    const network = capturedNetwork(inner.network, {
      packet: (over, from, to, data, at) => this.packet(over, 'wire', from, to, data, at),
      secret: this.secret,
    })
    const { clock, random, files, machine } = inner
    this.runtime = { clock, random, files, network, ...(machine !== undefined && { machine }) }
  }

  /** A line of SSLKEYLOGFILE. */
  readonly secret = (line: Uint8Array): void => {
    if (this.closed) return
    const behind = this.pending.splice(0)
    this.writer.secrets(line)
    this.schedule()
    this.pending.push(...behind)
  }

  /** Of media that SRTP hides. */
  readonly inTheClear = (from: TransportAddress, to: TransportAddress, data: Uint8Array, at?: Millis): void =>
    this.packet('udp', 'clear', from, to, data, at)

  close(): void {
    if (this.closed) return
    this.flush()
    this.end()
  }

  private packet(
    over: 'udp' | 'tcp',
    on: CaptureInterface,
    from: TransportAddress,
    to: TransportAddress,
    data: Uint8Array,
    at?: Millis,
  ): void {
    if (this.closed) return
    const { clock } = this.inner
    const wallTimeMs = clock.wallTime() + (at === undefined ? 0 : at - clock.now())
    this.writer.packet(over, on, wallTimeMs, from, to, data)
    this.schedule()
  }

  private isScheduled = false
  private schedule(): void {
    if (this.pendingBytes > mostPendingBytes) this.flush()
    if (this.isScheduled || this.pending.length === 0) return
    this.isScheduled = true
    this.inner.clock.setTimer(0, () => {
      this.isScheduled = false
      this.flush()
    })
  }

  private flush(): void {
    if (this.closed || this.pending.length === 0) return
    const blocks = Buffer.concat(this.pending.splice(0))
    this.pendingBytes = 0
    try {
      this.file.write(blocks, this.position)
      this.position += blocks.length
    } catch (error) {
      this.end()
      this.onEnd(`the capture ends here: ${error instanceof Error ? error.message : error}`)
    }
  }

  private end(): void {
    this.closed = true
    this.file.close()
  }
}
