// Finding the session description in a body: alone, or as a part of multipart/mixed or /alternative (RFC 2046 5.1, RFC 5621).
// Bodies are cut as octets; the content of a part is not read.
import { canonicalName } from './header-names.ts'
import { parseContentType } from './header-values.ts'
import type { SipMessage } from './message.ts'

export interface BodyPart {
  /** Lower case, without parameters. */
  readonly type: string
  readonly content: Uint8Array
  /** What its Content-Disposition says of those who do not understand it (RFC 5621 8); absent where it says nothing. */
  readonly handling?: 'required' | 'optional'
}

/** Most parts looked at. */
const maximumParts = 16
/** How deep parts may stand in parts. */
const maximumDepth = 3

/** The body as parts: one for an ordinary body, none where there is no body or no Content-Type that can be read. */
export function bodyParts(message: SipMessage): BodyPart[] {
  const contentType = message.contentType
  if (!contentType || message.body.length === 0) return []
  if (!contentType.type.startsWith('multipart/'))
    return [
      { type: contentType.type, content: message.body, ...handlingOf(message.get('Content-Disposition')) },
    ]
  const boundary = contentType.params.get('boundary')
  return boundary ? splitMultipart(message.body, boundary, 1) : []
}

/** RFC 3261 20.11. */
const handlingOf = (disposition: string | undefined): Pick<BodyPart, 'handling'> => {
  const [, handling] = /;\s*handling\s*=\s*"?(required|optional)\b/i.exec(disposition ?? '') ?? []
  return handling === undefined ? {} : { handling: handling.toLowerCase() as 'required' | 'optional' }
}

/** The first part of that type, e.g. "application/sdp". */
export function bodyOfType(message: SipMessage, type: string): Uint8Array | undefined {
  return bodyParts(message).find((part) => part.type === type)?.content
}

function splitMultipart(body: Uint8Array, boundary: string, depth: number): BodyPart[] {
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
    parts.push(...parsePart(bytes.subarray(start, Math.max(start, end)), depth))
    at = next
  }
  return parts
}

function parsePart(bytes: Buffer, depth: number): BodyPart[] {
  const lineEnd = bytes.indexOf('\n')
  if (lineEnd < 0) return []
  const rest = bytes.subarray(lineEnd + 1)
  // No header at all: the default of RFC 2046 5.1.
  if (rest[0] === 0x0a || (rest[0] === 0x0d && rest[1] === 0x0a))
    return [{ type: 'text/plain', content: rest.subarray(rest[0] === 0x0a ? 1 : 2) }]
  const crlf = rest.indexOf('\r\n\r\n')
  const lf = rest.indexOf('\n\n')
  const useCrlf = crlf >= 0 && (lf < 0 || crlf < lf)
  const headEnd = useCrlf ? crlf : lf
  if (headEnd < 0) return []
  const content = rest.subarray(headEnd + (useCrlf ? 4 : 2))
  const headers = new Map<string, string>()
  for (const line of rest
    .toString('utf8', 0, headEnd)
    .replace(/\r?\n[ \t]+/g, ' ')
    .split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon >= 0) headers.set(canonicalName(line.slice(0, colon).trim()), line.slice(colon + 1).trim())
  }
  const type = parseContentType(headers.get('Content-Type') ?? 'text/plain')
  if (!type) return []
  const boundary = type.type.startsWith('multipart/') ? type.params.get('boundary') : undefined
  if (boundary) return depth < maximumDepth ? splitMultipart(content, boundary, depth + 1) : []
  return [{ type: type.type, content, ...handlingOf(headers.get('Content-Disposition')) }]
}
