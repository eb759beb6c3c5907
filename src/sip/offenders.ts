// Who has been refused too often, by IP address: unknown users, wrong passwords. Such a source is not answered for
// a while, before anything is parsed. Only requests that begin something are ignored, and never those of a source that we have
// reason to trust (our registrar, who is in a call with us): forged datagrams could otherwise silence it.
import type { Millis } from '../runtime/runtime.ts'
import { evictOldest } from './reliability.ts'

/** More than a person who mistypes a name or a password, less than a list of numbers. */
const strikesAllowed = 20
const strikesFadeAfterMs: Millis = 60_000
const ignoredForMs: Millis = 300_000
const maximumSources = 4_096

interface Offender {
  strikes: number
  since: Millis
  ignoredUntil: Millis
}

export class Offenders {
  private readonly sources = new Map<string, Offender>()

  /** @param trusted addresses that are never ignored */
  constructor(private readonly trusted: (address: string) => boolean) {}

  ignores(now: Millis, address: string): boolean {
    if (this.sources.size === 0) return false
    const offender = this.sources.get(address)
    return offender !== undefined && offender.ignoredUntil > now && !this.trusted(address)
  }

  /** Another request that had to be refused. */
  strike(now: Millis, address: string): void {
    let offender = this.sources.get(address)
    if (!offender || now - offender.since > strikesFadeAfterMs) {
      this.sources.delete(address)
      evictOldest(this.sources, maximumSources)
      offender = { strikes: 0, since: now, ignoredUntil: Number.NEGATIVE_INFINITY }
      this.sources.set(address, offender)
    }
    if (++offender.strikes >= strikesAllowed) offender.ignoredUntil = now + ignoredForMs
  }
}
