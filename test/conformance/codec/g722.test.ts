// ITU-T G.722 Appendix II: the digital test sequences, which drive the two band coders without the filters.
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { HigherBand, LowerBand } from '../../../src/codec/g722-bands.ts'

const folder = new URL('../../../../shared/vectors/g722/', import.meta.url)
const present = existsSync(folder)
if (!present) console.log('skipped: ITU-T G.722 vectors are not at ../shared/vectors/g722')

/** 16-bit big-endian words; bit 0 says that the coder is to be reset. */
function words(name: string): number[] {
  const bytes = readFileSync(new URL(name, folder))
  return Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readInt16BE(2 * i))
}

/** Runs a coder over a sequence from its resets on; while the reset stands, the output does not count. */
function run(input: readonly number[], create: () => (word: number) => number): (number | undefined)[] {
  let coder = create()
  return input.map((word) => {
    if ((word & 1) === 0) return coder(word)
    coder = create()
    return undefined
  })
}

const encoder = () => {
  const lower = new LowerBand()
  const higher = new HigherBand()
  return (word: number) => ((higher.encode(word >> 1) << 14) | (lower.encode(word >> 1) << 8)) & 0xffff
}
const lowerDecoder = (bits: 4 | 5 | 6) => () => {
  const lower = new LowerBand()
  return (word: number) => lower.decode(((word >> 8) & 63) >> (6 - bits), bits) << 1
}
const higherDecoder = () => {
  const higher = new HigherBand()
  return (word: number) => higher.decode((word >> 14) & 3) << 1
}

function expectEqual(got: (number | undefined)[], expected: number[], mask: number): void {
  let compared = 0
  got.forEach((value, i) => {
    if (value === undefined) return
    compared++
    if ((value & mask) !== (expected[i]! & mask)) expect({ i, value }).toEqual({ i, value: expected[i] })
  })
  expect(compared).toBeGreaterThan(500)
}

describe.skipIf(!present)('ITU-T G.722 Appendix II', () => {
  it.each([
    ['bt1c1.xmt', 'bt2r1.cod'],
    ['bt1c2.xmt', 'bt2r2.cod'],
  ])('%s is encoded to %s', (input, output) => {
    expectEqual(run(words(input), encoder), words(output), 0xff00)
  })
  it.each([
    ['bt2r1.cod', 1],
    ['bt2r2.cod', 2],
    ['bt1d3.cod', 3],
  ])('%s is decoded to bt3l%i and bt3h%i', (input, n) => {
    const codes = words(input)
    expectEqual(run(codes, lowerDecoder(6)), words(`bt3l${n}.rc1`), 0xfffe)
    expectEqual(run(codes, lowerDecoder(5)), words(`bt3l${n}.rc2`), 0xfffe)
    expectEqual(run(codes, lowerDecoder(4)), words(`bt3l${n}.rc3`), 0xfffe)
    expectEqual(run(codes, higherDecoder), words(`bt3h${n}.rc0`), 0xfffe)
  })
})
