// Digest access authentication as a client (RFC 3261 22, RFC 7616, RFC 8760): MD5, SHA-256 and SHA-512-256 and their
// -sess variants, qop auth and auth-int, several challenges and realms, nonce reuse with a rising nonce count.
// Leaves out: userhash, username*, answering for a server (the test registrar has its own).
import { createHash } from 'node:crypto'
import type { Random } from '../runtime/runtime.ts'
import { type Params, quote } from './grammar.ts'
import { parseChallenges } from './header-values.ts'
import { evictOldest } from './reliability.ts'

/** Weakest first; RFC 8760 2.4 lets the client choose the strongest it knows. */
const hashNames = { MD5: 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512-256' } as const
type Algorithm = keyof typeof hashNames
const strength: readonly Algorithm[] = ['MD5', 'SHA-256', 'SHA-512-256']

/** Staleness in a row that is believed before a server is called broken. */
const maximumStaleRetries = 2

/** Servers whose nonces are remembered, and realms of one server. One that asks in ever new realms must not make requests grow. */
const maximumHosts = 64
const maximumSpaces = 4

export interface DigestChallenge {
  realm: string
  nonce: string
  opaque: string | undefined
  /** As the server wrote it, echoed back unchanged; undefined means MD5 (RFC 7616 3.3). */
  algorithmText: string | undefined
  algorithm: Algorithm
  session: boolean
  qop: 'auth' | 'auth-int' | undefined
  stale: boolean
}

/** The challenges of WWW-Authenticate or Proxy-Authenticate values that this client can answer, in order; others are skipped. */
export const parseDigestChallenges = (headerValues: readonly string[]): DigestChallenge[] =>
  headerValues
    .flatMap((value) => parseChallenges(value) ?? [])
    .flatMap((challenge) => (challenge.scheme === 'digest' ? (readChallenge(challenge.params) ?? []) : []))

function readChallenge(parameters: Params): DigestChallenge | undefined {
  const realm = parameters.get('realm')
  const nonce = parameters.get('nonce')
  if (realm == null || nonce == null) return undefined
  const algorithmText = parameters.get('algorithm') ?? undefined
  const named = (algorithmText ?? 'MD5').toUpperCase()
  const session = named.endsWith('-SESS')
  const algorithm = (session ? named.slice(0, -5) : named) as Algorithm
  if (!(algorithm in hashNames)) return undefined
  const offered = parameters
    .get('qop')
    ?.split(',')
    .map((word) => word.trim().toLowerCase())
  const qop = offered?.includes('auth') ? 'auth' : offered?.includes('auth-int') ? 'auth-int' : undefined
  if (offered?.some(Boolean) && qop === undefined) return undefined
  const stale = parameters.get('stale')?.toLowerCase() === 'true'
  return {
    realm,
    nonce,
    opaque: parameters.get('opaque') ?? undefined,
    algorithmText,
    algorithm,
    session,
    qop,
    stale,
  }
}

/** One protection space: a realm, asked for by a server (401) or a proxy (407). */
interface Space {
  status: 401 | 407
  challenge: DigestChallenge
  nonceCount: number
  cnonce: string
}

/** The credentials of one account and what servers have asked of it so far. */
export class DigestClient {
  /** By host, then by status and realm. */
  private readonly spaces = new Map<string, Map<string, Space>>()

  constructor(
    readonly username: string,
    private readonly password: string | undefined,
    private readonly random: Random,
  ) {}

  /** One request and its retries. Nonces learnt from `host` before are used at once, which spares a round trip.
   *  @param host a server, or a call within which credentials stay (its Call-ID) */
  attempt(host: string): DigestAttempt {
    return new DigestAttempt(this, host)
  }

  /** @internal */
  get hasPassword(): boolean {
    return this.password !== undefined
  }

  /** @internal */
  learn(host: string, status: 401 | 407, challenge: DigestChallenge): void {
    const cnonce = Buffer.from(this.random.bytes(16)).toString('hex')
    const key = `${status} ${challenge.realm}`
    const spaces = this.spaces.get(host) ?? new Map<string, Space>()
    spaces.delete(key)
    evictOldest(spaces, maximumSpaces)
    spaces.set(key, { status, challenge, nonceCount: 0, cnonce })
    this.spaces.delete(host)
    evictOldest(this.spaces, maximumHosts)
    this.spaces.set(host, spaces)
  }

  /** @internal */
  forget(host: string): void {
    this.spaces.delete(host)
  }

  /** @internal */
  headers(host: string, method: string, uri: string, body: string): string[] {
    return [...(this.spaces.get(host)?.values() ?? [])].map((space) => {
      const name = space.status === 401 ? 'Authorization' : 'Proxy-Authorization'
      return `${name}: ${this.credentials(space, method, uri, body)}`
    })
  }

  /** RFC 7616 3.4. */
  private credentials(space: Space, method: string, uri: string, body: string): string {
    const { challenge, cnonce } = space
    const hash = (text: string): string =>
      createHash(hashNames[challenge.algorithm]).update(text, 'utf8').digest('hex')
    const nonceCount = (++space.nonceCount).toString(16).padStart(8, '0')
    const secret = hash(`${this.username}:${challenge.realm}:${this.password ?? ''}`)
    const a1 = challenge.session ? hash(`${secret}:${challenge.nonce}:${cnonce}`) : secret
    const a2 = hash(challenge.qop === 'auth-int' ? `${method}:${uri}:${hash(body)}` : `${method}:${uri}`)
    const response = challenge.qop
      ? hash(`${a1}:${challenge.nonce}:${nonceCount}:${cnonce}:${challenge.qop}:${a2}`)
      : hash(`${a1}:${challenge.nonce}:${a2}`)
    const parts = [
      `username=${quote(this.username)}`,
      `realm=${quote(challenge.realm)}`,
      `nonce=${quote(challenge.nonce)}`,
      `uri=${quote(uri)}`,
      `response="${response}"`,
    ]
    if (challenge.algorithmText !== undefined) parts.push(`algorithm=${challenge.algorithmText}`)
    if (challenge.qop) parts.push(`qop=${challenge.qop}`, `nc=${nonceCount}`)
    if (challenge.qop || challenge.session) parts.push(`cnonce="${cnonce}"`)
    if (challenge.opaque !== undefined) parts.push(`opaque=${quote(challenge.opaque)}`)
    return `Digest ${parts.join(', ')}`
  }
}

export class DigestAttempt {
  /** Realms whose challenge arrived during this attempt: a second one means that the password is wrong. */
  private readonly answered = new Set<string>()
  private staleRetries = 0

  constructor(
    private readonly client: DigestClient,
    private readonly host: string,
  ) {}

  /** Authorization and Proxy-Authorization lines for the next try; counts the nonces as used. */
  headers(method: string, uri: string, body = ''): string[] {
    return this.client.headers(this.host, method, uri, body)
  }

  /** Takes a 401 or 407 in. Returns undefined when the request should be tried again, else why not, in words. */
  challenged(status: 401 | 407, headerValues: readonly string[]): string | undefined {
    const best = new Map<string, DigestChallenge>()
    for (const challenge of parseDigestChallenges(headerValues)) {
      const known = best.get(challenge.realm)
      if (!known || strength.indexOf(challenge.algorithm) > strength.indexOf(known.algorithm))
        best.set(challenge.realm, challenge)
    }
    if (best.size === 0) return 'the server asks for an authentication that floe does not know'
    if (!this.client.hasPassword) return 'the server asks for a password and none was given'
    let fresh = false
    for (const challenge of best.values()) {
      const key = `${status} ${challenge.realm}`
      if (this.answered.has(key)) {
        if (!challenge.stale || this.staleRetries++ >= maximumStaleRetries) continue
      }
      this.answered.add(key)
      this.client.learn(this.host, status, challenge)
      fresh = true
    }
    if (fresh) return undefined
    this.client.forget(this.host)
    const realm = best.keys().next().value
    return `the server refused the user name "${this.client.username}" or its password for realm "${realm}"`
  }
}

/** The host of a SIP URI: credentials learnt from one are not shown to another. */
export const hostOf = (uri: string): string =>
  /^sips?:(?:[^@]*@)?(\[[^\]]*\]|[^:;?>]*)/i.exec(uri)?.[1]?.toLowerCase() ?? ''
