// Our self-signed certificate, made for the life of the process, and the fingerprints that SDP names certificates by
// (RFC 8122 5). Nobody looks at what the certificate says: the fingerprint in the signalling vouches for the key.
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { Random } from '../runtime/runtime.ts'

export interface Certificate {
  readonly der: Uint8Array
  readonly privateKey: KeyObject
}

/** "sha-256" and pairs of upper-case hexadecimal digits with colons. */
export interface Fingerprint {
  readonly algorithm: string
  readonly value: string
}

const dayMs = 86_400_000
/** RFC 8827 6.5 asks for less than a year where keys are kept; these are not kept. */
const lifetimeMs = 30 * dayMs

/** X.509 v3, ECDSA on P-256 (RFC 8827 6.5). @param now wall-clock ms since 1970 */
export function createCertificate(random: Random, now: number): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const serial = random.bytes(8)
  // A positive number without a leading zero octet.
  serial[0] = (serial[0]! & 0x3f) | 0x40
  const algorithm = sequence(ecdsaWithSha256)
  const name = sequence(der(0x31, sequence(commonName, der(0x0c, Buffer.from('floe')))))
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    algorithm,
    name,
    // Clocks differ.
    sequence(time(now - dayMs), time(now + lifetimeMs)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const signature = sign('sha256', toBeSigned, privateKey)
  return { der: sequence(toBeSigned, algorithm, der(0x03, Buffer.of(0), signature)), privateKey }
}

/** Hash functions that vouch for anything today, the strongest last. */
const hashes: Readonly<Record<string, string>> = {
  'sha-256': 'sha256',
  'sha-384': 'sha384',
  'sha-512': 'sha512',
}

export function fingerprintOf(certificate: Uint8Array, algorithm = 'sha-256'): Fingerprint | undefined {
  const hash = hashes[algorithm.toLowerCase()]
  if (hash === undefined) return undefined
  const digest = createHash(hash).update(certificate).digest('hex').toUpperCase()
  return { algorithm: algorithm.toLowerCase(), value: digest.match(/../g)!.join(':') }
}

/** Whether one of the fingerprints is this certificate's. Of several hash functions the strongest counts: there is a fingerprint of
 *  each certificate by each of them (RFC 8122 5). */
export function isVouchedFor(certificate: Uint8Array, fingerprints: readonly Fingerprint[]): boolean {
  const by = (hash: string): Fingerprint[] =>
    fingerprints.filter(({ algorithm }) => algorithm.toLowerCase() === hash)
  const strongest = Object.keys(hashes).findLast((hash) => by(hash).length > 0)
  if (strongest === undefined) return false
  const own = fingerprintOf(certificate, strongest)!.value
  return by(strongest).some(({ value }) => value.toUpperCase() === own)
}

// ── DER (ITU-T X.690), as much as that takes ─────────────────────────────────────────────────────

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const { length } = body
  const header = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...header), body])
}
const sequence = (...parts: Uint8Array[]): Buffer => der(0x30, ...parts)
/** UTCTime. */
const time = (ms: number): Buffer =>
  der(0x17, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`))
/** 1.2.840.10045.4.3.2 and 2.5.4.3. */
const ecdsaWithSha256 = Buffer.from('06082a8648ce3d040302', 'hex')
const commonName = Buffer.from('0603550403', 'hex')
