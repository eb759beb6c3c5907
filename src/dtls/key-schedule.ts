// From the shared secret to keys (RFC 5246 5, 6.3, 8.1; RFC 7627 for the extended master secret; RFC 5705 and 5764 4.2 for
// what SRTP gets). The hash is the cipher suite's.
import { createHash, createHmac } from 'node:crypto'

export type PrfHash = 'sha256' | 'sha384'

const masterSecretBytes = 48
/** RFC 5246 7.4.9. */
const verifyDataBytes = 12

/** P_hash of RFC 5246 5. */
export function prf(
  hash: PrfHash,
  secret: Uint8Array,
  label: string,
  seed: Uint8Array,
  length: number,
): Buffer {
  const labelled = Buffer.concat([Buffer.from(label, 'latin1'), seed])
  const hmac = (data: Uint8Array): Buffer => createHmac(hash, secret).update(data).digest()
  const blocks: Buffer[] = []
  let a: Buffer = labelled
  for (let made = 0; made < length; made += blocks.at(-1)!.length) {
    a = hmac(a)
    blocks.push(hmac(Buffer.concat([a, labelled])))
  }
  return Buffer.concat(blocks).subarray(0, length)
}

export const transcriptHash = (hash: PrfHash, messages: readonly Uint8Array[]): Buffer => {
  const digest = createHash(hash)
  for (const message of messages) digest.update(message)
  return digest.digest()
}

/** RFC 7627 4. @param sessionHash of all messages up to the ClientKeyExchange */
export const extendedMasterSecret = (hash: PrfHash, shared: Uint8Array, sessionHash: Uint8Array): Buffer =>
  prf(hash, shared, 'extended master secret', sessionHash, masterSecretBytes)

export const verifyData = (
  hash: PrfHash,
  master: Uint8Array,
  by: 'client' | 'server',
  messages: readonly Uint8Array[],
): Buffer => prf(hash, master, `${by} finished`, transcriptHash(hash, messages), verifyDataBytes)

/** RFC 5705: no context. */
export const exported = (
  hash: PrfHash,
  master: Uint8Array,
  randoms: Uint8Array,
  label: string,
  length: number,
): Buffer => prf(hash, master, label, randoms, length)

/** As in SSLKEYLOGFILE, for Wireshark. */
export const keyLogLine = (clientRandom: Uint8Array, master: Uint8Array): Buffer =>
  Buffer.from(
    `CLIENT_RANDOM ${Buffer.from(clientRandom).toString('hex')} ${Buffer.from(master).toString('hex')}\n`,
  )
