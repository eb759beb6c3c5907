// Reads a FLAC file (RFC 9639) frame by frame as mono 16-bit PCM at the file's own rate. What is damaged is passed over; a file that
// was cut short ends there. Leaves out FLAC in Ogg, seeking, tags, and the MD5 sum of the whole.
import type { RewindableSource } from '../audio/frames.ts'
import { UsageError } from '../errors.ts'
import type { RandomAccessFile } from '../runtime/runtime.ts'
import { BitReader, Damaged } from './bit-reader.ts'
import { DecodedPieces } from './decoded-pieces.ts'
import { FlacFrames } from './flac-frame.ts'

/** "fLaC", before the first block of metadata (RFC 9639 6). */
const signatureBytes = 4
/** No file has more of them before its frames. */
const maximumBlocks = 1_000
/** Of a file with more there is nothing to be had. */
const maximumDamages = 1_000
/** Searched for the next frame: more than the longest of most files. */
const searchedBytes = 1 << 20

interface Streaminfo {
  readonly sampleRateHz: number
  readonly bits: number
}

export class FlacReader implements RewindableSource {
  readonly sampleRateHz: number
  private readonly bits: BitReader
  private readonly frames: FlacFrames
  private readonly framesAt: number
  private readonly pieces = new DecodedPieces(() => this.nextFrame())
  private damages = 0

  /** Takes the file over and closes it.
   *  @throws UsageError in one sentence where there is nothing to be heard of it; the file is closed then */
  constructor(private readonly file: RandomAccessFile) {
    this.bits = new BitReader(file)
    try {
      const { sampleRateHz, bits } = readMetadata(this.bits)
      this.sampleRateHz = sampleRateHz
      this.framesAt = this.bits.position
      this.frames = new FlacFrames(this.bits, bits)
      if (!this.pieces.fill()) throw new Damaged()
    } catch (error) {
      file.close()
      if (!(error instanceof Damaged)) throw error
      throw new UsageError(`${file.path} cannot be played: there is no sound in it, or it is damaged.`)
    }
  }

  read(into: Int16Array): number {
    return this.pieces.read(into)
  }

  rewind(): void {
    this.pieces.clear()
    this.bits.seek(this.framesAt)
    this.damages = 0
  }

  close(): void {
    this.file.close()
  }

  private nextFrame(): Int16Array | undefined {
    while (this.damages < maximumDamages) {
      const from = this.bits.position
      try {
        return this.frames.next()
      } catch (error) {
        if (!(error instanceof Damaged)) throw error
        this.damages++
        this.bits.seek(from + 1)
        if (!findSync(this.bits)) return undefined
      }
    }
    return undefined
  }
}

/** RFC 9639 8: to the first frame. */
function readMetadata(bits: BitReader): Streaminfo {
  bits.seek(signatureBytes)
  let streaminfo: Streaminfo | undefined
  for (let blocks = 0; blocks < maximumBlocks; blocks++) {
    const isLast = bits.bits(1) === 1
    const type = bits.bits(7)
    const end = bits.bits(24) + bits.position
    if (type === 0) streaminfo = readStreaminfo(bits)
    bits.seek(end)
    if (isLast) break
  }
  if (!streaminfo) throw new Damaged()
  return streaminfo
}

/** RFC 9639 8.2. */
function readStreaminfo(bits: BitReader): Streaminfo {
  // Sizes of blocks and frames, 16 and 24 bits each.
  for (const length of [16, 16, 24, 24]) bits.bits(length)
  const sampleRateHz = bits.bits(20)
  bits.bits(3)
  if (sampleRateHz < 1_000) throw new Damaged()
  return { sampleRateHz, bits: bits.bits(5) + 1 }
}

/** To where the next frame may begin: 0xfff8 or 0xfff9 (RFC 9639 9.1). */
function findSync(bits: BitReader): boolean {
  try {
    for (let i = 0, before = 0; i < searchedBytes; i++) {
      const octet = bits.bits(8)
      if (before === 0xff && octet >> 1 === 0x7c) {
        bits.seek(bits.position - 2)
        return true
      }
      before = octet
    }
  } catch (error) {
    if (!(error instanceof Damaged)) throw error
  }
  return false
}
