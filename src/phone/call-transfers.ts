// Transfers of a call (RFC 5589). We hand it over: `transfer` blindly, `transferTo` in the place of another call of ours. Or the far
// end hands us over: the application accepts, and a new call is placed whose progress the far end is told. A transfer that succeeds
// ends the old call from the transferor's side; one that fails leaves it as it was.
import { isPrivate } from '../diagnose/private-address.ts'
import { CallFailed, UsageError } from '../errors.ts'
import type { Clock, Millis, Timer } from '../runtime/runtime.ts'
import { parseNameAddr } from '../sip/header-values.ts'
import type { Replaces } from '../sip/replaces.ts'
import type { IncomingRefer, Session } from '../sip/session.ts'
import { sipUri } from '../sip/uri.ts'
import type { Trace } from '../trace/trace.ts'
import type { DialOptions } from './options.ts'

/** The far end wants us to call somebody else in its place. Left alone for 20 s it is refused. */
export interface IncomingTransfer<C> {
  /** A SIP URI. */
  readonly target: string
  /** Who says to have referred us: a URI, as the far end claims. */
  readonly referredBy?: string
  /** The far end is talking to the target already: our call takes the place of theirs. */
  readonly attended: boolean
  /** Calls the target and tells the far end how it goes; the old call ends when the new one is answered. */
  accept(options?: DialOptions): Promise<C>
  /** Default 603. */
  reject(status?: number): void
}

/** What there must be to a call that is placed for a transfer. */
export interface PlacedCall {
  readonly trace: Trace
  readonly ended: Promise<unknown>
}

/** How a new call is placed. `hops`: how many transfers have led to it. */
export type Place<C> = (target: string, options: DialOptions, hops: number) => Promise<C>

/** A chain of transfers that is longer is a loop: nobody is handed on so often. */
const maximumHops = 10
/** The transferor hangs up when it hears of success (RFC 5589 6.1); where it does not, we do. */
const byePatienceMs: Millis = 5_000

export interface CallTransfersOptions<C> {
  clock: Clock
  trace: Trace
  /** Of the answered call. Throws CallFailed where there is none. */
  session: () => Session
  hangUp: (why: string) => void
  /** What people write, as a SIP URI. */
  complete: (target: string) => string
  place: () => Place<C> | undefined
}

export class CallTransfers<C extends PlacedCall> {
  /** How many transfers have led to this call. */
  hops = 0
  private timer: Timer | undefined
  private over = false

  constructor(private readonly options: CallTransfersOptions<C>) {}

  /** Resolves when the far end reports that `target` has answered; rejects with CallFailed or TimeoutError. */
  async transfer(target: string, replaces?: Replaces): Promise<void> {
    const { session, trace, hangUp } = this.options
    const told = { layer: 'call', type: 'transfer', role: 'transferor', target } as const
    const refer = session().refer(target, replaces, (status, reason) =>
      trace.record({ ...told, status, reason }),
    )
    trace.record(told)
    await refer
    hangUp(`transferred to ${target}`)
  }

  /** What becomes of a REFER of the far end. */
  offer(asked: IncomingRefer, onTransfer: ((transfer: IncomingTransfer<C>) => void) | undefined): void {
    const { clock, trace, session, hangUp, complete } = this.options
    const place = this.options.place()
    if (!onTransfer || !place) {
      asked.reject(603)
      return
    }
    const refer = dialable(asked, complete)
    if (!refer) return
    if (this.hops >= maximumHops || sameUser(refer.target, session().local.uri)) {
      trace.record({
        layer: 'call',
        type: 'warning',
        message: `transfer to ${refer.target} refused: it leads in a circle`,
      })
      refer.reject(482)
      return
    }
    const told = { layer: 'call', type: 'transfer', role: 'transferee', target: refer.target } as const
    const transfer = incomingTransfer<C>(refer, (target, options) => place(target, options, this.hops + 1), {
      onStatus: (status, reason) => trace.record({ ...told, status, reason }),
      onAnswered: () => {
        if (this.over) return
        this.timer = clock.setTimer(byePatienceMs, () => hangUp(`transferred to ${refer.target}`))
      },
    })
    trace.record(told)
    onTransfer(transfer)
  }

  /** The call is over. */
  stop(): void {
    this.over = true
    this.timer?.cancel()
  }
}

/** A number is dialled at the account's domain; where there is none the REFER is refused. */
export function dialable(
  refer: IncomingRefer,
  complete: (target: string) => string,
): IncomingRefer | undefined {
  const target = /^tel:/i.test(refer.target) ? complete(refer.target) : refer.target
  if (sipUri(target)) return { ...refer, target }
  refer.reject(416)
  return undefined
}

interface TransferEvents {
  onStatus?: (status: number, reason: string) => void
  onAnswered?: () => void
}

/** A REFER as the application sees it. */
export function incomingTransfer<C extends PlacedCall>(
  refer: IncomingRefer,
  place: (target: string, options: DialOptions) => Promise<C>,
  events: TransferEvents = {},
): IncomingTransfer<C> {
  const { target, replaces, referredBy } = refer
  const by = referredBy === undefined ? undefined : parseNameAddr(referredBy)?.uriText
  let decided = false
  const decide = (): void => {
    if (decided) throw new UsageError('this transfer has been decided already')
    decided = true
  }
  return {
    target,
    ...(by !== undefined && { referredBy: by }),
    attended: replaces !== undefined,
    async accept(options = {}) {
      decide()
      const progress = refer.accept()
      const tell = (status: number, reason: string): void => {
        progress.tell(status, reason)
        events.onStatus?.(status, reason)
      }
      try {
        const call = await place(target, {
          ...options,
          ...(replaces && { replaces }),
          ...(referredBy !== undefined && { referredBy }),
        })
        report(call, tell, () => events.onAnswered?.())
        return call
      } catch (error) {
        tell(503, 'Service Unavailable')
        throw error
      }
    },
    reject(status = 603) {
      decide()
      refer.reject(status)
      events.onStatus?.(status, 'rejected')
    },
  }
}

/** Tells how a call that was placed goes, up to its answer or its end. */
function report(
  call: PlacedCall,
  tell: (status: number, reason: string) => void,
  onAnswered: () => void,
): void {
  let over = false
  const look = (fact: (typeof call.trace.facts)[number]): void => {
    if (over || fact.layer !== 'call' || fact.type !== 'state') return
    const { state, status = 0, reason = '' } = fact
    if (state === 'answered') {
      over = true
      tell(200, 'OK')
      onAnswered()
    } else if (state === 'ended') {
      over = true
      // What was no response of the target: it was not reached.
      if (status >= 300) tell(status, reason)
      else tell(503, 'Service Unavailable')
    } else if (status > 100 && status < 200) tell(status, reason)
    if (over) unsubscribe()
  }
  const unsubscribe = call.trace.subscribe(look)
  for (const fact of [...call.trace.facts]) look(fact)
}

/** Whether two URIs name the same user at the same host, whatever their parameters. */
function sameUser(a: string, b: string): boolean {
  const [one, other] = [sipUri(a), sipUri(b)]
  if (one?.user === undefined || !other) return false
  return one.user === other.user && one.host === other.host && (one.port ?? 5060) === (other.port ?? 5060)
}

/** What a third party needs to take our place in `session` (RFC 3891). Throws CallFailed. */
export function placeOf(session: Session): { target: string; replaces: Replaces } {
  const { replaceable } = session
  if (!replaceable) throw new CallFailed('the call to transfer to is not established', 0, 'not established')
  return { ...replaceable, target: reachable(replaceable.target, session.remote.uri) }
}

/** RFC 5589 7.3: the Contact names the very phone, but behind a NAT nobody else reaches it there; the address of record leads to it
 *  through its server, and phones that do not have the dialog refuse. */
function reachable(contact: string, addressOfRecord: string): string {
  const [phone, record] = [sipUri(contact), sipUri(addressOfRecord)]
  if (!phone || record?.user === undefined || phone.params.has('gr')) return contact
  const elsewhere = isPrivate(phone.host) || phone.host.endsWith('.invalid')
  return elsewhere && !isPrivate(record.host) ? addressOfRecord : contact
}

/** Another call has taken the place of this one: its far end hangs up (RFC 3891 3), or we do. */
export async function leaveReplaced(
  call: { readonly ended: Promise<unknown>; hangUp(reason: { text: string }): Promise<unknown> },
  clock: Clock,
): Promise<void> {
  const timer = clock.setTimer(byePatienceMs, () => void call.hangUp({ text: 'transferred' }))
  await call.ended
  timer.cancel()
}
