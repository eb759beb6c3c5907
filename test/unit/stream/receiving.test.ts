import { describe, expect, it } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { toneSource } from '../../../src/audio/tones.ts'
import type { Codec } from '../../../src/codec/codec.ts'
import { writeRtpHeader } from '../../../src/rtp/packet.ts'
import { PacingHistogram } from '../../../src/stream/pacing-histogram.ts'
import { ArraySource, l16, linear, Recorder, ramp, TwoStreams } from './two-streams.ts'

const delayFrames = 3
const frame = 160

/** Plays `samples` from a to a recording at b, over a wire that may delay or lose. */
const recorded = async (samples: Int16Array, delay?: (index: number) => number | undefined) => {
  const world = new TwoStreams({ idle: 'nothing' }, { direction: 'recvonly', playoutDelay: 60 })
  if (delay) world.a.wire.delay = delay
  const sink = new Recorder()
  world.b.stream.addSink(sink)
  world.start()
  const startedAt = world.time.now()
  world.a.stream.play(new ArraySource(samples), 'x')
  await world.time.advance(samples.length / 8 + 400)
  return { ...world, sink, durationMs: world.time.now() - startedAt }
}
const firstSound = (samples: Int16Array) => samples.findIndex((s) => s !== 0)

describe('receiving', () => {
  it('hands on every sample, 60 ms later', async () => {
    const samples = ramp(16_000)
    const { sink, b } = await recorded(samples)
    const start = firstSound(sink.samples)
    expect(start % frame).toBe(0)
    expect(start / frame).toBeLessThanOrEqual(delayFrames + 1)
    expect(sink.samples.slice(start, start + samples.length)).toEqual(samples)
    expect(b.stream.statistics()).toMatchObject({
      received: { packets: 100, expected: 100, lost: 0, duplicates: 0, reordered: 0, late: 0, jitterMs: 0 },
      dropped: {},
    })
  })

  it('a recording lasts as long as it took, whatever was lost, and every sample is at its time', async () => {
    const samples = ramp(16_000)
    const lost = (i: number) => (i >= 20 && i < 50) || i % 7 === 0
    const { sink, b, durationMs } = await recorded(samples, (i) => (lost(i) ? undefined : 0))
    expect(Math.abs(sink.samples.length / 8 - durationMs)).toBeLessThanOrEqual(20)
    const expected = samples.map((s, i) => (lost(Math.floor(i / frame)) ? 0 : s))
    const start = firstSound(sink.samples) - frame // packet 0 is lost
    expect(sink.samples.slice(start, start + samples.length)).toEqual(expected)
    const losses = Array.from({ length: 100 }, (_, i) => i).filter((i) => i > 0 && lost(i)).length
    // Packet 0 was never known of.
    expect(b.stream.statistics().received).toMatchObject({ expected: 99, lost: losses })
  })

  it('restores order within the delay and drops what is later', async () => {
    const samples = ramp(8000)
    const reordered = await recorded(samples, (i) => (i % 5 === 2 ? 45 : 0))
    const start = firstSound(reordered.sink.samples)
    expect(reordered.sink.samples.slice(start, start + samples.length)).toEqual(samples)
    expect(reordered.b.stream.statistics().received).toMatchObject({ reordered: 10, late: 0, lost: 0 })

    const late = await recorded(samples, (i) => (i % 5 === 2 ? 200 : 0))
    expect(late.b.stream.statistics().received).toMatchObject({ reordered: 10, late: 10, lost: 0 })
  })

  it('loses nothing where a talkspurt begins a new time line', async () => {
    const { time, a, b } = new TwoStreams({ idle: 'nothing' }, { direction: 'recvonly' }).start()
    const sink = new Recorder()
    b.stream.addSink(sink)
    const receive = b.wire.onRtp!
    let count = 0
    b.wire.onRtp = (packet) => {
      const copy = packet.slice()
      if (count >= 20) copy[4] = copy[4]! ^ 0x55
      if (count++ === 20) copy[1] = copy[1]! | 0x80
      receive(copy)
    }
    const samples = ramp(8000)
    a.stream.play(new ArraySource(samples), 'x')
    await time.advance(1400)
    const start = firstSound(sink.samples)
    expect(sink.samples.slice(start, start + samples.length)).toEqual(samples)
  })

  it('keeps the time line of a recording through a stall of its own process', async () => {
    const { time, clock, a, b } = new TwoStreams()
    const sink = new Recorder()
    b.stream.addSink(sink)
    a.stream.start()
    b.stream.start()
    await time.advance(1000)
    clock.stall(330)
    await time.advance(2000)
    expect(Math.abs(sink.samples.length / 8 - time.now())).toBeLessThanOrEqual(20)
  })

  it('a process that was held up for 60 ms reads what came meanwhile before it plays what it owes', () => {
    let now = 0
    let tick = (_skipped: number) => {}
    const sink = new Recorder()
    const { b } = new TwoStreams(
      {},
      {
        direction: 'recvonly',
        clock: { now: () => now, wallTime: () => now, setTimer: () => ({ cancel: () => {} }) },
        pacer: {
          error: new PacingHistogram(),
          add: (_, onDue) => {
            tick = onDue
            return { cancel: () => {} }
          },
        },
      },
    )
    b.stream.addSink(sink)
    b.stream.start()
    const packet = new Uint8Array(12 + 320).fill(0x10)
    let sent = 0
    const arrive = () => {
      const header = { marker: false, payloadType: 96, sequenceNumber: sent, timestamp: sent * 160, ssrc: 1 }
      writeRtpHeader(packet, header)
      b.wire.onRtp?.(packet)
      sent++
    }
    for (let i = 0; i < 1500; i++) {
      now += 20
      // Once a second, three ticks in one go; the packets of that time are read after it.
      const heldUp = i % 50 === 49 ? 3 : 1
      now += 20 * (heldUp - 1)
      if (heldUp === 1) arrive()
      for (let k = 0; k < heldUp; k++) tick(0)
      for (let k = 1; k < heldUp; k++) arrive()
      if (heldUp > 1) arrive()
    }
    const { late, playout } = b.stream.statistics().received
    expect(late).toBe(0)
    expect(playout.concealedMs).toBe(0)
    expect(Math.abs(sink.samples.length / 8 - now)).toBeLessThanOrEqual(60)
  })

  it('plays on while the machine is so busy that every tick skips', async () => {
    const { time, clock, b } = new TwoStreams()
    const sink = new Recorder()
    b.stream.addSink(sink)
    b.stream.start()
    for (let i = 0; i < 40; i++) {
      clock.stall(50)
      await time.advance(50)
    }
    expect(sink.samples.length / 8).toBeGreaterThan(1800)
  })

  it('plays packets of another length than its own, and of a clock that is not the sample rate', async () => {
    for (const ptimeMs of [10, 30, 60]) {
      const world = new TwoStreams({ idle: 'nothing', ptimeMs }, { direction: 'recvonly', playoutDelay: 60 })
      const sink = new Recorder()
      world.b.stream.addSink(sink)
      world.start()
      const samples = ramp(9600)
      world.a.stream.play(new ArraySource(samples), 'x')
      await world.time.advance(1600)
      const start = firstSound(sink.samples)
      expect(sink.samples.slice(start, start + samples.length), `${ptimeMs} ms`).toEqual(samples)
    }
  })

  it('tells when something was first heard, how loud and how long: a click is nothing', async () => {
    const { time, a, b } = new TwoStreams().start()
    a.stream.play(new ArraySource(new Int16Array(160).fill(8000)), 'click')
    await time.advance(500)
    expect(b.facts).toEqual([])
    expect(b.stream.statistics().received.heardMs).toBe(20)
    a.stream.play(new ArraySource(new Int16Array(1600).fill(3277)), 'sound')
    await time.advance(500)
    expect(b.facts).toEqual([{ layer: 'audio', type: 'first-heard', levelDbfs: expect.closeTo(-20, 1) }])
    expect(b.stream.statistics().received.heardMs).toBe(220)
  })

  it('takes a sink away that fails, alone', async () => {
    const { time, b } = new TwoStreams().start()
    const errors: unknown[] = []
    b.stream.onSinkError = (error) => errors.push(error)
    const full = new Error('disk full')
    const failing = {
      sampleRateHz: 8000,
      write: () => {
        throw full
      },
      close: () => {},
    }
    const other = new Recorder()
    b.stream.addSink(failing)
    b.stream.addSink({ ...failing, sampleRateHz: 16_000 })
    b.stream.addSink(other)
    await time.advance(1000)
    expect(errors).toEqual([full, full])
    expect(other.samples.length / 8).toBeGreaterThanOrEqual(980)
  })

  it('gives every sink its own rate, whatever the codec, without a hole when the codec changes', async () => {
    const wide = linear(16_000)
    const narrow = { codec: l16, sendPayloadType: 96, receivePayloadType: 96, ptimeMs: 20 }
    const { time, a, b } = new TwoStreams({}, { direction: 'recvonly' })
    const sinks = [8000, 16_000, 44_100, 48_000].map((rateHz) => new Recorder(rateHz))
    for (const sink of sinks) b.stream.addSink(sink)
    a.stream.start()
    b.stream.start()
    a.stream.play(toneSource({ frequenciesHz: [1000] }, 48_000), 'tone')
    await time.advance(1000)
    a.stream.update({ ...narrow, codec: wide, sendPayloadType: 97, direction: 'sendonly' })
    b.stream.update({ ...narrow, codec: wide, receivePayloadType: 97, direction: 'recvonly' })
    await time.advance(1000)
    for (const { samples, sampleRateHz } of sinks) {
      expect(
        Math.abs((1000 * samples.length) / sampleRateHz - time.now()),
        `${sampleRateHz} Hz`,
      ).toBeLessThan(26)
      for (const from of [0.3, 1.3]) {
        const share = toneShare(samples, sampleRateHz, 1000, from * sampleRateHz, 0.5 * sampleRateHz)
        expect(share, `${sampleRateHz} Hz from ${from} s`).toBeGreaterThan(0.9999)
      }
    }
    b.stream.removeSink(sinks[0]!)
    const { length } = sinks[0]!.samples
    await time.advance(100)
    expect(sinks[0]!.samples.length).toBe(length)
  })

  it('receives nothing while it holds, and says so', async () => {
    const { time, a, b } = new TwoStreams({}, { direction: 'sendonly' }).start()
    a.stream.play(new ArraySource(ramp(8000)), 'x')
    await time.advance(199)
    expect(b.stream.statistics()).toMatchObject({
      received: { packets: 0 },
      dropped: { 'stream is sendonly': 10 },
    })
  })
})

describe('a peer that switches between the codecs it answered', () => {
  /** L16 with every sample negated: another codec of the same rates. */
  const negated: Codec = {
    ...l16,
    name: 'negated',
    createDecoder: () => {
      const inner = l16.createDecoder()
      return {
        decode(payload, out) {
          const length = inner.decode(payload, out)
          for (let i = 0; i < length; i++) out[i] = -out[i]!
          return length
        },
      }
    },
  }
  const parameters = {
    codec: l16,
    sendPayloadType: 96,
    receivePayloadType: 96,
    alsoReceive: [
      { codec: negated, payloadType: 97 },
      { codec: linear(16_000), payloadType: 98 },
    ],
    ptimeMs: 20,
    direction: 'recvonly',
  } as const

  it('is decoded by payload type, packet by packet, on one time line', async () => {
    const { time, a, b } = new TwoStreams({ idle: 'nothing' }, parameters)
    const sink = new Recorder()
    b.stream.addSink(sink)
    a.stream.start()
    b.stream.start()
    const carry = b.wire.onRtp!
    let count = 0
    b.wire.onRtp = (packet) => {
      const copy = packet.slice()
      if (count++ % 3 === 1) copy[1] = (copy[1]! & 0x80) | 97
      carry(copy)
    }
    const samples = ramp(8000)
    a.stream.play(new ArraySource(samples), 'x')
    await time.advance(1400)
    const start = firstSound(sink.samples)
    const expected = samples.map((sample, i) => (Math.floor(i / frame) % 3 === 1 ? -sample : sample))
    expect(sink.samples.slice(start, start + samples.length)).toEqual(expected)
    expect(b.stream.statistics()).toMatchObject({
      received: { packets: 50, lost: 0, late: 0, jitterMs: 0 },
      dropped: {},
    })
  })

  it('is understood at another rate too, there and back, with its digits', async () => {
    const wide = { codec: linear(16_000), payloadType: 98 }
    const { time, a, b } = new TwoStreams({ idle: 'nothing' }, parameters)
    b.stream.update({
      ...parameters,
      alsoReceive: [wide],
      alsoReceiveEvents: [{ payloadType: 102, clockRateHz: 16_000 }],
    })
    const sink = new Recorder()
    b.stream.addSink(sink)
    const digits: [string, number][] = []
    b.stream.onDtmf = (digit, durationMs) => digits.push([digit, durationMs])
    a.stream.start()
    b.stream.start()
    const narrowParameters = { ...parameters, alsoReceive: [], direction: 'sendonly' as const }
    void a.stream.play(toneSource({ frequenciesHz: [440] }, 8_000), 'x')
    await time.advance(1_000)
    a.stream.update({
      ...narrowParameters,
      codec: wide.codec,
      sendPayloadType: 98,
      telephoneEvent: { sendPayloadType: 102, receivePayloadType: 102 },
    })
    await time.advance(1_000)
    await time.run(a.stream.sendDtmf('7', { durationMs: 100 }))
    a.stream.update(narrowParameters)
    await time.advance(1_000)
    expect(digits).toEqual([['7', 100]])
    for (const second of [0, 1, 2]) {
      const part = sink.samples.subarray(second * 8_000 + 3_000, second * 8_000 + 7_000)
      expect(toneShare(part, 8_000, 440)).toBeGreaterThan(0.9)
    }
    const { received, dropped } = b.stream.statistics()
    expect(dropped).toEqual({})
    expect(received).toMatchObject({ lost: 0, late: 0 })
  })

  it('is followed by packets in order, and not ten times a second; nor after the next offer took it away', async () => {
    const { time, b } = new TwoStreams({}, parameters)
    b.stream.start()
    const data = new Uint8Array(12 + 320)
    const receive = (payloadType: number, sequenceNumber: number) => {
      const timestamp = sequenceNumber * 160
      writeRtpHeader(data, { marker: false, payloadType, sequenceNumber, timestamp, ssrc: 1 })
      b.wire.onRtp?.(data)
    }
    receive(96, 1)
    receive(96, 4)
    receive(98, 3)
    receive(98, 5)
    receive(96, 6)
    await time.advance(200)
    receive(96, 7)
    b.stream.update({ ...parameters, alsoReceive: [] })
    receive(97, 8)
    expect(b.stream.statistics()).toMatchObject({
      received: { packets: 4 },
      dropped: {
        'L16 from before the peer changed its codec': 1,
        'L16 too soon after another codec': 1,
        'unknown payload type 97': 1,
      },
    })
  })

  it('a new first codec of the same rates takes over without a gap', async () => {
    const { time, a, b } = new TwoStreams({ idle: 'nothing' }, parameters)
    const sink = new Recorder()
    b.stream.addSink(sink)
    a.stream.start()
    b.stream.start()
    const samples = ramp(8000)
    a.stream.play(new ArraySource(samples), 'x')
    await time.advance(505)
    a.stream.update({ ...parameters, direction: 'sendonly', sendPayloadType: 97 })
    b.stream.update({ ...parameters, codec: negated, receivePayloadType: 97 })
    await time.advance(900)
    const start = firstSound(sink.samples)
    const heard = sink.samples.slice(start, start + samples.length)
    expect(heard.map(Math.abs)).toEqual(samples)
    expect(heard.findIndex((sample) => sample < 0) % frame).toBe(0)
  })
})

describe('sources', () => {
  const packet = (ssrc: number, sequenceNumber: number, payloadType = 96) => {
    const data = new Uint8Array(12 + 320).fill(0x10)
    writeRtpHeader(data, {
      marker: false,
      payloadType,
      sequenceNumber,
      timestamp: sequenceNumber * 160,
      ssrc,
    })
    return data
  }

  it('follows a new SSRC after its probation, once the old one is silent', async () => {
    const { time, b } = new TwoStreams({}, { codec: l16 })
    b.stream.start()
    const send = async (ssrc: number, from: number, count: number) => {
      for (let i = 0; i < count; i++) {
        b.wire.onRtp?.(packet(ssrc, from + i))
        await time.advance(20)
      }
    }
    await send(1, 100, 10)
    await send(2, 7000, 10)
    const { received, dropped } = b.stream.statistics()
    expect(received.ssrc).toBe(2)
    expect(received).toMatchObject({ packets: 10 + 8, lost: 0 })
    expect(dropped).toEqual({ 'foreign SSRC': 2 })
  })

  it('does not flap between two senders, nor grow with a flood of sources', async () => {
    const { time, b } = new TwoStreams()
    b.stream.start()
    for (let i = 0; i < 100; i++) {
      b.wire.onRtp?.(packet(1, i))
      b.wire.onRtp?.(packet(2, i))
      for (let flood = 0; flood < 20; flood++) b.wire.onRtp?.(packet(1000 + 20 * i + flood, i))
      await time.advance(20)
    }
    const { received, dropped } = b.stream.statistics()
    expect(received).toMatchObject({ ssrc: 1, packets: 100, lost: 0 })
    expect(dropped).toEqual({ 'foreign SSRC': 2100 })
  })

  it('counts what it throws away, by reason', () => {
    const { b } = new TwoStreams()
    b.stream.start()
    b.wire.onRtp?.(packet(1, 1, 13))
    b.wire.onRtp?.(packet(1, 1, 13))
    b.wire.onRtp?.(new Uint8Array(3))
    b.wire.onRtcp?.(new Uint8Array(3))
    b.wire.onRtp?.(packet(1, 1))
    b.wire.onRtp?.(packet(1, 20_000))
    expect(b.stream.statistics().dropped).toEqual({
      'unknown payload type 13': 2,
      'RTP too short': 1,
      'RTCP too short': 1,
      'sequence number out of range': 1,
    })
  })

  it.each([
    ['a new SSRC', 5],
    ['the same SSRC and other numbers', 0],
  ])('hears a sender that begins anew with %s, at once and on time', async (_, ssrcChange) => {
    const { time, a, b } = new TwoStreams({ idle: 'nothing' }, { direction: 'recvonly' }).start()
    const sink = new Recorder()
    b.stream.addSink(sink)
    const receive = b.wire.onRtp!
    let count = 0
    b.wire.onRtp = (data) => {
      const packet = Buffer.from(data)
      if (count++ >= 100) {
        packet.writeUInt16BE((packet.readUInt16BE(2) + 20_000) % 65_536, 2)
        packet.writeUInt32BE((packet.readUInt32BE(4) + 3_000_000_000) % 2 ** 32, 4)
        packet[11] = packet[11]! ^ ssrcChange
      }
      // Of a sender that is started anew nothing comes for a moment.
      if (count <= 100 || count > 110) receive(packet)
    }
    a.stream.play(toneSource({ frequenciesHz: [440] }, 8000), 'tone')
    await time.advance(5000)
    const { samples } = sink
    for (const [from, seconds] of [
      [0.3, 1.6],
      [2.5, 2.4],
    ] as const)
      for (let at = from; at < from + seconds; at += 0.1)
        expect(toneShare(samples, 8000, 440, Math.round(at * 8000), 800), `from ${at} s`).toBeGreaterThan(
          0.95,
        )
    expect(samples.length / 8).toBeGreaterThanOrEqual(4980)
    const { lost, playout } = b.stream.statistics().received
    expect(lost).toBeLessThanOrEqual(1)
    expect(playout.delayMs).toBeLessThanOrEqual(60)
    expect(playout.adaptive).toBe(true)
  })
})
