import { describe, expect, it } from 'vitest'
import type { Codec } from '../../../src/codec/codec.ts'
import { pcma, pcmu } from '../../../src/codec/g711.ts'

/** Quantised magnitudes in the order of the law's tables (G.711 tables 1 and 2), on the 16-bit scale, and the decision values between. */
interface Law {
  codec: Codec
  magnitudes: number[]
  decisions: number[]
  /** The octet of the n-th magnitude of a sign. */
  octet: (n: number, negative: boolean) => number
}

/** Built from the tables' own columns (interval sizes and counts), not from the formula that the product uses. */
function law(
  codec: Codec,
  columns: [intervals: number, size: number][],
  scale: number,
  octet: Law['octet'],
  firstMagnitude?: number,
): Law {
  const decisions: number[] = []
  const magnitudes: number[] = []
  let at = 0
  for (const [intervals, size] of columns) {
    for (let i = 0; i < intervals; i++) {
      magnitudes.push((at + size / 2) * scale)
      at += size
      decisions.push(at * scale)
    }
  }
  if (firstMagnitude !== undefined) magnitudes[0] = firstMagnitude
  return { codec, magnitudes, decisions, octet }
}

const laws = [
  // G.711 table 1: 32 intervals of 2, then 16 each of 4 to 128, full scale 4096.
  law(
    pcma,
    [
      [32, 2],
      [16, 4],
      [16, 8],
      [16, 16],
      [16, 32],
      [16, 64],
      [16, 128],
    ],
    8,
    (n, negative) => ((negative ? 0 : 0x80) | n) ^ 0x55,
  ),
  // G.711 table 2: one interval of 1, 15 of 2, then 16 each of 4 to 256, full scale 8159.
  law(
    pcmu,
    [
      [1, 1],
      [15, 2],
      [16, 4],
      [16, 8],
      [16, 16],
      [16, 32],
      [16, 64],
      [16, 128],
      [16, 256],
    ],
    4,
    (n, negative) => (negative ? 0x7f : 0xff) - n,
    0,
  ),
]

describe.each(laws)('$codec.name as ITU-T G.711 defines it', ({ codec, magnitudes, decisions, octet }) => {
  it('decodes all 256 octets to the quantised values of the table', () => {
    for (let n = 0; n < 128; n++) {
      const out = new Int16Array(2)
      codec.createDecoder().decode(Uint8Array.of(octet(n, false), octet(n, true)), out)
      expect([...out]).toEqual([magnitudes[n], magnitudes[n] === 0 ? 0 : -magnitudes[n]!])
    }
  })

  it('encodes all 65,536 samples into the interval between the decision values that hold them', () => {
    const pcm = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768)
    const octets = new Uint8Array(65_536)
    expect(codec.createEncoder().encode(pcm, octets)).toBe(65_536)
    const wrong: number[] = []
    pcm.forEach((sample, i) => {
      // The reference takes a negative magnitude as the one's complement: -1 lies in the interval of 0.
      const magnitude = sample < 0 ? ~sample : sample
      const above = decisions.findIndex((decision) => magnitude < decision)
      if (octets[i] !== octet(above < 0 ? 127 : above, sample < 0)) wrong.push(sample)
    })
    expect(wrong).toEqual([])
  })

  it('keeps to the shorter of its buffers', () => {
    expect(codec.createEncoder().encode(new Int16Array(160), new Uint8Array(80))).toBe(80)
    expect(codec.createDecoder().decode(new Uint8Array(160), new Int16Array(80))).toBe(80)
    expect(codec.createDecoder().decode(new Uint8Array(0), new Int16Array(80))).toBe(0)
  })
})
