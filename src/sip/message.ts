// SIP messages (RFC 3261 7): bytes to a message whose headers are canonical and in order, and back. Strict where structure
// is at stake (start line, mandatory and single headers, quotes, lengths), lenient on style (compact forms, folding, bare LF).
// Values are parsed when asked for and kept. Bodies are octets. `parseMessage` never throws.
import { isToken, parseNumber, splitList } from './grammar.ts'
import { canonicalName, compactName } from './header-names.ts'
import { type HeaderField, MessageFields } from './message-fields.ts'
import { parseUri, type Uri } from './uri.ts'

/** Largest message taken, in bytes: what UDP can carry, and no peer of a phone needs more over TCP. */
export const maximumMessageBytes = 65_535
/** Most header lines taken. */
const maximumHeaders = 256
const emptyBody = new Uint8Array(0)
/** All but those that may stand between words and lines. */
const controlCharacter = /[^\P{Cc}\t\r\n]/gu

export class SipRequest extends MessageFields {
  readonly kind = 'request'
  constructor(
    readonly method: string,
    /** The Request-URI as written. */
    public uriText: string,
    headers: HeaderField[],
    body: Uint8Array = emptyBody,
  ) {
    super(headers, body)
  }
  get uri(): Uri | undefined {
    return parseUri(this.uriText)
  }
  get startLine(): string {
    return `${this.method} ${this.uriText} SIP/2.0`
  }
  /** 70 where there is none (RFC 3261 16.6 step 3). */
  get maxForwards(): number {
    return this.number('Max-Forwards', 255) ?? 70
  }
}

export class SipResponse extends MessageFields {
  readonly kind = 'response'
  constructor(
    readonly status: number,
    readonly reason: string,
    headers: HeaderField[],
    body: Uint8Array = emptyBody,
  ) {
    super(headers, body)
  }
  get startLine(): string {
    return `SIP/2.0 ${this.status} ${this.reason}`
  }
}

export type SipMessage = SipRequest | SipResponse

export interface ParseProblem {
  /** One clause: "two CSeq headers". */
  readonly problem: string
  /** What answers a request that is broken this way. */
  readonly status: 400 | 505 | 513
  /** What could be read of a request, where that is enough to answer it (`responseTo`) to where it came from. */
  readonly request?: SipRequest
}

export type ParseResult = { readonly message: SipMessage } | ParseProblem

const asBuffer = (data: Uint8Array): Buffer =>
  Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength)

/** One datagram, or one message cut out of a stream. Octets after Content-Length are ignored (RFC 3261 18.3). */
export function parseMessage(data: Uint8Array): ParseResult {
  const bytes = asBuffer(data)
  let start = 0
  while (start < bytes.length && (bytes[start] === 0x0d || bytes[start] === 0x0a)) start++
  const { headEnd, bodyStart } = findHeadEnd(bytes, start)
  // The header of an oversized datagram is still read, so that it can be answered.
  const head = bytes.toString('utf8', start, Math.min(headEnd, maximumMessageBytes))
  const lineEnd = head.indexOf('\n')
  const startLine = trimEnd(lineEnd < 0 ? head : head.slice(0, lineEnd))
  const headers = parseHeaders(head, lineEnd < 0 ? head.length : lineEnd + 1)
  const body = bodyStart < bytes.length ? bytes.subarray(bodyStart) : emptyBody

  const made = parseStartLine(startLine, headers.fields, body)
  if (typeof made === 'string') return { problem: made, status: 400 }
  const { message } = made
  const flaw = message.flaw()
  const problem = (text: string, status: 400 | 505 | 513 = 400): ParseProblem =>
    message.kind === 'request' && isAnswerable(message)
      ? { problem: text, status, request: message }
      : { problem: text, status }

  if (made.problem) return problem(made.problem, made.status)
  if (data.length > maximumMessageBytes) return problem('too many octets', 513)
  if (headers.problem) return problem(headers.problem)
  if (flaw) return problem(flaw)
  if (message.kind === 'request' && message.method !== message.cseq.method)
    return problem('a CSeq header of another method')
  return applyContentLength(message) ?? problemOfLength(problem)
}

const problemOfLength = (problem: (text: string) => ParseProblem): ParseProblem =>
  problem('a Content-Length header that is wrong')

/** Cuts the body; undefined where Content-Length is malformed, contradictory, or larger than what came. */
function applyContentLength(message: SipMessage): ParseResult | undefined {
  let length: number | undefined
  for (const { name, value } of message.headers) {
    if (name !== 'Content-Length') continue
    const parsed = parseNumber(value, maximumMessageBytes)
    if (parsed === undefined || (length !== undefined && length !== parsed)) return undefined
    length = parsed
  }
  if (length !== undefined) {
    if (length > message.body.length) return undefined
    if (length < message.body.length) message.body = message.body.subarray(0, length)
  }
  return { message }
}

function findHeadEnd(bytes: Buffer, start: number): { headEnd: number; bodyStart: number } {
  const crlf = bytes.indexOf('\r\n\r\n', start, 'latin1')
  const head = crlf < 0 ? bytes : bytes.subarray(0, crlf + 2)
  // Bare line feeds count as line ends too; whichever empty line comes first ends the header.
  const lf = head.indexOf('\n\n', start, 'latin1')
  if (lf >= 0) return { headEnd: lf + 1, bodyStart: lf + 2 }
  if (crlf >= 0) return { headEnd: crlf + 2, bodyStart: crlf + 4 }
  return { headEnd: bytes.length, bodyStart: bytes.length }
}

function trimEnd(line: string): string {
  let end = line.length
  while (end > 0 && isBlank(line.charCodeAt(end - 1))) end--
  return end === line.length ? line : line.slice(0, end)
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09 || code === 0x0d

function parseHeaders(head: string, from: number): { fields: HeaderField[]; problem?: string } {
  const fields: HeaderField[] = []
  let problem: string | undefined
  // Legal as a quoted pair only (RFC 3261 25.1, RFC 4475 3.1.1.2); what people are shown of a message must not steer their terminal.
  for (const { index } of head.matchAll(controlCharacter))
    if (head[index - 1] !== '\\') problem = 'a control character in its header'
  for (let i = from; i < head.length; ) {
    let end = head.indexOf('\n', i)
    if (end < 0) end = head.length
    let line = head.slice(i, end)
    i = end + 1
    // Folding (RFC 3261 7.3.1): a line that starts with white space continues the one before.
    if (isFold(head, i)) {
      const parts = [trimEnd(line)]
      while (isFold(head, i)) {
        end = head.indexOf('\n', i)
        if (end < 0) end = head.length
        parts.push(head.slice(i, end).trim())
        i = end + 1
      }
      line = parts.join(' ')
    }
    if (line === '\r' || line === '') continue
    const colon = line.indexOf(':')
    const name = canonicalName(trimEnd(line.slice(0, Math.max(0, colon))))
    if (!isToken(name)) {
      problem ??= 'a header line without a name'
      continue
    }
    let valueStart = colon + 1
    while (valueStart < line.length && isBlank(line.charCodeAt(valueStart))) valueStart++
    const value = trimEnd(line.slice(valueStart))
    if (value.includes('\r')) problem ??= 'a bare CR in its header'
    if (fields.length >= maximumHeaders) return { fields, problem: 'too many header lines' }
    if (name === 'Via' && value.includes(',')) {
      const vias = splitList(value)
      if (vias) for (const via of vias) fields.push({ name, value: via })
      else problem ??= 'a bad Via header'
    } else fields.push({ name, value })
  }
  return problem === undefined ? { fields } : { fields, problem }
}

const isFold = (head: string, at: number): boolean => {
  const code = head.charCodeAt(at)
  return code === 0x20 || code === 0x09
}

type StartLine = { message: SipMessage; problem?: string; status?: 400 | 505 }

/** A string says why this is no SIP message at all. */
function parseStartLine(line: string, headers: HeaderField[], body: Uint8Array): StartLine | string {
  if (line.slice(0, 4).toUpperCase() === 'SIP/') return parseStatusLine(line, headers, body)
  const firstSpace = line.indexOf(' ')
  const lastSpace = line.lastIndexOf(' ')
  const version = line.slice(lastSpace + 1)
  const method = line.slice(0, Math.max(0, firstSpace))
  if (
    firstSpace < 0 ||
    lastSpace === firstSpace ||
    !isToken(method) ||
    version.slice(0, 4).toUpperCase() !== 'SIP/'
  )
    return 'no SIP start line'
  const uriText = line.slice(firstSpace + 1, lastSpace)
  const message = new SipRequest(method, uriText, headers, body)
  if (!isVersion(version)) return { message, problem: 'a SIP version other than 2.0', status: 505 }
  const uri = parseUri(uriText)
  if (!uri || /\s/.test(uriText)) return { message, problem: 'a bad Request-URI' }
  // RFC 3261 19.1.1: no headers in a Request-URI.
  if (uri.kind === 'sip' && uri.headers !== undefined)
    return { message, problem: 'headers in its Request-URI' }
  return { message }
}

const isVersion = (text: string): boolean => text === 'SIP/2.0' || text.toUpperCase() === 'SIP/2.0'

function parseStatusLine(line: string, headers: HeaderField[], body: Uint8Array): StartLine | string {
  if (!isVersion(line.slice(0, 7)) || line[7] !== ' ') return 'a SIP version other than 2.0'
  const status = parseNumber(line.slice(8, 11), 699)
  if (status === undefined || status < 100 || (line.length > 11 && line[11] !== ' '))
    return 'a bad status code'
  return { message: new SipResponse(status, line.slice(12), headers, body) }
}

/** Enough is there for a stateless answer: RFC 3261 8.2.6.2 copies these. ACK is never answered. */
const isAnswerable = (request: SipRequest): boolean =>
  request.method !== 'ACK' &&
  ['Via', 'From', 'To', 'Call-ID', 'CSeq'].every((name) => request.get(name) !== undefined)

/** The message in wire form; Content-Length is what the body's length is. In the compact form (RFC 3261 7.3.3) names are short, no
 *  space follows them, and User-Agent, which nobody needs, is left out. */
export function serializeMessage(message: SipMessage, form: 'long' | 'compact' = 'long'): Uint8Array {
  const isLong = form === 'long'
  const written = isLong ? (name: string) => `${name}: ` : (name: string) => `${compactName(name)}:`
  let head = `${message.startLine}\r\n`
  for (const { name, value } of message.headers)
    if (name !== 'Content-Length' && (isLong || name !== 'User-Agent')) head += `${written(name)}${value}\r\n`
  head += `${written('Content-Length')}${message.body.length}\r\n\r\n`
  // Not from Node's pool: what is kept to be sent again would keep the pool's 8 KiB, too.
  const headBytes = Buffer.byteLength(head)
  const data = Buffer.allocUnsafeSlow(headBytes + message.body.length)
  data.write(head, 'utf8')
  data.set(message.body, headBytes)
  return data
}

/** A response without body made of what RFC 3261 8.2.6.2 copies; `toTag` is added where the request has none. */
export function responseTo(request: SipRequest, status: number, reason: string, toTag?: string): SipResponse {
  const headers: HeaderField[] = []
  for (const header of request.headers) {
    const { name, value } = header
    if (name === 'Via' || name === 'From' || name === 'Call-ID' || name === 'CSeq') headers.push(header)
    else if (name === 'To')
      headers.push({ name, value: toTag && !hasTag(value) ? `${value};tag=${toTag}` : value })
    else if (name === 'Record-Route' && status > 100 && status < 300) headers.push(header)
  }
  return new SipResponse(status, reason, headers)
}

const hasTag = (to: string): boolean => /;\s*tag\s*=/i.test(to.slice(to.lastIndexOf('>') + 1))
