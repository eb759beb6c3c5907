// The names of all servers, each looked up once: addresses, how long that took, and which of them this machine has a route to.
import { NetworkError } from '../errors.ts'
import type { Millis } from '../runtime/runtime.ts'
import { canonicalIp } from '../stun/ip-address.ts'
import { type Kit, probeLimitMs } from './kit.ts'

export type NameOutcome =
  | { type: 'found'; addresses: { address: string; hasRoute: boolean }[]; afterMs: Millis }
  | { type: 'failed'; reason: string }

export class Names {
  private readonly outcomes = new Map<string, Promise<NameOutcome>>()

  constructor(private readonly kit: Kit) {}

  /** Of names alone, in the order in which they were asked for; never of addresses. */
  async all(): Promise<{ name: string; outcome: NameOutcome }[]> {
    const names = [...this.outcomes].filter(([name]) => canonicalIp(name) === undefined)
    return Promise.all(names.map(async ([name, outcome]) => ({ name, outcome: await outcome })))
  }

  /** Addresses with a route, in order of preference; where there is no such, all. Rejects with NetworkError. */
  readonly resolve = async (name: string): Promise<string[]> => {
    const outcome = await this.lookUp(name)
    if (outcome.type === 'failed') throw new NetworkError(outcome.reason, name)
    const reachable = outcome.addresses.filter(({ hasRoute }) => hasRoute)
    return (reachable.length > 0 ? reachable : outcome.addresses).map(({ address }) => address)
  }

  private lookUp(name: string): Promise<NameOutcome> {
    const known = this.outcomes.get(name) ?? this.ask(name)
    this.outcomes.set(name, known)
    return known
  }

  private async ask(name: string): Promise<NameOutcome> {
    const { clock, network } = this.kit
    const startedAt = clock.now()
    try {
      const found = await this.kit.within(probeLimitMs, network.resolve(name))
      const afterMs = clock.now() - startedAt
      if (!found) {
        const reason = `no answer about ${name} within ${probeLimitMs / 1000} s: check the DNS server`
        return { type: 'failed', reason }
      }
      const addresses = await Promise.all(
        found.map(async (address) => ({
          address,
          hasRoute: (await network.sourceAddressFor({ address, port: 9 })) !== undefined,
        })),
      )
      return { type: 'found', addresses, afterMs }
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error
      return { type: 'failed', reason: error.message }
    }
  }
}
