// The seam between signalling and whoever uses it: accounts, registrations, calls. Bodies pass through unread.

import type { TransportAddress } from '../runtime/address.ts'
import type { Protocol } from './flow.ts'
import type { Peer } from './peer.ts'
import type { Replaces } from './replaces.ts'

/** A session description or another body, as text with its type. */
export interface Body {
  contentType: string
  content: string
}

/** An offer, or what makes it when it is sent: after glare (RFC 3261 14.1) things may have changed. */
export type Offer = Body | (() => Body)

export interface Account {
  /** Address of record, "sip:alice@example.com". */
  aor: string
  displayName?: string
  /** Digest user name; the AOR's user part where absent. */
  username?: string
  password?: string
  /** Registrar and outbound proxy, "sip:pbx.example:5060;transport=tcp"; of several the first that works, and all of them at once
   *  where they keep flows (RFC 5626). Where absent the AOR's domain registers, and calls go where their target says. With ";lr" it
   *  stands in a Route, too. */
  server?: string | readonly string[]
  /** Proxies that requests outside of a dialog pass behind it, in order (RFC 3261 8.1.2): "sip:edge.example;lr". */
  route?: readonly string[]
  /** RFC 5626 4.1: a URN of this device, the same at each start; a new one each time where absent. */
  instanceId?: string
}

export interface ResponseInfo {
  status: number
  reason: string
  /** Tells early dialogs of a forked INVITE apart: the To tag ("" before there is one). */
  remoteTag: string
  body?: Body
  /** A provisional response that was acknowledged (RFC 3262): an answer in it is final. */
  reliable?: boolean
  /** Contact URIs of a 3xx. */
  contacts?: string[]
  /** Retry-After, in seconds. */
  retryAfter?: number
}

export interface EndInfo {
  by: 'local' | 'remote' | 'network'
  /** The status that ended it, or 200 for a BYE. */
  status: number
  reason: string
  /** RFC 3326 Reason header of a BYE or CANCEL, as received. */
  reasonHeader?: string
}

/** How a re-INVITE of the peer is answered. */
export interface Reinvite {
  /** Absent: the peer wants an offer from us. */
  offer?: Body
  /** Tells the early dialogs of a forked INVITE apart. */
  remoteTag: string
  accept(body: Body): void
  reject(status: number, reason?: string): void
}

/** A REFER of the peer's (RFC 3515). Left alone for 20 s it is refused. */
export interface IncomingRefer {
  /** A SIP URI without headers, or a tel: URI. */
  target: string
  /** The dialog that the new call shall replace (RFC 3891). */
  replaces?: Replaces
  /** The Referred-By header (RFC 3892), as received. */
  referredBy?: string
  /** The new call is about to be placed: 202, and what `tell` is told goes to the peer. */
  accept(): ReferProgress
  reject(status?: number): void
}

export interface ReferProgress {
  /** Provisional statuses, then one final one. */
  tell(status: number, reason: string): void
}

/** Called in order; none may throw. */
export interface SessionHandler {
  /** 1xx but 100. A body is an answer, unless there is `acknowledge`: then it is the offer in a late-offer call, and its PRACK
   *  (RFC 3262 5), with our answer, is sent by that. */
  onProvisional?(response: ResponseInfo, acknowledge?: (answer: Body) => void): void
  /** Incoming call: the answer to an offer that a provisional response of ours carried. */
  onEarlyAnswer?(answer: Body): void
  /** A 3xx is followed: another target is called now. */
  onRedirected?(status: number, target: string): void
  /** 2xx of our INVITE. `acknowledge` sends the ACK: with our answer where the INVITE had no offer, else without argument. Call it at once. */
  onAccepted?(response: ResponseInfo, acknowledge: (answer?: Body) => void): void
  /** Incoming call: the ACK arrived, with the peer's answer where our 200 carried the offer. In both roles also the answer to
   *  the offer with which we accepted a re-INVITE that had none. */
  onConfirmed?(answer?: Body): void
  /** An offer of the peer in mid-call, by re-INVITE or UPDATE. */
  onReinvite?(reinvite: Reinvite): void
  /** The session must be refreshed (RFC 4028) by a re-INVITE with the description as it is: the peer takes no UPDATE. */
  onRefreshDue?(): void
  /** SIP INFO in the dialog (RFC 6086); answered 200 by the layer, 469 where its package is none of ours.
   *  @param infoPackage of the Info-Package header; absent in the older use of INFO */
  onInfo?(body: Body | undefined, infoPackage?: string): void
  /** The peer wants us to call somebody else; without a handler it is refused with 603. */
  onRefer?(refer: IncomingRefer): void
  /** Exactly once, whatever ended it: rejection, CANCEL, BYE, time-out, transport. `rejected` carries the final response of our INVITE. */
  onEnded(end: EndInfo, rejected?: ResponseInfo): void
}

export interface Session {
  readonly callId: string
  readonly direction: 'outgoing' | 'incoming'
  /** The peer's identity: "sip:bob@example.com", and its display name. */
  readonly remote: { uri: string; displayName?: string }
  readonly local: { uri: string }
  /** What its messages say of the peer. */
  readonly peerInfo: Peer
  /** BYE in a confirmed dialog, CANCEL before the answer, 603-style rejection for an unanswered incoming call: what fits. Idempotent. */
  hangUp(reason?: { status?: number; text?: string }): void
  /** In-dialog offer; resolves with the answer, rejects with CallFailed (491 is retried as RFC 3261 14.1 says).
   *  @param options.limitMs give up after this long, with 408; the call then goes on as it was. Without it an offer that nobody
   *  answers ends the call after 32 s, as RFC 3261 14.1 has it. */
  reinvite(offer: Offer, options?: { limitMs?: number }): Promise<Body | undefined>
  /** Rejects with CallFailed where it is refused. */
  info(body: Body, infoPackage?: string): Promise<void>
  /** MESSAGE in the dialog (RFC 3428). Rejects with CallFailed where it is refused; throws UsageError. */
  message(body: Body): Promise<void>
  /** Asks the peer to call `target` instead (RFC 3515), in the place of another dialog where `replaces` names one.
   *  Resolves when the peer reports success; rejects with CallFailed or TimeoutError, and the call goes on as it was. */
  refer(
    target: string,
    replaces?: Replaces,
    onProgress?: (status: number, reason: string) => void,
  ): Promise<void>
  /** What names this dialog to a third party that shall take our place (RFC 3891), and where it reaches the peer. */
  readonly replaceable: { target: string; replaces: Replaces } | undefined
  /** The Info-Packages that the peer takes (its Recv-Info, RFC 6086 5.2), lower case; empty before it has said so. */
  readonly peerInfoPackages: ReadonlySet<string>
}

export interface IncomingSession extends Session {
  /** Absent: late offer, our 200 carries the offer. */
  readonly offer?: Body
  readonly userAgent?: string
  /** The local IP address on which the INVITE came in: media starts from there. */
  readonly localAddress: string
  /** The call whose place this one takes when it is accepted, which then ends (RFC 3891). */
  readonly replaces?: Session | undefined
  /** Set before anything else is called. */
  handler: SessionHandler | undefined
  /** 180, 183 ... Sent reliably (RFC 3262) where the caller requires it; where it takes that, with a body or on demand. */
  progress(status: number, body?: Body, options?: { reliable?: boolean }): void
  accept(body: Body): void
  reject(status: number, reason?: string): void
}

/** An instant message (RFC 3428), in a call or outside of any. */
export interface TextMessage {
  /** The sender's URI, as it says of itself. */
  from: string
  displayName?: string
  to: string
  /** Lower case, without parameters: "text/plain". */
  contentType: string
  text: string
  /** That of the call that it came in, or one of its own. */
  callId: string
}

/** A NOTIFY outside of any subscription. */
export interface UnsolicitedNotify {
  /** The sender's URI, as it says of itself. */
  from: string
  displayName?: string
  /** The event package, lower case: "message-summary". */
  event: string
  body?: Body
}

export type SubscriptionState =
  | { state: 'subscribing' }
  /** pending: somebody must still allow it (RFC 6665 4.1.2). */
  | { state: 'pending' | 'active'; expiresSeconds: number }
  /** With `retryInMs` it is tried again then; else for good. `status`: what refused it. */
  | { state: 'terminated'; reason: string; status?: number; retryInMs?: number }

export interface SubscribeOptions {
  account?: Account
  /** Asked for; the notifier may grant another. Default an hour. */
  expiresSeconds?: number
  /** Content types of the Accept header; absent: the default of the event package. */
  accept?: string[]
}

export interface SipSubscription {
  readonly state: SubscriptionState
  onState: ((state: SubscriptionState) => void) | undefined
  /** A NOTIFY, with the body that it had. */
  onNotify: ((body: Body | undefined) => void) | undefined
  /** Unsubscribes, bounded in time. */
  stop(): Promise<void>
}

/** RFC 3323 4.2, RFC 3325 9.3. */
export const privacyLevels = ['id', 'header', 'session', 'user', 'critical', 'none'] as const
export type PrivacyLevel = (typeof privacyLevels)[number]

export interface InviteOptions {
  account?: Account
  /** Absent: late offer. */
  offer?: Body
  /** How many redirections (3xx) may be followed. Default 0. */
  redirects?: number
  /** The peer's dialog whose place this call takes (RFC 3891). */
  replaces?: Replaces
  /** The value of Referred-By (RFC 3892). */
  referredBy?: string
  /** Extra headers, name and value; CR and LF are refused. */
  headers?: [string, string][]
  /** Give up ringing after this many ms (CANCEL, then onEnded with 408). Default 180 s. */
  ringTimeoutMs?: number
  /** What of the caller is to be hidden (RFC 3323, RFC 3325). */
  privacy?: readonly PrivacyLevel[]
  /** In the place of the user agent's. */
  sessionExpiresSeconds?: number
}

/** A way to us that a registrar knows (RFC 5626). */
export interface RegistrationFlow {
  /** 1 for the first server of the account. */
  regId: number
  /** Where REGISTER goes. */
  server: string
  state: 'registering' | 'registered' | 'failed' | 'unregistered'
  protocol?: Protocol
  local?: TransportAddress
  remote?: TransportAddress
  /** What keeps it open: STUN, CRLF with an answer, or CRLF that nobody answers. */
  keepAlive?: 'stun' | 'ping' | 'crlf'
  /** Of the last REGISTER, or keep-alive. */
  rttMs?: number
  lastFailure?: RegistrationFailure
}

export interface RegistrationFailure {
  status: number
  reason: string
  /** Nothing came back: `status` is what RFC 3261 8.1.3.1 takes that for. */
  unanswered?: true
  /** Wall-clock ms. */
  at: number
}

export interface Registered {
  state: 'registered'
  expiresSeconds: number
  /** Our Contact as the registrar lists it. */
  contact: string
  registrar: string
  /** The server that calls go to. */
  server: string
  /** Our address as that server sees it, where it is not the one we know: "203.0.113.7:40001". */
  seenAs?: string
  rttMs?: number
  refreshInMs?: number
  flows: RegistrationFlow[]
  /** RFC 5627: URIs that lead to this very phone. */
  gruu?: { public?: string; temporary?: string }
  /** RFC 3608. */
  serviceRoutes?: readonly string[]
  /** P-Associated-URI: what else we are called. */
  identities?: readonly string[]
  lastFailure?: RegistrationFailure
}

export type RegistrationState =
  | { state: 'registering' }
  | Registered
  | ({ state: 'failed'; retryInMs?: number } & Omit<RegistrationFailure, 'at'>)
  | { state: 'unregistered' }

export interface SipRegistration {
  readonly state: RegistrationState
  onState: ((state: RegistrationState) => void) | undefined
  /** REGISTER now: the way to us may have changed. */
  refresh(): void
  /** REGISTER with Expires 0, bounded in time. */
  unregister(): Promise<void>
}
