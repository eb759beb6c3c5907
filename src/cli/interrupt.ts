// Ctrl-C and SIGTERM: the first asks the verb to end decently (BYE, CANCEL, un-REGISTER), the second ends at once.
import { exitCodes } from './exit-codes.ts'

export class Interrupt {
  happened = false
  private readonly handlers: (() => void)[] = []

  constructor() {
    const handle = () => {
      if (this.happened) process.exit(exitCodes.interrupted)
      this.happened = true
      for (const handler of this.handlers) handler()
    }
    process.on('SIGINT', handle)
    process.on('SIGTERM', handle)
  }

  onInterrupt(handler: () => void): void {
    this.handlers.push(handler)
    if (this.happened) handler()
  }

  /** Resolves at the first Ctrl-C. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.onInterrupt(resolve))
  }
}
