// RTP, telephone-event and RTCP parsers, and a whole receive path, under random and mutated input: nothing leaves as an
// exception, nothing grows. FUZZ_RUNS=1000000 for the long run; the seed is printed where it fails.
import { describe, expect, it } from 'vitest'
import { pcmu } from '../../../src/codec/g711.ts'
import { encodeCompound, parseCompound } from '../../../src/rtcp/compound.ts'
import { type ExtendedReport, extendedReportLengthBytes } from '../../../src/rtcp/extended-report.ts'
import { createRtpView, csrcOf, parseRtp, writeRtpHeader } from '../../../src/rtp/packet.ts'
import { VirtualClock } from '../../../src/sim/clock.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import { AudioStream } from '../../../src/stream/audio-stream.ts'
import type { MediaTransport } from '../../../src/stream/media-transport.ts'
import { WheelPacer } from '../../../src/stream/pacer.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 50_000)
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 32)

const seeded = (name: string, body: (random: SeededRandom) => void): void => {
  it(`${name} (${runs} runs)`, () => {
    try {
      body(new SeededRandom(seed).fork(name))
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed}: ${error instanceof Error ? error.stack : error}`)
    }
  }, 600_000)
}

/** Mostly what a stream looks like at its `index`-th packet, out of order, doubled and lost. */
const rtp = (random: SeededRandom, index = 0): Uint8Array => {
  const number = (index >> 2) + random.integer(20)
  const packet = new Uint8Array(12 + random.integer(200))
  const payloadType = random.pick([0, 0, 0, 101, 13])
  for (let i = 12; i < packet.length; i++) packet[i] = random.integer(256)
  if (payloadType === 101 && packet.length > 12) packet[12] = random.integer(18)
  writeRtpHeader(packet, {
    marker: random.chance(0.1),
    payloadType,
    sequenceNumber: random.chance(0.95) ? number : random.integer(65_536),
    timestamp: random.chance(0.95) ? number * 160 : random.integer(2 ** 32),
    // Now and then the stream's own.
    ssrc: random.integer(random.chance(0.9) ? 3 : random.chance(0.01) ? 4 : 2 ** 32),
  })
  return packet
}
const extended = (random: SeededRandom): ExtendedReport => ({
  ssrc: random.integer(3),
  ...(random.chance(0.5) && {
    referenceTime: { ntpSeconds: random.integer(2 ** 32), ntpFraction: random.integer(2 ** 32) },
  }),
  delays: Array.from({ length: random.integer(3) }, () => ({
    ssrc: random.integer(4),
    lastReferenceTime: random.integer(2 ** 32),
    delaySinceLastReferenceTime: random.integer(2 ** 32),
  })),
  summaries: random.chance(0.5) ? [{ ssrc: 1, beginSequence: 0, endSequence: 9, lost: 1 }] : [],
  voipMetrics: Array.from({ length: random.integer(3) }, () => ({
    ssrc: random.integer(4),
    ...{ lossRate: random.integer(256), discardRate: 0, burstDensity: 0, gapDensity: 255 },
    ...{ burstDurationMs: random.integer(70_000), gapDurationMs: 0, roundTripMs: 0, endSystemDelayMs: 0 },
    ...{ gapThreshold: 16, mosListening: random.integer(60) / 10, signalLevelDbm: -random.integer(100) },
    ...{ concealment: 'standard', jitterBuffer: 'fixed', adjustmentRate: random.integer(16) },
    ...{ jitterBufferNominalMs: 60, jitterBufferMaximumMs: 500, jitterBufferAbsoluteMaximumMs: 500 },
  })),
})
const rtcp = (random: SeededRandom): Uint8Array =>
  encodeCompound({
    ssrc: random.integer(random.chance(0.99) ? 3 : 4),
    ...(random.chance(0.5) && {
      sender: { ntpSeconds: random.integer(2 ** 32), ntpFraction: 1, rtpTimestamp: 2, packets: 3, octets: 4 },
    }),
    reports: Array.from({ length: random.integer(4) }, () => ({
      ssrc: random.integer(4),
      fractionLost: random.integer(256),
      cumulativeLost: random.integer(2 ** 24) - 2 ** 23,
      extendedHighestSequence: random.integer(2 ** 32),
      jitterTicks: random.integer(2 ** 32),
      lastSenderReport: random.integer(2 ** 32),
      delaySinceLastSenderReport: random.integer(2 ** 32),
    })),
    cname: 'x'.repeat(random.integer(40)),
    ...(random.chance(0.5) && { extended: extended(random) }),
    bye: random.chance(0.2),
  })
const summary = { lost: true, duplicates: true, jitter: true }
/** Flips octets, cuts, or is pure noise. */
const mutate = (random: SeededRandom, packet: Uint8Array): Uint8Array => {
  if (random.chance(0.1)) return random.bytes(random.integer(80))
  for (let i = random.integer(4); i > 0 && packet.length > 0; i--)
    packet[random.integer(Math.min(packet.length, random.chance(0.5) ? 16 : packet.length))] =
      random.integer(256)
  return random.chance(0.3) ? packet.subarray(0, random.integer(packet.length + 1)) : packet
}

describe('fuzz', () => {
  seeded('RTP parser stays inside the packet', (random) => {
    const view = createRtpView()
    for (let i = 0; i < runs; i++) {
      const packet = mutate(random, rtp(random))
      if (parseRtp(packet, view)) continue
      const inside =
        view.payloadOffset >= 12 &&
        view.payloadLengthBytes >= 0 &&
        view.payloadOffset + view.payloadLengthBytes <= packet.length &&
        view.extensionOffset + view.extensionLengthBytes <= view.payloadOffset
      if (!inside) expect.fail(`run ${i}: ${Buffer.from(packet).toString('hex')}`)
      for (let c = 0; c < view.csrcCount; c++) csrcOf(view, c)
    }
  })

  seeded('RTCP parser is bounded by the datagram', (random) => {
    let seen = 0
    for (let i = 0; i < runs; i++) {
      const packet = mutate(random, rtcp(random))
      const compound = parseCompound(packet)
      if (typeof compound === 'string') continue
      const { reports, bye, extended } = compound
      const blocks = extended ? extendedReportLengthBytes(extended) - 4 * extended.delays.length : 0
      if (reports.length * 24 + bye.length * 4 + blocks > packet.length) expect.fail(`run ${i}`)
      if (extended) seen++
    }
    expect(seen).toBeGreaterThan(runs / 100)
  })

  seeded('a stream survives whatever arrives and stays small', (random) => {
    const clock = new VirtualClock()
    const transport: MediaTransport = {
      sendRtp: () => true,
      sendRtcp: () => true,
      onRtp: undefined,
      onRtcp: undefined,
    }
    let digits = 0
    const stream = new AudioStream({
      clock,
      random: random.fork('stream'),
      transport,
      pacer: new WheelPacer(clock),
      codec: pcmu,
      sendPayloadType: 0,
      receivePayloadType: 0,
      telephoneEvent: { sendPayloadType: 101, receivePayloadType: 101 },
      receiveComfortNoise: [{ payloadType: 13, clockRateHz: 8_000 }],
      ptimeMs: 20,
      direction: 'sendrecv',
      extendedReports: { roundTrip: true, voipMetrics: true, summary },
      cname: 'fuzz',
      ssrc: 3,
      record: () => {},
    })
    stream.onDtmf = () => digits++
    let frames = 0
    stream.onFrame = () => frames++
    stream.start()
    for (let i = 0; i < runs; i++) {
      transport.onRtp?.(mutate(random, rtp(random, i)))
      if (i % 4 === 0) transport.onRtcp?.(mutate(random, rtcp(random)))
      if (i % 3 === 0) clock.step()
    }
    const { received, dropped, remote, quality } = stream.statistics()
    // The input reaches every part, or it proves nothing.
    expect(frames).toBeGreaterThan(0)
    expect(digits).toBeGreaterThan(0)
    expect(remote?.quality).toBeDefined()
    expect(quality?.mosListening).toBeGreaterThanOrEqual(1)
    expect(stream.ssrc).not.toBe(3)
    expect(received.packets).toBeGreaterThan(runs / 20)
    expect(received.heardMs).toBeGreaterThan(0)
    expect(Object.keys(dropped).length).toBeLessThan(150)
    for (const value of [received, remote, quality].flatMap((all) => Object.values(all ?? {})))
      expect(Number.isNaN(value), JSON.stringify(received)).toBe(false)
    expect(received.lossPercent).toBeGreaterThanOrEqual(0)
    expect(received.lossPercent).toBeLessThanOrEqual(100)
    stream.stop()
    expect(clock.pendingTimers).toBe(0)
  })
})
