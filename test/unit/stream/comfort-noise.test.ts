// Silence that is not sent but described (RFC 3389), from one stream to another: what goes over the wire, what is heard, what is counted.
import { describe, expect, it } from 'vitest'
import { ComfortNoise } from '../../../src/audio/comfort-noise.ts'
import { levelDbfs } from '../../../src/audio/level.ts'
import { writeRtpHeader } from '../../../src/rtp/packet.ts'
import { ArraySource, l16, linear, Recorder, TwoStreams } from './two-streams.ts'

const perMs = 8
const voice = (ms: number): Int16Array =>
  Int16Array.from({ length: ms * perMs }, (_, i) => 9_000 * Math.sin((2 * Math.PI * 440 * i) / 8_000))
const room = (ms: number, dbov: number): Int16Array => {
  const samples = new Int16Array(ms * perMs)
  const noise = new ComfortNoise()
  noise.describe(Uint8Array.from([-dbov, 30]))
  noise.fill(samples, 0, samples.length)
  return samples
}
const joined = (...pieces: Int16Array[]): Int16Array => Int16Array.from(pieces.flatMap((piece) => [...piece]))
const noiseType = 13
const receiveComfortNoise = [{ payloadType: noiseType, clockRateHz: 8_000 }]
const sendComfortNoise = { payloadType: noiseType }

const played = async (samples: Int16Array, delay?: (index: number) => number | undefined) => {
  const world = new TwoStreams(
    { idle: 'nothing', sendComfortNoise },
    { receiveComfortNoise, idle: 'nothing' },
  )
  if (delay) world.a.wire.delay = delay
  const sink = new Recorder()
  world.b.stream.addSink(sink)
  world.start()
  await world.time.advance(100)
  const statistics = world.a.stream
    .play(new ArraySource(samples), 'x')
    .then(() => world.b.stream.statistics())
  await world.time.advance(samples.length / perMs + 400)
  return { ...world, heard: sink.samples, sent: world.a.wire.rtp, statistics: await statistics }
}

describe('a pause', () => {
  const speech = joined(voice(1_000), room(3_000, -52), voice(500))

  it('is sent as comfort noise, at its beginning and once a second, and ends with a marker', async () => {
    const { sent, a } = await played(speech)
    const noise = sent.filter(({ payloadType }) => payloadType === noiseType)
    const sound = sent.filter(({ payloadType }) => payloadType !== noiseType)
    expect(noise.length).toBeGreaterThanOrEqual(3)
    expect(noise.length).toBeLessThanOrEqual(6)
    // 1,500 ms of voice and the hangover.
    expect(sound.length).toBeGreaterThanOrEqual(75 + 9)
    expect(sound.length).toBeLessThanOrEqual(75 + 13)
    expect(noise.every(({ marker }) => !marker)).toBe(true)
    expect(noise.every(({ payload }) => Math.abs(payload[0]! - 52) <= 2)).toBe(true)
    sent.forEach(({ sequenceNumber, timestamp, at }, i) => {
      const [first] = sent
      expect((sequenceNumber - first!.sequenceNumber) & 0xffff).toBe(i)
      expect((timestamp - first!.timestamp) >>> 0).toBe((at - first!.at) * perMs)
    })
    const afterPause = sent.filter((_, i) => i > 0 && sent[i - 1]!.payloadType === noiseType)
    expect(afterPause.filter(({ payloadType }) => payloadType !== noiseType).map((p) => p.marker)).toEqual([
      true,
    ])
    expect(a.stream.statistics().sent.packets).toBe(sent.length)
  })

  it('is heard as noise of its level, up to the next sound; nothing is lost or concealed', async () => {
    const { heard, statistics } = await played(speech)
    const begins = heard.findIndex((sample) => Math.abs(sample) > 2_000)
    const at = (ms: number) => heard.subarray(begins + ms * perMs, begins + (ms + 20) * perMs)
    for (let ms = 1_020; ms < 3_980; ms += 20) {
      expect(levelDbfs(at(ms)), `${ms} ms`).toBeGreaterThan(-56)
      expect(levelDbfs(at(ms)), `${ms} ms`).toBeLessThan(-48)
    }
    expect(levelDbfs(heard.subarray(begins + 1_500 * perMs, begins + 3_500 * perMs))).toBeCloseTo(-52, -0.5)
    const again = heard.subarray(begins + 2_000 * perMs).findIndex((sample) => Math.abs(sample) > 2_000)
    expect(Math.abs(again / perMs - 2_000)).toBeLessThan(5)
    expect(statistics).toMatchObject({
      received: { lost: 0, late: 0, reordered: 0, playout: { concealedMs: 0, discarded: 0 } },
      dropped: {},
    })
  })

  it('is as long where jitter and loss come to it', async () => {
    const { heard, b, sent } = await played(speech, (i) => (i === 62 ? undefined : (i * 7) % 40))
    expect(sent.some(({ payloadType }) => payloadType === noiseType)).toBe(true)
    const begins = heard.findIndex((sample) => Math.abs(sample) > 2_000)
    const again = heard.subarray(begins + 2_000 * perMs).findIndex((sample) => Math.abs(sample) > 2_000)
    expect(Math.abs(again / perMs - 2_000)).toBeLessThan(60)
    expect(b.stream.statistics().received).toMatchObject({ lost: 1, late: 0 })
  })

  it('whose noise becomes louder is described again', async () => {
    const { sent } = await played(joined(voice(500), room(1_500, -66), room(1_500, -58)))
    const levels = sent
      .filter(({ payloadType }) => payloadType === noiseType)
      .map(({ payload }) => payload[0]!)
    expect(levels[0]).toBeGreaterThan(63)
    expect(levels.at(-1)).toBeLessThan(61)
  })

  it('is sent as it is where nobody has asked for comfort noise, and where a tone sounds', async () => {
    const plain = new TwoStreams().start()
    await plain.time.advance(2_000)
    expect(plain.a.wire.rtp.length).toBeGreaterThanOrEqual(99)
    const { sent } = await played(voice(3_000))
    expect(sent.filter(({ payloadType }) => payloadType !== noiseType).length).toBeGreaterThanOrEqual(149)
  })
})

it('while nothing plays, one packet a second says so', async () => {
  const { time, a, b } = new TwoStreams({ sendComfortNoise }, { receiveComfortNoise }).start()
  await time.advance(10_500)
  const noise = a.wire.rtp.filter(({ payloadType }) => payloadType === noiseType)
  expect(noise).toHaveLength(11)
  expect(noise.map(({ payload }) => [...payload])).toEqual(noise.map(() => [127]))
  // The first sound before it, for the hangover.
  expect(a.wire.rtp.length - noise.length).toBeLessThanOrEqual(11)
  expect(b.stream.statistics().received).toMatchObject({ lost: 0, playout: { concealedMs: 0 } })
})

it('digits go between: by events, without a pause in them', async () => {
  const { time, a, b } = new TwoStreams({ sendComfortNoise }, { receiveComfortNoise }).start()
  let digits = ''
  b.stream.onDtmf = (digit) => {
    digits += digit
  }
  await time.advance(1_000)
  const sending = a.stream.sendDtmf('42')
  await time.advance(3_000)
  expect(await sending).toBe('ended')
  expect(digits).toBe('42')
  expect(b.stream.statistics().received).toMatchObject({ lost: 0, playout: { concealedMs: 0 } })
})

describe('of a far end', () => {
  const packets = (types: readonly { type: number; payload: number[]; at: number }[]) => {
    const world = new TwoStreams({}, { codec: l16, receiveComfortNoise, idle: 'nothing' })
    const sink = new Recorder()
    world.b.stream.addSink(sink)
    world.b.stream.start()
    types.forEach(({ type, payload, at }, sequenceNumber) => {
      world.time.setTimer(at, () => {
        const data = new Uint8Array(12 + payload.length)
        writeRtpHeader(data, {
          marker: false,
          payloadType: type,
          sequenceNumber,
          timestamp: at * perMs,
          ssrc: 1,
        })
        data.set(payload, 12)
        world.b.wire.onRtp?.(data)
      })
    })
    return { ...world, sink }
  }
  const sound = { type: 96, payload: Array.from({ length: 320 }, () => 0x20) }

  it('one packet is enough for a minute of noise, and a talkspurt without a marker ends it', async () => {
    const { time, sink, b } = packets([
      ...Array.from({ length: 50 }, (_, i) => ({ ...sound, at: 20 * i })),
      { type: noiseType, payload: [50], at: 1_000 },
      ...Array.from({ length: 50 }, (_, i) => ({ ...sound, at: 61_000 + 20 * i })),
    ])
    await time.advance(62_010)
    const middle = sink.samples.subarray(2_000 * perMs, 60_000 * perMs)
    expect(levelDbfs(middle)).toBeCloseTo(-50, 0)
    const loud = sink.samples.filter((sample) => sample === 0x2020).length
    // The last packets wait yet.
    expect(Math.abs(loud / perMs - 2_000)).toBeLessThan(100)
    expect(b.stream.statistics()).toMatchObject({
      received: { packets: 101, lost: 0, late: 0, playout: { concealedMs: 0, discarded: 0 } },
      dropped: {},
    })
  })

  it('noise at the very beginning, empty, or longer than any model is taken as it is', async () => {
    const { time, sink, b } = packets([
      { type: noiseType, payload: [45], at: 0 },
      { type: noiseType, payload: [], at: 500 },
      { type: noiseType, payload: [45, ...Array.from({ length: 250 }, (_, i) => i)], at: 1_000 },
    ])
    await time.advance(2_000)
    expect(levelDbfs(sink.samples.subarray(200 * perMs, 400 * perMs))).toBeCloseTo(-45, 0)
    expect(levelDbfs(sink.samples.subarray(700 * perMs, 900 * perMs))).toBe(Number.NEGATIVE_INFINITY)
    expect(b.stream.statistics()).toMatchObject({ received: { packets: 3, lost: 0 }, dropped: {} })
  })

  it('noise of another clock rate is counted, and left out', async () => {
    const { time, b } = packets([{ type: noiseType, payload: [45], at: 0 }])
    b.stream.update({
      codec: linear(16_000),
      sendPayloadType: 97,
      receivePayloadType: 97,
      receiveComfortNoise,
      ptimeMs: 20,
      direction: 'sendrecv',
    })
    await time.advance(200)
    expect(b.stream.statistics()).toMatchObject({
      received: { packets: 1, lost: 0 },
      dropped: { 'comfort noise of another clock rate than the codec': 1 },
    })
  })
})
