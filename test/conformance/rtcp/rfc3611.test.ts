// RFC 3611: each block octet for octet as 4.4 to 4.7 draw it, written and read; and the example of bursts and gaps in 4.7.2.
import { describe, expect, it } from 'vitest'
import { type Compound, encodeCompound, parseCompound } from '../../../src/rtcp/compound.ts'
import type { ExtendedReport } from '../../../src/rtcp/extended-report.ts'
import { BurstGap, gapThresholdPackets } from '../../../src/rtp/burst-gap.ts'

const nothing: Omit<ExtendedReport, 'ssrc'> = { delays: [], summaries: [], voipMetrics: [] }
const octets = (...words: number[]): string =>
  words.map((word) => word.toString(16).padStart(8, '0')).join(' ')
/** The XR packet of a compound, as words. */
const written = (blocks: Partial<ExtendedReport>): string => {
  const extended = { ssrc: 0x11223344, ...nothing, ...blocks }
  const whole = encodeCompound({ ssrc: 0x11223344, reports: [], cname: 'xy', extended })
  const without = encodeCompound({ ssrc: 0x11223344, reports: [], cname: 'xy' })
  const view = new DataView(whole.buffer)
  const words: number[] = []
  for (let at = without.length; at < whole.length; at += 4) words.push(view.getUint32(at))
  expect(parsed(whole).extended).toEqual(extended)
  return octets(...words)
}
const parsed = (data: Uint8Array): Compound => {
  const compound = parseCompound(data)
  if (typeof compound === 'string') throw new Error(compound)
  return compound
}

const metrics = {
  ssrc: 0xaabbccdd,
  lossRate: 12,
  discardRate: 13,
  burstDensity: 84,
  gapDensity: 10,
  burstDurationMs: 120,
  gapDurationMs: 520,
  roundTripMs: 300,
  endSystemDelayMs: 80,
  signalLevelDbm: -18,
  noiseLevelDbm: -60,
  echoReturnLossDb: 55,
  gapThreshold: 16,
  rFactor: 93,
  externalRFactor: 80,
  mosListening: 4.4,
  mosConversational: 4.1,
  concealment: 'enhanced',
  jitterBuffer: 'adaptive',
  adjustmentRate: 5,
  jitterBufferNominalMs: 60,
  jitterBufferMaximumMs: 560,
  jitterBufferAbsoluteMaximumMs: 1000,
} as const

describe('RFC 3611: blocks', () => {
  it('4.4: receiver reference time', () => {
    expect(written({ referenceTime: { ntpSeconds: 0xb44db705, ntpFraction: 0x20000000 } })).toBe(
      octets(0x80cf0004, 0x11223344, 0x04000002, 0xb44db705, 0x20000000),
    )
  })

  it('4.5: DLRR, for two receivers', () => {
    const delay = { ssrc: 0x01020304, lastReferenceTime: 0xb7052000, delaySinceLastReferenceTime: 0x00054000 }
    expect(written({ delays: [delay, { ...delay, ssrc: 5 }] })).toBe(
      octets(0x80cf0008, 0x11223344, 0x05000006) +
        ` ${octets(0x01020304, 0xb7052000, 0x00054000, 5, 0xb7052000, 0x00054000)}`,
    )
  })

  it('4.6: statistics summary, with what there is', () => {
    const all = {
      ssrc: 0xaabbccdd,
      beginSequence: 0xfff0,
      endSequence: 0x0010,
      lost: 3,
      duplicates: 4,
      jitterTicks: { minimum: 1, maximum: 160, mean: 20, deviation: 7 },
    }
    expect(written({ summaries: [all] })).toBe(
      octets(0x80cf000b, 0x11223344, 0x06e00009, 0xaabbccdd, 0xfff00010, 3, 4, 1, 160, 20, 7, 0),
    )
    const { jitterTicks: _, ...some } = all
    expect(written({ summaries: [some] })).toContain(octets(0x06c00009, 0xaabbccdd, 0xfff00010, 3, 4, 0))
  })

  it('4.7: VoIP metrics', () => {
    expect(written({ voipMetrics: [metrics] })).toBe(
      octets(0x80cf000a, 0x11223344, 0x07000008, 0xaabbccdd, 0x0c0d540a, 0x00780208, 0x012c0050) +
        ` ${octets(0xeec43710, 0x5d502c29, 0xb500003c, 0x023003e8)}`,
    )
  })

  it('4.7: what is unavailable is 127, and what exceeds a field is its greatest', () => {
    const { signalLevelDbm, noiseLevelDbm, echoReturnLossDb, rFactor, externalRFactor, ...rest } = metrics
    const { mosListening, mosConversational, ...bare } = rest
    expect(written({ voipMetrics: [bare] })).toContain(octets(0x7f7f7f10, 0x7f7f7f7f, 0xb500003c))
    const beyond = encodeCompound({
      ssrc: 1,
      reports: [],
      cname: 'x',
      extended: {
        ssrc: 1,
        ...nothing,
        voipMetrics: [{ ...metrics, gapDurationMs: 1e9, signalLevelDbm: 200 }],
      },
    })
    expect(parsed(beyond).extended?.voipMetrics[0]).toMatchObject({
      gapDurationMs: 65_535,
      signalLevelDbm: 126,
    })
  })

  it('all in one packet, before the BYE', () => {
    const extended: ExtendedReport = {
      ssrc: 7,
      referenceTime: { ntpSeconds: 1, ntpFraction: 2 },
      delays: [{ ssrc: 8, lastReferenceTime: 3, delaySinceLastReferenceTime: 4 }],
      summaries: [{ ssrc: 8, beginSequence: 1, endSequence: 2, lost: 0 }],
      voipMetrics: [metrics],
    }
    const data = encodeCompound({ ssrc: 7, reports: [], cname: 'x', extended, bye: true })
    expect(parsed(data)).toMatchObject({ extended, bye: [7], cname: 'x' })
  })

  it('several XR packets in one compound, as oRTP sends them', () => {
    const one = (blocks: Partial<ExtendedReport>, ssrc = 7): Uint8Array =>
      encodeCompound({ ssrc, reports: [], cname: 'x', extended: { ssrc, ...nothing, ...blocks } })
    const length = encodeCompound({ ssrc: 7, reports: [], cname: 'x' }).length
    const referenceTime = { ntpSeconds: 1, ntpFraction: 2 }
    const first = one({ referenceTime })
    const second = one({ voipMetrics: [metrics] }).subarray(length)
    const foreign = one({ voipMetrics: [metrics] }, 8).subarray(length)
    expect(parsed(Uint8Array.from([...first, ...second, ...foreign])).extended).toEqual({
      ssrc: 7,
      ...nothing,
      referenceTime,
      voipMetrics: [metrics],
    })
  })

  it('steps over blocks it does not know, and over those of a length that is not theirs', () => {
    const words = [0x80cf0009, 7, 0x01000002, 1, 2, 0x04000001, 9, 0x04000002, 5, 6]
    const data = new Uint8Array(4 * words.length)
    for (const [i, word] of words.entries()) new DataView(data.buffer).setUint32(4 * i, word)
    expect(parsed(data).extended).toEqual({
      ssrc: 7,
      ...nothing,
      referenceTime: { ntpSeconds: 5, ntpFraction: 6 },
    })
    // A block that runs out of its packet ends it.
    data[11] = 200
    expect(parsed(data).extended).toEqual({ ssrc: 7, ...nothing })
  })

  it('a packet of XR alone is read (RFC 5506)', () => {
    const data = encodeCompound({
      ssrc: 7,
      reports: [],
      cname: 'x',
      extended: { ssrc: 7, ...nothing, voipMetrics: [metrics] },
    })
    const alone = data.subarray(data.length - 44)
    expect(parsed(alone)).toEqual({
      ssrc: 7,
      reports: [],
      bye: [],
      extended: { ssrc: 7, ...nothing, voipMetrics: [metrics] },
    })
  })
})

describe('RFC 3611 4.7.2', () => {
  /** 1 received, 0 lost, X discarded. */
  const fates = (text: string): BurstGap => {
    const burstGap = new BurstGap()
    for (const [i, fate] of [...text].entries()) {
      if (fate !== '0') burstGap.arrived(1000 + i)
      if (fate === 'X') burstGap.discarded(1000 + i)
    }
    return burstGap
  }

  it('its example: 64 packets, one burst', () => {
    expect(gapThresholdPackets).toBe(16)
    // As printed it lacks one of the 64 packets and of the 29 in the second gap.
    const metrics = fates('11110111111111111111111X111X1011110111111111111111111X1111111111').metrics()
    expect(metrics).toEqual({
      packets: 64,
      lost: 3,
      discarded: 3,
      bursts: 1,
      // 120 ms of packets of 10 ms; a density of 0.33.
      burstPackets: 12,
      burstUnplayed: 4,
      // 230 ms and 290 ms; 0.04.
      gapPackets: 52,
      gapUnplayed: 2,
      runs: 6,
    })
  })

  it.each([
    ['no loss', '1'.repeat(100), { bursts: 0, gapPackets: 100, gapUnplayed: 0 }],
    ['15 received do not end a burst', `1${'0'}${'1'.repeat(15)}01`, { bursts: 1, burstPackets: 17 }],
    ['16 do', `1${'0'}${'1'.repeat(16)}01`, { bursts: 0, gapPackets: 20, gapUnplayed: 2 }],
    ['near the beginning it is as though Gmin received came before', '1001', { bursts: 1, burstPackets: 2 }],
    ['and near the end as though they followed', `${'1'.repeat(30)}X1X`, { bursts: 1, burstPackets: 3 }],
    ['a run of many', `1${'0'.repeat(300)}1`, { lost: 300, bursts: 1, burstPackets: 300, runs: 1 }],
  ])('%s', (_, text, expected) => {
    expect(fates(text).metrics()).toMatchObject(expected)
  })

  it('takes packets in the order of their numbers, late ones included', () => {
    const burstGap = new BurstGap()
    for (const sequence of [10, 12, 13, 11, 15, 16, 14]) burstGap.arrived(sequence)
    expect(burstGap.metrics()).toMatchObject({ packets: 7, lost: 0 })
    for (let sequence = 17; sequence < 400; sequence++) if (sequence % 100) burstGap.arrived(sequence)
    expect(burstGap.metrics()).toMatchObject({ packets: 390, lost: 3, runs: 3 })
    // Too old to be told from lost.
    burstGap.discarded(20)
    burstGap.arrived(100)
    burstGap.discarded(399)
    expect(burstGap.metrics()).toMatchObject({ lost: 3, discarded: 1 })
  })

  it('goes on with another source', () => {
    const burstGap = fates('1101')
    burstGap.restart()
    for (const sequence of [5, 6, 7]) burstGap.arrived(sequence)
    expect(burstGap.metrics()).toMatchObject({ packets: 7, lost: 1 })
  })
})
