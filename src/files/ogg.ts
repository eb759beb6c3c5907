// Ogg pages (RFC 3533): packets out of a file, with the granule position of the page that each ends on, and packets into one. A page
// whose checksum is wrong is passed over, as is whatever lies between pages. Leaves out several streams side by side: the first one
// counts, and those that follow it (chained).
import type { RandomAccessFile } from '../runtime/runtime.ts'

/** RFC 3533 6: capture pattern, version, type, granule position, serial, sequence, checksum, segments. */
const headerBytes = 27
const capturePattern = 0x4f676753
const flag = { continued: 1, first: 2, last: 4 } as const
/** Longer than any packet of sound; a file that claims more is damaged. */
const maximumPacketBytes = 131_072
/** Read from the file in one go: more than any page. */
const pieceBytes = 65_536
/** Of a file with more there is nothing to be had. */
const maximumDamages = 1_000

const crcTable = Uint32Array.from({ length: 256 }, (_, octet) => {
  let crc = octet << 24
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000_0000 ? 0x04c1_1db7 : 0)
  return crc
})

/** Polynomial 0x04c11db7, neither reflected nor inverted (RFC 3533 6, field 7). */
function checksum(page: Uint8Array): number {
  let crc = 0
  for (let i = 0; i < page.length; i++) {
    // The checksum itself counts as zero.
    const octet = i >= 22 && i < 26 ? 0 : page[i]!
    crc = (crc << 8) ^ crcTable[(crc >>> 24) ^ octet]!
  }
  return crc >>> 0
}

export interface OggPacket {
  readonly data: Uint8Array
  /** It begins a stream: the first one, or one that follows in the same file. */
  readonly begins: boolean
  /** Of the page that it is the last to end on: where the sound stands after it; absent on others. */
  readonly granule?: number
  /** Nothing follows it in its stream. */
  readonly ends: boolean
}

export class OggReader {
  private position = 0
  private readonly piece = new Uint8Array(pieceBytes)
  private damages = 0
  private serial: number | undefined
  private sequence = -1
  private readonly packets: OggPacket[] = []
  /** What a packet has on earlier pages. */
  private begun: Uint8Array[] = []
  private begunBytes = 0
  private begins = false

  constructor(private readonly file: RandomAccessFile) {}

  /** Undefined at the end of the file. */
  next(): OggPacket | undefined {
    while (this.packets.length === 0) if (!this.readPage()) return undefined
    return this.packets.shift()
  }

  private readPage(): boolean {
    while (this.damages < maximumDamages) {
      const filled = this.file.read(this.piece, this.position)
      const piece = this.piece.subarray(0, filled)
      const at = findPage(piece)
      if (at < 0) {
        // A pattern may lie across the end of the piece.
        if (filled < pieceBytes) return false
        this.position += filled - 3
        continue
      }
      const page = wholePage(piece.subarray(at))
      if (page === 'cut short' && filled < pieceBytes) return false
      if (page === 'damaged') this.damages++
      if (typeof page === 'string') {
        this.position += page === 'damaged' ? at + 1 : at
        continue
      }
      this.position += at + page.length
      if (this.take(page)) return true
    }
    return false
  }

  /** Returns whether the page is one of the stream that is read. */
  private take(page: Uint8Array): boolean {
    const view = new DataView(page.buffer, page.byteOffset, page.length)
    const flags = page[5]!
    const serial = view.getUint32(14, true)
    if (flags & flag.first && (this.serial === undefined || this.sequence < 0)) {
      this.serial = serial
      this.begins = true
      this.forget()
    } else if (serial !== this.serial) return false
    const sequence = view.getUint32(18, true)
    const isNext = flags & flag.first || sequence === (this.sequence + 1) >>> 0
    if (!isNext || !(flags & flag.continued)) this.forget()
    this.sequence = flags & flag.last ? -1 : sequence
    const segments = page[26]!
    let offset = headerBytes + segments
    let lengthBytes = 0
    const ended: Uint8Array[] = []
    // What is continued from a page that is lost is no packet.
    let skips = Boolean(flags & flag.continued) && this.begun.length === 0
    for (let i = 0; i < segments; i++) {
      const lace = page[headerBytes + i]!
      lengthBytes += lace
      if (lace === 255) continue
      const part = page.slice(offset, offset + lengthBytes)
      offset += lengthBytes
      lengthBytes = 0
      if (!skips)
        ended.push(this.begun.length > 0 ? Uint8Array.from(Buffer.concat([...this.begun, part])) : part)
      skips = false
      this.forget()
    }
    if (lengthBytes > 0 && !skips) this.keep(page.slice(offset, offset + lengthBytes))
    const granule = view.getBigInt64(6, true)
    ended.forEach((data, i) => {
      const isLast = i === ended.length - 1
      this.packets.push({
        data,
        begins: this.begins,
        ...(isLast && granule >= 0n && { granule: Number(granule) }),
        ends: isLast && Boolean(flags & flag.last),
      })
      this.begins = false
    })
    return true
  }

  private keep(part: Uint8Array): void {
    this.begunBytes += part.length
    if (this.begunBytes <= maximumPacketBytes) this.begun.push(part)
    else this.forget()
  }

  private forget(): void {
    this.begun = []
    this.begunBytes = 0
  }
}

/** Where a capture pattern begins; -1 where there is none. */
function findPage(piece: Uint8Array): number {
  for (let at = piece.indexOf(0x4f); at >= 0 && at + 4 <= piece.length; at = piece.indexOf(0x4f, at + 1))
    if (new DataView(piece.buffer, piece.byteOffset + at).getUint32(0) === capturePattern) return at
  return -1
}

function wholePage(piece: Uint8Array): Uint8Array | 'cut short' | 'damaged' {
  if (piece.length < headerBytes) return 'cut short'
  const segments = piece[26]!
  if (piece.length < headerBytes + segments) return 'cut short'
  let length = headerBytes + segments
  for (let i = 0; i < segments; i++) length += piece[headerBytes + i]!
  if (piece.length < length) return 'cut short'
  const page = piece.subarray(0, length)
  const claimed = new DataView(page.buffer, page.byteOffset).getUint32(22, true)
  return piece[4] === 0 && checksum(page) === claimed ? page : 'damaged'
}

/** RFC 3533 6, field 9. */
export const mostSegments = 255
const segmentBytes = 255

/** So many a packet takes: what is shorter than a segment ends it. */
export const segmentsOf = ({ length }: Uint8Array): number => Math.floor(length / segmentBytes) + 1

/** Appends pages to a file; each is whole, so that the file is one at every moment. */
export class OggWriter {
  private position = 0
  private sequence = 0

  constructor(
    private readonly file: RandomAccessFile,
    private readonly serial: number,
  ) {}

  /** One page with these packets, of 255 segments at most.
   *  @param granule where the sound stands after them
   *  @throws UsageError where the file cannot be written */
  write(packets: readonly Uint8Array[], granule: number, last = false): void {
    const page = this.page(packets, granule, this.sequence, last)
    this.file.write(page, this.position)
    this.sequence++
    this.position += page.length
  }

  /** The packet of the first page by another one of the same length.
   *  @throws UsageError where the file cannot be written */
  replaceFirst(packet: Uint8Array): void {
    this.file.write(this.page([packet], 0, 0, false), 0)
  }

  private page(packets: readonly Uint8Array[], granule: number, sequence: number, last: boolean): Uint8Array {
    const lacing = packets.flatMap((packet) => [
      ...new Array<number>(segmentsOf(packet) - 1).fill(segmentBytes),
      packet.length % segmentBytes,
    ])
    const header = new Uint8Array(headerBytes + lacing.length)
    const view = new DataView(header.buffer)
    view.setUint32(0, capturePattern)
    header[5] = (sequence === 0 ? flag.first : 0) | (last ? flag.last : 0)
    view.setBigInt64(6, BigInt(granule), true)
    view.setUint32(14, this.serial, true)
    view.setUint32(18, sequence, true)
    header[26] = lacing.length
    header.set(lacing, headerBytes)
    const page = Uint8Array.from(Buffer.concat([header, ...packets]))
    new DataView(page.buffer).setUint32(22, checksum(page), true)
    return page
  }
}
