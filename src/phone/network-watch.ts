// Notices that an interface has come or gone, or that the machine has slept, by looking once a second while anybody wants to know:
// what a phone that moves from Wi-Fi to the mobile network, or wakes up hours later, sees first.
import type { Clock, Millis, Network, Timer } from '../runtime/runtime.ts'

const intervalMs: Millis = 1_000
/** A look that comes this much too late, or a wall clock that has run ahead so far, is no busy machine: mappings of NATs, of 30 s
 *  at the least, may have gone meanwhile. A wall clock that was set forward looks the same, and costs one REGISTER. */
const sleepMs: Millis = 15_000

export class NetworkWatch {
  private readonly listeners = new Set<() => void>()
  private timer: Timer | undefined
  private before = ''
  private lookedAt: Millis = 0
  private lookedAtWallMs = 0

  constructor(
    private readonly clock: Clock,
    private readonly network: Network,
  ) {}

  /** Calls back after each change of the machine's addresses, and after it has slept. Returns the function that ends this. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener)
    if (!this.timer) {
      this.before = this.look()
      this.hasSlept()
      this.arm()
    }
    return () => {
      this.listeners.delete(listener)
      if (this.listeners.size > 0) return
      this.timer?.cancel()
      this.timer = undefined
    }
  }

  private arm(): void {
    this.timer = this.clock.setTimer(intervalMs, () => {
      this.arm()
      const now = this.look()
      const slept = this.hasSlept()
      if (now === this.before && !slept) return
      this.before = now
      for (const listener of [...this.listeners]) listener()
    })
  }

  /** Since the last look. On some systems the monotonic clock stands still meanwhile, on others it does not. */
  private hasSlept(): boolean {
    const { clock } = this
    const passedMs = Math.max(clock.now() - this.lookedAt, clock.wallTime() - this.lookedAtWallMs)
    this.lookedAt = clock.now()
    this.lookedAtWallMs = clock.wallTime()
    return passedMs > sleepMs
  }

  private look(): string {
    const addresses = this.network.interfaces().map(({ name, address }) => `${name} ${address}`)
    return addresses.sort().join(', ')
  }
}
