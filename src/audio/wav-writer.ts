// Writes 16-bit mono PCM to a WAV file that is valid at any moment: samples are appended first, then the header that counts
// them is replaced in one write, every 200 ms of audio. A process that is killed loses at most the last 200 ms.
import type { RandomAccessFile } from '../runtime/runtime.ts'
import type { AudioSink } from './frames.ts'

const headerBytes = 44
/** RIFF sizes have 32 bits. */
const maximumDataBytes = 0xffff_ffff - headerBytes
const flushEveryMs = 200

export class WavWriter implements AudioSink {
  private readonly header = new DataView(new ArrayBuffer(headerBytes))
  private readonly pending: Uint8Array
  private pendingBytes = 0
  private dataBytes = 0
  private closed = false

  /** Takes the file over and closes it. */
  constructor(
    private readonly file: RandomAccessFile,
    readonly sampleRateHz: number,
  ) {
    this.pending = new Uint8Array(2 * Math.ceil((sampleRateHz * flushEveryMs) / 1000))
    const { header } = this
    const text = (offset: number, four: string): void => {
      for (let i = 0; i < 4; i++) header.setUint8(offset + i, four.charCodeAt(i))
    }
    text(0, 'RIFF')
    text(8, 'WAVE')
    text(12, 'fmt ')
    header.setUint32(16, 16, true)
    header.setUint16(20, 1, true)
    header.setUint16(22, 1, true)
    header.setUint32(24, sampleRateHz, true)
    header.setUint32(28, sampleRateHz * 2, true)
    header.setUint16(32, 2, true)
    header.setUint16(34, 16, true)
    text(36, 'data')
    this.writeHeader()
  }

  /** Audio written so far, flushed or not. */
  get durationMs(): number {
    return ((this.dataBytes + this.pendingBytes) / 2 / this.sampleRateHz) * 1000
  }

  /** What exceeds the 4 GB of a WAV file, or comes after `close`, is dropped.
   *  @throws UsageError where the file cannot be written (a full disk); what was written before stays valid */
  write(samples: Int16Array): void {
    if (this.closed) return
    const { pending } = this
    for (let i = 0; i < samples.length; i++) {
      const sample = samples[i]!
      pending[this.pendingBytes++] = sample & 0xff
      pending[this.pendingBytes++] = (sample >> 8) & 0xff
      if (this.pendingBytes === pending.length) this.flush()
    }
  }

  flush(): void {
    const piece = this.pending.subarray(0, Math.min(this.pendingBytes, maximumDataBytes - this.dataBytes))
    this.pendingBytes = 0
    if (piece.length === 0) return
    this.file.write(piece, headerBytes + this.dataBytes)
    this.dataBytes += piece.length
    this.writeHeader()
  }

  /** @throws UsageError where the last piece cannot be written; the file is closed and valid all the same */
  close(): void {
    if (this.closed) return
    this.closed = true
    try {
      this.flush()
    } finally {
      this.file.close()
    }
  }

  private writeHeader(): void {
    this.header.setUint32(4, headerBytes - 8 + this.dataBytes, true)
    this.header.setUint32(40, this.dataBytes, true)
    this.file.write(new Uint8Array(this.header.buffer), 0)
  }
}
