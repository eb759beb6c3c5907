// The name server of a simulated world: addresses (RFC 1035), SRV (RFC 2782) and NAPTR (RFC 3403), which may change, be late or
// fail, with a count of what was asked. It is asked by a call and not by packets: no link delays or loses a question.
import { NetworkError } from '../errors.ts'
import type { AddressRecord, Millis, NaptrRecord, SrvRecord } from '../runtime/runtime.ts'
import type { VirtualClock } from './clock.ts'

export interface NameRecords {
  addresses?: readonly AddressRecord[]
  srv?: readonly SrvRecord[]
  naptr?: readonly NaptrRecord[]
}

export class NameServer {
  /** What was asked, in order: "SRV _sip._udp.example.com". */
  readonly questions: string[] = []
  /** Every answer comes this late. */
  delayMs: Millis = 0
  /** Every question fails, as with a server that is down or ill. */
  failing = false
  private readonly records = new Map<string, NameRecords>()

  constructor(private readonly clock: VirtualClock) {}

  /** What it knows of a name from now on. */
  set(name: string, records: NameRecords): void {
    this.records.set(name.toLowerCase(), records)
  }

  async ask<K extends keyof NameRecords>(kind: K, name: string): Promise<NonNullable<NameRecords[K]>> {
    this.questions.push(`${kind === 'addresses' ? 'A' : kind.toUpperCase()} ${name}`)
    if (this.delayMs > 0)
      await new Promise<void>((resolve) => this.clock.setTimer(this.delayMs, () => resolve()))
    if (this.failing)
      throw new NetworkError(`could not resolve ${name} (ESERVFAIL): the name server failed`, name)
    return this.records.get(name.toLowerCase())?.[kind] ?? ([] as unknown as NonNullable<NameRecords[K]>)
  }
}
