// The long-term credential of a STUN client (RFC 8489 9.2): what the server's challenge said, the seal on requests, and whether
// an answer is the server's own. With PASSWORD-ALGORITHMS: SHA-256 where offered, MESSAGE-INTEGRITY-SHA256, the hash of the
// user name where asked for, and no way back to less. Passwords are taken as prepared (OpaqueString, RFC 8265).
import { createHash, type KeyObject } from 'node:crypto'
import { readText } from '../stun/attributes.ts'
import { integrityMatches, integritySha256Matches, longTermKey } from '../stun/integrity.ts'
import type { MessageWriter, StunMessage } from '../stun/message.ts'
import { attribute, passwordAlgorithm } from '../stun/numbers.ts'

/** RFC 8489 9.2: a nonce that begins so tells the server's abilities in the four base64 digits that follow. */
const nonceCookie = 'obMatJos2'
/** RFC 8489 18.1 as corrected: bit 0 is the rightmost of 24. */
const passwordAlgorithmsBit = 1 << 0
const usernameAnonymityBit = 1 << 1
/** RFC 8489 14.9, 14.10: REALM and NONCE have at most 763 octets. */
const longestQuotedBytes = 763

interface Challenge {
  realm: string
  nonce: Uint8Array
  /** PASSWORD-ALGORITHMS, to be repeated octet by octet. */
  algorithms?: Uint8Array
  algorithm: 'md5' | 'sha256'
  anonymous: boolean
  key: KeyObject
}

export class LongTermCredential {
  private challenge: Challenge | undefined

  constructor(
    private readonly username: string,
    private readonly password: string,
  ) {}

  /** Whether requests are sealed: the server has asked for it. */
  get isChallenged(): boolean {
    return this.challenge !== undefined
  }

  get realm(): string | undefined {
    return this.challenge?.realm
  }

  /** Takes the challenge of a 401 or 438. Returns in words why it cannot be met, and is as before then; else undefined. */
  learn(message: StunMessage): string | undefined {
    const nonce = message.attributes.get(attribute.nonce)
    const realm = readText(message, attribute.realm) ?? this.challenge?.realm
    if (!nonce || realm === undefined) return 'it asks for credentials without naming realm and nonce'
    if (nonce.length > longestQuotedBytes || realm.length > longestQuotedBytes)
      return 'its realm or nonce is longer than RFC 8489 permits'
    const features = securityFeatures(nonce)
    const algorithms = message.attributes.get(attribute.passwordAlgorithms)
    const hadAlgorithms = this.challenge?.algorithms !== undefined
    if ((features & passwordAlgorithmsBit || hadAlgorithms) && !algorithms)
      return 'its challenge was altered on the way, as if to weaken the password protection'
    const algorithm = algorithms ? firstKnownAlgorithm(algorithms) : 'md5'
    if (!algorithm) return 'it knows no password algorithm that floe knows (MD5, SHA-256)'
    const { challenge } = this
    const isSameKey = challenge?.realm === realm && challenge.algorithm === algorithm
    this.challenge = {
      realm,
      nonce,
      ...(algorithms && { algorithms }),
      algorithm,
      anonymous: (features & usernameAnonymityBit) !== 0,
      key: isSameKey ? challenge.key : longTermKey(this.username, realm, this.password, algorithm),
    }
    return undefined
  }

  /** Adds credentials and integrity; nothing before the first challenge (RFC 8489 9.2.3.1). */
  seal(writer: MessageWriter): MessageWriter {
    const { challenge } = this
    if (!challenge) return writer
    const { realm, nonce, algorithms, algorithm, anonymous, key } = challenge
    if (anonymous) writer.octets(attribute.userhash, userhash(this.username, realm))
    else writer.text(attribute.username, this.username)
    writer.text(attribute.realm, realm).octets(attribute.nonce, nonce)
    if (!algorithms) return writer.integrity(key)
    return writer
      .octets(attribute.passwordAlgorithms, algorithms)
      .uint32(attribute.passwordAlgorithm, passwordAlgorithm[algorithm] << 16)
      .integritySha256(key)
  }

  /** Whether the message bears the integrity that requests bear. */
  isGenuine(message: StunMessage): boolean {
    const { challenge } = this
    if (!challenge) return true
    return challenge.algorithms
      ? integritySha256Matches(message, challenge.key)
      : integrityMatches(message, challenge.key)
  }
}

/** RFC 8489 14.4. */
const userhash = (username: string, realm: string): Uint8Array =>
  createHash('sha256').update(`${username}:${realm}`, 'utf8').digest()

/** The 24 flags after the nonce cookie; 0 where there is none. */
function securityFeatures(nonce: Uint8Array): number {
  const text = Buffer.from(nonce.subarray(0, nonceCookie.length + 4)).toString('latin1')
  if (!text.startsWith(nonceCookie)) return 0
  const flags = Buffer.from(text.slice(nonceCookie.length), 'base64')
  return flags.length === 3 ? flags.readUIntBE(0, 3) : 0
}

/** The first of PASSWORD-ALGORITHMS (RFC 8489 14.11) that we know; both known ones have no parameters. */
function firstKnownAlgorithm(value: Uint8Array): 'md5' | 'sha256' | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  for (let at = 0; at + 4 <= value.length; at += 4 + ((view.getUint16(at + 2) + 3) & ~3)) {
    if (view.getUint16(at + 2) !== 0) continue
    if (view.getUint16(at) === passwordAlgorithm.sha256) return 'sha256'
    if (view.getUint16(at) === passwordAlgorithm.md5) return 'md5'
  }
  return undefined
}
