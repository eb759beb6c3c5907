// From a master key to the session keys (RFC 3711 4.3; RFC 6188 7.1 for 256 bits; RFC 7714 11 for GCM). The key derivation
// rate is 0: session keys are derived once, as every peer of floe's has it.
import { createCipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { InvariantError } from '../errors.ts'
import type { MasterKey } from './suite.ts'

/** RFC 3711 4.3.2 and 4.3.1: one more for the SRTCP counterpart of each. */
const labels = { cipher: 0, authentication: 1, salt: 2 }
const rtcpOffset = 3
/** HMAC-SHA1's (RFC 3711 5.2). */
const authenticationKeyBytes = 20
/** Of the counter mode that derives. */
const fullSaltBytes = 14

export interface SessionKeys {
  /** Made once: on Node 24 a raw key costs five times as much per packet. */
  readonly cipher: KeyObject
  readonly authentication: Uint8Array
  readonly salt: Uint8Array
}

export function deriveSessionKeys(master: MasterKey, of: 'rtp' | 'rtcp'): SessionKeys {
  const { suite, key, salt } = master
  if (key.length !== suite.keyBytes || salt.length !== suite.saltBytes)
    throw new InvariantError(`a master key of ${key.length} and ${salt.length} octets for ${suite.name}`)
  const offset = of === 'rtp' ? 0 : rtcpOffset
  const derive = (label: number, length: number): Uint8Array => {
    const iv = Buffer.alloc(16)
    iv.set(salt)
    iv[fullSaltBytes - 7]! ^= label + offset
    return createCipheriv(`aes-${8 * suite.keyBytes}-ctr`, key, iv).update(Buffer.alloc(length))
  }
  return {
    cipher: createSecretKey(derive(labels.cipher, suite.keyBytes)),
    authentication: derive(labels.authentication, authenticationKeyBytes),
    salt: derive(labels.salt, suite.saltBytes),
  }
}
