// Datagrams on their way between two threads: a ring of records in shared memory, with one writer and one reader, who never wait
// for each other. What does not fit is dropped, as a full socket buffer would do, and the writer knows. Leaves out waking the other side.
//
//   record: lengthBytes i32 │ socket i32 │ time f64 │ dataLength u16 │ port u16 │ addressLength u8 │ address │ data │ up to 8 n

import type { Millis } from './runtime.ts'

/** Places in the head of the memory, in 32-bit words: written and read so far in bytes modulo 2^32. */
const head = { written: 0, read: 1 } as const
const headBytes = 8
const recordHeadBytes = 24
const recordAlignment = 8
/** In the place of a length: the record did not fit before the end and stands at the beginning. */
const continuesAtStart = -1

/** @param capacityBytes a power of two */
export const ringMemory = (capacityBytes: number): SharedArrayBuffer =>
  new SharedArrayBuffer(headBytes + capacityBytes)

export class DatagramRing {
  /** Of the record that `next` has found; valid until `release`. */
  socket = 0
  time: Millis = 0
  port = 0
  dataLength = 0
  private addressAt = 0
  private addressLength = 0
  private dataAt = 0
  private recordEnd = 0

  private readonly head: Int32Array
  private readonly words: Int32Array
  private readonly halves: Uint16Array
  private readonly times: Float64Array
  private readonly bytes: Uint8Array
  private readonly mask: number

  constructor(memory: SharedArrayBuffer) {
    const capacityBytes = memory.byteLength - headBytes
    this.head = new Int32Array(memory, 0, headBytes / 4)
    this.words = new Int32Array(memory, headBytes)
    this.halves = new Uint16Array(memory, headBytes)
    this.times = new Float64Array(memory, headBytes)
    this.bytes = new Uint8Array(memory, headBytes)
    this.mask = capacityBytes - 1
  }

  get isEmpty(): boolean {
    return Atomics.load(this.head, head.written) === Atomics.load(this.head, head.read)
  }

  // ── the writer's ─────────────────────────────────────────────────────────────────────────────

  /** Copies the data. Returns whether there was room; without, the datagram is dropped. */
  write(socket: number, time: Millis, address: string, port: number, data: Uint8Array): boolean {
    const { bytes, mask, words } = this
    const size =
      (recordHeadBytes + address.length + data.length + recordAlignment - 1) & ~(recordAlignment - 1)
    let written = this.head[head.written]!
    const free = mask + 1 - ((written - Atomics.load(this.head, head.read)) | 0)
    const beforeEnd = mask + 1 - (written & mask)
    if (free < (size <= beforeEnd ? size : beforeEnd + size)) return false
    if (size > beforeEnd) {
      words[(written & mask) >> 2] = continuesAtStart
      written = (written + beforeEnd) | 0
    }
    const at = written & mask
    words[at >> 2] = size
    words[(at >> 2) + 1] = socket
    this.times[(at >> 3) + 1] = time
    this.halves[(at >> 1) + 8] = data.length
    this.halves[(at >> 1) + 9] = port
    bytes[at + 20] = address.length
    let place = at + recordHeadBytes
    for (let i = 0; i < address.length; i++) bytes[place++] = address.charCodeAt(i)
    bytes.set(data, place)
    Atomics.store(this.head, head.written, (written + size) | 0)
    return true
  }

  // ── the reader's ─────────────────────────────────────────────────────────────────────────────

  /** Changes with every record that has been read. */
  get read(): number {
    return Atomics.load(this.head, head.read)
  }

  /** Finds the oldest record; false where there is none. */
  next(): boolean {
    const { words, halves, mask } = this
    let read = this.head[head.read]!
    if (read === Atomics.load(this.head, head.written)) return false
    if (words[(read & mask) >> 2] === continuesAtStart) read = (read + mask + 1 - (read & mask)) | 0
    const at = read & mask
    this.socket = words[(at >> 2) + 1]!
    this.time = this.times[(at >> 3) + 1]!
    this.dataLength = halves[(at >> 1) + 8]!
    this.port = halves[(at >> 1) + 9]!
    this.addressAt = at + recordHeadBytes
    this.addressLength = this.bytes[at + 20]!
    this.dataAt = this.addressAt + this.addressLength
    this.recordEnd = (read + words[at >> 2]!) | 0
    return true
  }

  /** Whether the record's address is this one: most are the same as the one before, and need no new string. */
  isAddress(address: string): boolean {
    const { bytes, addressAt, addressLength } = this
    if (address.length !== addressLength) return false
    for (let i = 0; i < addressLength; i++) if (bytes[addressAt + i] !== address.charCodeAt(i)) return false
    return true
  }

  address(): string {
    let address = ''
    for (let i = 0; i < this.addressLength; i++)
      address += String.fromCharCode(this.bytes[this.addressAt + i]!)
    return address
  }

  /** Copies the record's data to the beginning of `into`. */
  copyData(into: Uint8Array): void {
    const { bytes, dataAt, dataLength } = this
    into.set(bytes.subarray(dataAt, dataAt + dataLength))
  }

  /** Its room is the writer's again. */
  release(): void {
    Atomics.store(this.head, head.read, this.recordEnd)
  }
}
