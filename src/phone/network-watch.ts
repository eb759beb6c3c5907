// Notices that an interface has come or gone, by looking once a second while anybody wants to know: what a phone that moves
// from Wi-Fi to the mobile network sees first.
import type { Clock, Millis, Network, Timer } from '../runtime/runtime.ts'

const intervalMs: Millis = 1_000

export class NetworkWatch {
  private readonly listeners = new Set<() => void>()
  private timer: Timer | undefined
  private before = ''

  constructor(
    private readonly clock: Clock,
    private readonly network: Network,
  ) {}

  /** Calls back after each change of the machine's addresses. Returns the function that ends this. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener)
    if (!this.timer) {
      this.before = this.look()
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
      if (now === this.before) return
      this.before = now
      for (const listener of [...this.listeners]) listener()
    })
  }

  private look(): string {
    const addresses = this.network.interfaces().map(({ name, address }) => `${name} ${address}`)
    return addresses.sort().join(', ')
  }
}
