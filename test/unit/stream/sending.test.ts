import { describe, expect, it } from 'vitest'
import type { Codec } from '../../../src/codec/codec.ts'
import { UsageError } from '../../../src/errors.ts'
import type { StreamParameters } from '../../../src/stream/parameters.ts'
import { ArraySource, l16, linear, ramp, type SentPacket, TwoStreams } from './two-streams.ts'

const steps = (packets: SentPacket[], field: 'at' | 'sequenceNumber' | 'timestamp') =>
  packets.slice(1).map((packet, i) => packet[field] - packets[i]![field])
const pcmOf = (packets: SentPacket[]) =>
  Int16Array.from(
    packets.flatMap((p) =>
      Array.from(
        { length: p.payload.length / 2 },
        (_, i) => (p.payload[2 * i]! << 8) | p.payload[2 * i + 1]!,
      ),
    ),
  )
const parameters: StreamParameters = {
  codec: l16,
  sendPayloadType: 96,
  receivePayloadType: 96,
  ptimeMs: 20,
  direction: 'sendrecv',
}

describe('sending', () => {
  it('is exact: one packet each 20 ms, timestamps from samples, marker on the first', async () => {
    const { time, a } = new TwoStreams().start()
    const samples = ramp(8000)
    const ended = a.stream.play(new ArraySource(samples), 'ramp')
    expect(await time.run(ended)).toBe('ended')
    const rtp = a.wire.rtp.slice(0, 50)
    expect(steps(rtp, 'at')).toEqual(Array(49).fill(20))
    expect(steps(rtp, 'timestamp').map((d) => d >>> 0)).toEqual(Array(49).fill(160))
    expect(steps(rtp, 'sequenceNumber').map((d) => d & 0xffff)).toEqual(Array(49).fill(1))
    expect(rtp.map((p) => p.marker)).toEqual([true, ...Array(49).fill(false)])
    expect(pcmOf(rtp)).toEqual(samples)
  })

  it('sends what a source has encoded already as it is, and silence in its place while muted', async () => {
    const { time, a } = new TwoStreams().start()
    let packets = 0
    const source = {
      sampleRateHz: 8000,
      encoding: 'L16',
      read: () => 0,
      readPacket: (into: Int16Array) => {
        if (packets === 30) return undefined
        into.fill(1000)
        return Uint8Array.of(7, packets++)
      },
      close: () => undefined,
    }
    const ended = a.stream.play(source, 'packets')
    await time.advance(199)
    a.stream.muted = true
    await time.advance(200)
    a.stream.muted = false
    expect(await time.run(ended)).toBe('ended')
    const sent = a.wire.rtp.slice(0, 30).map(({ payload }) => [...payload])
    const expected = (n: number) => (n >= 10 && n < 20 ? new Array(320).fill(0) : [7, n])
    expect(sent).toEqual(sent.map((_, n) => expected(n)))
    expect(a.stream.levels().sentDbov).toBeGreaterThan(-60)
  })

  it('sends all of a source that has encoded it already, whatever was played before', async () => {
    const { time, a } = new TwoStreams().start()
    // Its last frame is a part of one.
    await time.run(a.stream.play(new ArraySource(ramp(200)), 'ramp'))
    let packets = 0
    const source = {
      sampleRateHz: 8000,
      encoding: 'L16',
      read: () => 0,
      readPacket: () => (packets === 5 ? undefined : Uint8Array.of(7, packets++)),
      close: () => undefined,
    }
    expect(await time.run(a.stream.play(source, 'packets'))).toBe('ended')
    const sent = a.wire.rtp.map(({ payload }) => [...payload]).filter(({ length }) => length === 2)
    expect(sent).toEqual([0, 1, 2, 3, 4].map((n) => [7, n]))
  })

  it('encodes it anew from the first packet on that the peer does not take', async () => {
    let offered = 0
    const choosy: Codec = {
      ...l16,
      createEncoder: () => ({ ...l16.createEncoder(), takes: () => offered++ < 4 }),
    }
    const { time, a } = new TwoStreams({ codec: choosy }).start()
    let frames = 0
    const frame = (into: Int16Array) => into.fill(1_000)
    const source = {
      sampleRateHz: 8000,
      encoding: 'L16',
      read: (into: Int16Array) => (frames++ < 10 ? frame(into).length : 0),
      readPacket: (into: Int16Array, takes: (packet: Uint8Array) => boolean) => {
        const packet = Uint8Array.of(7)
        if (!takes(packet)) return undefined
        frames++
        frame(into)
        return packet
      },
      close: () => undefined,
    }
    expect(await time.run(a.stream.play(source, 'packets'))).toBe('ended')
    const lengths = a.wire.rtp.map(({ payload }) => payload.length)
    expect(lengths.slice(0, 10)).toEqual([1, 1, 1, 1, 320, 320, 320, 320, 320, 320])
    expect(offered).toBe(5)
  })

  it('sends silence while muted, and what is played goes on meanwhile', async () => {
    const { time, a } = new TwoStreams().start()
    const samples = ramp(8000)
    const ended = a.stream.play(new ArraySource(samples), 'ramp')
    await time.advance(199)
    a.stream.muted = true
    await time.advance(200)
    expect(a.stream.muted).toBe(true)
    a.stream.muted = false
    await time.run(ended)
    const sent = pcmOf(a.wire.rtp)
    expect(sent.subarray(0, 1600)).toEqual(samples.subarray(0, 1600))
    expect(sent.subarray(1600, 3200).every((sample) => sample === 0)).toBe(true)
    expect(sent.subarray(3200, 8000)).toEqual(samples.subarray(3200))
  })

  it('does not send what waited for a path when it was muted', async () => {
    const { time, a } = new TwoStreams().start()
    a.wire.up = false
    void a.stream.play(new ArraySource(ramp(800)), 'ramp')
    await time.advance(100)
    a.stream.muted = true
    a.wire.up = true
    await time.advance(100)
    expect(a.wire.rtp.length).toBeGreaterThan(3)
    expect(pcmOf(a.wire.rtp).every((sample) => sample === 0)).toBe(true)
  })

  it('shows both levels and peaks: at once where it is loud, falling afterwards, -127 for silence', async () => {
    const { time, a, b } = new TwoStreams().start()
    const silent = { sentDbov: -127, receivedDbov: -127, sentPeakDbov: -127, receivedPeakDbov: -127 }
    expect(a.stream.levels()).toEqual(silent)
    const loud = Int16Array.from({ length: 4000 }, (_, i) => (i % 4 === 0 ? 32_767 : 0))
    const ended = a.stream.play(new ArraySource(loud), 'loud')
    await time.advance(300)
    expect(a.stream.levels()).toEqual({ ...silent, sentDbov: -6, sentPeakDbov: 0 })
    expect(b.stream.levels()).toEqual({ ...silent, receivedDbov: -6, receivedPeakDbov: 0 })
    expect(b.stream.statistics().received.clippedSamples).toBeGreaterThan(200)
    expect(a.stream.statistics().received.clippedSamples).toBe(0)
    await time.run(ended)
    await time.advance(1_000)
    expect(a.stream.levels().sentDbov).toBeLessThan(-50)
    expect(a.stream.levels().sentDbov).toBeGreaterThan(-70)
    expect(a.stream.levels().sentPeakDbov).toBeLessThan(-9)
    expect(a.stream.levels().sentPeakDbov).toBeGreaterThan(-13)
    await time.advance(11_000)
    expect([a.stream.levels(), b.stream.levels()]).toEqual([silent, silent])
  })

  it('begins when the transport does, with the first sample, and keeps that rhythm', async () => {
    const { time, a } = new TwoStreams().start()
    a.wire.up = false
    const samples = ramp(1600)
    const ended = a.stream.play(new ArraySource(samples), 'ramp')
    await time.advance(107)
    a.wire.up = true
    a.stream.transportReady()
    await time.run(ended)
    const rtp = a.wire.rtp.slice(0, 10)
    expect(rtp[0]?.at).toBeCloseTo(107, 0)
    expect(steps(rtp, 'at')).toEqual(Array(9).fill(20))
    expect(pcmOf(rtp)).toEqual(samples)
    a.stream.transportReady()
    await time.advance(100)
    expect(steps(a.wire.rtp, 'at').every((ms) => ms === 20)).toBe(true)
  })

  it('wraps sequence numbers and timestamps in ten minutes of call, in a moment', async () => {
    const nearTheEnd = {
      bytes: (length: number) => new Uint8Array(length),
      integer: (max: number) => max - 100,
    }
    const { time, a, b } = new TwoStreams({ ssrc: 1, random: nearTheEnd }, {}, false).start()
    // 30,000 packets of 160 ticks.
    let steps = 0
    while (time.now() < 599_981) {
      time.step()
      steps++
    }
    const sent = a.stream.statistics().sent
    expect(sent).toEqual({ packets: 30_000, octets: 30_000 * 320, ssrc: 1 })
    expect(steps).toBeLessThan(70_000)
    expect(b.stream.statistics().received).toMatchObject({
      packets: 30_000,
      expected: 30_000,
      lost: 0,
      late: 0,
    })
  })

  it('skips after a stall: no burst, and the timestamp tells how long it was', async () => {
    const { time, clock, pacer, a } = new TwoStreams().start()
    await time.advance(200)
    const before = a.wire.rtp.length
    clock.stall(107)
    await time.advance(400)
    const packets = a.wire.rtp.slice(before - 1)
    // Due at 220, 240, ... 300 meanwhile; the stall ends at 307, which serves 300; the next is due at 320.
    const first = a.wire.rtp[0]!.at
    expect(packets.slice(0, 4).map((p) => p.at - first)).toEqual([200, 307, 320, 340])
    expect(steps(packets, 'timestamp').slice(0, 3)).toEqual([5 * 160, 160, 160])
    expect(steps(packets, 'sequenceNumber').slice(0, 3)).toEqual([1, 1, 1])
    expect(packets.slice(0, 3).map((p) => p.marker)).toEqual([false, true, false])
    // b, a millisecond behind, had not been served at 201.
    expect(pacer.error.skipped).toBe(4 + 5)
  })

  it('fills the last frame with silence and resolves when it is sent', async () => {
    const { time, a } = new TwoStreams({ idle: 'nothing' }).start()
    const source = new ArraySource(ramp(200))
    const ended = a.stream.play(source, 'x')
    expect(a.stream.isPlaying).toBe(true)
    await time.advance(100)
    expect(await ended).toBe('ended')
    expect(a.stream.isPlaying).toBe(false)
    expect(pcmOf(a.wire.rtp)).toEqual(Int16Array.from([...ramp(200), ...Array(120).fill(0)]))
    expect(source.closed).toBe(1)
    expect(a.facts).toEqual([
      { layer: 'audio', type: 'play-started', what: 'x' },
      { layer: 'audio', type: 'play-ended', what: 'x' },
    ])
  })

  it('replaces what plays; stop ends it', async () => {
    const { time, a } = new TwoStreams().start()
    const sources = [new ArraySource(ramp(80_000)), new ArraySource(ramp(80_000))]
    const first = a.stream.play(sources[0]!, 'first')
    await time.advance(100)
    const second = a.stream.play(sources[1]!, 'second')
    expect(await first).toBe('stopped')
    await time.advance(100)
    a.stream.stop()
    expect(await second).toBe('stopped')
    expect(sources.map((s) => s.closed)).toEqual([1, 1])
    expect(await a.stream.play(new ArraySource(ramp(1)), 'third')).toBe('stopped')
  })

  it('rejects where the source cannot be read, and the stream goes on', async () => {
    const { time, a } = new TwoStreams().start()
    const played = a.stream.play(
      {
        sampleRateHz: 8000,
        read: () => {
          throw new UsageError('broken file')
        },
        close: () => {},
      },
      'broken',
    )
    const failure = expect(played).rejects.toThrow('broken file')
    await time.advance(200)
    await failure
    expect(a.wire.rtp.length).toBeGreaterThanOrEqual(10)
  })

  it('sends silence while nothing plays, or nothing if asked to; then marks the next talkspurt', async () => {
    const noisy = new TwoStreams().start()
    await noisy.time.advance(190)
    expect(pcmOf(noisy.a.wire.rtp)).toEqual(new Int16Array(1600))

    const { time, a } = new TwoStreams({ idle: 'nothing' }).start()
    await time.advance(95)
    expect(a.wire.rtp).toEqual([])
    for (let talkspurt = 0; talkspurt < 2; talkspurt++) {
      a.stream.play(new ArraySource(ramp(480)), 'x')
      await time.advance(200)
    }
    expect(a.wire.rtp.map((p) => p.marker)).toEqual([true, false, false, true, false, false])
    expect(steps(a.wire.rtp, 'timestamp')[2]).toBe(10 * 160 - 2 * 160)
    expect(steps(a.wire.rtp, 'sequenceNumber')).toEqual(Array(5).fill(1))
  })

  it('begins a file when the path is up, and loses nothing of it when the path goes away', async () => {
    const { time, a } = new TwoStreams({ idle: 'nothing' }).start()
    a.wire.up = false
    const samples = ramp(1600)
    const ended = a.stream.play(new ArraySource(samples), 'x')
    await time.advance(500)
    a.wire.up = true
    await time.advance(100)
    a.wire.up = false
    await time.advance(300)
    a.wire.up = true
    await time.advance(300)
    expect(await ended).toBe('ended')
    expect(pcmOf(a.wire.rtp)).toEqual(samples)
    expect(new Set(steps(a.wire.rtp, 'sequenceNumber'))).toEqual(new Set([1]))
  })

  it('pauses while the peer holds, and goes on with the same SSRC, numbers and clock', async () => {
    const { time, a } = new TwoStreams().start()
    const samples = ramp(3200)
    a.stream.play(new ArraySource(samples), 'x')
    await time.advance(190)
    a.stream.update({ ...parameters, direction: 'recvonly' })
    await time.advance(1000)
    expect(a.wire.rtp).toHaveLength(10)
    a.stream.update({ ...parameters, direction: 'sendrecv' })
    await time.advance(200)
    const { rtp } = a.wire
    expect(pcmOf(rtp)).toEqual(samples)
    expect(rtp[10]!.marker).toBe(true)
    expect(rtp[10]!.timestamp - rtp[9]!.timestamp).toBe(51 * 160)
    expect(new Set(steps(rtp, 'sequenceNumber').map((d) => d & 0xffff))).toEqual(new Set([1]))
    expect(new Set(rtp.map((p) => p.ssrc)).size).toBe(1)
  })

  it('changes codec, packet time and payload type in mid-play', async () => {
    const { time, a } = new TwoStreams().start()
    a.stream.play(new ArraySource(ramp(80_000)), 'x')
    await time.advance(90)
    a.stream.update({ ...parameters, codec: linear(16_000, 8000), sendPayloadType: 97, ptimeMs: 40 })
    await time.advance(400)
    const changed = a.wire.rtp.filter((p) => p.payloadType === 97)
    expect(changed.length).toBeGreaterThanOrEqual(9)
    // 40 ms: 640 samples of 16 bits, 320 ticks of a clock of 8 kHz (as G.722 has it).
    expect(changed[0]!.payload).toHaveLength(1280)
    expect(new Set(steps(changed, 'timestamp'))).toEqual(new Set([320]))
    expect(new Set(steps(changed, 'at'))).toEqual(new Set([40]))
  })

  it('resamples a source of another rate', async () => {
    const { time, a } = new TwoStreams({ idle: 'nothing' }).start()
    const ended = a.stream.play(new ArraySource(ramp(16_000), 16_000), 'wide')
    await time.advance(1200)
    expect(await ended).toBe('ended')
    expect(a.wire.rtp).toHaveLength(50)
  })
})
