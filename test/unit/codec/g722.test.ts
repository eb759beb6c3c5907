// The whole codec, filters included: what comes out must be what went in, 22 samples later. Bit-exactness of the band coders is
// in test/conformance/codec/g722.test.ts.
import { expect, it } from 'vitest'
import { g722 } from '../../../src/codec/g722.ts'

/** The delay of both filters (ITU-T G.722 1.4.3). */
const delaySamples = 22

const roundTrip = (pcm: Int16Array): Int16Array => {
  const encoder = g722.createEncoder()
  const decoder = g722.createDecoder()
  const out = new Int16Array(pcm.length)
  const octets = new Uint8Array(160)
  for (let at = 0; at < pcm.length; at += 320) {
    expect(encoder.encode(pcm.subarray(at, at + 320), octets)).toBe(160)
    expect(decoder.decode(octets, out.subarray(at, at + 320))).toBe(320)
  }
  return out
}

const tone = (frequencyHz: number, amplitude: number): Int16Array =>
  Int16Array.from({ length: 16_000 }, (_, i) =>
    Math.round(amplitude * Math.sin((2 * Math.PI * frequencyHz * i) / g722.sampleRateHz)),
  )

/** Signal to noise, in dB, once the coder has adapted. */
function signalToNoise(pcm: Int16Array, out: Int16Array): number {
  let signal = 0
  let noise = 0
  for (let i = 3_200; i < pcm.length; i++) {
    const wanted = pcm[i - delaySamples]!
    signal += wanted * wanted
    noise += (out[i]! - wanted) ** 2
  }
  return 10 * Math.log10(signal / noise)
}

it.each([
  [300, 10_000, 30],
  [1_000, 10_000, 30],
  [3_000, 3_000, 30],
  [5_000, 10_000, 12],
  [6_500, 3_000, 12],
])('carries %i Hz at amplitude %i with %i dB at least', (frequencyHz, amplitude, leastDb) => {
  const pcm = tone(frequencyHz, amplitude)
  expect(signalToNoise(pcm, roundTrip(pcm))).toBeGreaterThan(leastDb)
})

it('is silent where nothing is said, and does not wrap around at full scale', () => {
  expect(Math.max(...roundTrip(new Int16Array(3_200)).map(Math.abs))).toBeLessThan(8)
  const square = Int16Array.from({ length: 16_000 }, (_, i) => (i % 80 < 40 ? 32_767 : -32_768))
  expect(signalToNoise(square, roundTrip(square))).toBeGreaterThan(10)
})

it('keeps to the shorter of its buffers, and takes any octets', () => {
  expect(g722.createEncoder().encode(new Int16Array(321), new Uint8Array(320))).toBe(160)
  expect(g722.createEncoder().encode(new Int16Array(320), new Uint8Array(80))).toBe(80)
  expect(g722.createDecoder().decode(new Uint8Array(160), new Int16Array(101))).toBe(100)
  const noise = Uint8Array.from({ length: 65_536 }, (_, i) => (i * 7_919) % 251)
  expect(g722.createDecoder().decode(noise, new Int16Array(131_072))).toBe(131_072)
})
