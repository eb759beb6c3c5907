// AES-GCM (RFC 7714): one pass encrypts and authenticates.
import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { SessionKeys } from './key-derivation.ts'
import type { Transform } from './transform.ts'

const ivBytes = 12

export class GcmTransform implements Transform {
  readonly tagBytes = 16
  private readonly algorithm: 'aes-128-gcm' | 'aes-256-gcm'
  private readonly iv = Buffer.alloc(ivBytes)

  /** @param of RTCP's associated data ends with the E flag and index (RFC 7714 9.3), RTP's roll-over counter is in the IV alone */
  constructor(
    private readonly keys: SessionKeys,
    keyBytes: 16 | 32,
    private readonly of: 'rtp' | 'rtcp',
  ) {
    this.algorithm = keyBytes === 16 ? 'aes-128-gcm' : 'aes-256-gcm'
  }

  seal(
    packet: Uint8Array,
    header: number,
    ssrc: number,
    index: number,
    trailer: Uint8Array,
    out: Uint8Array,
  ): number {
    const cipher = createCipheriv(this.algorithm, this.keys.cipher, this.ivFor(ssrc, index))
    cipher.setAAD(this.associated(packet.subarray(0, header), trailer))
    out.set(packet.subarray(0, header))
    out.set(cipher.update(packet.subarray(header)), header)
    cipher.final()
    out.set(cipher.getAuthTag(), packet.length)
    return packet.length + this.tagBytes
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
    const clear = encrypted ? header : length
    const decipher = createDecipheriv(this.algorithm, this.keys.cipher, this.ivFor(ssrc, index))
    decipher.setAAD(this.associated(packet.subarray(0, clear), trailer))
    decipher.setAuthTag(packet.subarray(length))
    const body = decipher.update(packet.subarray(clear, length))
    try {
      decipher.final()
    } catch {
      return undefined
    }
    out.set(packet.subarray(0, clear))
    out.set(body, clear)
    return length
  }

  private associated(header: Uint8Array, trailer: Uint8Array): Uint8Array {
    return this.of === 'rtp' ? header : Buffer.concat([header, trailer])
  }

  /** RFC 7714 8.1 and 9.1: two zero octets, the SSRC, the index in 48 bits, exclusive-or the salt. */
  private ivFor(ssrc: number, index: number): Buffer {
    const { iv } = this
    iv.writeUInt16BE(0, 0)
    iv.writeUInt32BE(ssrc >>> 0, 2)
    iv.writeUIntBE(index, 6, 6)
    for (let i = 0; i < ivBytes; i++) iv[i]! ^= this.keys.salt[i]!
    return iv
  }
}
