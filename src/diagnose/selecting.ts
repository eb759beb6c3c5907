// Picking facts of one kind out of a trace, typed.
import type { Millis } from '../runtime/runtime.ts'
import type { Fact } from '../trace/facts.ts'

type Layer = Fact['layer']
type FactOf<L extends Layer, T extends string> = Extract<Fact, { layer: L; type: T }>

/** Every fact of one kind, in order. */
export const all = <L extends Layer, T extends Fact['type']>(
  facts: readonly Fact[],
  layer: L,
  type: T,
): FactOf<L, T>[] => facts.filter((f): f is FactOf<L, T> => f.layer === layer && f.type === type)

export const first = <L extends Layer, T extends Fact['type']>(
  facts: readonly Fact[],
  layer: L,
  type: T,
): FactOf<L, T> | undefined => all(facts, layer, type)[0]

export const last = <L extends Layer, T extends Fact['type']>(
  facts: readonly Fact[],
  layer: L,
  type: T,
): FactOf<L, T> | undefined => all(facts, layer, type).at(-1)

/** The facts since media was last agreed on with somebody new: what went before was another fork's, or another session's. An
 *  ICE restart that has found no pair changes nothing. */
export const ofPresentPeer = (facts: readonly Fact[]): readonly Fact[] => {
  const isIce = (fact: Fact, type: Fact['type']): boolean => fact.layer === 'ice' && fact.type === type
  let start = 0
  let restarting = false
  for (const [i, fact] of facts.entries()) {
    if (isIce(fact, 'restart')) restarting = true
    if (!isIce(fact, 'mode')) continue
    const rest = facts.slice(i + 1)
    const next = rest.findIndex((later) => isIce(later, 'mode'))
    const found = (next < 0 ? rest : rest.slice(0, next)).some((later) => isIce(later, 'selected'))
    if (!restarting || found) start = i
    restarting = false
  }
  return facts.slice(start)
}

/** The time that everything is counted from: the INVITE, or the first fact. */
export const origin = (facts: readonly Fact[]): Millis =>
  (
    facts.find((f) => f.layer === 'sip' && f.type === 'message' && f.method === 'INVITE') ??
    facts.find((f) => f.layer === 'call') ??
    facts[0]
  )?.at ?? 0
