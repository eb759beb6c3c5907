// The one HMAC of STUN. Keys are KeyObjects made once: on Node 24 a raw key costs five times as much per message.
import { createHmac, type KeyObject } from 'node:crypto'

export const hmac = (algorithm: 'sha1' | 'sha256', key: KeyObject, ...parts: Uint8Array[]): Uint8Array => {
  const mac = createHmac(algorithm, key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}
