// The record of one call: facts in time order, bounded so that a call of months does not eat the memory.
import type { Clock } from '../runtime/runtime.ts'
import type { Fact, FactBody } from './facts.ts'

/** Enough for hours of a busy call; what exceeds it is counted, and the beginning, which explains most, is kept. */
const maximumFacts = 20_000

export class Trace {
  readonly facts: Fact[] = []
  /** Facts that were not kept because the trace was full. */
  dropped = 0
  private readonly listeners = new Set<(fact: Fact) => void>()

  constructor(private readonly clock: Clock) {}

  readonly record = (body: FactBody): void => this.adopt({ at: this.clock.now(), ...body })

  /** Takes over a fact with the time it already has. */
  adopt(fact: Fact): void {
    // How it ended and what was received must not be missing from the report of a long call.
    const closing = fact.type === 'state' || fact.type === 'statistics' || fact.type === 'recording'
    if (this.facts.length < maximumFacts || closing) this.facts.push(fact)
    else this.dropped++
    for (const listener of this.listeners) listener(fact)
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: (fact: Fact) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
}
