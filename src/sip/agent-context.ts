// What a user agent lends to its sessions and registrations: the world, the core, and the places where they report.
import type { Clock, Network, Random } from '../runtime/runtime.ts'
import type { DigestClient } from './digest.ts'
import type { Flow, Hop } from './flow.ts'
import type { Refusal } from './request-checks.ts'
import type { Account } from './session.ts'
import { contactUri, type SignallingCore, type Way } from './sipjs-core.ts'
import type { IncomingRequest } from './sipjs-messages.ts'

/** Timer B, F, H and L of RFC 3261 17: how long a transaction waits for its peer. */
export const transactionTimeoutMs = 32_000

/** Who a call or registration is made as. */
export interface Identity {
  /** The From URI. */
  uri: string
  displayName?: string
  /** User part of the Contact. */
  user?: string
  digest: DigestClient
  /** Where requests outside of a dialog go; absent: the Request-URI. */
  hop?: Hop | string
  /** Proxies that they pass, as Route values (RFC 3261 8.1.2), those that the registrar names (RFC 3608) among them. */
  routes?: readonly string[]
  /** The Contact URI of calls, where the registrar has given or seen another than the flow's own address. */
  readonly contact?: string | undefined
  /** A Contact URI that does not tell who we are (RFC 5627 3.3): the temporary GRUU. */
  readonly anonymousContact?: string | undefined
}

export interface AgentContext {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  readonly core: SignallingCore
  /** What calls ask for (RFC 4028); 0: nothing. */
  readonly sessionExpiresSeconds: number
  identityOf(account: Account | undefined): Identity
  /** Whether a server of ours is at that IP address, whose word counts. */
  isTrusted(address: string): boolean
  /** Runs code that is not ours (handlers) or that answers a peer: an exception is reported and goes no further. */
  guard(what: string, run: () => void): void
  /** Stops repeating our 2xx to an INVITE that will not be acknowledged any more. */
  settle(transactionId: string): void
  /** Stops repeating an INVITE of ours that is given up. */
  giveUp(transactionId: string): void
  /** Sends an INVITE of ours that is to be cancelled to no further server. */
  stopTrying(transactionId: string): void
  /** Delivers a MESSAGE; returns what refuses it. */
  takeMessage(message: IncomingRequest): Refusal | undefined
  /** Closes a connection that leads nowhere; the next message opens another. */
  dropFlow(flow: Flow): void
  /** Something must still be exchanged with the network; returns the function that says it has been. */
  pending(): () => void
}

/** Milliseconds, uniform between the two, in steps of 10 as RFC 3261 14.1 asks. */
export const randomDelayMs = (random: Random, fromMs: number, toMs: number): number =>
  fromMs + 10 * random.integer(Math.floor((toMs - fromMs) / 10) + 1)

/** The way of what an account says outside of a dialog, and of the dialogs that come of it. */
export const wayOf = (identity: Identity): Way => ({
  ...(identity.hop && { hop: identity.hop }),
  ...(identity.routes && { routes: identity.routes }),
  get contact() {
    return identity.contact ?? contactUri(identity.user)
  },
})
