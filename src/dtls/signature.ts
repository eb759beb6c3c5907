// Signatures of the handshake (RFC 5246 4.7, 7.4.3, 7.4.8; numbers of RFC 8446 4.2.3): ours with ECDSA on P-256, the peer's with
// what a certificate in the field has.
import { constants, type KeyObject, sign, verify } from 'node:crypto'
import { signatureScheme } from './numbers.ts'

const hashes: Readonly<Record<number, string>> = {
  [signatureScheme.ecdsaP256Sha256]: 'sha256',
  [signatureScheme.ecdsaP384Sha384]: 'sha384',
  [signatureScheme.rsaPssSha256]: 'sha256',
  [signatureScheme.rsaPkcs1Sha256]: 'sha256',
  [signatureScheme.rsaPkcs1Sha384]: 'sha384',
  [signatureScheme.rsaPkcs1Sha512]: 'sha512',
}
export const signatureSchemes: readonly number[] = Object.values(signatureScheme)

export const ownScheme = signatureScheme.ecdsaP256Sha256

export const signWith = (key: KeyObject, data: Uint8Array): Buffer => sign('sha256', data, key)

/** Whether the holder of the public key's other half has signed; false for schemes that were not offered. */
export function isSignedBy(key: KeyObject, scheme: number, data: Uint8Array, signature: Uint8Array): boolean {
  const hash = hashes[scheme]
  if (hash === undefined) return false
  const isEcdsa = scheme === signatureScheme.ecdsaP256Sha256 || scheme === signatureScheme.ecdsaP384Sha384
  if (key.asymmetricKeyType !== (isEcdsa ? 'ec' : 'rsa')) return false
  const padding =
    scheme === signatureScheme.rsaPssSha256
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : {}
  try {
    return verify(hash, data, { key, ...padding }, signature)
  } catch {
    return false
  }
}
