// The cipher suites: ephemeral Diffie-Hellman on curves, a signature, and an AEAD (RFC 5289, RFC 7905). Nothing else has forward
// secrecy and no known weakness; every WebRTC endpoint has the first (RFC 8827 6.5).
import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
} from 'node:crypto'
import type { PrfHash } from './key-schedule.ts'

export interface CipherSuite {
  readonly number: number
  readonly name: string
  readonly signedBy: 'ecdsa' | 'rsa'
  readonly hash: PrfHash
  readonly cipher: CipherGCMTypes | 'chacha20-poly1305'
  readonly keyBytes: number
  /** The part of the nonce that comes out of the key block; the rest of 12 octets is in each record of GCM (RFC 5288 3). */
  readonly ivBytes: 4 | 12
}

const aes128 = { hash: 'sha256', cipher: 'aes-128-gcm', keyBytes: 16, ivBytes: 4 } as const
const aes256 = { hash: 'sha384', cipher: 'aes-256-gcm', keyBytes: 32, ivBytes: 4 } as const
const chacha = { hash: 'sha256', cipher: 'chacha20-poly1305', keyBytes: 32, ivBytes: 12 } as const

export const cipherSuites: readonly CipherSuite[] = [
  { number: 0xc02b, name: 'ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', signedBy: 'ecdsa', ...aes128 },
  { number: 0xc02c, name: 'ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', signedBy: 'ecdsa', ...aes256 },
  { number: 0xcca9, name: 'ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', signedBy: 'ecdsa', ...chacha },
  { number: 0xc02f, name: 'ECDHE_RSA_WITH_AES_128_GCM_SHA256', signedBy: 'rsa', ...aes128 },
  { number: 0xc030, name: 'ECDHE_RSA_WITH_AES_256_GCM_SHA384', signedBy: 'rsa', ...aes256 },
  { number: 0xcca8, name: 'ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', signedBy: 'rsa', ...chacha },
]

const nonceBytes = 12
const tagBytes = 16

/** Protects the records of one direction. `sequence` is epoch and number, 8 octets (RFC 6347 4.1.2.1). */
export class RecordProtection {
  private readonly key: KeyObject
  private readonly explicitBytes: number

  constructor(
    private readonly suite: CipherSuite,
    key: Uint8Array,
    private readonly iv: Uint8Array,
  ) {
    this.key = createSecretKey(key)
    this.explicitBytes = suite.ivBytes === 4 ? 8 : 0
  }

  seal(type: number, version: number, sequence: Uint8Array, content: Uint8Array): Buffer {
    const cipher = createCipheriv(this.suite.cipher as CipherGCMTypes, this.key, this.nonce(sequence), {
      authTagLength: tagBytes,
    })
    cipher.setAAD(associated(type, version, sequence, content.length))
    const body = cipher.update(content)
    cipher.final()
    const explicit = this.explicitBytes > 0 ? sequence : new Uint8Array(0)
    return Buffer.concat([explicit, body, cipher.getAuthTag()])
  }

  /** Undefined where it was not sealed with this key. */
  open(type: number, version: number, sequence: Uint8Array, sealed: Uint8Array): Buffer | undefined {
    const length = sealed.length - this.explicitBytes - tagBytes
    if (length < 0) return undefined
    const explicit = sealed.subarray(0, this.explicitBytes)
    const nonce = this.nonce(this.explicitBytes > 0 ? explicit : sequence)
    const decipher = createDecipheriv(this.suite.cipher as CipherGCMTypes, this.key, nonce, {
      authTagLength: tagBytes,
    })
    decipher.setAAD(associated(type, version, sequence, length))
    decipher.setAuthTag(sealed.subarray(this.explicitBytes + length))
    const content = decipher.update(sealed.subarray(this.explicitBytes, this.explicitBytes + length))
    try {
      decipher.final()
    } catch {
      return undefined
    }
    return content
  }

  private nonce(explicit: Uint8Array): Uint8Array {
    const nonce = new Uint8Array(nonceBytes)
    nonce.set(this.iv)
    for (let i = 0; i < 8; i++) nonce[4 + i]! ^= explicit[i]!
    return nonce
  }
}

const associated = (type: number, version: number, sequence: Uint8Array, length: number): Buffer =>
  Buffer.concat([sequence, Buffer.of(type, version >> 8, version & 0xff, length >> 8, length & 0xff)])
