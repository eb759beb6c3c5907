// Every codec floe speaks, best first. A new codec is one more line here; which are offered, and in what order, is the phone's to say.
import type { Codec } from './codec.ts'
import { pcma, pcmu } from './g711.ts'
import { g722 } from './g722.ts'
import { opus } from './opus.ts'

export const codecs: readonly Codec[] = [opus, g722, pcmu, pcma]

/** Encoding names are case-insensitive (RFC 4855 3). Undefined where floe has no such codec. */
export function codecByName(name: string): Codec | undefined {
  const wanted = name.toUpperCase()
  return codecs.find((codec) => codec.name.toUpperCase() === wanted)
}
