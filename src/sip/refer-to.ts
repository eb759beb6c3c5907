// What a REFER says and how its progress is told (RFC 3515): Refer-To with an embedded Replaces (RFC 3891), Referred-By
// (RFC 3892), message/sipfrag (RFC 3420). Of the headers that a Refer-To URI may carry Replaces alone is heeded: whoever refers
// us must not write into our requests. Leaves out: Referred-By tokens (S/MIME), methods other than INVITE.
import { bodyOfType } from './body-parts.ts'
import { splitList } from './grammar.ts'
import { parseNameAddr } from './header-values.ts'
import type { SipMessage, SipRequest } from './message.ts'
import { formatReplaces, parseReplaces, type Replaces } from './replaces.ts'
import type { Refusal } from './request-checks.ts'
import { formatUri, type SipUri, sipUri } from './uri.ts'

export interface ReferRequest {
  /** A SIP URI without headers, or a tel: URI. */
  readonly target: string
  readonly replaces?: Replaces
  /** The Referred-By header as it came, for the INVITE that follows (RFC 3892 4). */
  readonly referredBy?: string
  /** RFC 4488: whoever refers does not want to be told how it goes. */
  readonly silent: boolean
}

/** Longer status lines are cut: reason phrases are for people. */
const longestFragmentBytes = 256
/** A header of a URI longer than that is none. */
const longestHeaders = 2_048

const refused = (status: number, reason: string): Refusal => ({ status, reason, headers: [] })

export function readRefer(request: SipRequest): ReferRequest | Refusal {
  const lines = request.lines('Refer-To')
  const items = lines.length === 1 ? splitList(lines[0]!) : undefined
  // RFC 3515 2.4.2: exactly one.
  const referTo = items?.length === 1 ? parseNameAddr(items[0]!) : undefined
  if (!referTo) return refused(400, 'Bad Request: one Refer-To with one URI is needed')
  const { uri, uriText } = referTo
  const referredBy = request.get('Referred-By')
  const told = {
    ...(referredBy !== undefined && parseNameAddr(referredBy) && { referredBy }),
    silent: /^false\b/i.test(request.get('Refer-Sub') ?? ''),
  }
  // Which exchange makes a call of a number, the account knows (RFC 3261 19.1.6).
  if (uri.kind === 'other' && uri.scheme === 'tel') return { target: uriText, ...told }
  if (uri.kind !== 'sip') return refused(416, `Unsupported URI Scheme "${uri.scheme}" in Refer-To`)
  const method = uri.params.get('method')?.toUpperCase() ?? 'INVITE'
  if (method !== 'INVITE') return refused(603, 'Declined: calls alone can be referred to')
  const replaces = embeddedReplaces(uri.headers)
  if (replaces === null) return refused(400, 'Bad Request: a bad Replaces in Refer-To')
  const params = new Map([...uri.params].filter(([name]) => name !== 'method'))
  return { target: withoutHeaders({ ...uri, params }), ...(replaces && { replaces }), ...told }
}

/** Undefined where there is none, null where it is malformed or there are two. */
function embeddedReplaces(headers: string | undefined): Replaces | undefined | null {
  if (headers === undefined) return undefined
  if (headers.length > longestHeaders) return null
  const values = headers
    .split('&')
    .map((header) => /^replaces=(.*)$/i.exec(header)?.[1])
    .filter((value) => value !== undefined)
  if (values.length === 0) return undefined
  if (values.length > 1) return null
  try {
    return parseReplaces(decodeURIComponent(values[0]!)) ?? null
  } catch {
    return null
  }
}

/** The Refer-To value that names a URI and, in it, the dialog to be replaced (RFC 3261 19.1.1, RFC 5589 7.3). */
export function formatReferTo(target: string, replaces?: Replaces): string {
  if (!replaces) return `<${target}>`
  const uri = sipUri(target)
  // Headers that the peer's Contact had are its own affair.
  const bare = uri ? withoutHeaders(uri) : target
  // encodeURIComponent leaves exactly the unreserved characters of RFC 3261 25.1.
  return `<${bare}?Replaces=${encodeURIComponent(formatReplaces(replaces))}>`
}

/** The status line of a message/sipfrag; undefined where there is none. */
export function fragmentStatus(message: SipMessage): { status: number; reason: string } | undefined {
  const body = message.body.length > 0 ? bodyOfType(message, 'message/sipfrag') : undefined
  if (!body) return undefined
  const start = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, longestFragmentBytes))
  const match = /^\s*SIP\/2\.0 ([1-6]\d\d)(?: ([^\r\n]*))?/i.exec(start.toString('utf8'))
  if (!match) return undefined
  return { status: Number(match[1]), reason: (match[2] ?? '').replace(/[\p{Cc}\ufffd]/gu, ' ').trim() }
}

const withoutHeaders = ({ headers: _, ...bare }: SipUri): string => formatUri(bare)
