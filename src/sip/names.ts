// What name servers said, kept for as long as they allow (RFC 1035 TTL, RFC 2308), bounded in number. A question that is on its
// way is asked once; one that nobody answers in time is answered by what was known before (RFC 8767), or refused.
import { NetworkError } from '../errors.ts'
import type {
  AddressRecord,
  Clock,
  Millis,
  NaptrRecord,
  Network,
  SrvRecord,
  Timer,
} from '../runtime/runtime.ts'

/** Where the system tells no lifetime; short enough to follow a change. */
const unknownLifetimeMs: Millis = 30_000
/** Nobody is held to a mistake for longer. */
const longestLifetimeMs: Millis = 3_600_000
/** That a name has no such record, which changes seldom, or that nobody could tell: both cost a question each. */
const negativeLifetimeMs: Millis = 30_000
/** An address that could not be had is asked for again soon: a person tries again. */
const failureLifetimeMs: Millis = 5_000
/** RFC 8767 5 has days; a phone that nobody can reach is not worth more than one. */
const staleLifetimeMs: Millis = 86_400_000
/** SRV and NAPTR may be missed, addresses may not. */
const limitMs = { addresses: 8_000, optional: 2_500 } as const
const maximumNames = 1_024

interface Entry {
  records: readonly NameRecord[]
  until: Millis
  /** Why there are none. */
  failure?: NetworkError
  /** When `records` were told. */
  toldAt: Millis
}
type NameRecord = AddressRecord | SrvRecord | NaptrRecord

export class Names {
  private readonly entries = new Map<string, Entry>()
  private readonly asking = new Map<string, Promise<readonly NameRecord[]>>()

  constructor(
    private readonly network: Network,
    private readonly clock: Clock,
  ) {}

  /** Never empty. Throws, or rejects with, NetworkError. */
  addresses(host: string): readonly AddressRecord[] | Promise<readonly AddressRecord[]> {
    return this.look('A', host, limitMs.addresses, () => this.network.resolveAddresses(host))
  }

  /** Where nobody can tell: none, as with name servers that know only addresses. */
  srv(name: string): readonly SrvRecord[] | Promise<readonly SrvRecord[]> {
    return this.look('SRV', name, limitMs.optional, () => this.network.resolveSrv(name))
  }

  naptr(name: string): readonly NaptrRecord[] | Promise<readonly NaptrRecord[]> {
    return this.look('NAPTR', name, limitMs.optional, () => this.network.resolveNaptr(name))
  }

  private look<T extends NameRecord>(
    kind: 'A' | 'SRV' | 'NAPTR',
    name: string,
    limit: Millis,
    ask: () => Promise<T[]>,
  ): readonly T[] | Promise<readonly T[]> {
    const key = `${kind} ${name.toLowerCase()}`
    const known = this.entries.get(key)
    if (known && known.until > this.clock.now()) {
      if (known.failure) throw known.failure
      return known.records as readonly T[]
    }
    const asked = this.asking.get(key) as Promise<readonly T[]> | undefined
    if (asked) return asked
    const answer = this.within(limit, name, ask()).then(
      (records) => this.keep(key, records),
      (error) => this.missing(key, kind !== 'A', error) as readonly T[],
    )
    this.asking.set(key, answer)
    const over = (): unknown => this.asking.delete(key)
    answer.then(over, over)
    return answer
  }

  private keep<T extends NameRecord>(key: string, records: T[]): readonly T[] {
    const now = this.clock.now()
    const lifetimes = records.map(({ ttlSeconds }) =>
      ttlSeconds === undefined ? unknownLifetimeMs : ttlSeconds * 1_000,
    )
    const lifetimeMs = records.length > 0 ? Math.min(...lifetimes, longestLifetimeMs) : negativeLifetimeMs
    this.store(key, { records, until: now + lifetimeMs, toldAt: now })
    return records
  }

  private missing(key: string, optional: boolean, error: unknown): readonly NameRecord[] {
    const now = this.clock.now()
    const { records = [], toldAt = now } = this.entries.get(key) ?? {}
    if (optional || (records.length > 0 && now - toldAt < staleLifetimeMs)) {
      this.store(key, { records, toldAt, until: now + (optional ? negativeLifetimeMs : failureLifetimeMs) })
      return records
    }
    const failure =
      error instanceof NetworkError ? error : new NetworkError(`could not resolve ${key}: ${error}`, key)
    this.store(key, { records: [], toldAt: now, until: now + failureLifetimeMs, failure })
    throw failure
  }

  private store(key: string, entry: Entry): void {
    // Behind the others, so that the first one is the oldest.
    this.entries.delete(key)
    if (this.entries.size >= maximumNames) this.entries.delete(this.entries.keys().next().value!)
    this.entries.set(key, entry)
  }

  private within<T>(limit: Millis, name: string, answer: Promise<T>): Promise<T> {
    let timer: Timer | undefined
    const late = new Promise<never>((_, reject) => {
      timer = this.clock.setTimer(limit, () =>
        reject(
          new NetworkError(
            `could not resolve ${name}: no answer within ${limit / 1_000} s: check the name server`,
            name,
          ),
        ),
      )
    })
    return Promise.race([answer, late]).finally(() => timer?.cancel())
  }
}
