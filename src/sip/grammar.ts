// The small scanners that every SIP header is made of (RFC 3261 25.1): tokens, quoted strings, parameters, hosts, lists.
// Linear scans with a character table, no backtracking expressions: what a peer sends costs time proportional to its length.
// Lenient on white space and empty parameters, strict on quotes, brackets and characters.

/** Parameters by lower-case name; null for a parameter without a value. Quoted values are unquoted. */
export type Params = ReadonlyMap<string, string | null>

const noParams: Params = new Map()

const tokenTable = new Uint8Array(128)
for (const c of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~")
  tokenTable[c.charCodeAt(0)] = 1

const isTokenCode = (code: number): boolean => code < 128 && tokenTable[code] === 1
const isSpace = (code: number): boolean => code === 0x20 || code === 0x09
const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

export function isToken(text: string): boolean {
  if (text.length === 0) return false
  for (let i = 0; i < text.length; i++) if (!isTokenCode(text.charCodeAt(i))) return false
  return true
}

export function skipSpace(text: string, from: number): number {
  let i = from
  while (i < text.length && isSpace(text.charCodeAt(i))) i++
  return i
}

/** The end of the token that starts at `from`; `from` itself where there is none. */
export function tokenEnd(text: string, from: number): number {
  let i = from
  while (i < text.length && isTokenCode(text.charCodeAt(i))) i++
  return i
}

/** `text[from]` is a quote: the index after its closing quote, or -1 where it is never closed. */
export function quotedEnd(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x5c) i++
    else if (code === 0x22) return i + 1
  }
  return -1
}

/** The content of a quoted string, backslash escapes resolved. `quoted` includes its quotes. */
export function unquote(quoted: string): string {
  const inner = quoted.slice(1, -1)
  return inner.includes('\\') ? inner.replace(/\\([\s\S])/g, '$1') : inner
}

/** A quoted string of RFC 3261 25.1; CR and LF cannot be quoted and become spaces. */
export const quote = (text: string): string =>
  `"${text.replace(/[\r\n]+/g, ' ').replace(/(["\\])/g, '\\$1')}"`

/** Splits at commas outside of quotes and angle brackets; undefined where one of those is left open. */
export function splitList(text: string): string[] | undefined {
  if (!text.includes(',')) return [text.trim()]
  const items: string[] = []
  let start = 0
  for (let i = 0; i < text.length; ) {
    const c = text[i]
    if (c === '"') {
      i = quotedEnd(text, i)
      if (i < 0) return undefined
    } else if (c === '<') {
      i = text.indexOf('>', i)
      if (i < 0) return undefined
    } else {
      if (c === ',') {
        items.push(text.slice(start, i).trim())
        start = i + 1
      }
      i++
    }
  }
  items.push(text.slice(start).trim())
  return items.filter((item) => item !== '')
}

/** Parses `;a;b=c;d="e"` from `from` to the end; undefined where the syntax is broken. The first of equal names wins.
 *  @param strict refuses empty parameters (";;") instead of passing over them */
export function parseParams(text: string, from: number, strict = false): Params | undefined {
  let i = skipSpace(text, from)
  if (i >= text.length) return noParams
  const params = new Map<string, string | null>()
  while (i < text.length) {
    if (text[i] !== ';') return undefined
    i = skipSpace(text, i + 1)
    const nameEnd = paramNameEnd(text, i)
    if (nameEnd === i) {
      if (i >= text.length || (text[i] === ';' && !strict)) continue
      return undefined
    }
    const name = text.slice(i, nameEnd).toLowerCase()
    i = skipSpace(text, nameEnd)
    let value: string | null = null
    if (text[i] === '=') {
      i = skipSpace(text, i + 1)
      const valueEnd = text[i] === '"' ? quotedEnd(text, i) : paramValueEnd(text, i)
      if (valueEnd < 0) return undefined
      const raw = text.slice(i, valueEnd)
      value = raw.startsWith('"') ? unquote(raw) : raw
      i = skipSpace(text, valueEnd)
    }
    if (!params.has(name)) params.set(name, value)
  }
  return params
}

// URI parameters may also hold these (param-unreserved and escapes); accepted everywhere, they do no harm.
const extraParamCode = (code: number): boolean =>
  code === 0x5b || code === 0x5d || code === 0x2f || code === 0x3a || code === 0x26 || code === 0x24

function paramNameEnd(text: string, from: number): number {
  let i = from
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (!isTokenCode(code) && !extraParamCode(code)) break
  }
  return i
}

/** Values are lenient: anything but semicolon, space, quotes, brackets, comma and control characters. */
function paramValueEnd(text: string, from: number): number {
  let i = from
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code === 0x7f || code === 0x22 || code === 0x2c || code === 0x3b) break
    if (code === 0x3c || code === 0x3e) break
  }
  return i
}

/** Appends the parameters in wire form; values that are no token-like text are quoted. */
export function formatParams(params: Params): string {
  let text = ''
  for (const [name, value] of params) {
    text += value === null ? `;${name}` : `;${name}=${isPlainValue(value) ? value : quote(value)}`
  }
  return text
}

function isPlainValue(value: string): boolean {
  return value.length > 0 && paramValueEnd(value, 0) === value.length
}

export interface HostPort {
  /** Lower case; an IPv6 literal without brackets. */
  host: string
  port?: number
  /** Index after what was read. */
  end: number
}

/** Reads `host [":" port]` at `from`, white space around the colon allowed (Via, RFC 3261 20.42). */
export function parseHostPort(text: string, from: number): HostPort | undefined {
  let i = skipSpace(text, from)
  let host: string
  if (text[i] === '[') {
    const close = text.indexOf(']', i)
    if (close < 0) return undefined
    host = text.slice(i + 1, close)
    if (!isIpv6(host)) return undefined
    i = close + 1
  } else {
    const start = i
    while (i < text.length && isHostCode(text.charCodeAt(i))) i++
    if (i === start) return undefined
    host = text.slice(start, i)
  }
  host = host.toLowerCase()
  const afterHost = skipSpace(text, i)
  if (text[afterHost] !== ':') return { host, end: i }
  const portStart = skipSpace(text, afterHost + 1)
  let portEnd = portStart
  while (portEnd < text.length && isDigit(text.charCodeAt(portEnd))) portEnd++
  const port = parseNumber(text.slice(portStart, portEnd), 65535)
  return port === undefined ? undefined : { host, port, end: portEnd }
}

/** Letters, digits, dot, hyphen, and the underscore that real host names hold. */
const isHostCode = (code: number): boolean =>
  isDigit(code) ||
  (code >= 0x41 && code <= 0x5a) ||
  (code >= 0x61 && code <= 0x7a) ||
  code === 0x2e ||
  code === 0x2d ||
  code === 0x5f

/** IPv6 literal without brackets. ":::" before an embedded IPv4 address, legal in RFC 3261's broken ABNF, is accepted (RFC 5118 4.10). */
export function isIpv6(text: string): boolean {
  if (text.length < 2 || text.length > 45) return false
  let groups = 0
  let compressed = false
  const fixed = text.replace(':::', '::')
  for (let i = 0; i < fixed.length; ) {
    if (fixed.startsWith('::', i)) {
      if (compressed) return false
      compressed = true
      i += 2
      continue
    }
    if (i > 0 && fixed[i] === ':') {
      i++
      if (i === fixed.length) return false
    }
    let end = i
    while (end < fixed.length && isHexDigit(fixed.charCodeAt(end))) end++
    if (fixed[end] === '.') {
      if (!isIpv4(fixed.slice(i))) return false
      groups += 2
      break
    }
    if (end === i || end - i > 4) return false
    if (end < fixed.length && fixed[end] !== ':') return false
    groups++
    i = end
  }
  return compressed ? groups <= 7 : groups === 8
}

const isHexDigit = (code: number): boolean =>
  isDigit(code) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66)

function isIpv4(text: string): boolean {
  const parts = text.split('.')
  return parts.length === 4 && parts.every((part) => part.length <= 3 && parseNumber(part, 255) !== undefined)
}

export const isIpLiteral = (host: string): boolean => (host.includes(':') ? isIpv6(host) : isIpv4(host))

/** Decimal digits only, at most `maximum`; undefined otherwise. Leading zeros are allowed, any length is safe. */
export function parseNumber(text: string, maximum: number): number | undefined {
  if (text.length === 0) return undefined
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (!isDigit(code)) return undefined
    value = value * 10 + (code - 0x30)
    if (value > maximum) return undefined
  }
  return value
}
