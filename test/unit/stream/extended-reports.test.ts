// XR of a stream on virtual time: what is asked for is sent and understood, and nothing else.
import { describe, expect, it } from 'vitest'
import { type Compound, parseCompound } from '../../../src/rtcp/compound.ts'
import { l16, TwoStreams, type Wire } from './two-streams.ts'

const compoundsOf = (wire: Wire): Compound[] =>
  wire.rtcp.map(({ data }) => {
    const compound = parseCompound(data)
    if (typeof compound === 'string') throw new Error(compound)
    return compound
  })

const everything = {
  roundTrip: true,
  voipMetrics: true,
  summary: { lost: true, duplicates: true, jitter: true },
}

describe('XR of a stream', () => {
  it('is not sent to a peer that has not asked for it', async () => {
    const { time, a } = new TwoStreams().start()
    await time.advance(20_000)
    expect(compoundsOf(a.wire).length).toBeGreaterThan(2)
    expect(compoundsOf(a.wire).every(({ extended }) => extended === undefined)).toBe(true)
  })

  it('who sends nothing learns the round trip from its reference time', async () => {
    const { time, a, b } = new TwoStreams(
      { direction: 'recvonly', playoutDelay: 60, extendedReports: { roundTrip: true, voipMetrics: false } },
      { direction: 'sendonly' },
    ).start()
    a.wire.delay = () => 35
    b.wire.delay = () => 25
    await time.advance(30_000)
    expect(a.stream.statistics().roundTripMs).toBeCloseTo(60, 0)
    // Each is answered once.
    const asked = compoundsOf(a.wire).filter(({ extended }) => extended?.referenceTime).length
    const answered = compoundsOf(b.wire).flatMap(({ extended }) => extended?.delays ?? [])
    expect(answered.length).toBeGreaterThan(1)
    expect(answered.length).toBeLessThanOrEqual(asked)
    expect(answered[0]?.ssrc).toBe(a.stream.ssrc)
    expect(a.stream.statistics().quality?.delayMs).toBeCloseTo(30 + 60 + 20, 0)
  })

  it('who sends gets it from SR and RR, and sends no reference time', async () => {
    const { time, a } = new TwoStreams({ extendedReports: everything }).start()
    await time.advance(20_000)
    expect(compoundsOf(a.wire).some(({ extended }) => extended?.referenceTime)).toBe(false)
    expect(a.stream.statistics().roundTripMs).toBeDefined()
  })

  it('VoIP metrics tell the peer what it sounds like here', async () => {
    const codec = { ...l16, concealment: 'waveform' } as const
    const { time, a, b } = new TwoStreams(
      {},
      { codec, playoutDelay: 60, extendedReports: everything },
    ).start()
    a.wire.delay = (i) => (i % 50 < 3 ? undefined : i % 50 === 20 ? 200 : 40)
    b.wire.delay = () => 40
    await time.advance(60_000)
    const { quality } = b.stream.statistics()
    const theirs = a.stream.statistics().remote?.quality
    expect(quality).toMatchObject({ bursts: expect.any(Number) })
    expect(quality!.bursts).toBeGreaterThan(40)
    expect(quality!.burstRatio).toBeGreaterThan(1.3)
    expect(quality!.discardPercent).toBeCloseTo(2, 0)
    expect(quality!.mosListening).toBeLessThan(4)
    expect(quality!.mosConversational).toBeLessThan(quality!.mosListening)
    expect(theirs).toMatchObject({ jitterBufferMs: 60, endSystemDelayMs: 80 })
    expect(theirs!.lossPercent).toBeCloseTo(6, 0)
    expect(theirs!.discardPercent).toBeCloseTo(2, 0)
    expect(theirs!.mosListening).toBeCloseTo(quality!.mosListening, 0)
    const sent = compoundsOf(b.wire).at(-1)!.extended!.voipMetrics[0]!
    expect(sent).toMatchObject({
      ssrc: a.stream.ssrc,
      burstDurationMs: 60,
      gapThreshold: 16,
      roundTripMs: 80,
    })
    expect(sent.rFactor).toBeLessThan(80)
    expect(sent.echoReturnLossDb).toBeUndefined()
  })

  it('a summary tells what came of the packets since the one before', async () => {
    const { time, a, b } = new TwoStreams({}, { extendedReports: everything }).start()
    a.wire.delay = (i) => (i % 100 === 7 ? undefined : 10 + (i % 2) * 6)
    await time.advance(60_000)
    const summaries = compoundsOf(b.wire).flatMap(({ extended }) => extended?.summaries ?? [])
    expect(summaries.length).toBeGreaterThan(5)
    for (const [i, { beginSequence }] of summaries.entries())
      if (i > 0) expect(beginSequence).toBe(summaries[i - 1]!.endSequence)
    const covered = (summaries.at(-1)!.endSequence - summaries[0]!.beginSequence) & 0xffff
    const lost = summaries.reduce((sum, summary) => sum + summary.lost!, 0)
    expect(lost / covered).toBeCloseTo(0.01, 2)
    // 6 ms of 8 kHz.
    expect(summaries.at(-1)!.jitterTicks).toMatchObject({ maximum: 48, mean: expect.any(Number) })
    expect(summaries.at(-1)!.jitterTicks!.mean).toBeGreaterThan(40)
    expect(summaries.at(-1)!.duplicates).toBe(0)
  })

  it('reads XR that comes without SR or RR before it', async () => {
    const { time, a, b } = new TwoStreams({}, { extendedReports: everything }).start()
    await time.advance(20_000)
    const whole = b.wire.rtcp.at(-1)!.data
    const start = whole.findIndex((_, at) => at % 4 === 0 && whole[at] === 0x80 && whole[at + 1] === 207)
    const before = a.stream.statistics().remote!.quality
    const alone = whole.slice(start)
    const block = alone.findIndex((octet, at) => at % 4 === 0 && at >= 8 && octet === 7)
    alone[block + 8] = 128
    a.wire.onRtcp?.(alone)
    expect(before?.lossPercent).toBe(0)
    expect(a.stream.statistics().remote?.quality?.lossPercent).toBe(50)
    expect(a.stream.statistics().dropped).toEqual({})
  })
})
