// Every codec floe speaks, in the order in which it is offered. A new codec is one more line here.
import type { Codec } from './codec.ts'
import { pcma, pcmu } from './g711.ts'

/** In order of preference. */
export const defaultCodecs: readonly Codec[] = [pcmu, pcma]

/** Encoding names are case-insensitive (RFC 4855 3). Undefined where floe has no such codec. */
export function codecByName(name: string): Codec | undefined {
  const wanted = name.toUpperCase()
  return defaultCodecs.find((codec) => codec.name.toUpperCase() === wanted)
}
