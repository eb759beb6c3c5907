// What every probe works with: a world, and the sign to give up. A probe that was given up ends soon, with nothing left open.
import { addressFamily, type TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis, Network, Random, Runtime } from '../runtime/runtime.ts'

/** How long one probe may take: whoever asks waits for it. */
export const probeLimitMs: Millis = 5_000
/** Of that, how long a connection may take to open. */
export const connectLimitMs: Millis = 4_000

export class Kit {
  readonly clock: Clock
  readonly network: Network
  readonly random: Random
  isGivenUp = false
  private readonly callbacks = new Set<() => void>()

  /** @param sources local addresses to send from, best first, where not the system's choice */
  constructor(
    readonly runtime: Runtime,
    private readonly sources: readonly string[] = [],
  ) {
    this.clock = runtime.clock
    this.network = runtime.network
    this.random = runtime.random
  }

  /** The local address to reach `to` from; undefined where there is no route. */
  async sourceFor(to: TransportAddress): Promise<string | undefined> {
    const family = addressFamily(to.address)
    if (this.sources.length > 0) return this.sources.find((address) => addressFamily(address) === family)
    return this.network.sourceAddressFor(to)
  }

  giveUp(): void {
    this.isGivenUp = true
    for (const callback of [...this.callbacks]) callback()
    this.callbacks.clear()
  }

  /** Calls back once where all is given up, never within this call. Returns the function that ends this. */
  onGiveUp(callback: () => void): () => void {
    if (this.isGivenUp) queueMicrotask(callback)
    else this.callbacks.add(callback)
    return () => this.callbacks.delete(callback)
  }

  /** A kit for a part of a probe, which `end` gives up alone. */
  part(): { kit: Kit; end: () => void } {
    const kit = new Kit(this.runtime, this.sources)
    const forget = this.onGiveUp(() => kit.giveUp())
    const end = (): void => {
      forget()
      kit.giveUp()
    }
    return { kit, end }
  }

  /** Resolves after `ms`, or when all is given up. */
  wait(ms: Millis): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel()
        forget()
        resolve()
      }
      const timer = this.clock.setTimer(ms, end)
      const forget = this.onGiveUp(end)
    })
  }

  /** The outcome of `task`; undefined where it takes longer, or all is given up.
   *  @param tooLate takes what comes after that */
  within<T>(ms: Millis, task: Promise<T>, tooLate?: (outcome: T) => void): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      let late = false
      const stop = (): void => {
        timer.cancel()
        forget()
      }
      const end = (): void => {
        stop()
        late = true
        resolve(undefined)
      }
      const timer = this.clock.setTimer(ms, end)
      const forget = this.onGiveUp(end)
      task.then(
        (outcome) => {
          stop()
          if (late) tooLate?.(outcome)
          else resolve(outcome)
        },
        (error: unknown) => {
          stop()
          reject(error)
        },
      )
    })
  }
}
