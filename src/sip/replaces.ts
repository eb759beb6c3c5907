// The Replaces header (RFC 3891): which dialog a new call takes the place of.
import { parseParams } from './grammar.ts'

/** As its receiver knows the dialog: `toTag` is the receiver's own, `fromTag` its peer's. */
export interface Replaces {
  readonly callId: string
  readonly toTag: string
  readonly fromTag: string
  /** Only where the dialog has not been answered yet. */
  readonly earlyOnly: boolean
}

/** Of a Call-ID and of tags: words and nothing that could end a line or a header. */
const word = /^[!-+\--:<-~]{1,256}$/

/** Undefined where it is malformed. */
export function parseReplaces(text: string): Replaces | undefined {
  const semicolon = text.indexOf(';')
  if (semicolon < 0) return undefined
  const callId = text.slice(0, semicolon).trim()
  const params = parseParams(text, semicolon)
  const toTag = params?.get('to-tag')
  const fromTag = params?.get('from-tag')
  if (!toTag || !fromTag || ![callId, toTag, fromTag].every((part) => word.test(part))) return undefined
  return { callId, toTag, fromTag, earlyOnly: params?.has('early-only') === true }
}

export const formatReplaces = ({ callId, toTag, fromTag, earlyOnly }: Replaces): string =>
  `${callId};to-tag=${toTag};from-tag=${fromTag}${earlyOnly ? ';early-only' : ''}`
