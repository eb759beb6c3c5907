// Writes 16-bit PCM to a WAV file that is valid at any moment: samples are appended first, then the header that counts them is
// replaced in one write, every 200 ms of audio. A process that is killed loses at most the last 200 ms. Beyond 4 GB the file becomes
// RF64 (EBU Tech 3306), whose ds64 chunk must come first and takes the room of one that was kept free behind the format: simple
// readers (Asterisk, linphone) want the format first.
import type { RandomAccessFile } from '../runtime/runtime.ts'
import type { AudioSink } from './frames.ts'

const headerBytes = 80
/** Where the chunks of the header begin, as RIFF and as RF64. */
const riff = { format: 12, reserved: 36 } as const
const rf64 = { reserved: 12, format: 48 } as const
const dataAt = 72
/** Of ds64: three sizes and an empty table. */
const ds64Bytes = 28
/** RIFF sizes have 32 bits; this one says that the true size is in the ds64 chunk. */
const sizeElsewhere = 0xffff_ffff
const flushEveryMs = 200

export class WavWriter implements AudioSink {
  private readonly header = new DataView(new ArrayBuffer(headerBytes))
  private pending!: Uint8Array
  private pendingBytes = 0
  private dataBytes = 0
  private closed = false

  /** Takes the file over and closes it.
   *  @param channels 2: samples are written in turn, left and right */
  constructor(
    private readonly file: RandomAccessFile,
    private rateHz: number,
    private readonly channels: 1 | 2 = 1,
  ) {
    this.begin()
  }

  get sampleRateHz(): number {
    return this.rateHz
  }

  /** Another rate, as long as nothing has been written. */
  useRate(sampleRateHz: number): void {
    if (sampleRateHz === this.rateHz || this.closed || this.durationMs > 0) return
    this.rateHz = sampleRateHz
    this.begin()
  }

  /** Audio written so far, flushed or not. */
  get durationMs(): number {
    return ((this.dataBytes + this.pendingBytes) / this.blockBytes / this.rateHz) * 1000
  }

  /** What comes after `close` is dropped.
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
    const piece = this.pending.subarray(0, this.pendingBytes)
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

  private get blockBytes(): number {
    return 2 * this.channels
  }

  private begin(): void {
    this.pending = new Uint8Array(this.blockBytes * Math.ceil((this.rateHz * flushEveryMs) / 1000))
    this.writeHeader()
  }

  private writeHeader(): void {
    const { header, dataBytes, rateHz, channels, blockBytes } = this
    const riffBytes = headerBytes - 8 + dataBytes
    const isLong = riffBytes >= sizeElsewhere
    const at = isLong ? rf64 : riff
    this.text(0, isLong ? 'RF64' : 'RIFF')
    header.setUint32(4, isLong ? sizeElsewhere : riffBytes, true)
    this.text(8, 'WAVE')
    this.text(at.format, 'fmt ')
    header.setUint32(at.format + 4, 16, true)
    header.setUint16(at.format + 8, 1, true)
    header.setUint16(at.format + 10, channels, true)
    header.setUint32(at.format + 12, rateHz, true)
    header.setUint32(at.format + 16, rateHz * blockBytes, true)
    header.setUint16(at.format + 20, blockBytes, true)
    header.setUint16(at.format + 22, 16, true)
    this.text(at.reserved, isLong ? 'ds64' : 'JUNK')
    header.setUint32(at.reserved + 4, ds64Bytes, true)
    header.setBigUint64(at.reserved + 8, BigInt(isLong ? riffBytes : 0), true)
    header.setBigUint64(at.reserved + 16, BigInt(isLong ? dataBytes : 0), true)
    header.setBigUint64(at.reserved + 24, BigInt(isLong ? dataBytes / blockBytes : 0), true)
    header.setUint32(at.reserved + 32, 0, true)
    this.text(dataAt, 'data')
    header.setUint32(dataAt + 4, isLong ? sizeElsewhere : dataBytes, true)
    this.file.write(new Uint8Array(header.buffer), 0)
  }

  private text(offset: number, four: string): void {
    for (let i = 0; i < 4; i++) this.header.setUint8(offset + i, four.charCodeAt(i))
  }
}
