import { describe, expect, it } from 'vitest'
import type { Codec } from '../../../src/codec/codec.ts'
import { type Compound, parseCompound } from '../../../src/rtcp/compound.ts'
import { ntpTime } from '../../../src/rtcp/ntp-time.ts'
import { ReceiverStatistics } from '../../../src/rtp/receiver-statistics.ts'
import { l16, TwoStreams, type Wire } from './two-streams.ts'

const reportsOf = (wire: Wire): Compound[] =>
  wire.rtcp.map(({ data }) => {
    const compound = parseCompound(data)
    if (typeof compound === 'string') throw new Error(compound)
    return compound
  })

describe('RTCP of a stream', () => {
  it('reports within 3.75 s / (e - 3/2), then every 5 s or so', async () => {
    const { time, a } = new TwoStreams({}, {}, false).start()
    await time.advance(300_000)
    const at = a.wire.rtcp.map((r) => r.at)
    expect(at[0]).toBeLessThan(3750 / (Math.E - 1.5))
    expect(at.length).toBeGreaterThan(50)
    expect(at.length).toBeLessThan(75)
    expect(new Set(at.slice(1).map((t, i) => Math.round(t - at[i]!))).size).toBeGreaterThan(30)
  })

  it('measures the round trip and what became of the media', async () => {
    const { time, a, b } = new TwoStreams().start()
    a.wire.delay = (i) => (i % 10 === 3 ? undefined : 30)
    b.wire.delay = () => 50
    await time.advance(60_000)
    const { remote, roundTripMs } = a.stream.statistics()
    expect(roundTripMs).toBeCloseTo(80, 0)
    expect(remote?.lossPercent).toBeGreaterThan(9)
    expect(remote?.lossPercent).toBeLessThan(11)
    expect(remote?.jitterMs).toBe(0)
    expect(b.stream.statistics().remote).toMatchObject({ lossPercent: 0 })
  })

  it('lets the encoder expect the loss, soon where it comes, slowly where it goes', async () => {
    const told: number[] = []
    const listening: Codec = {
      ...l16,
      createEncoder: () => ({ ...l16.createEncoder(), expectLoss: (percent) => told.push(percent) }),
    }
    const { time, a } = new TwoStreams({ codec: listening }).start()
    await time.advance(30_000)
    expect(told.length).toBeGreaterThan(2)
    expect(told.every((percent) => percent === 0)).toBe(true)
    a.wire.delay = (i) => (i % 5 === 3 ? undefined : 30)
    await time.advance(30_000)
    expect(told.at(-1)).toBeGreaterThan(15)
    expect(told.at(-1)).toBeLessThan(21)
    a.wire.delay = () => 30
    await time.advance(8_000)
    expect(told.at(-1)).toBeGreaterThan(5)
    await time.advance(120_000)
    expect(told.at(-1)).toBeLessThan(0.5)
    // Another encoder is told at once.
    const before = told.length
    a.stream.update({
      codec: listening,
      sendPayloadType: 96,
      receivePayloadType: 96,
      ptimeMs: 30,
      direction: 'sendrecv',
    })
    expect(told.length).toBe(before + 1)
  })

  it('an SR says which timestamp belongs to which time', async () => {
    const { time, clock, a } = new TwoStreams().start()
    await time.advance(20_000)
    const index = reportsOf(a.wire).findIndex((r) => r.sender)
    const { sender } = reportsOf(a.wire)[index]!
    const { at } = a.wire.rtcp[index]!
    const lastBefore = a.wire.rtp.filter((p) => p.at <= at).at(-1)!
    expect(sender).toMatchObject({
      rtpTimestamp: (lastBefore.timestamp + Math.round((at - lastBefore.at) * 8)) >>> 0,
      packets: a.wire.rtp.filter((p) => p.at <= at).length,
    })
    const { seconds } = ntpTime(clock.wallTime() - clock.now() + at)
    expect(sender!.ntpSeconds).toBe(seconds)
  })

  it('is an RR where nothing is sent, without a block where nothing is received', async () => {
    const { time, a, b } = new TwoStreams({ direction: 'recvonly' }, { direction: 'recvonly' }).start()
    await time.advance(10_000)
    const report = reportsOf(a.wire)[0]!
    expect(report).toEqual({ ssrc: a.stream.ssrc, reports: [], cname: 'a', bye: [] })
    expect(b.stream.statistics().dropped).toEqual({})
  })

  it('stop says BYE, records the statistics and leaves nothing behind', async () => {
    const { time, a, b } = new TwoStreams().start()
    await time.advance(8000)
    a.stream.stop()
    a.stream.stop()
    const last = reportsOf(a.wire).at(-1)!
    expect(last.bye).toEqual([a.stream.ssrc])
    expect(last.sender).toBeDefined()
    expect(a.facts.at(-1)).toEqual({ layer: 'rtp', type: 'statistics', statistics: a.stream.statistics() })
    b.stream.stop()
    expect(time.pendingTimers).toBe(0)
    const sent = a.wire.rtp.length
    await time.advance(1000)
    expect(a.wire.rtp).toHaveLength(sent)
  })

  it('says no BYE where nobody has heard of it (RFC 3550 6.3.7)', async () => {
    const { time, a } = new TwoStreams({ direction: 'recvonly' }).start()
    await time.advance(100)
    a.stream.stop()
    expect(a.wire.rtcp).toEqual([])
  })

  it('a block carries what the statistics of RFC 3550 say', async () => {
    const { time, a, b } = new TwoStreams().start()
    a.wire.delay = (i) => (i === 5 ? undefined : 3 + (i % 2) * 4)
    await time.advance(4000)
    const index = reportsOf(b.wire).findIndex((r) => r.reports.length > 0)
    const until = b.wire.rtcp[index]!.at
    const statistics = new ReceiverStatistics(8000, 1)
    const arrivals = a.wire.rtp
      .map((p, i) => ({ ...p, i, arrival: p.at + 3 + (i % 2) * 4 }))
      .filter((p) => p.i !== 5 && p.arrival <= until)
    for (const p of arrivals) statistics.receive(p.sequenceNumber, p.timestamp, p.arrival, p.payload.length)
    expect(reportsOf(b.wire)[index]!.reports[0]).toMatchObject({
      ssrc: a.stream.ssrc,
      ...statistics.report(),
    })
  })
})
