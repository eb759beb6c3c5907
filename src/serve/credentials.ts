// The server's side of digest authentication (RFC 3261 22, RFC 7616, RFC 8760): challenges with nonces that need no memory,
// and the check of what comes back, MD5 or SHA-256, qop auth or none. Leaves out: nonce counts (a replay within the nonce's
// life is accepted; this registrar is for demonstrations and tests), -sess, auth-int.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Millis, Random } from '../runtime/runtime.ts'
import { quote } from '../sip/grammar.ts'
import type { Challenge } from '../sip/header-values.ts'
import type { SipRequest } from '../sip/message.ts'

export type DigestAlgorithm = 'MD5' | 'SHA-256'

const hashName = { MD5: 'md5', 'SHA-256': 'sha256' } as const
const nonceLifetimeMs: Millis = 300_000

export type CredentialsVerdict =
  | { readonly accepted: true; readonly user: string }
  /** Ask (again); `stale`: the password was right but the nonce too old. */
  | { readonly accepted: false; readonly stale: boolean }

export class CredentialsChecker {
  private readonly secret: Uint8Array

  /** @param algorithms in the order they are offered */
  constructor(
    readonly realm: string,
    private readonly users: ReadonlyMap<string, string>,
    private readonly algorithms: readonly DigestAlgorithm[],
    random: Random,
  ) {
    this.secret = random.bytes(32)
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
    for (const credentials of request.challenges(header)) {
      if (credentials.scheme !== 'digest' || credentials.params.get('realm') !== this.realm) continue
      const user = this.verified(request.method, credentials)
      if (user === undefined) continue
      const fresh = this.isFresh(now, credentials.params.get('nonce') ?? '')
      return fresh ? { accepted: true, user } : { accepted: false, stale: true }
    }
    return { accepted: false, stale: false }
  }

  /** The user whose password made this response. */
  private verified(method: string, { params }: Challenge): string | undefined {
    const user = params.get('username')
    const password = user == null ? undefined : this.users.get(user)
    const algorithm = this.algorithms.find(
      (candidate) => candidate === (params.get('algorithm') ?? 'MD5').toUpperCase(),
    )
    const qop = params.get('qop')
    if (user == null || password === undefined || !algorithm || (qop != null && qop !== 'auth'))
      return undefined
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
