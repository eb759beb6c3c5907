import { describe, expect, it } from 'vitest'
import { type Compound, encodeCompound, parseCompound } from '../../../src/rtcp/compound.ts'

const block = {
  ssrc: 0xaabbccdd,
  fractionLost: 64,
  cumulativeLost: -5,
  extendedHighestSequence: 0x0001ffff,
  jitterTicks: 17,
  lastSenderReport: 0xb7052000,
  delaySinceLastSenderReport: 0x00054000,
}
const sender = { ntpSeconds: 0xb44db705, ntpFraction: 0x20000000, rtpTimestamp: 1, packets: 2, octets: 3 }
const parsed = (data: Uint8Array): Compound => {
  const compound = parseCompound(data)
  if (typeof compound === 'string') throw new Error(compound)
  return compound
}

describe('RTCP compound', () => {
  it.each(['', 'a', 'ab', 'abc', 'abcd', 'call@192.0.2.1', 'x'.repeat(255)])(
    'reads back SR, RR, SDES and BYE with the CNAME "%s"',
    (cname) => {
      const data = encodeCompound({ ssrc: 7, sender, reports: [block, block], cname, bye: true })
      expect(data.length % 4).toBe(0)
      expect(parsed(data)).toEqual({ ssrc: 7, sender, reports: [block, block], cname, bye: [7] })
      const report = encodeCompound({ ssrc: 7, reports: [], cname })
      expect(parsed(report)).toEqual({ ssrc: 7, reports: [], cname, bye: [] })
    },
  )

  it('cuts a CNAME longer than its field', () => {
    expect(parsed(encodeCompound({ ssrc: 7, reports: [], cname: 'y'.repeat(300) })).cname).toBe(
      'y'.repeat(255),
    )
  })

  it('steps over packet types it does not know', () => {
    const feedback = Uint8Array.of(0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2)
    const data = Uint8Array.from([...encodeCompound({ ssrc: 7, reports: [block], cname: 'c' }), ...feedback])
    expect(parsed(data).reports).toEqual([block])
  })

  it('takes no more reports than the packet holds', () => {
    const data = encodeCompound({ ssrc: 7, reports: [block], cname: 'c' })
    data[0] = 0x80 | 31
    expect(parsed(data).reports).toHaveLength(1)
  })

  const good = encodeCompound({ ssrc: 7, reports: [], cname: 'c' })
  it.each([
    ['too short', Uint8Array.of(0x80, 201, 0, 1)],
    ['not RTCP version 2', Uint8Array.from(good, (octet, i) => (i === 0 ? 0x40 : octet))],
    ['begins with an unknown type', Uint8Array.from(good, (octet, i) => (i === 1 ? 199 : octet))],
    ['packet longer than datagram', good.subarray(0, good.length - 4)],
    ['packet longer than datagram', Uint8Array.from([...good, 0x80])],
    ['padding before the last packet', Uint8Array.from(good, (octet, i) => (i === 0 ? octet | 0x20 : octet))],
  ])('refuses a compound: %s', (problem, data) => {
    expect(parseCompound(data)).toBe(problem)
  })
})
