import { describe, expect, it } from 'vitest'
import { createRtpView, csrcOf, isRtcp, parseRtp, writeRtpHeader } from '../../../src/rtp/packet.ts'

const parse = (data: Uint8Array) => {
  const view = createRtpView()
  const problem = parseRtp(data, view)
  if (problem) throw new Error(problem)
  return view
}
const problemOf = (...octets: number[]) => parseRtp(Uint8Array.from(octets), createRtpView())
const header = (first: number) => [first, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]

describe('RTP packet', () => {
  it('reads back every field it wrote', () => {
    const out = new Uint8Array(64)
    const length = writeRtpHeader(out, {
      marker: true,
      payloadType: 101,
      sequenceNumber: 65_535,
      timestamp: 0xfedcba98,
      ssrc: 0xdeadbeef,
      csrc: [1, 0xffffffff],
      extension: { profile: 0xbede, data: Uint8Array.of(1, 2, 3, 4) },
    })
    expect(length).toBe(12 + 8 + 8)
    out.set([9, 8, 7], length)
    const view = parse(out.subarray(0, length + 3))
    expect(view).toMatchObject({
      marker: true,
      payloadType: 101,
      sequenceNumber: 65_535,
      timestamp: 0xfedcba98,
      ssrc: 0xdeadbeef,
      csrcCount: 2,
      extensionProfile: 0xbede,
      extensionLengthBytes: 4,
      payloadOffset: 28,
      payloadLengthBytes: 3,
    })
    expect([csrcOf(view, 0), csrcOf(view, 1)]).toEqual([1, 0xffffffff])
  })

  it('lets numbers wrap into their fields', () => {
    const out = new Uint8Array(12)
    writeRtpHeader(out, {
      marker: false,
      payloadType: 0,
      sequenceNumber: 65_536,
      timestamp: 2 ** 32 + 5,
      ssrc: 0,
    })
    expect(parse(out)).toMatchObject({ sequenceNumber: 0, timestamp: 5 })
  })

  it('takes padding off the payload', () => {
    expect(parse(Uint8Array.from([...header(0xa0), 7, 7, 0, 2])).payloadLengthBytes).toBe(2)
    expect(parse(Uint8Array.from([...header(0xa0), 1])).payloadLengthBytes).toBe(0)
  })

  it.each([
    ['too short', [0x80, 0, 0]],
    ['not RTP version 2', header(0x40)],
    ['header longer than packet', header(0x81)],
    ['header longer than packet', [...header(0x90), 0, 0]],
    ['header longer than packet', [...header(0x90), 0, 0, 0, 1]],
    ['bad padding', [...header(0xa0), 0]],
    ['bad padding', [...header(0xa0), 2]],
    ['bad padding', [...header(0xa0), 200]],
  ])('refuses a packet: %s', (problem, octets) => {
    expect(problemOf(...octets)).toBe(problem)
  })

  it('tells RTCP from RTP by RFC 5761 4', () => {
    const second = (octet: number) => isRtcp(Uint8Array.of(0x80, octet))
    expect([200, 201, 202, 203, 204, 205, 206, 207, 192, 223].every(second)).toBe(true)
    // PCMU and dynamic types, with and without marker.
    expect([0, 8, 128, 136, 96, 127, 224, 229, 255, 191].some(second)).toBe(false)
    expect(isRtcp(new Uint8Array(1))).toBe(false)
  })
})
