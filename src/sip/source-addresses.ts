// From which of our addresses the system reaches a peer, remembered for a while: a socket on "0.0.0.0" does not say, and Via,
// Contact and SDP must.
import { addressFamily, type TransportAddress } from '../runtime/address.ts'
import type { Millis, Runtime } from '../runtime/runtime.ts'

const lifetimeMs = 60_000
const maximumRemembered = 4_096
const maximumLookUps = 256

export class SourceAddresses {
  private readonly remembered = new Map<string, { source: string; until: Millis }>()
  private readonly pending = new Map<string, Promise<string | undefined>>()

  constructor(private readonly runtime: Runtime) {}

  /** More lookups are under way than an honest load causes. */
  get busy(): boolean {
    return this.pending.size >= maximumLookUps
  }

  known(remote: TransportAddress): string | undefined {
    const entry = this.remembered.get(remote.address)
    return entry && entry.until > this.runtime.clock.now() ? entry.source : undefined
  }

  /** Undefined where there is no route. Never rejects. */
  lookUp(remote: TransportAddress): Promise<string | undefined> {
    const { address } = remote
    const known = this.known(remote)
    if (known !== undefined) return Promise.resolve(known)
    let pending = this.pending.get(address)
    if (!pending) {
      pending = this.runtime.network
        .sourceAddressFor(remote)
        .catch(() => undefined)
        .then((source) => {
          this.pending.delete(address)
          if (source !== undefined && addressFamily(source) === addressFamily(address))
            this.remember(address, source)
          return source
        })
      this.pending.set(address, pending)
    }
    return pending
  }

  /** Routes have changed. */
  forget(): void {
    this.remembered.clear()
  }

  private remember(address: string, source: string): void {
    if (this.remembered.size >= maximumRemembered)
      this.remembered.delete(this.remembered.keys().next().value!)
    this.remembered.set(address, { source, until: this.runtime.clock.now() + lifetimeMs })
  }
}
