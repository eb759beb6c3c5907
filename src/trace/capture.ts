// A capture file of one phone: everything that passes its sockets, and media that SRTP hides, in the clear beside it.
import type { TransportAddress } from '../runtime/address.ts'
import { capturedNetwork } from '../runtime/captured-network.ts'
import type { RandomAccessFile, Runtime } from '../runtime/runtime.ts'
import { type CaptureInterface, PcapngWriter } from './pcapng.ts'

export class Capture {
  /** The same world, listened to. */
  readonly runtime: Runtime
  private readonly file: RandomAccessFile
  private readonly writer: PcapngWriter
  private position = 0
  private closed = false

  /** Throws UsageError where the file cannot be written. */
  constructor(
    private readonly inner: Runtime,
    path: string,
  ) {
    this.file = inner.files.openForWriting(path)
    this.writer = new PcapngWriter((block) => {
      this.file.write(block, this.position)
      this.position += block.length
    })
    const network = capturedNetwork(inner.network, (over, from, to, data, isSecret) =>
      this.packet(over, isSecret ? 'clear' : 'wire', from, to, data),
    )
    const { clock, random, files, machine } = inner
    this.runtime = { clock, random, files, network, ...(machine !== undefined && { machine }) }
  }

  private packet(
    over: 'udp' | 'tcp',
    on: CaptureInterface,
    from: TransportAddress,
    to: TransportAddress,
    data: Uint8Array,
  ): void {
    if (!this.closed) this.writer.packet(over, on, this.inner.clock.wallTime(), from, to, data)
  }

  /** Of media that SRTP hides. */
  readonly inTheClear = (from: TransportAddress, to: TransportAddress, data: Uint8Array): void =>
    this.packet('udp', 'clear', from, to, data)

  close(): void {
    if (this.closed) return
    this.closed = true
    this.file.close()
  }
}
