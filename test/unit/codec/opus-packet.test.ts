// Lengths of Opus packets, told by their first octets.
import { expect, it } from 'vitest'
import { samplesOf } from '../../../src/codec/opus-packet.ts'

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
