// AES in counter mode with HMAC-SHA1 (RFC 3711 4.1.1 and 4.2.1; RFC 6188 for 256 bits).
import { HmacSha1 } from './hmac-sha1.ts'
import type { SessionKeys } from './key-derivation.ts'
import { KeyStream } from './key-stream.ts'
import type { Transform } from './transform.ts'

export class CounterTransform implements Transform {
  private readonly keyStream: KeyStream
  private readonly mac: HmacSha1

  constructor(
    keys: SessionKeys,
    keyBytes: 16 | 32,
    readonly tagBytes: number,
    of: 'rtp' | 'rtcp',
  ) {
    this.keyStream = new KeyStream(keys, keyBytes, of === 'rtp')
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
    for (let i = 0; i < header; i++) out[i] = packet[i]!
    this.keyStream.apply(ssrc, index, packet, header, length, out)
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
    out: Uint8Array,
  ): number | undefined {
    const length = packet.length - this.tagBytes
    if (length < header) return undefined
    const tag = this.mac.of(packet, length, trailer)
    // Every octet is looked at, so that the time tells nothing.
    let difference = 0
    for (let i = 0; i < this.tagBytes; i++) difference |= tag[i]! ^ packet[length + i]!
    if (difference !== 0) return undefined
    const clear = encrypted ? header : length
    for (let i = 0; i < clear; i++) out[i] = packet[i]!
    if (encrypted) this.keyStream.apply(ssrc, index, packet, header, length, out)
    return length
  }
}
