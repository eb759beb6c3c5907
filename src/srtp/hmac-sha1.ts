// HMAC-SHA1 with one key (RFC 2104, FIPS 180-4) for the tag of every packet. node:crypto makes a native object for each, and
// thousands of those a second hold the garbage collector up for milliseconds; four blocks of SHA-1 are computed here in less time
// than one such object takes. Leaves out messages of 2^29 octets and more.

const blockBytes = 64
const lengthBytes = 8
const digestBytes = 20
/** FIPS 180-4 5.3.1. */
const initialState = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]

/** The schedule of a block (FIPS 180-4 6.1.2), one for all: nothing waits in the middle of a block. */
const schedule = new Int32Array(80)

/** Takes in the block of `data` at `at`. */
function compress(state: Int32Array, data: Uint8Array, at: number): void {
  const w = schedule
  for (let t = 0; t < 16; t++, at += 4)
    w[t] = (data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!
  for (let t = 16; t < 80; t++) {
    const x = w[t - 3]! ^ w[t - 8]! ^ w[t - 14]! ^ w[t - 16]!
    w[t] = (x << 1) | (x >>> 31)
  }
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  for (let t = 0; t < 20; t++) {
    const next = (((a << 5) | (a >>> 27)) + ((d ^ (b & (c ^ d))) + 0x5a827999) + e + w[t]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let t = 20; t < 40; t++) {
    const next = (((a << 5) | (a >>> 27)) + ((b ^ c ^ d) + 0x6ed9eba1) + e + w[t]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let t = 40; t < 60; t++) {
    const next = (((a << 5) | (a >>> 27)) + (((b & c) | (d & (b | c))) - 0x70e44324) + e + w[t]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  for (let t = 60; t < 80; t++) {
    const next = (((a << 5) | (a >>> 27)) + ((b ^ c ^ d) - 0x359d3e2a) + e + w[t]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  state[0]! += a
  state[1]! += b
  state[2]! += c
  state[3]! += d
  state[4]! += e
}

export class HmacSha1 {
  /** After the block of the key: what each message begins from. */
  private readonly inner = Int32Array.from(initialState)
  private readonly outer = Int32Array.from(initialState)
  private readonly state = new Int32Array(initialState.length)
  /** The end of a message, with its padding. */
  private readonly end = new Uint8Array(3 * blockBytes)
  private readonly digest = new Uint8Array(digestBytes)

  /** @param key of a block at most, as session keys are */
  constructor(key: Uint8Array) {
    const block = new Uint8Array(blockBytes).fill(0x36)
    for (let i = 0; i < key.length; i++) block[i]! ^= key[i]!
    compress(this.inner, block, 0)
    for (let i = 0; i < blockBytes; i++) block[i]! ^= 0x36 ^ 0x5c
    compress(this.outer, block, 0)
  }

  /** Of the first `length` octets of `data` with `trailer` behind them, which is of a block at most. Valid until the next call. */
  of(data: Uint8Array, length: number, trailer: Uint8Array): Uint8Array {
    const { state, end, digest } = this
    state.set(this.inner)
    let at = 0
    for (; at + blockBytes <= length; at += blockBytes) compress(state, data, at)
    let rest = 0
    while (at < length) end[rest++] = data[at++]!
    for (let i = 0; i < trailer.length; i++) end[rest++] = trailer[i]!
    this.finish(rest, length + trailer.length)
    this.write(end)
    state.set(this.outer)
    this.finish(digestBytes, digestBytes)
    this.write(digest)
    return digest
  }

  /** The last `rest` octets stand in `end`; `message` is the length of all, without the key. */
  private finish(rest: number, message: number): void {
    const { state, end } = this
    const padded = Math.ceil((rest + 1 + lengthBytes) / blockBytes) * blockBytes
    end.fill(0, rest, padded)
    end[rest] = 0x80
    writeUint32(end, padded - 4, (blockBytes + message) * 8)
    for (let at = 0; at < padded; at += blockBytes) compress(state, end, at)
  }

  private write(into: Uint8Array): void {
    for (let i = 0; i < initialState.length; i++) writeUint32(into, 4 * i, this.state[i]!)
  }
}

function writeUint32(data: Uint8Array, at: number, value: number): void {
  data[at] = value >>> 24
  data[at + 1] = value >>> 16
  data[at + 2] = value >>> 8
  data[at + 3] = value
}
