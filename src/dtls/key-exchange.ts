// Ephemeral Diffie-Hellman on the curves that everybody has (RFC 8422 5.4, 5.7): P-256, P-384, X25519.
import { createECDH, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto'
import { namedGroup } from './numbers.ts'
import { Malformed } from './octets.ts'

export interface KeyShare {
  readonly group: number
  readonly publicKey: Uint8Array
  /** Throws Malformed where the other's is no point of the curve. */
  sharedSecret(other: Uint8Array): Buffer
}

/** In order of preference. */
export const groups: readonly number[] = [namedGroup.x25519, namedGroup.secp256r1, namedGroup.secp384r1]

export function createKeyShare(group: number): KeyShare {
  if (group === namedGroup.x25519) return x25519()
  const ecdh = createECDH(group === namedGroup.secp256r1 ? 'prime256v1' : 'secp384r1')
  const publicKey = ecdh.generateKeys()
  return {
    group,
    publicKey,
    sharedSecret(other) {
      try {
        return ecdh.computeSecret(other)
      } catch {
        throw new Malformed('the key share is no point of the curve')
      }
    },
  }
}

function x25519(): KeyShare {
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  const { x } = publicKey.export({ format: 'jwk' })
  return {
    group: namedGroup.x25519,
    publicKey: Buffer.from(x!, 'base64url'),
    sharedSecret(other) {
      const jwk = { kty: 'OKP', crv: 'X25519', x: Buffer.from(other).toString('base64url') }
      try {
        return diffieHellman({ privateKey, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) })
      } catch {
        throw new Malformed('the key share is no point of the curve')
      }
    },
  }
}
