// RFC 3550 8.2 on virtual time: another's packets under our SSRC, and our own sent back.
import { describe, expect, it } from 'vitest'
import { parseCompound } from '../../../src/rtcp/compound.ts'
import { ArraySource, Recorder, ramp, TwoStreams, type Wire } from './two-streams.ts'

const byesOf = (wire: Wire): number[] =>
  wire.rtcp.flatMap(({ data }) => {
    const compound = parseCompound(data)
    return typeof compound === 'string' ? [] : compound.bye
  })

describe('two ends with one SSRC', () => {
  it('each takes another, says BYE for the old one, and both are heard', async () => {
    const { time, a, b } = new TwoStreams({ ssrc: 7 }, { ssrc: 7 }).start()
    a.wire.delay = b.wire.delay = () => 10
    const heard = new Recorder()
    b.stream.addSink(heard)
    void a.stream.play(new ArraySource(ramp(80_000)), 'ramp')
    await time.advance(9_000)
    for (const { stream, wire } of [a, b]) {
      expect(stream.ssrc).not.toBe(7)
      expect(byesOf(wire)).toEqual([7])
      expect(wire.rtp.at(-1)!.ssrc).toBe(stream.ssrc)
    }
    expect(a.stream.ssrc).not.toBe(b.stream.ssrc)
    const { received, dropped } = b.stream.statistics()
    expect(received.ssrc).toBe(a.stream.ssrc)
    expect(received.lost).toBe(0)
    expect(Object.values(dropped).reduce((sum, n) => sum + n, 0)).toBeLessThan(5)
    expect(heard.samples.filter((sample) => sample !== 0).length).toBeGreaterThan(60_000)
    // What the peer is told is of the source that it hears.
    const { remote } = a.stream.statistics()
    expect(remote?.lossPercent).toBe(0)
    const last = parseCompound(a.wire.rtcp.at(-1)!.data)
    const since = a.wire.rtp.filter(({ ssrc }) => ssrc === a.stream.ssrc).length
    expect(typeof last === 'string' ? last : last.sender?.packets).toBeLessThanOrEqual(since)
  })

  it('a peer that follows us is not run from for ever', async () => {
    const { time, a } = new TwoStreams().start()
    await time.advance(1_000)
    const packet = new Uint8Array(172)
    const view = new DataView(packet.buffer)
    packet.set([0x80, 96])
    for (let i = 0; i < 1_000; i++) {
      view.setUint16(2, i)
      view.setUint32(8, a.stream.ssrc)
      a.wire.onRtp?.(packet)
      await time.advance(20)
    }
    expect(byesOf(a.wire)).toHaveLength(1)
    expect(a.stream.statistics().dropped['SSRC of ours again']).toBeGreaterThan(900)
  })
})

describe('our packets, sent back', () => {
  it('are not heard beside the peer', async () => {
    const { time, clock, a, b } = new TwoStreams().start()
    const heard = new Recorder()
    a.stream.addSink(heard)
    await time.advance(500)
    const send = a.wire.sendRtp.bind(a.wire)
    a.wire.sendRtp = (packet) => {
      const back = packet.slice()
      clock.setTimer(15, () => a.wire.onRtp?.(back))
      return send(packet)
    }
    void a.stream.play(new ArraySource(ramp(16_000)), 'ramp')
    await time.advance(3_000)
    expect(a.stream.statistics().received.ssrc).toBe(b.stream.ssrc)
    expect(a.stream.statistics().dropped).toEqual({ 'RTP our own, sent back': expect.any(Number) })
    expect(heard.samples.every((sample) => sample === 0)).toBe(true)
    expect(byesOf(a.wire)).toEqual([])
  })

  it('are heard where they are all there is, and give way to the peer', async () => {
    const streams = new TwoStreams({}, { idle: 'nothing' })
    const { time, a, b } = streams.start()
    const send = a.wire.sendRtp.bind(a.wire)
    const sendRtcp = a.wire.sendRtcp.bind(a.wire)
    a.wire.sendRtp = (packet) => {
      a.wire.onRtp?.(packet.slice())
      return send(packet)
    }
    a.wire.sendRtcp = (packet) => {
      a.wire.onRtcp?.(packet.slice())
      return sendRtcp(packet)
    }
    void a.stream.play(new ArraySource(ramp(80_000)), 'ramp')
    await time.advance(6_000)
    expect(a.stream.statistics().received.heardMs).toBeGreaterThan(4_000)
    expect(a.stream.statistics().dropped).toEqual({ 'RTCP our own, sent back': expect.any(Number) })
    void b.stream.play(new ArraySource(ramp(80_000)), 'ramp')
    await time.advance(1_000)
    expect(a.stream.statistics().received.ssrc).toBe(b.stream.ssrc)
    expect(byesOf(a.wire)).toEqual([])
  })
})

it('who says BYE is followed by another source at once', async () => {
  const { time, a, b } = new TwoStreams().start()
  await time.advance(3_000)
  const before = a.stream.ssrc
  // As a collision elsewhere would have it.
  const packet = new Uint8Array(172)
  new DataView(packet.buffer).setUint32(8, before)
  packet.set([0x80, 96])
  a.wire.onRtp?.(packet)
  const movedAt = time.now()
  await time.advance(100)
  expect(a.stream.ssrc).not.toBe(before)
  const { received, dropped } = b.stream.statistics()
  expect(received.ssrc).toBe(a.stream.ssrc)
  expect(dropped['foreign SSRC'] ?? 0).toBeLessThanOrEqual(1)
  expect(time.now() - movedAt).toBe(100)
})
