// What happens at the phone, as its two faces tell it: a line of JSON each under --control, a sentence on the terminal.
// Call numbers are texts ("1", "2"), given in the order in which calls come and go out.
import type {
  CallReport,
  Levels,
  ListeningPoint,
  Notification,
  Peer,
  ReceivedDigit,
  RegistrationState,
  SubscriptionState,
} from '../../index.ts'

export type CallStateName = CallReport['outcome']['state']

export type PhoneEvent =
  | { event: 'listening'; account: string; addresses: readonly ListeningPoint[] }
  | ({ event: 'registration'; account: string } & RegistrationState)
  | CallEvent
  /** Audio can flow. */
  | { event: 'connected'; call: string; ice: CallReport['ice']['mode']; codec?: string }
  /** ICE has chosen this pair, or another one in its place. */
  | { event: 'path'; call: string; local: string; remote: string }
  /** Who holds the call now. */
  | { event: 'hold'; call: string; local: boolean; remote: boolean }
  /** The other side wants us to call `target` in its place: accept-transfer or reject-transfer. */
  | { event: 'transfer'; call: string; target: string; attended: boolean; referredBy?: string }
  /** A text message has come, in a call or outside of any. */
  | {
      event: 'message'
      account: string
      from: string
      displayName?: string
      to: string
      contentType: string
      text: string
      call?: string
    }
  /** What is watched, by `subscribe`: how that goes, and what is told. */
  | ({ event: 'subscription' } & Watched & SubscriptionState)
  | ({ event: 'notification' } & Watched & Notification)
  /** What an exchange tells the account unasked. */
  | ({ event: 'notification'; account: string } & Omit<Watched, 'subscription'> & Notification)
  | ({ event: 'dtmf'; call: string } & ReceivedDigit)
  | ({ event: 'levels'; call: string } & Levels)
  | { event: 'warning'; call?: string; message: string }

interface Watched {
  subscription: string
  package: string
  target: string
}

export interface CallEvent {
  event: 'call'
  call: string
  state: CallStateName
  direction: 'incoming' | 'outgoing'
  account: string
  remote: string
  displayName?: string
  /** All that its messages say of the other side. */
  peer?: Peer
  /** How it ended: the SIP status and its reason, and who ended it. */
  status?: number
  reason?: string
  by?: 'local' | 'remote' | 'network'
  report?: CallReport
}
