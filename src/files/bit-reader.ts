// Bits of a file, most significant first, with the two checksums of a FLAC frame (RFC 9639 9.1.8, 9.3) over what has been read since
// `beginChecksums`. Reads the file a piece at a time.
import type { RandomAccessFile } from '../runtime/runtime.ts'

/** What stands at this place is not what is looked for, or the file ends. */
export class Damaged extends Error {}

const pieceBytes = 32_768
/** No Rice code of a real file has more. */
const maximumZeros = 1 << 20

const tableOf = (polynomial: number, width: 8 | 16): Uint16Array =>
  Uint16Array.from({ length: 256 }, (_, octet) => {
    let remainder = octet << (width - 8)
    for (let bit = 0; bit < 8; bit++)
      remainder = (remainder << 1) ^ (remainder & (1 << (width - 1)) ? polynomial : 0)
    return remainder & ((1 << width) - 1)
  })

const crc8Table = tableOf(0x07, 8)
const crc16Table = tableOf(0x8005, 16)

export class BitReader {
  checksum8 = 0
  checksum16 = 0
  private readonly piece = new Uint8Array(pieceBytes)
  private pieceStart = 0
  private filled = 0
  /** In the piece, of the octet to be taken next. */
  private at = 0
  private octet = 0
  /** Bits of it that are left. */
  private left = 0

  constructor(private readonly file: RandomAccessFile) {}

  /** Of the next octet in the file. */
  get position(): number {
    return this.pieceStart + this.at
  }

  seek(position: number): void {
    const at = position - this.pieceStart
    this.left = 0
    if (at >= 0 && at <= this.filled) this.at = at
    else {
      this.pieceStart = position
      this.at = this.filled = 0
    }
  }

  beginChecksums(): void {
    this.checksum8 = this.checksum16 = 0
  }

  align(): void {
    this.left = 0
  }

  /** @param count at most 33 */
  bits(count: number): number {
    let value = 0
    for (let wanted = count; wanted > 0; ) {
      if (this.left === 0) this.take()
      const taken = Math.min(wanted, this.left)
      this.left -= taken
      wanted -= taken
      value = value * (1 << taken) + ((this.octet >> this.left) & ((1 << taken) - 1))
    }
    return value
  }

  /** In two's complement. */
  signed(count: number): number {
    const value = this.bits(count)
    return value >= 2 ** (count - 1) ? value - 2 ** count : value
  }

  /** How many there are before the next one, which is taken too. */
  zeros(): number {
    for (let zeros = 0; zeros < maximumZeros; ) {
      if (this.left === 0) this.take()
      const rest = this.octet & ((1 << this.left) - 1)
      if (rest === 0) {
        zeros += this.left
        this.left = 0
        continue
      }
      const length = 32 - Math.clz32(rest)
      zeros += this.left - length
      this.left = length - 1
      return zeros
    }
    throw new Damaged()
  }

  /** RFC 9639 9.2.7.2: 0, -1, 1, -2, ... */
  rice(parameter: number): number {
    const quotient = this.zeros()
    const folded = quotient * 2 ** parameter + this.bits(parameter)
    return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2
  }

  private take(): void {
    if (this.at === this.filled) this.refill()
    this.octet = this.piece[this.at++]!
    this.left = 8
    this.checksum8 = crc8Table[this.checksum8 ^ this.octet]!
    this.checksum16 = ((this.checksum16 << 8) & 0xffff) ^ crc16Table[(this.checksum16 >> 8) ^ this.octet]!
  }

  private refill(): void {
    this.pieceStart += this.filled
    this.at = 0
    this.filled = this.file.read(this.piece, this.pieceStart)
    if (this.filled === 0) throw new Damaged()
  }
}
