// The server's side of digest authentication (RFC 3261 22, RFC 7616, RFC 8760): challenges with nonces that need no memory,
// and the check of what comes back, MD5 or SHA-256, qop auth or none. A replay is refused where `replays` are remembered (a phone
// that calls must authenticate to); `floe serve` remembers none. Leaves out: -sess, auth-int.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Millis, Random } from '../runtime/runtime.ts'
import { quote } from './grammar.ts'
import type { Challenge } from './header-values.ts'
import type { SipRequest } from './message.ts'
import { evictOldest } from './reliability.ts'

export type DigestAlgorithm = 'MD5' | 'SHA-256'

const hashName = { MD5: 'md5', 'SHA-256': 'sha256' } as const
const nonceLifetimeMs: Millis = 300_000
/** Nonces that right passwords came with and may come with again: none is added without a password. */
const maximumNonces = 4_096

export type CredentialsVerdict =
  | { readonly accepted: true; readonly user: string }
  /** Ask (again); `stale`: the password was right but the nonce too old. */
  | {
      readonly accepted: false
      readonly stale: boolean
      /** Credentials for this realm came, and they are wrong: not merely none. */
      readonly wrong: boolean
    }

export class CredentialsChecker {
  private readonly secret: Uint8Array
  /** The last count of each nonce (RFC 7616 3.4.5), where replays are refused. */
  private readonly counts: Map<string, number> | undefined

  /** @param algorithms in the order they are offered
   *  @param replays `refused`: qop is demanded, and each count of a nonce is taken once */
  constructor(
    readonly realm: string,
    private readonly users: ReadonlyMap<string, string>,
    private readonly algorithms: readonly DigestAlgorithm[],
    random: Random,
    replays: 'accepted' | 'refused' = 'accepted',
  ) {
    this.secret = random.bytes(32)
    if (replays === 'refused') this.counts = new Map()
  }

  /** Header values, one challenge each (RFC 8760 2.3). */
  challenges(now: Millis, stale: boolean): string[] {
    const nonce = this.nonceAt(Math.floor(now))
    return this.algorithms.map(
      (algorithm) =>
        `Digest realm=${quote(this.realm)}, nonce="${nonce}", algorithm=${algorithm}, qop="auth"${stale ? ', stale=true' : ''}`,
    )
  }

  check(
    now: Millis,
    request: SipRequest,
    header: 'Authorization' | 'Proxy-Authorization',
  ): CredentialsVerdict {
    let wrong = false
    for (const credentials of request.challenges(header)) {
      if (credentials.scheme !== 'digest' || credentials.params.get('realm') !== this.realm) continue
      const user = this.verified(request.method, credentials)
      if (user === undefined) {
        wrong = true
        continue
      }
      const fresh = this.isFresh(now, credentials.params.get('nonce') ?? '') && this.isFirst(credentials)
      return fresh ? { accepted: true, user } : { accepted: false, stale: true, wrong: false }
    }
    return { accepted: false, stale: false, wrong }
  }

  /** Whether this count of the nonce has not been seen: counts rise (RFC 7616 3.4.5). */
  private isFirst({ params }: Challenge): boolean {
    if (!this.counts) return true
    const nonce = params.get('nonce') ?? ''
    const count = Number.parseInt(params.get('nc') ?? '', 16)
    if (!(count > (this.counts.get(nonce) ?? 0))) return false
    this.counts.delete(nonce)
    evictOldest(this.counts, maximumNonces)
    this.counts.set(nonce, count)
    return true
  }

  /** The user whose password made this response. */
  private verified(method: string, { params }: Challenge): string | undefined {
    const user = params.get('username')
    const password = user == null ? undefined : this.users.get(user)
    const algorithm = this.algorithms.find(
      (candidate) => candidate === (params.get('algorithm') ?? 'MD5').toUpperCase(),
    )
    const qop = params.get('qop')
    if (user == null || password === undefined || !algorithm) return undefined
    if (qop == null ? this.counts !== undefined : qop !== 'auth') return undefined
    const hash = (text: string): string => createHash(hashName[algorithm]).update(text, 'utf8').digest('hex')
    const a1 = hash(`${user}:${this.realm}:${password}`)
    const a2 = hash(`${method}:${params.get('uri') ?? ''}`)
    const middle = qop == null ? '' : `${params.get('nc') ?? ''}:${params.get('cnonce') ?? ''}:${qop}:`
    const expected = hash(`${a1}:${params.get('nonce') ?? ''}:${middle}${a2}`)
    return sameText(expected, (params.get('response') ?? '').toLowerCase()) ? user : undefined
  }

  /** The time it was made, sealed. */
  private nonceAt(time: Millis): string {
    const stamp = time.toString(16)
    return `${stamp}.${createHmac('sha256', this.secret).update(stamp).digest('hex').slice(0, 32)}`
  }

  private isFresh(now: Millis, nonce: string): boolean {
    const time = Number.parseInt(nonce, 16)
    return Number.isSafeInteger(time) && sameText(this.nonceAt(time), nonce) && now - time < nonceLifetimeMs
  }
}

function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}
