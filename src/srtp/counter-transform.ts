// AES in counter mode with HMAC-SHA1 (RFC 3711 4.1.1 and 4.2.1; RFC 6188 for 256 bits).
import { type Cipher, createCipheriv, timingSafeEqual } from 'node:crypto'
import { HmacSha1 } from './hmac-sha1.ts'
import type { SessionKeys } from './key-derivation.ts'
import type { Transform } from './transform.ts'

const blockBytes = 16
/** The key stream is made for so many packets in one go: what a call of the cipher costs hardly depends on its length. */
const packetsAhead = 8

export class CounterTransform implements Transform {
  /** The block cipher itself: one object for all packets, where a counter-mode one would be made for each. */
  private readonly cipher: Cipher
  private counters = Buffer.alloc(0)
  /** Of the packets of one source from `firstIndex` on, `streamBytes` for each. */
  private stream: Uint8Array = this.counters
  private streamBytes = 0
  private firstIndex = Number.POSITIVE_INFINITY
  private source = 0
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
    const from = this.keyStreamAt(ssrc, index, length - header) - header
    const { stream } = this
    for (let i = 0; i < header; i++) out[i] = packet[i]!
    for (let i = header; i < length; i++) out[i] = packet[i]! ^ stream[from + i]!
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
    const from = this.keyStreamAt(ssrc, index, length - header) - header
    const { stream } = this
    for (let i = header; i < length; i++) body[i]! ^= stream[from + i]!
    return body
  }

  /** Where the packet's key stream begins in `stream`. */
  private keyStreamAt(ssrc: number, index: number, length: number): number {
    const ahead = index - this.firstIndex
    if (ssrc !== this.source || length > this.streamBytes || ahead < 0 || ahead >= packetsAhead) {
      this.makeStream(ssrc, index, Math.ceil(length / blockBytes))
      return 0
    }
    return ahead * this.streamBytes
  }

  /** RFC 3711 4.1.1: the salt, with the SSRC from octet 4 and the index from octet 8 on; the last two octets count blocks. */
  private makeStream(ssrc: number, index: number, blocks: number): void {
    this.source = ssrc
    this.firstIndex = index
    this.streamBytes = blocks * blockBytes
    const length = packetsAhead * this.streamBytes
    if (this.counters.length < length) this.counters = Buffer.alloc(length)
    const { counters } = this
    const { salt } = this.keys
    for (let at = 0; at < length; at += blockBytes) {
      const block = (at % this.streamBytes) / blockBytes
      const ofPacket = index + Math.floor(at / this.streamBytes)
      counters.set(salt, at)
      xorUint32(counters, at + 4, ssrc)
      xorUint32(counters, at + 8, Math.floor(ofPacket / 0x1_0000))
      xorUint16(counters, at + 12, ofPacket % 0x1_0000)
      counters[at + 14] = block >> 8
      counters[at + 15] = block
    }
    this.stream = this.cipher.update(counters.subarray(0, length))
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
