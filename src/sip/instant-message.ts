// Instant messages (RFC 3428): what a MESSAGE that came in says, or why it is refused. Text is shown to people, so its charset
// is honoured and control characters of names are taken out. Leaves out: CPIM, delivery notifications (RFC 5438), composing
// indications (RFC 3994), which are refused with 415 and the list of what is taken.
import { RequestFailed, UsageError } from '../errors.ts'
import { bodyParts } from './body-parts.ts'
import { parseContentType } from './header-values.ts'
import type { SipRequest, SipResponse } from './message.ts'
import type { Refusal } from './request-checks.ts'
import type { Body, TextMessage } from './session.ts'
import type { Answer } from './standalone-requests.ts'

/** RFC 3428 9: text/plain is a MUST; other texts are as readable. */
const acceptedTexts = 'Accept: text/plain, text/*'
/** A message of its own, headers and all, may take 65,535 octets. */
const maximumTextBytes = 60_000

/** Nobody is there to read it: as with a call that nobody takes (RFC 3261 21.4.18). */
export const nobodyReads: Refusal = { status: 480, headers: [] }

export function readMessage(request: SipRequest): TextMessage | Refusal {
  const refused: Refusal = { status: 415, headers: [acceptedTexts] }
  const encoding = request.get('Content-Encoding')?.toLowerCase() ?? 'identity'
  if (encoding !== 'identity') return { status: 415, headers: [acceptedTexts, 'Accept-Encoding: identity'] }
  // RFC 3428 allows no body, which says nothing; it is delivered as such.
  const part =
    request.body.length === 0
      ? { type: 'text/plain', content: request.body }
      : bodyParts(request).find(({ type }) => type.startsWith('text/'))
  const text = part && decode(part.content, request.get('Content-Type'))
  if (!part || text === undefined) return refused
  const { displayName, uriText } = request.from
  return {
    from: uriText,
    to: request.to.uriText,
    ...(displayName && { displayName: displayName.replace(/\p{Cc}/gu, ' ') }),
    contentType: part.type,
    text,
    callId: request.callId,
  }
}

/** Undefined where the charset is unknown; octets that are none of it become U+FFFD. */
function decode(content: Uint8Array, contentType: string | undefined): string | undefined {
  const charset = contentType === undefined ? undefined : parseContentType(contentType)?.params.get('charset')
  try {
    return new TextDecoder(charset ?? 'utf-8').decode(content)
  } catch {
    return undefined
  }
}

/** Before a MESSAGE is sent. Throws UsageError. */
export function checkMessage({ content, contentType }: Body): void {
  if (!parseContentType(contentType))
    throw new UsageError(`"${contentType}" is no content type; write it as text/plain.`)
  const lengthBytes = Buffer.byteLength(content)
  if (lengthBytes > maximumTextBytes)
    throw new UsageError(
      `The message has ${lengthBytes} octets, and at most ${maximumTextBytes} can be sent; shorten it.`,
    )
}

/** 200: it has arrived; 202: it has been taken for delivery (RFC 3428 7). Throws RequestFailed. */
export function acceptedMessage(target: string, { response, problem }: Answer): { status: number } {
  const { status } = response
  if (status < 300) return { status }
  const reason = problem ?? (response.reason || 'refused')
  const advice = adviceFor(status, response)
  throw new RequestFailed(
    `The message did not reach ${target}: ${status} ${reason}${advice && `; ${advice}`}.`,
    status,
    reason,
  )
}

function adviceFor(status: number, response: SipResponse): string {
  switch (status) {
    case 404:
    case 604:
      return 'nobody has that address there, check it'
    case 405:
    case 501:
      return 'it takes no messages'
    case 408:
    case 480:
      return 'nobody is there at the moment, try again later'
    case 413:
    case 513:
      return 'it is too long, shorten it'
    case 415: {
      const taken = response.list('Accept').join(', ')
      return taken === '' ? 'its type is not taken' : `what is taken is ${taken}`
    }
    default:
      return ''
  }
}
