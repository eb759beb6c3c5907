// Session timers (RFC 4028) in both roles: what our requests and answers say, who refreshes, and when a session that nobody
// refreshes any more is over. How a refresh is sent (UPDATE or re-INVITE) is the dialog's affair.
import { UsageError } from '../errors.ts'
import type { Clock, Timer } from '../runtime/runtime.ts'
import type { SipMessage, SipRequest } from './message.ts'

/** RFC 4028 4 and 5: the least interval there may be, and the default of Min-SE, in seconds. */
const leastSessionSeconds = 90
/** RFC 4028 4.2 recommends 1800, in seconds. */
export const defaultSessionSeconds = 1_800
/** A longer interval is none: setTimeout ends at 24.8 days. In seconds. */
const longestSessionSeconds = 1_000_000
/** RFC 4028 10: BYE goes out this long before the expiration, or a third of the interval, in seconds. */
const byeAheadSeconds = 32
/** A refresh that could not be made now is tried again after this, in seconds. */
const retrySeconds = 5

export const minSeHeader = `Min-SE: ${leastSessionSeconds}`

interface Asked {
  seconds: number
  refresher?: 'uac' | 'uas'
}

/** The Session-Expires of a message; undefined where there is none that can be understood. */
function sessionExpiresOf(message: SipMessage): Asked | undefined {
  const match = /^\s*(\d{1,10})\s*(;.*)?$/s.exec(message.get('Session-Expires') ?? '')
  if (!match) return undefined
  const refresher = /;\s*refresher\s*=\s*(uac|uas)\s*(;|$)/i.exec(match[2] ?? '')?.[1]?.toLowerCase()
  return {
    seconds: Math.min(Number(match[1]), longestSessionSeconds),
    ...((refresher === 'uac' || refresher === 'uas') && { refresher }),
  }
}

/** Whether a request asks for less than we agree to: it is refused with 422 (RFC 4028 9). Where its sender knows no timers a
 *  proxy has asked, and nobody would understand the 422. */
export function isSessionTooBrief(request: SipRequest): boolean {
  const asked = sessionExpiresOf(request)
  return asked !== undefined && asked.seconds < leastSessionSeconds && knowsTimers(request)
}

const knowsTimers = (request: SipRequest): boolean =>
  request.hasToken('Supported', 'timer') || request.hasToken('Require', 'timer')

/** Throws UsageError for an interval that nobody would agree to. */
export function checkSessionExpires(seconds: number): void {
  if (seconds !== 0 && !(seconds >= leastSessionSeconds && Number.isInteger(seconds)))
    throw new UsageError(`A session timer of ${seconds} s cannot be: use 90 s or more, or 0 for none.`)
}

export interface SessionTimerOptions {
  clock: Clock
  /** What we ask for; 0 asks for none. */
  wantedSeconds: number
  /** It is our turn to refresh. */
  onRefresh: () => void
  /** Nobody has refreshed the session. */
  onLapse: () => void
}

export class SessionTimer {
  private wantedSeconds: number
  /** The least that the path has agreed to. */
  private minSeconds = leastSessionSeconds
  /** What runs: for so long, refreshed by whom. */
  private agreed: { seconds: number; weRefresh: boolean } | undefined
  private refresh: Timer | undefined
  private lapse: Timer | undefined

  constructor(private readonly options: SessionTimerOptions) {
    this.wantedSeconds = options.wantedSeconds
  }

  /** What an INVITE or UPDATE of ours says. */
  requestHeaders(): string[] {
    const { agreed } = this
    if (this.wantedSeconds === 0 && !agreed) return []
    // RFC 4028 7.4: a refresh asks for what runs already.
    const seconds = Math.max(agreed?.seconds ?? this.wantedSeconds, this.minSeconds)
    const refresher = agreed ? `;refresher=${agreed.weRefresh ? 'uac' : 'uas'}` : ''
    const header = `Session-Expires: ${seconds}${refresher}`
    return this.minSeconds > leastSessionSeconds ? [header, `Min-SE: ${this.minSeconds}`] : [header]
  }

  /** 422 to a request of ours: returns whether to send it again, with what its sender agrees to (RFC 4028 7.3). */
  refused(response: SipMessage): boolean {
    const least = response.number('Min-SE', longestSessionSeconds)
    if (least === undefined || least <= Math.max(this.agreed?.seconds ?? this.wantedSeconds, this.minSeconds))
      return false
    this.minSeconds = least
    return true
  }

  /** 2xx to an INVITE or UPDATE of ours (RFC 4028 7.2). */
  accepted(response: SipMessage): void {
    const asked = sessionExpiresOf(response)
    if (asked) this.arm(asked.seconds, asked.refresher !== 'uas')
    else this.stop()
  }

  /** What our 2xx to the peer's INVITE or UPDATE says; the session runs from now on (RFC 4028 9). */
  answerHeaders(request: SipRequest): string[] {
    const asked = sessionExpiresOf(request)
    const known = knowsTimers(request)
    if (!asked && (!known || this.wantedSeconds === 0)) {
      this.stop()
      return []
    }
    const least = Math.max(leastSessionSeconds, request.number('Min-SE', longestSessionSeconds) ?? 0)
    const ours = this.wantedSeconds || longestSessionSeconds
    const seconds = Math.max(Math.min(asked?.seconds ?? ours, ours), least)
    const before = this.agreed?.weRefresh ? 'uas' : 'uac'
    const refresher = known ? (asked?.refresher ?? before) : 'uas'
    this.arm(seconds, refresher === 'uas')
    const header = `Session-Expires: ${seconds};refresher=${refresher}`
    // The table of RFC 4028 9: who must refresh must know.
    return refresher === 'uac' ? [header, 'Require: timer'] : [header]
  }

  /** A refresh was put off by the peer (491, 500, 503): once more, while there is time. */
  tryAgain(): void {
    this.refresh?.cancel()
    if (this.agreed?.weRefresh) this.refresh = this.after(retrySeconds, this.options.onRefresh)
  }

  stop(): void {
    this.refresh?.cancel()
    this.lapse?.cancel()
    this.refresh = undefined
    this.lapse = undefined
    this.agreed = undefined
  }

  private arm(agreedSeconds: number, weRefresh: boolean): void {
    const seconds = Math.max(agreedSeconds, leastSessionSeconds)
    this.stop()
    this.agreed = { seconds, weRefresh }
    if (weRefresh) this.refresh = this.after(seconds / 2, this.options.onRefresh)
    this.lapse = this.after(seconds - Math.min(byeAheadSeconds, seconds / 3), this.options.onLapse)
  }

  private after(seconds: number, action: () => void): Timer {
    return this.options.clock.setTimer(seconds * 1000, action)
  }
}
