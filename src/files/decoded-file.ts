// MP3 and FLAC, by packages that only those install who need them: mpg123-decoder and @wasm-audio-decoders/flac (libmpg123 and libFLAC
// as WebAssembly). MP3 is decoded as it is played; FLAC, whose decoder does not answer at once, as a whole before.
import type { AudioSource } from '../audio/frames.ts'
import { UsageError } from '../errors.ts'
import type { RandomAccessFile } from '../runtime/runtime.ts'

interface Decoded {
  channelData: readonly Float32Array[]
  samplesDecoded: number
  sampleRate: number
}

interface Decoder {
  readonly ready: Promise<void>
  decode(data: Uint8Array): Decoded | Promise<Decoded>
  flush?(): Promise<Decoded>
  free(): void
}

const pieceBytes = 16_384
/** Of a FLAC file, in memory as 16-bit mono. */
const longestMs = 20 * 60_000

const packages = {
  mp3: { name: 'mpg123-decoder', make: async () => new (await import('mpg123-decoder')).MPEGDecoder() },
  flac: {
    name: '@wasm-audio-decoders/flac',
    make: async () => new (await import('@wasm-audio-decoders/flac')).FLACDecoder(),
  },
} satisfies Record<string, { name: string; make: () => Promise<Decoder> }>

export class DecodedFile implements AudioSource {
  /** Known once it is ready. */
  sampleRateHz = 0
  /** Rejects with UsageError in one sentence: no such package, or no such file; the file is closed then. */
  readonly ready: Promise<void>
  private decoder: Decoder | undefined
  private position = 0
  /** Decoded, mono, not yet read. */
  private left = new Float32Array(0)
  private closed = false

  /** Takes the file over and closes it. */
  constructor(
    private readonly file: RandomAccessFile,
    private readonly kind: keyof typeof packages,
  ) {
    this.ready = this.open().catch((error) => {
      this.close()
      throw error
    })
    // Who never plays it need not hear of it.
    this.ready.catch(() => undefined)
  }

  read(into: Int16Array): number {
    let written = 0
    while (written < into.length) {
      if (this.left.length === 0 && !this.decodeNext()) break
      const length = Math.min(into.length - written, this.left.length)
      for (let i = 0; i < length; i++)
        into[written++] = Math.max(-32_768, Math.min(32_767, Math.round(this.left[i]! * 32_768)))
      this.left = this.left.subarray(length)
    }
    return written
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.decoder?.free()
    this.decoder = undefined
    this.file.close()
  }

  private async open(): Promise<void> {
    const { name, make } = packages[this.kind]
    let decoder: Decoder
    try {
      decoder = await make()
    } catch {
      throw this.refusal(`files of this kind need a package of their own: npm install ${name}`)
    }
    await decoder.ready
    if (this.closed) {
      decoder.free()
      return
    }
    this.decoder = decoder
    if (this.kind === 'mp3') while (this.left.length === 0 && this.decodeNext());
    else await this.decodeAll(decoder)
    if (this.sampleRateHz === 0) throw this.refusal('there is no sound in it, or it is damaged')
  }

  private decodeNext(): boolean {
    while (this.kind === 'mp3' && this.decoder) {
      const piece = this.nextPiece()
      if (!piece) return false
      this.left = this.take(this.decoder.decode(piece) as Decoded)
      if (this.left.length > 0) return true
    }
    return false
  }

  private async decodeAll(decoder: Decoder): Promise<void> {
    const pieces: Float32Array[] = []
    let samples = 0
    const add = (decoded: Decoded): void => {
      const piece = this.take(decoded)
      pieces.push(piece)
      samples += piece.length
      if (samples * 1000 > longestMs * this.sampleRateHz && samples > 0)
        throw this.refusal('it lasts longer than 20 minutes; convert it to WAV first')
    }
    for (let piece = this.nextPiece(); piece && !this.closed; piece = this.nextPiece())
      add(await decoder.decode(piece))
    if (this.closed) return
    const rest = await decoder.flush?.()
    if (rest) add(rest)
    this.left = new Float32Array(samples)
    let at = 0
    for (const piece of pieces) {
      this.left.set(piece, at)
      at += piece.length
    }
  }

  private nextPiece(): Uint8Array | undefined {
    const piece = new Uint8Array(pieceBytes)
    const length = this.file.read(piece, this.position)
    this.position += length
    return length === 0 ? undefined : piece.subarray(0, length)
  }

  /** The mean of all channels. */
  private take({ channelData, samplesDecoded, sampleRate }: Decoded): Float32Array<ArrayBuffer> {
    const mono = new Float32Array(samplesDecoded)
    if (samplesDecoded === 0) return mono
    this.sampleRateHz ||= sampleRate
    for (const channel of channelData)
      for (let i = 0; i < samplesDecoded; i++) mono[i]! += channel[i]! / channelData.length
    return mono
  }

  private readonly refusal = (why: string): UsageError =>
    new UsageError(`${this.file.path} cannot be played: ${why}.`)
}
