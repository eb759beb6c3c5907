// ITU-T G.191 (STL) sweeps over all 65,536 samples: the reference's octets and what it decodes them to.
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Codec } from '../../../src/codec/codec.ts'
import { pcma, pcmu } from '../../../src/codec/g711.ts'

const folder = new URL('../../../../shared/vectors/g711/', import.meta.url)
const present = existsSync(folder)
if (!present) console.log('skipped: ITU-T G.711 vectors are not at ../shared/vectors/g711')

/** 16-bit little-endian words. */
function words(name: string): Int16Array {
  const bytes = readFileSync(new URL(name, folder))
  return Int16Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readInt16LE(2 * i))
}

const cases: [Codec, string, string, string][] = [
  [pcma, 'sweep-r.a', 'sweep-r.a-a', 'sweep-r.rea'],
  [pcmu, 'sweep-r.u', 'sweep-r.u-u', 'sweep-r.reu'],
]

describe.skipIf(!present)('ITU-T G.711 sweeps', () => {
  it.each(cases)('%o is bit-exact', (codec, encoded, decoded, roundTrip) => {
    const octets = new Uint8Array(65_536)
    codec.createEncoder().encode(words('sweep.src'), octets)
    expect(Buffer.compare(octets, Uint8Array.from(words(encoded)))).toBe(0)
    const pcm = new Int16Array(65_536)
    codec.createDecoder().decode(Uint8Array.from(words(encoded)), pcm)
    expect(Buffer.compare(Buffer.from(pcm.buffer), Buffer.from(words(decoded).buffer))).toBe(0)
    codec.createDecoder().decode(octets, pcm)
    expect(Buffer.compare(Buffer.from(pcm.buffer), Buffer.from(words(roundTrip).buffer))).toBe(0)
  })
})
