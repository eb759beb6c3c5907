// What the phone watches: mailboxes, the calls of others, presence (RFC 6665), each under a number of its own.
import { type Phone, type Subscription, UsageError } from '../../index.ts'
import type { PhoneEvent } from './events.ts'

export class Subscriptions {
  private readonly all = new Map<string, Subscription>()
  private count = 0

  constructor(private readonly tell: (event: PhoneEvent) => void) {}

  /** @param target absent: the account's own @returns its number */
  begin(phone: Phone, eventPackage: string, target: string | undefined): string {
    const subscription = phone.subscribe(target, eventPackage)
    const number = String(++this.count)
    const told = { subscription: number, package: eventPackage, target: subscription.target }
    this.all.set(number, subscription)
    subscription.onNotify = (notification) => this.tell({ event: 'notification', ...told, ...notification })
    subscription.onState = (state) => {
      if (state.state === 'terminated' && state.retryInMs === undefined) this.all.delete(number)
      this.tell({ event: 'subscription', ...told, ...state })
    }
    return number
  }

  async end(number: string): Promise<void> {
    const subscription = this.all.get(number)
    if (!subscription) throw new UsageError(`there is no subscription ${number}`)
    await subscription.stop()
    this.all.delete(number)
  }
}
