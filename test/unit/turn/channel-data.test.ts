// ChannelData messages (RFC 8656 12.4, 12.5, 12.6).
import { expect, it } from 'vitest'
import { channelOf, channelPayload, isChannelData, writeChannelData } from '../../../src/turn/channel-data.ts'

it('is four octets and the data, padded on a stream alone', () => {
  const data = Uint8Array.of(1, 2, 3, 4, 5)
  expect(writeChannelData(0x4abc, data, false)).toEqual(Uint8Array.of(0x4a, 0xbc, 0, 5, 1, 2, 3, 4, 5))
  const padded = writeChannelData(0x4abc, data, true)
  expect(padded).toHaveLength(12)
  expect(channelOf(padded)).toBe(0x4abc)
  expect(channelPayload(padded)).toEqual(data)
})

it('may be empty', () => {
  expect(channelPayload(writeChannelData(0x4000, new Uint8Array(0), false))).toHaveLength(0)
})

it('is told from STUN and from RTP by its first octet (RFC 7983)', () => {
  const first = (octet: number) => isChannelData(Uint8Array.of(octet, 0, 0, 0))
  expect([0x00, 0x01, 0x3f, 0x40, 0x4f, 0x50, 0x80].map(first)).toEqual([
    false,
    false,
    false,
    true,
    true,
    false,
    false,
  ])
  expect(isChannelData(Uint8Array.of(0x40, 0, 0))).toBe(false)
})

it('of which a part is missing has no data; what follows it is not its own', () => {
  expect(channelPayload(Uint8Array.of(0x40, 0, 0, 5, 1, 2, 3, 4))).toBeUndefined()
  expect(channelPayload(Uint8Array.of(0x40, 0, 0, 2, 1, 2, 3, 4))).toEqual(Uint8Array.of(1, 2))
})
