import { describe, expect, it } from 'vitest'
import { SrtpReceiver, SrtpSender } from '../../../src/srtp/context.ts'
import { type MasterKey, srtpSuites } from '../../../src/srtp/suite.ts'

const master = (suite = srtpSuites[3]!, mki?: Uint8Array): MasterKey => ({
  suite,
  key: new Uint8Array(suite.keyBytes).fill(7),
  salt: new Uint8Array(suite.saltBytes).fill(9),
  ...(mki && { mki }),
})

const ssrc = 0xdecafbad
function rtp(sequence: number, payload = 160, source = ssrc): Buffer {
  const packet = Buffer.alloc(12 + payload, sequence & 0xff)
  packet[0] = 0x80
  packet[1] = 0
  packet.writeUInt16BE(sequence & 0xffff, 2)
  packet.writeUInt32BE(sequence * 160, 4)
  packet.writeUInt32BE(source, 8)
  return packet
}
const rtcp = (n: number): Buffer => {
  const packet = Buffer.alloc(28, n)
  packet.set([0x80, 200, 0, 6])
  packet.writeUInt32BE(ssrc, 4)
  return packet
}
const copy = (packet: Uint8Array | undefined): Buffer => Buffer.from(packet!)

describe.each(srtpSuites.map((suite) => [suite.name, suite] as const))('%s', (_, suite) => {
  it.each([
    ['without', undefined],
    ['with', Uint8Array.of(0, 0, 0, 1)],
  ])('brings RTP and RTCP through %s a key identifier', (_how, mki) => {
    const sender = new SrtpSender(master(suite, mki))
    const receiver = new SrtpReceiver(master(suite, mki))
    const mkiBytes = mki?.length ?? 0
    for (let n = 1; n < 50; n++) {
      const sealed = copy(sender.protectRtp(rtp(n, n)))
      expect(sealed.length).toBe(12 + n + suite.rtpTagBytes + mkiBytes)
      expect(sealed.subarray(12, 12 + n).equals(rtp(n, n).subarray(12))).toBe(n < 0)
      expect(copy(receiver.unprotectRtp(sealed) as Uint8Array)).toEqual(rtp(n, n))
      const report = copy(sender.protectRtcp(rtcp(n)))
      expect(report.length).toBe(28 + 4 + suite.rtcpTagBytes + mkiBytes)
      expect(copy(receiver.unprotectRtcp(report) as Uint8Array)).toEqual(rtcp(n))
    }
  })

  it('refuses every packet that was changed in any octet, and goes on with the true one', () => {
    const sealed = copy(new SrtpSender(master(suite)).protectRtp(rtp(1, 20)))
    const report = copy(new SrtpSender(master(suite)).protectRtcp(rtcp(1)))
    const receiver = new SrtpReceiver(master(suite))
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed)
      changed[at]! ^= 0x10
      expect(typeof receiver.unprotectRtp(changed)).toBe('string')
    }
    for (let at = 0; at < report.length; at++) {
      const changed = Buffer.from(report)
      changed[at]! ^= 0x10
      expect(typeof receiver.unprotectRtcp(changed)).toBe('string')
    }
    expect(copy(receiver.unprotectRtp(sealed) as Uint8Array)).toEqual(rtp(1, 20))
    expect(copy(receiver.unprotectRtcp(report) as Uint8Array)).toEqual(rtcp(1))
  })
})

describe('the index', () => {
  it('follows the sequence numbers over their end, with packets that come late', () => {
    const sender = new SrtpSender(master())
    const receiver = new SrtpReceiver(master())
    const late: Buffer[] = []
    for (let n = 65_500; n < 65_600; n++) {
      const sealed = copy(sender.protectRtp(rtp(n)))
      if (n % 10 === 0) late.push(sealed)
      else expect(receiver.unprotectRtp(sealed)).toHaveLength(172)
    }
    for (const sealed of late) expect(receiver.unprotectRtp(sealed)).toHaveLength(172)
  })

  it('survives gaps and four rounds of sequence numbers', () => {
    const sender = new SrtpSender(master())
    const receiver = new SrtpReceiver(master())
    for (let n = 0; n < 4 * 65_536; n += 5_000)
      expect(receiver.unprotectRtp(copy(sender.protectRtp(rtp(n, 20))))).toHaveLength(32)
  })

  it.each([0, 100, 32_767])('is found by who joins %i packets before the end of a round', (before) => {
    const sender = new SrtpSender(master())
    const receiver = new SrtpReceiver(master())
    for (let n = 65_536 - before; n < 65_700; n += n < 65_400 ? 100 : 1) {
      const sealed = copy(sender.protectRtp(rtp(n, 20)))
      if (n >= 65_530) expect(receiver.unprotectRtp(sealed)).toHaveLength(32)
    }
  })

  it('is found where the last packets of the first round are lost, and by those of them that come late', () => {
    const sender = new SrtpSender(master())
    const receiver = new SrtpReceiver(master())
    const sealed = Array.from({ length: 20 }, (_, n) => copy(sender.protectRtp(rtp(65_530 + n, 20))))
    for (const n of [8, 7, 5, 6, 4]) expect(receiver.unprotectRtp(sealed[n]!)).toHaveLength(32)
    const again = Buffer.from(sealed[9]!)
    expect(receiver.unprotectRtp(sealed[9]!)).toHaveLength(32)
    expect(receiver.unprotectRtp(again)).toBe('replay')
  })

  it.each([32_000, 33_000, 65_000])('survives a silence of %i packets', (gap) => {
    const sender = new SrtpSender(master())
    const receiver = new SrtpReceiver(master())
    for (let n = 60_000; n < 400_000; n += 1_000) {
      const sealed = sender.protectRtp(rtp(n, 4))
      if (n % gap === 0) expect(receiver.unprotectRtp(copy(sealed))).toHaveLength(16)
    }
  })

  it('begins anew for a new source, with the same key', () => {
    const sender = new SrtpSender(master())
    const receiver = new SrtpReceiver(master())
    for (const [source, from] of [
      [1, 65_000],
      [2, 9],
    ] as const)
      for (let n = from; n < from + 1_000; n++)
        expect(receiver.unprotectRtp(copy(sender.protectRtp(rtp(n, 20, source))))).toHaveLength(32)
  })

  it('is kept for each source, of which there are not too many', () => {
    const sender = new SrtpSender(master())
    const receiver = new SrtpReceiver(master())
    for (let source = 0; source < 64; source++)
      expect(receiver.unprotectRtp(copy(sender.protectRtp(rtp(9, 20, source))))).toHaveLength(32)
    expect(receiver.unprotectRtp(copy(sender.protectRtp(rtp(9, 20, 64))))).toBe('too many sources')
  })
})

describe('a key', () => {
  it('protects no more packets than it may, RTP and RTCP counted apart (RFC 3711 9.2)', () => {
    const sender = new SrtpSender(master(), { rtp: 3, rtcp: 2 })
    for (let n = 0; n < 3; n++) expect(sender.protectRtp(rtp(n, 20, n % 2))).toBeDefined()
    for (let n = 0; n < 2; n++) expect(sender.protectRtcp(rtcp(n))).toBeDefined()
    expect(sender.protectRtp(rtp(3))).toBeUndefined()
    expect(sender.protectRtcp(rtcp(2))).toBeUndefined()
  })

  it('numbers RTCP from 1 on, in the clear behind the packet, with the flag that says encrypted', () => {
    const sender = new SrtpSender(master())
    const numbers = [1, 2].map((n) => copy(sender.protectRtcp(rtcp(n))).readUInt32BE(28))
    expect(numbers).toEqual([0x8000_0001, 0x8000_0002])
  })
})

describe('replays', () => {
  it('are refused: at once, later, and from before the window; RTP and RTCP', () => {
    const sender = new SrtpSender(master())
    const receiver = new SrtpReceiver(master())
    const sealed = Array.from({ length: 300 }, (_, n) => copy(sender.protectRtp(rtp(n))))
    const reports = Array.from({ length: 300 }, (_, n) => copy(sender.protectRtcp(rtcp(n))))
    for (let n = 0; n < 300; n++) {
      if (n % 3 === 0) continue
      expect(receiver.unprotectRtp(Buffer.from(sealed[n]!))).toHaveLength(172)
      expect(receiver.unprotectRtp(Buffer.from(sealed[n]!))).toBe('replay')
      expect(receiver.unprotectRtcp(Buffer.from(reports[n]!))).toHaveLength(28)
      expect(receiver.unprotectRtcp(Buffer.from(reports[n]!))).toBe('replay')
    }
    expect(receiver.unprotectRtp(Buffer.from(sealed[297]!))).toHaveLength(172)
    expect(receiver.unprotectRtp(Buffer.from(sealed[297]!))).toBe('replay')
    expect(receiver.unprotectRtp(Buffer.from(sealed[0]!))).toBe('replay')
    expect(receiver.unprotectRtcp(Buffer.from(reports[0]!))).toBe('replay')
  })
})

describe('packets of others', () => {
  it('are dropped, whatever they hold', () => {
    const receiver = new SrtpReceiver(master())
    const withIdentifier = new SrtpReceiver(master(undefined, Uint8Array.of(1, 2)))
    for (let n = 0; n < 20_000; n++) {
      const packet = Buffer.from({ length: n % 120 } as ArrayLike<number>)
      for (let i = 0; i < packet.length; i++) packet[i] = (n * 31 + i * 17) ^ (n >> 3)
      for (const one of [receiver, withIdentifier]) {
        expect(typeof one.unprotectRtp(Buffer.from(packet))).toBe('string')
        expect(typeof one.unprotectRtcp(Buffer.from(packet))).toBe('string')
      }
    }
    const other = new SrtpSender(master(undefined, Uint8Array.of(3, 4)))
    expect(withIdentifier.unprotectRtp(copy(other.protectRtp(rtp(1))))).toBe('key identifier')
  })
})
