// A subscription as its user holds it: what the notifications say, read where floe knows the package, and as text in any case.
import type { Body, SipSubscription, SubscriptionState, UnsolicitedNotify } from '../sip/session.ts'
import { type DialogInfo, DialogTable, parseDialogInfo } from './dialog-info.ts'
import { type MessageSummary, parseMessageSummary } from './message-summary.ts'
import { type Presence, parsePresence } from './presence.ts'

export interface Notification {
  /** Of the body as it came; absent where there was none, as with a subscription that is pending. */
  readonly contentType?: string
  readonly text?: string
  /** message-summary (RFC 3842). */
  readonly messages?: MessageSummary
  /** dialog (RFC 4235): every call that is not over. */
  readonly dialogs?: readonly DialogInfo[]
  /** presence (RFC 3856). */
  readonly presence?: Presence
}

/** What somebody tells unasked: mostly an exchange, of the mailbox. */
export interface UnsolicitedNotification extends Notification {
  /** The sender's URI, as it says of itself. */
  readonly from: string
  /** The event package: "message-summary". */
  readonly event: string
}

export interface SubscribeToOptions {
  /** Asked for; the notifier may grant another. Default an hour. */
  expiresSeconds?: number
  /** Content types of the Accept header. Default: what floe reads of the package. */
  accept?: string[]
}

const dialogInfoType = 'application/dialog-info+xml'
const presenceType = 'application/pidf+xml'
const summaryType = 'application/simple-message-summary'
/** Of the packages that floe reads. */
export const acceptedTypes: Readonly<Record<string, readonly string[]>> = {
  'message-summary': [summaryType],
  dialog: [dialogInfoType],
  presence: [presenceType],
}

export class Subscription {
  onNotify: ((notification: Notification) => void) | undefined
  onState: ((state: SubscriptionState) => void) | undefined
  /** What was notified last. */
  last: Notification | undefined
  private table = new DialogTable()

  /** Made by Phone alone. */
  constructor(
    readonly target: string,
    readonly event: string,
    private readonly subscription: SipSubscription,
  ) {
    subscription.onNotify = (body) => {
      this.last = read(body, this.table)
      this.onNotify?.(this.last)
    }
    subscription.onState = (state) => {
      if (state.state === 'subscribing') this.table = new DialogTable()
      this.onState?.(state)
    }
  }

  get state(): SubscriptionState {
    return this.subscription.state
  }

  /** Unsubscribes; what stands there goes on being notified elsewhere. Resolves within seconds. */
  stop(): Promise<void> {
    return this.subscription.stop()
  }
}

export const readUnsolicited = ({ from, event, body }: UnsolicitedNotify): UnsolicitedNotification => ({
  from,
  event,
  ...read(body, new DialogTable()),
})

function read(body: Body | undefined, table: DialogTable): Notification {
  if (!body) return {}
  const { contentType, content: text } = body
  const told = { contentType, text }
  switch (contentType.replace(/[;\s].*$/s, '').toLowerCase()) {
    case summaryType: {
      const messages = parseMessageSummary(text)
      return messages ? { ...told, messages } : told
    }
    case dialogInfoType: {
      const document = parseDialogInfo(text)
      return document ? { ...told, dialogs: table.update(document) } : told
    }
    case presenceType: {
      const presence = parsePresence(text)
      return presence ? { ...told, presence } : told
    }
    default:
      return told
  }
}
