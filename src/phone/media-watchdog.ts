// Notices a peer that dies without a BYE and has no ICE consent to lose: by its silence.
import type { Clock, Millis, Timer } from '../runtime/runtime.ts'

export class MediaWatchdog {
  private timer: Timer | undefined
  /** Received when it was looked last; undefined where nothing was to be received then. */
  private before: number | undefined = 0

  /**
   * @param received packets received so far; undefined while the peer need not send (hold)
   * @param onSilence called once, when `limitMs` have passed without a packet
   */
  constructor(
    private readonly clock: Clock,
    private readonly limitMs: Millis,
    private readonly received: () => number | undefined,
    private readonly onSilence: () => void,
  ) {
    if (limitMs > 0) this.arm()
  }

  stop(): void {
    this.timer?.cancel()
  }

  private arm(): void {
    this.timer = this.clock.setTimer(this.limitMs, () => {
      const now = this.received()
      if (now !== undefined && now === this.before) {
        this.onSilence()
        return
      }
      this.before = now
      this.arm()
    })
  }
}
