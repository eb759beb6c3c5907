// AES in counter mode with HMAC-SHA1 (RFC 3711 4.1.1 and 4.2.1; RFC 6188 for 256 bits).
import { type Cipher, createCipheriv, timingSafeEqual } from 'node:crypto'
import { HmacSha1 } from './hmac-sha1.ts'
import type { SessionKeys } from './key-derivation.ts'
import type { Transform } from './transform.ts'

const blockBytes = 16

export class CounterTransform implements Transform {
  /** The block cipher itself: one object for all packets, where a counter-mode one would be made for each. */
  private readonly cipher: Cipher
  private counters = Buffer.alloc(16 * blockBytes)
  private readonly mac: HmacSha1

  constructor(
    private readonly keys: SessionKeys,
    keyBytes: 16 | 32,
    readonly tagBytes: number,
  ) {
    this.cipher = createCipheriv(`aes-${8 * keyBytes}-ecb`, keys.cipher, null)
    this.cipher.setAutoPadding(false)
    this.mac = new HmacSha1(keys.authentication)
  }

  seal(
    packet: Uint8Array,
    header: number,
    ssrc: number,
    index: number,
    trailer: Uint8Array,
    out: Uint8Array,
  ): number {
    const length = packet.length
    const stream = this.keyStream(ssrc, index, length - header)
    for (let i = 0; i < header; i++) out[i] = packet[i]!
    for (let i = header; i < length; i++) out[i] = packet[i]! ^ stream[i - header]!
    const tag = this.mac.of(out, length, trailer)
    for (let i = 0; i < this.tagBytes; i++) out[length + i] = tag[i]!
    return length + this.tagBytes
  }

  open(
    packet: Uint8Array,
    header: number,
    ssrc: number,
    index: number,
    trailer: Uint8Array,
    encrypted: boolean,
  ): Uint8Array | undefined {
    const length = packet.length - this.tagBytes
    if (length < header) return undefined
    const tag = this.mac.of(packet, length, trailer).subarray(0, this.tagBytes)
    if (!timingSafeEqual(tag, packet.subarray(length))) return undefined
    const body = packet.subarray(0, length)
    if (!encrypted) return body
    const stream = this.keyStream(ssrc, index, length - header)
    for (let i = header; i < length; i++) body[i]! ^= stream[i - header]!
    return body
  }

  /** RFC 3711 4.1.1: the salt, with the SSRC from octet 4 and the index from octet 8 on; the last two octets count blocks. */
  private keyStream(ssrc: number, index: number, length: number): Uint8Array {
    const blocks = Math.ceil(length / blockBytes)
    if (this.counters.length < blocks * blockBytes) this.counters = Buffer.alloc(blocks * blockBytes)
    const { counters } = this
    const { salt } = this.keys
    for (let block = 0; block < blocks; block++) {
      const at = block * blockBytes
      counters.set(salt, at)
      xorUint32(counters, at + 4, ssrc)
      xorUint32(counters, at + 8, Math.floor(index / 0x1_0000))
      xorUint16(counters, at + 12, index % 0x1_0000)
      counters[at + 14] = block >> 8
      counters[at + 15] = block
    }
    return this.cipher.update(counters.subarray(0, blocks * blockBytes))
  }
}

const xorUint16 = (data: Uint8Array, at: number, value: number): void => {
  data[at]! ^= value >> 8
  data[at + 1]! ^= value & 0xff
}
const xorUint32 = (data: Uint8Array, at: number, value: number): void => {
  xorUint16(data, at, value >>> 16)
  xorUint16(data, at + 2, value & 0xffff)
}
