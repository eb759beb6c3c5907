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

/** The facts since media was last agreed on with somebody new: what went before was another fork's, or another session's. */
export const ofPresentPeer = (facts: readonly Fact[]): readonly Fact[] =>
  facts.slice(
    Math.max(
      0,
      facts.findLastIndex((f) => f.layer === 'ice' && f.type === 'mode'),
    ),
  )

/** The time that everything is counted from: the INVITE, or the first fact. */
export const origin = (facts: readonly Fact[]): Millis =>
  (
    facts.find((f) => f.layer === 'sip' && f.type === 'message' && f.method === 'INVITE') ??
    facts.find((f) => f.layer === 'call') ??
    facts[0]
  )?.at ?? 0
