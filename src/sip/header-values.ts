// Values of the structured headers: name-addr (From, To, Contact, Route ...), Via, CSeq, challenges, Content-Type.
// RFC 3261 20 and 25.1, RFC 3581 (rport), RFC 7616 (challenges). Each returns undefined where the value is malformed.
import {
  formatParams,
  isToken,
  type Params,
  parseHostPort,
  parseNumber,
  parseParams,
  quote,
  quotedEnd,
  skipSpace,
  tokenEnd,
  unquote,
} from './grammar.ts'
import { formatHost, parseUri, type Uri } from './uri.ts'

export interface NameAddr {
  /** Unquoted; absent where there is none. */
  readonly displayName?: string
  readonly uri: Uri
  /** The URI as written, without its angle brackets. */
  readonly uriText: string
  /** Header parameters: tag, expires, q, lr never (that is the URI's). */
  readonly params: Params
}

export interface Via {
  /** Upper case: "UDP", "TCP", or what else was written. */
  readonly transport: string
  /** Lower case; IPv6 without brackets. */
  readonly host: string
  readonly port?: number
  readonly params: Params
}

export interface CSeq {
  /** Less than 2^31 (RFC 3261 8.1.1.5). */
  readonly sequence: number
  readonly method: string
}

export interface Challenge {
  /** Lower case: "digest". */
  readonly scheme: string
  readonly params: Params
}

export interface ContentType {
  /** Lower case: "application/sdp". */
  readonly type: string
  readonly params: Params
}

const maximumCSeq = 2 ** 31 - 1

const maximumRemembered = 1_024
const longestRemembered = 256

/** Every message of a call, and every answer of ours, says the same From, To, Via and Contact: each is read once. */
function remembering<T>(read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>()
  return (text) => {
    if (text.length > longestRemembered) return read(text)
    const before = known.get(text)
    if (before !== undefined) return before
    const value = read(text)
    if (known.size >= maximumRemembered) known.clear()
    known.set(text, value)
    return value
  }
}

export const parseNameAddr: (text: string) => NameAddr | undefined = remembering(readNameAddr)

function readNameAddr(text: string): NameAddr | undefined {
  let i = skipSpace(text, 0)
  let displayName: string | undefined
  if (text[i] === '"') {
    const end = quotedEnd(text, i)
    if (end < 0) return undefined
    displayName = unquote(text.slice(i, end))
    i = skipSpace(text, end)
    if (text[i] !== '<') return undefined
  } else {
    const open = text.indexOf('<', i)
    if (open < 0) return parseAddrSpec(text, i)
    const name = text.slice(i, open).trim()
    if (!isUnquotedName(name)) return undefined
    if (name !== '') displayName = name
    i = open
  }
  const close = text.indexOf('>', i)
  if (close < 0) return undefined
  // White space inside the brackets is ignored (RFC 4475 3.1.2.14 leaves that free).
  const uriText = text.slice(i + 1, close).trim()
  const uri = parseUri(uriText)
  const params = uri && parseParams(text, close + 1)
  if (!uri || !params) return undefined
  return displayName === undefined ? { uri, uriText, params } : { displayName, uri, uriText, params }
}

/** Without brackets every parameter belongs to the header, and "?" or "," must not appear (RFC 3261 20.10). */
function parseAddrSpec(text: string, from: number): NameAddr | undefined {
  // A ";" before "@" is in the user part only within brackets; sip:user;par@host without them is read the same way.
  const semicolon = text.indexOf(';', Math.max(from, text.indexOf('@', from)))
  const uriText = (semicolon < 0 ? text.slice(from) : text.slice(from, semicolon)).trim()
  if (uriText.includes('?') || uriText.includes(',')) return undefined
  const uri = parseUri(uriText)
  const params = uri && (semicolon < 0 ? parseParams('', 0) : parseParams(text, semicolon))
  return uri && params ? { uri, uriText, params } : undefined
}

/** Tokens by the letter of RFC 3261; in practice anything that cannot be taken for structure. */
function isUnquotedName(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i)
    if (c === 0x22 || c === 0x2c || c === 0x3b || c === 0x3e || c === 0x3a || c === 0x40) return false
  }
  return true
}

export function formatNameAddr(value: Pick<NameAddr, 'displayName' | 'uriText' | 'params'>): string {
  const name = value.displayName === undefined ? '' : `${quote(value.displayName)} `
  return `${name}<${value.uriText}>${formatParams(value.params)}`
}

/** `SIP / 2.0 / UDP host [: port] *( ;params )` with white space where RFC 3261 20.42 allows it. */
export const parseVia: (text: string) => Via | undefined = remembering(readVia)

function readVia(text: string): Via | undefined {
  let i = skipSpace(text, 0)
  if (text.startsWith('SIP/2.0/', i)) i += 8
  else {
    for (const expected of ['SIP', '2.0']) {
      const end = tokenEnd(text, i)
      if (text.slice(i, end).toUpperCase() !== expected) return undefined
      i = skipSpace(text, end)
      if (text[i] !== '/') return undefined
      i = skipSpace(text, i + 1)
    }
  }
  const transportEnd = tokenEnd(text, i)
  if (transportEnd === i || !(text[transportEnd] === ' ' || text[transportEnd] === '\t')) return undefined
  const transport = text.slice(i, transportEnd).toUpperCase()
  const sentBy = parseHostPort(text, transportEnd)
  if (!sentBy) return undefined
  // Empty parameters (";;,;,,", RFC 4475 3.1.2.1) are refused here, unlike elsewhere: a Via that is not clear routes wrongly.
  const params = parseParams(text, sentBy.end, true)
  if (!params) return undefined
  const { host, port } = sentBy
  return port === undefined ? { transport, host, params } : { transport, host, port, params }
}

export function formatVia(via: Via): string {
  const port = via.port === undefined ? '' : `:${via.port}`
  return `SIP/2.0/${via.transport} ${formatHost(via.host)}${port}${formatParams(via.params)}`
}

export function parseCSeq(text: string): CSeq | undefined {
  let end = 0
  while (end < text.length && text.charCodeAt(end) >= 0x30 && text.charCodeAt(end) <= 0x39) end++
  const sequence = parseNumber(text.slice(0, end), maximumCSeq)
  const start = skipSpace(text, end)
  const method = text.slice(start)
  return sequence === undefined || start === end || !isToken(method) ? undefined : { sequence, method }
}

export function parseContentType(text: string): ContentType | undefined {
  const semicolon = text.indexOf(';')
  const type = (semicolon < 0 ? text : text.slice(0, semicolon)).replace(/[ \t]/g, '').toLowerCase()
  const slash = type.indexOf('/')
  if (!isToken(type.slice(0, slash)) || !isToken(type.slice(slash + 1))) return undefined
  const params = parseParams(text, semicolon < 0 ? text.length : semicolon)
  return params ? { type, params } : undefined
}

/** The challenges, or the one set of credentials, of one header line; several schemes may share a line (RFC 9110 11.6.1). */
export function parseChallenges(text: string): Challenge[] | undefined {
  const challenges: Challenge[] = []
  let params: Map<string, string | null> | undefined
  let i = skipSpace(text, 0)
  while (i < text.length) {
    const end = tokenEnd(text, i)
    const word = text.slice(i, end).toLowerCase()
    if (word === '') return undefined
    const next = skipSpace(text, end)
    if (text[next] === '=') {
      if (!params) return undefined
      i = skipSpace(text, next + 1)
      const quoted = text[i] === '"'
      const valueEnd = quoted ? quotedEnd(text, i) : bareValueEnd(text, i)
      if (valueEnd < 0) return undefined
      const raw = text.slice(i, valueEnd)
      if (!params.has(word)) params.set(word, quoted ? unquote(raw) : raw)
      i = skipSpace(text, valueEnd)
      if (i < text.length && text[i] !== ',') return undefined
    } else {
      params = new Map()
      challenges.push({ scheme: word, params })
      i = next
    }
    while (text[i] === ',') i = skipSpace(text, i + 1)
  }
  return challenges
}

/** Unquoted values run to the next comma or white space: base64 and URIs appear here in practice. */
function bareValueEnd(text: string, from: number): number {
  let i = from
  while (i < text.length && text[i] !== ',' && text.charCodeAt(i) > 0x20) i++
  return i
}
