import { expect, it } from 'vitest'
import { l16Codecs } from '../../../src/codec/l16.ts'

/** IPv6, UDP and RTP (RFC 8200, RFC 768, RFC 3550) of an Ethernet's 1,500 octets. */
const roomBytes = 1_500 - 40 - 8 - 12

it.each(l16Codecs)('$name at $sampleRateHz Hz is network byte order, and fits into a packet', (codec) => {
  const out = new Uint8Array(roomBytes)
  const encoder = codec.createEncoder()
  expect(encoder.encode(Int16Array.of(0x1234, -2, -32_768), out)).toBe(6)
  expect([...out.subarray(0, 6)]).toEqual([0x12, 0x34, 0xff, 0xfe, 0x80, 0x00])
  const samples = new Int16Array(4)
  const decoder = codec.createDecoder()
  expect(decoder.decode(out.subarray(0, 6), samples)).toBe(3)
  expect([...samples]).toEqual([0x1234, -2, -32_768, 0])
  expect(decoder.decode(out.subarray(0, 5), samples)).toBe(2)
  expect(decoder.decode(out, samples)).toBe(4)
  for (const ms of codec.packetTimesMs!)
    expect((codec.sampleRateHz * ms) / 500).toBeLessThanOrEqual(roomBytes)
})
