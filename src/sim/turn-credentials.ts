// The long-term credential mechanism as a server applies it (RFC 8489 9.2.4): challenge, nonces that end, passwords that are
// known or that follow from a shared secret (the time-limited form of TURN REST). Nonces are stateless: a time and its seal.
import { createHash, createHmac, type KeyObject } from 'node:crypto'
import type { Clock, Millis, Random } from '../runtime/runtime.ts'
import { readText } from '../stun/attributes.ts'
import { integrityMatches, integritySha256Matches, longTermKey } from '../stun/integrity.ts'
import type { MessageWriter, StunMessage } from '../stun/message.ts'
import { attribute, errorCode } from '../stun/numbers.ts'

export interface TurnCredentials {
  /** Default "floe". */
  realm?: string
  /** User name to password. */
  users?: Readonly<Record<string, string>>
  /** Of time-limited credentials: the user name is "EXPIRY:NAME" in Unix seconds, the password its HMAC-SHA1 in base64. */
  secret?: string
  /** After this a nonce is answered with 438; RFC 8656 5 wants an hour at most, the default. */
  nonceLifetimeMs?: Millis
  /** Offers SHA-256 keys and hidden user names (RFC 8489 9.2), too. */
  sha256?: boolean
}

const DEFAULT_REALM = 'floe'
const DEFAULT_NONCE_LIFETIME_MS = 3_600_000
/** RFC 8489 9.2 and 18.1, whose erratum counts bits from the right: the cookie, then bit 0 (password algorithms) and, where the
 *  names of all users are known, bit 1 (user name anonymity) in base64. */
const NONCE_COOKIES = { named: 'obMatJos2AAAB', anonymous: 'obMatJos2AAAD' }
/** RFC 8489 18.5, without parameters: SHA-256 (2), MD5 (1). */
const ALGORITHMS = Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0)
/** What of the seal stands in a nonce. */
const SEAL_LENGTH = 16
/** More keys of time-limited users than this are not remembered. */
const MAXIMUM_KEYS = 1_000

/** Who asks, and how the answer is sealed; or with which code it is refused, with a challenge or without. */
export type Authentication =
  | { type: 'genuine'; username: string; seal: (writer: MessageWriter) => MessageWriter }
  | { type: 'refused'; code: number; challenge: boolean }

const refused = (code: number, challenge = true): Authentication => ({ type: 'refused', code, challenge })

export class Authenticator {
  readonly realm: string
  private readonly key: Uint8Array
  private readonly keys = new Map<string, KeyObject>()

  constructor(
    private readonly credentials: TurnCredentials,
    private readonly clock: Clock,
    random: Random,
  ) {
    this.realm = credentials.realm ?? DEFAULT_REALM
    this.key = random.bytes(20)
  }

  authenticate(request: StunMessage): Authentication {
    const strong = request.attributes.has(attribute.messageIntegritySha256)
    if (!strong && !request.attributes.has(attribute.messageIntegrity))
      return refused(errorCode.unauthenticated)
    const { unauthenticated, badRequest, staleNonce } = errorCode
    const realm = readText(request, attribute.realm)
    const nonce = readText(request, attribute.nonce)
    const named = request.attributes.has(attribute.username) || request.attributes.has(attribute.userhash)
    if (realm === undefined || nonce === undefined || !named) return refused(badRequest, false)
    const algorithm = this.algorithmOf(request)
    if (!algorithm) return refused(badRequest, false)
    const username = this.usernameOf(request)
    const password = username === undefined ? undefined : this.passwordOf(username)
    if (username === undefined || password === undefined || realm !== this.realm)
      return refused(unauthenticated)
    const key = this.keyOf(username, password, algorithm)
    if (!(strong ? integritySha256Matches(request, key) : integrityMatches(request, key)))
      return refused(unauthenticated)
    if (!this.isFresh(nonce)) return refused(staleNonce)
    const seal = (writer: MessageWriter) => (strong ? writer.integritySha256(key) : writer.integrity(key))
    return { type: 'genuine', username, seal }
  }

  challenge(writer: MessageWriter): MessageWriter {
    writer.text(attribute.realm, this.realm).text(attribute.nonce, this.nonce())
    return this.credentials.sha256 ? writer.octets(attribute.passwordAlgorithms, ALGORITHMS) : writer
  }

  /** Undefined where the client has let somebody take away the better algorithm (RFC 8489 9.2.4). */
  private algorithmOf(request: StunMessage): 'md5' | 'sha256' | undefined {
    const offered = request.attributes.get(attribute.passwordAlgorithms)
    const chosen = request.attributes.get(attribute.passwordAlgorithm)
    if (!this.credentials.sha256 || (!offered && !chosen)) return 'md5'
    if (!offered || !chosen || Buffer.compare(offered, ALGORITHMS) !== 0 || chosen.length < 2)
      return undefined
    const number = (chosen[0]! << 8) | chosen[1]!
    return number === 2 ? 'sha256' : number === 1 ? 'md5' : undefined
  }

  private usernameOf(request: StunMessage): string | undefined {
    const userhash = request.attributes.get(attribute.userhash)
    if (!userhash || !this.credentials.sha256) return readText(request, attribute.username)
    return Object.keys(this.credentials.users ?? {}).find((name) => {
      const hash = createHash('sha256').update(`${name}:${this.realm}`, 'utf8').digest()
      return Buffer.compare(hash, userhash) === 0
    })
  }

  private passwordOf(username: string): string | undefined {
    const { users = {}, secret } = this.credentials
    if (Object.hasOwn(users, username)) return users[username]
    const expiry = /^\d+/.exec(username)
    if (secret === undefined || !expiry || Number(expiry[0]) * 1_000 < this.clock.wallTime()) return undefined
    return createHmac('sha1', secret).update(username, 'utf8').digest('base64')
  }

  /** A key costs more than all the rest of a request. */
  private keyOf(username: string, password: string, algorithm: 'md5' | 'sha256'): KeyObject {
    const name = `${algorithm} ${username}`
    let key = this.keys.get(name)
    if (!key) {
      if (this.keys.size >= MAXIMUM_KEYS) this.keys.clear()
      key = longTermKey(username, this.realm, password, algorithm)
      this.keys.set(name, key)
    }
    return key
  }

  private get cookie(): string {
    const { sha256, secret } = this.credentials
    if (!sha256) return ''
    return secret === undefined ? NONCE_COOKIES.anonymous : NONCE_COOKIES.named
  }

  private nonce(): string {
    const time = Math.floor(this.clock.now()).toString(36)
    return `${this.cookie}${this.sealOf(time)}${time}`
  }

  private isFresh(nonce: string): boolean {
    const bare = nonce.slice(this.cookie.length)
    const time = bare.slice(SEAL_LENGTH)
    if (bare.slice(0, SEAL_LENGTH) !== this.sealOf(time)) return false
    const ageMs = this.clock.now() - Number.parseInt(time, 36)
    return ageMs <= (this.credentials.nonceLifetimeMs ?? DEFAULT_NONCE_LIFETIME_MS)
  }

  private sealOf(time: string): string {
    return createHmac('sha1', this.key).update(time).digest('hex').slice(0, SEAL_LENGTH)
  }
}
