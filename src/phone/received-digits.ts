// The DTMF digits that a call has received, however they came, and those who wait for some.
import { TimeoutError } from '../errors.ts'
import type { Clock, Millis } from '../runtime/runtime.ts'
import type { Body } from '../sip/session.ts'

export interface ReceivedDigit {
  digit: string
  durationMs: Millis
  /** As a telephone-event (RFC 4733), in an INFO, or found in the audio. */
  by: 'rtp' | 'info' | 'audio'
}

export class ReceivedDigits {
  private received = ''
  private over = false
  private readonly waiters = new Set<() => void>()

  constructor(private readonly clock: Clock) {}

  get text(): string {
    return this.received
  }

  add(digit: string): void {
    this.received += digit
    this.wake()
  }

  /** No more will come. */
  close(): void {
    this.over = true
    this.wake()
  }

  /** Resolves when `digits` have been received, in order; rejects with TimeoutError in one sentence. */
  waitFor(digits: string, timeoutMs: Millis): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (timedOut: boolean): void => {
        const found = this.received.includes(digits)
        if (!found && !this.over && !timedOut) return
        timer.cancel()
        this.waiters.delete(wake)
        if (found) resolve()
        else
          reject(
            new TimeoutError(
              `DTMF ${digits} was not received; received: ${this.received || 'nothing'}`,
              timeoutMs,
            ),
          )
      }
      const wake = (): void => settle(false)
      const timer = this.clock.setTimer(timeoutMs, () => settle(true))
      this.waiters.add(wake)
      wake()
    })
  }

  private wake(): void {
    for (const waiter of [...this.waiters]) waiter()
  }
}

/** DTMF in an INFO body, as PBXes send it: "Signal=5" (dtmf-relay) or the bare digit (dtmf). */
export function digitOfInfo(body: Body | undefined): ReceivedDigit | undefined {
  if (!body || !/^application\/dtmf/i.test(body.contentType)) return undefined
  const digit = /^(?:\s*Signal\s*=)?\s*([0-9A-D*#])\s*$/im.exec(body.content)?.[1]
  const duration = /Duration\s*=\s*(\d{1,5})/i.exec(body.content)?.[1]
  return digit
    ? { digit: digit.toUpperCase(), durationMs: duration ? Number(duration) : 0, by: 'info' }
    : undefined
}
