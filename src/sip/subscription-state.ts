// The Event and Subscription-State headers of a NOTIFY (RFC 6665 8.2).
import { isToken, parseNumber, parseParams } from './grammar.ts'
import type { SipMessage } from './message.ts'

export interface EventValue {
  /** Lower case: "refer", "message-summary". */
  readonly name: string
  readonly id?: string
}

export interface StateValue {
  /** Lower case: "active", "pending", "terminated", or what else was written. */
  readonly state: string
  readonly expiresSeconds?: number
  /** Of "terminated" (RFC 6665 4.1.3), lower case. */
  readonly reason?: string
  readonly retryAfterSeconds?: number
}

/** A day: what is longer is asked for again. */
const longestSeconds = 86_400

const seconds = (text: string | null | undefined): number | undefined => {
  const value = text ? parseNumber(text, 2 ** 32 - 1) : undefined
  return value === undefined ? undefined : Math.min(value, longestSeconds)
}

function split(
  text: string | undefined,
): { word: string; params: ReadonlyMap<string, string | null> } | undefined {
  if (text === undefined) return undefined
  const semicolon = text.indexOf(';')
  const word = (semicolon < 0 ? text : text.slice(0, semicolon)).trim().toLowerCase()
  const params = parseParams(text, semicolon < 0 ? text.length : semicolon)
  return isToken(word) && params ? { word, params } : undefined
}

export function readEvent(message: SipMessage): EventValue | undefined {
  const value = split(message.get('Event'))
  if (!value) return undefined
  const id = value.params.get('id')
  return { name: value.word, ...(id && { id }) }
}

/** Undefined where it is absent or malformed. */
export function readSubscriptionState(message: SipMessage): StateValue | undefined {
  const value = split(message.get('Subscription-State'))
  if (!value) return undefined
  const expiresSeconds = seconds(value.params.get('expires'))
  const retryAfterSeconds = seconds(value.params.get('retry-after'))
  const reason = value.params.get('reason')?.toLowerCase()
  return {
    state: value.word,
    ...(expiresSeconds !== undefined && { expiresSeconds }),
    ...(reason !== undefined && { reason }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  }
}
