// Lengths of Opus packets, told by their first octets.
import { describe, expect, it } from 'vitest'
import { packetsOfGap, samplesOf } from '../../../src/codec/opus-packet.ts'

it.each([
  // RFC 6716 table 2: configuration, code of frames.
  [0, 0, 480],
  [3, 0, 2_880],
  [13, 0, 960],
  [16, 0, 120],
  [31, 0, 960],
  [31, 1, 1_920],
  [3, 2, 5_760],
])('configuration %i with frame code %i lasts %i samples', (configuration, code, samples) => {
  expect(samplesOf(Uint8Array.of((configuration << 3) | code))).toBe(samples)
})

describe('a gap', () => {
  /** Configurations and samples of the packets. */
  const gap = (toc: number | undefined, samples: number) =>
    [...packetsOfGap(toc === undefined ? undefined : Uint8Array.of(toc, 1, 2), samples)].map((packet) => {
      expect(packet.length).toBe(1)
      return [packet[0]! >> 3, samplesOf(packet)]
    })

  it.each<[string, number | undefined, number, [number, number][]]>([
    [
      'nothing came before',
      undefined,
      2_000,
      [
        [31, 960],
        [31, 960],
      ],
    ],
    ['CELT of 20 ms, 95 ms', 31 << 3, 4_560, [...Array(4).fill([31, 960]), [30, 480], [29, 240]]],
    [
      'SILK of 60 ms, wide band',
      11 << 3,
      3_960,
      [
        [11, 2_880],
        [9, 960],
        [20, 120],
      ],
    ],
    [
      'SILK in medium band goes on as CELT in wide band',
      5 << 3,
      1_320,
      [
        [5, 960],
        [21, 240],
        [20, 120],
      ],
    ],
    [
      'hybrid of 10 ms, superwide band',
      12 << 3,
      600,
      [
        [12, 480],
        [24, 120],
      ],
    ],
    [
      'hybrid of 20 ms, full band',
      15 << 3,
      720,
      [
        [14, 480],
        [29, 240],
      ],
    ],
    ['less than can be', 31 << 3, 119, []],
  ])('is filled as RFC 7845 4.1 has it: %s', (_, toc, samples, expected) => {
    expect(gap(toc, samples)).toEqual(expected)
  })

  it('keeps the channels', () => {
    for (const packet of packetsOfGap(Uint8Array.of((9 << 3) | 4 | 3, 2), 5_000))
      expect(packet[0]! & 7).toBe(4)
  })
})
