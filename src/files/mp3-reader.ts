// Reads an MP3 file piece by piece as mono 16-bit PCM at the file's own rate, by a package that only those install who need it:
// mpg123-decoder (libmpg123 as WebAssembly), which leaves out what an encoder has put before and behind the sound.
import type { MPEGDecoder } from 'mpg123-decoder'
import type { RewindableSource } from '../audio/frames.ts'
import { UsageError } from '../errors.ts'
import type { RandomAccessFile } from '../runtime/runtime.ts'
import { DecodedPieces } from './decoded-pieces.ts'

/** A quarter of a second at 128 kbit/s: no packet of a call waits long for it. */
const pieceBytes = 4_096

export class Mp3Reader implements RewindableSource {
  /** Known once it is ready. */
  sampleRateHz = 0
  /** Rejects with UsageError in one sentence: no such package, or no such file; the file is closed then. */
  readonly ready: Promise<void>
  private decoder: MPEGDecoder | undefined
  /** For the next round: one that has heard the end takes a moment to forget it. */
  private spare: MPEGDecoder | undefined
  private readonly pieces = new DecodedPieces(() => this.decodeNext())
  private readonly piece = new Uint8Array(pieceBytes)
  private position = 0
  private closed = false

  /** Takes the file over and closes it. @param loops it will be rewound */
  constructor(
    private readonly file: RandomAccessFile,
    loops = false,
  ) {
    this.ready = this.open(loops).catch((error) => {
      this.close()
      throw error
    })
    // Who never plays it need not hear of it.
    this.ready.catch(() => undefined)
  }

  read(into: Int16Array): number {
    return this.pieces.read(into)
  }

  /** Whether `rewind` leaves no gap: not within that moment. */
  get rewindsAtOnce(): boolean {
    return this.spare !== undefined
  }

  rewind(): void {
    this.position = 0
    this.pieces.clear()
    const [ended, fresh] = [this.decoder, this.spare]
    if (!ended || !fresh) return
    this.decoder = fresh
    this.spare = undefined
    ended.reset().then(
      () => {
        if (this.closed) ended.free()
        else this.spare = ended
      },
      () => undefined,
    )
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.decoder?.free()
    this.spare?.free()
    this.decoder = this.spare = undefined
    this.file.close()
  }

  private async open(loops: boolean): Promise<void> {
    const decoder = await this.makeDecoder()
    const spare = loops ? await this.makeDecoder() : undefined
    if (this.closed) {
      decoder.free()
      spare?.free()
      return
    }
    this.decoder = decoder
    this.spare = spare
    if (!this.pieces.fill()) throw this.refusal('there is no sound in it, or it is damaged')
  }

  private async makeDecoder(): Promise<MPEGDecoder> {
    const { MPEGDecoder } = await import('mpg123-decoder').catch(() => {
      throw this.refusal('files of this kind need a package of their own: npm install mpg123-decoder')
    })
    const decoder = new MPEGDecoder()
    await decoder.ready
    return decoder
  }

  /** Undefined at the end; empty where a piece holds no sound. */
  private decodeNext(): Int16Array | undefined {
    const { piece } = this
    const length = this.decoder ? this.file.read(piece, this.position) : 0
    if (length === 0) return undefined
    this.position += length
    const { channelData, samplesDecoded, sampleRate } = this.decoder!.decode(piece.subarray(0, length))
    this.sampleRateHz ||= sampleRate
    return mixed(channelData, samplesDecoded)
  }

  private readonly refusal = (why: string): UsageError =>
    new UsageError(`${this.file.path} cannot be played: ${why}.`)
}

/** The mean of all channels, as 16 bits. */
function mixed(channels: readonly Float32Array[], samples: number): Int16Array {
  const scale = 32_768 / channels.length
  return Int16Array.from({ length: samples }, (_, i) => {
    let sum = 0
    for (const channel of channels) sum += channel[i]!
    return Math.max(-32_768, Math.min(32_767, Math.round(sum * scale)))
  })
}
