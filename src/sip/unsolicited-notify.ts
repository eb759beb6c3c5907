// A NOTIFY that nobody has subscribed to: RFC 6665 knows none, but many exchanges tell of mailboxes that way. Whoever wants them
// gets them; else they are refused as section 4.1.3 has it. Leaves out: what such a NOTIFY says of a subscription, for there is none.
import { shown } from './peer.ts'
import type { Refusal } from './request-checks.ts'
import type { UnsolicitedNotify } from './session.ts'
import { anyBody, type IncomingRequest } from './sipjs-messages.ts'
import { readEvent } from './subscription-state.ts'

/** Packages whose bodies floe reads; of others it can be told as well. */
const badEvent: Refusal = { status: 489, headers: ['Allow-Events: message-summary, dialog, presence'] }
const noSubscription: Refusal = { status: 481, headers: [] }

/** Hands it over, or says what refuses it. */
export function takeUnsolicited(
  { wire }: IncomingRequest,
  onNotify: ((notify: UnsolicitedNotify) => void) | undefined,
): Refusal | undefined {
  const event = readEvent(wire)
  if (!event) return badEvent
  if (!onNotify) return noSubscription
  const body = anyBody(wire)
  const { uriText, displayName } = wire.from
  onNotify({
    from: uriText,
    ...(displayName && { displayName: shown(displayName) }),
    event: event.name,
    ...(body && { body }),
  })
  return undefined
}
