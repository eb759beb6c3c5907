// Finding the session description in a body: alone, or as a part of multipart/mixed or /alternative (RFC 2046 5.1, RFC 5621).
// Bodies are cut as octets; the content of a part is not read.
import { canonicalName } from './header-names.ts'
import { parseContentType } from './header-values.ts'
import type { SipMessage } from './message.ts'

export interface BodyPart {
  /** Lower case, without parameters. */
  readonly type: string
  readonly content: Uint8Array
}

/** Most parts looked at. */
const maximumParts = 16

/** The body as parts: one for an ordinary body, none where there is no body or no Content-Type that can be read. */
export function bodyParts(message: SipMessage): BodyPart[] {
  const contentType = message.contentType
  if (!contentType || message.body.length === 0) return []
  if (!contentType.type.startsWith('multipart/')) return [{ type: contentType.type, content: message.body }]
  const boundary = contentType.params.get('boundary')
  return boundary ? splitMultipart(message.body, boundary) : []
}

/** The first part of that type, e.g. "application/sdp". */
export function bodyOfType(message: SipMessage, type: string): Uint8Array | undefined {
  return bodyParts(message).find((part) => part.type === type)?.content
}

function splitMultipart(body: Uint8Array, boundary: string): BodyPart[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const delimiter = Buffer.from(`--${boundary}`)
  const parts: BodyPart[] = []
  let at = bytes.indexOf(delimiter)
  while (at >= 0 && parts.length < maximumParts) {
    const start = at + delimiter.length
    if (bytes[start] === 0x2d && bytes[start + 1] === 0x2d) break
    const next = bytes.indexOf(delimiter, start)
    // The line break before a delimiter belongs to the delimiter.
    let end = next < 0 ? bytes.length : next
    if (next >= 0 && bytes[end - 1] === 0x0a) end -= bytes[end - 2] === 0x0d ? 2 : 1
    const part = parsePart(bytes.subarray(start, Math.max(start, end)))
    if (part) parts.push(part)
    at = next
  }
  return parts
}

function parsePart(bytes: Buffer): BodyPart | undefined {
  const lineEnd = bytes.indexOf('\n')
  if (lineEnd < 0) return undefined
  const rest = bytes.subarray(lineEnd + 1)
  // No header at all: the default of RFC 2046 5.1.
  if (rest[0] === 0x0a || (rest[0] === 0x0d && rest[1] === 0x0a))
    return { type: 'text/plain', content: rest.subarray(rest[0] === 0x0a ? 1 : 2) }
  const crlf = rest.indexOf('\r\n\r\n')
  const lf = rest.indexOf('\n\n')
  const useCrlf = crlf >= 0 && (lf < 0 || crlf < lf)
  const headEnd = useCrlf ? crlf : lf
  if (headEnd < 0) return undefined
  const content = rest.subarray(headEnd + (useCrlf ? 4 : 2))
  for (const line of rest
    .toString('utf8', 0, headEnd)
    .replace(/\r?\n[ \t]+/g, ' ')
    .split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon < 0 || canonicalName(line.slice(0, colon).trim()) !== 'Content-Type') continue
    const type = parseContentType(line.slice(colon + 1).trim())?.type
    return type === undefined ? undefined : { type, content }
  }
  return { type: 'text/plain', content }
}
