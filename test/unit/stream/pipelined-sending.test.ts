// Sending with an encoder that is a packet time behind: here one that keeps every bit, and can be late.
import { describe, expect, it } from 'vitest'
import type { Codec, PipelinedEncoder } from '../../../src/codec/codec.ts'
import { ArraySource, l16, ramp, type SentPacket, TwoStreams } from './two-streams.ts'

/** @param isLate asked whenever a packet is to be taken */
const pipelined = (isLate = () => false): Codec => ({
  ...l16,
  createPipelinedEncoder: (): PipelinedEncoder => {
    const encoder = l16.createEncoder()
    let begun: Int16Array | undefined
    return {
      begin: (pcm) => {
        expect(begun).toBeUndefined()
        begun = pcm.slice()
      },
      finish: (out) => {
        expect(begun).toBeDefined()
        if (isLate()) return undefined
        const frame = begun!
        begun = undefined
        return encoder.encode(frame, out)
      },
      close: () => undefined,
    }
  },
})
const pcmOf = (packets: SentPacket[]): Int16Array =>
  Int16Array.from(
    packets.flatMap(({ payload }) =>
      Array.from({ length: payload.length / 2 }, (_, i) => (payload[2 * i]! << 8) | payload[2 * i + 1]!),
    ),
  )
const isLoud = ({ payload }: SentPacket): boolean => payload.some((octet) => octet !== 0)
const steps = (packets: SentPacket[], field: 'at' | 'timestamp'): number[] =>
  packets.slice(1).map((packet, i) => packet[field] - packets[i]![field])

describe('sending with an encoder that is a packet time behind', () => {
  it('sends the same packets a packet time later, and resolves when the last has left', async () => {
    const [plain, behind] = [new TwoStreams(), new TwoStreams({ codec: pipelined() })].map((streams) =>
      streams.start(),
    ) as [TwoStreams, TwoStreams]
    const samples = ramp(1_000)
    const runs = [plain, behind].map(async ({ time, a }) => {
      expect(await time.run(a.stream.play(new ArraySource(samples), 'ramp'))).toBe('ended')
      return { endedAt: time.now(), packets: [...a.wire.rtp] }
    })
    const [one, other] = await Promise.all(runs)
    expect(other!.packets.map(({ payload }) => payload)).toEqual(one!.packets.map(({ payload }) => payload))
    expect(other!.endedAt).toBe(one!.endedAt + 20)
    const { packets } = other!
    expect(pcmOf(packets).subarray(0, 1_000)).toEqual(samples)
    expect(packets.map(({ marker }) => marker)).toEqual(packets.map((_, n) => n === 0))
    expect(steps(packets, 'at')).toEqual(packets.slice(1).map(() => 20))
    expect(steps(packets, 'timestamp').map((ticks) => ticks >>> 0)).toEqual(packets.slice(1).map(() => 160))
  })

  it('sends the last frame where nothing follows it', async () => {
    const { time, a } = new TwoStreams({ codec: pipelined(), idle: 'nothing' }).start()
    for (const length of [480, 500]) {
      const from = a.wire.rtp.length
      expect(await time.run(a.stream.play(new ArraySource(ramp(length)), 'ramp'))).toBe('ended')
      expect(pcmOf(a.wire.rtp.slice(from)).subarray(0, length)).toEqual(ramp(length))
      await time.advance(200)
      expect(a.wire.rtp).toHaveLength(from + Math.ceil(length / 160))
      expect(a.wire.rtp[from]!.marker).toBe(true)
    }
    expect(a.facts.filter(({ type }) => type === 'play-started' || type === 'play-ended')).toHaveLength(4)
  })

  it('loses nothing of a source to digits, to a path that goes away, and to a thread that is late', async () => {
    let late = 0
    const { time, a } = new TwoStreams({ codec: pipelined(() => late-- > 0) })
    a.wire.up = false
    a.stream.start()
    const samples = ramp(16_000)
    const ended = a.stream.play(new ArraySource(samples), 'ramp')
    await time.advance(100)
    a.wire.up = true
    await time.advance(100)
    void a.stream.sendDtmf('1')
    await time.advance(600)
    a.wire.up = false
    await time.advance(100)
    a.wire.up = true
    late = 3
    expect(await time.run(ended)).toBe('ended')
    const audio = a.wire.rtp.filter((packet) => packet.payloadType === 96 && isLoud(packet))
    expect(pcmOf(audio)).toEqual(samples)
    expect(a.stream.statistics().sent.delayedFrames).toBe(3)
  })

  it('takes what a source has encoded already as it is, between frames', async () => {
    const { time, a } = new TwoStreams({ codec: pipelined() }).start()
    await time.run(a.stream.play(new ArraySource(ramp(320)), 'ramp'))
    let packets = 0
    const source = {
      sampleRateHz: 8000,
      encoding: 'L16',
      read: () => 0,
      readPacket: () => (packets === 3 ? undefined : Uint8Array.of(7, packets++)),
      close: () => undefined,
    }
    expect(await time.run(a.stream.play(source, 'packets'))).toBe('ended')
    await time.advance(40)
    const sent = a.wire.rtp.filter(isLoud)
    expect(pcmOf(sent.slice(0, 2))).toEqual(ramp(320))
    expect(sent.slice(2).map(({ payload }) => [...payload])).toEqual([0, 1, 2].map((n) => [7, n]))
  })

  it('goes from one source to the next without a hole, and ends each at its own last frame', async () => {
    const { time, a } = new TwoStreams({ codec: pipelined() }).start()
    const first = a.stream.play(new ArraySource(ramp(8_000)), 'first')
    await time.advance(199)
    const second = a.stream.play(new ArraySource(ramp(160)), 'second')
    expect(await time.run(first)).toBe('stopped')
    expect(await time.run(second)).toBe('ended')
    const audio = a.wire.rtp.filter(isLoud)
    expect(steps(audio, 'at')).toEqual(audio.slice(1).map(() => 20))
    expect(pcmOf(audio.slice(0, -1))).toEqual(ramp(160 * (audio.length - 1)))
    expect(pcmOf(audio.slice(-1))).toEqual(ramp(160))
  })

  it('goes on with another codec, packet time and direction', async () => {
    const streams = new TwoStreams({ codec: pipelined() }).start()
    const { time, a } = streams
    const ended = a.stream.play(new ArraySource(ramp(16_000)), 'ramp')
    const parameters = { codec: pipelined(), sendPayloadType: 97, receivePayloadType: 97, ptimeMs: 40 }
    await time.advance(199)
    a.stream.update({ ...parameters, direction: 'sendrecv' })
    await time.advance(200)
    a.stream.update({ ...parameters, direction: 'recvonly' })
    const held = a.wire.rtp.length
    await time.advance(200)
    expect(a.wire.rtp).toHaveLength(held)
    a.stream.update({ ...parameters, codec: l16, direction: 'sendrecv' })
    expect(await time.run(ended)).toBe('ended')
    expect(a.wire.rtp.filter(isLoud).length).toBeGreaterThan(45)
  })
})
