// Buffer, decoder and time scaling together on networks that lose, delay and reorder, in virtual time. What is sent tells its own
// time (the value of a sample is its millisecond), so that each frame heard shows how long it has been on the way.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { hasHeard } from '../../../src/audio/recognise.ts'
import type { Codec } from '../../../src/codec/codec.ts'
import { pcmu } from '../../../src/codec/g711.ts'
import { g722 } from '../../../src/codec/g722.ts'
import { JitterBuffer } from '../../../src/rtp/jitter-buffer.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import { Playout } from '../../../src/stream/playout.ts'
import { playoutBounds } from '../../../src/stream/playout-bounds.ts'
import { l16, linear } from './two-streams.ts'

const packetMs = 20
const wrapMs = 30_000
const basicMs = 30

interface Sent {
  /** Of the sender's clock: what timestamp and content say. */
  mediaMs: number
  arrivedMs: number | undefined
  marker?: boolean
  /** Where the sender's timestamps differ from its content. */
  timestampMs?: number
}

/** Packets every 20 ms; `delay` of each, undefined loses it. */
const packets = (
  count: number,
  delay: (index: number) => number | undefined,
  { inOrder = true, driftPpm = 0 } = {},
): Sent[] => {
  let last = 0
  return Array.from({ length: count }, (_, index) => {
    const delayMs = delay(index)
    if (delayMs === undefined) return { mediaMs: index * packetMs, arrivedMs: undefined }
    const arrivedMs = index * packetMs * (1 - driftPpm / 1e6) + delayMs
    last = Math.max(last, arrivedMs)
    return { mediaMs: index * packetMs, arrivedMs: inOrder ? last : arrivedMs }
  })
}
const position = (perMs: number, ms: number): Int16Array =>
  Int16Array.from({ length: packetMs * perMs }, (_, i) => (Math.floor(ms + i / perMs) % wrapMs) + 1_000)

interface Listening {
  codec?: Codec
  content?: (ms: number) => Int16Array
  playoutDelay?: Parameters<typeof playoutBounds>[0]
  /** Between two frames of ours; more than 20: we are slower than real time. */
  frameMs?: number
  onFrame?: (frame: Int16Array, playout: Playout, now: number) => void
}

/** Plays what arrives, a frame at a time, and records. */
function listen(sent: Sent[], options: Listening = {}) {
  const { codec = l16, playoutDelay, frameMs = packetMs, onFrame } = options
  const perMs = codec.sampleRateHz / 1000
  const { content = (ms) => position(perMs, ms) } = options
  const buffer = new JitterBuffer(codec.clockRateHz, playoutBounds(playoutDelay))
  const playout = new Playout(codec, buffer)
  playout.use(0, codec)
  const encoder = codec.createEncoder()
  const out = new Uint8Array(2 * packetMs * perMs)
  const encode = ({ mediaMs }: Sent) => out.subarray(0, encoder.encode(content(mediaMs), out))
  // A codec that remembers is told everything in order; else packets are made as they come.
  const payloads = options.content && sent.map((packet) => encode(packet).slice())
  const arrivals = sent
    .map((packet, sequence) => ({ ...packet, sequence }))
    .filter((packet) => packet.arrivedMs !== undefined)
    .sort((a, b) => a.arrivedMs! - b.arrivedMs!)
  const endMs = arrivals.at(-1)!.arrivedMs! + 60
  const frame = new Int16Array(packetMs * perMs)
  const recording = new Int16Array(Math.ceil(endMs / frameMs) * frame.length)
  let [next, frames, late] = [0, 0, 0]
  for (let now = 0; now < endMs; now += frameMs) {
    for (let due = arrivals[next]; due && due.arrivedMs! <= now; due = arrivals[++next]) {
      const timestamp = (((due.timestampMs ?? due.mediaMs) * codec.clockRateHz) / 1000) >>> 0
      const verdict = buffer.insert(
        due.sequence,
        timestamp,
        due.marker ?? false,
        0,
        payloads?.[due.sequence] ?? encode(due),
      )
      if (verdict === 'late') late++
    }
    playout.read(frame)
    recording.set(frame, frames++ * frame.length)
    onFrame?.(frame, playout, now)
  }
  return { recording: recording.subarray(0, frames * frame.length), playout, late, endMs }
}

/** How long what is heard has been on the way, frame by frame; frames without sound are passed over. */
function delaysOf(sent: Sent[], options: Listening = {}) {
  const delays: { now: number; ms: number; stepMs: number }[] = []
  let before: number | undefined
  const heard = listen(sent, {
    ...options,
    onFrame: (frame, _, now) => {
      const value = frame[0]!
      // Silence, or where the time of the content wraps.
      if (value < 1_000 || frame.at(-1)! < value || frame.at(-1)! > value + 3 * packetMs) {
        before = undefined
        return
      }
      const age = (((now - (value - 1_000)) % wrapMs) + wrapMs) % wrapMs
      const stepMs = before === undefined ? packetMs : (value - before + wrapMs) % wrapMs
      before = value
      delays.push({ now, ms: age, stepMs })
    },
  })
  return { ...heard, delays }
}

const speech = (name: string): Int16Array => {
  const wav = readFileSync(new URL(`../../../media/${name}.wav`, import.meta.url))
  return new Int16Array(wav.buffer.slice(wav.byteOffset + 44, wav.byteOffset + (wav.length & ~1)))
}
/** How like the original speech is what is heard of it. */
function likeness(codec: Codec, trace: (count: number) => Sent[], options: Listening = {}) {
  const perMs = codec.sampleRateHz / 1000
  const samples = speech(perMs === 8 ? 'hello-8k' : 'hello-16k')
  const count = Math.floor(samples.length / (packetMs * perMs))
  const content = (ms: number) => samples.subarray(ms * perMs, (ms + packetMs) * perMs)
  const heard = listen(trace(count), { codec, content, ...options })
  const { sampleRateHz } = codec
  const hearing = hasHeard({ samples: heard.recording, sampleRateHz }, { samples, sampleRateHz })
  return { ...heard, hearing, seconds: samples.length / sampleRateHz }
}

/** Gilbert's model with a mean run of lost packets. */
const losing = (share: number, meanRun: number, seed: number) => {
  const random = new SeededRandom(seed)
  let lost = false
  return () => {
    lost = random.chance(lost ? 1 - 1 / meanRun : share / (1 - share) / meanRun)
    return lost
  }
}

describe('speech through losses', () => {
  it.each([1, 5, 10, 20])('of %i percent is heard, concealed and on time', (percent) => {
    for (const codec of [pcmu, g722])
      for (const meanRun of [1 / (1 - percent / 100), 4]) {
        const isLost = losing(percent / 100, meanRun, percent)
        const trace = (count: number) => packets(count, () => (isLost() ? undefined : basicMs))
        const { hearing, recording, endMs, playout, late, seconds } = likeness(codec, trace)
        const name = `${codec.name}, runs of ${meanRun}`
        expect(hearing.heard, name).toBe(true)
        expect(hearing.score, name).toBeGreaterThan(1 - percent / 100)
        expect(hearing.offsetMs, name).toBeLessThanOrEqual(100)
        expect(recording.length, name).toBe((codec.sampleRateHz * Math.ceil(endMs / packetMs)) / 50)
        expect(late, name).toBe(0)
        expect(playout.changes.concealedMs / seconds / 10, name).toBeLessThan(2 * percent + 5)
        expect(playout.delayMs, name).toBeLessThanOrEqual(40)
      }
  })
})

describe('speech through jitter', () => {
  it.each([10, 30, 100, 300])('of %i ms is heard whole, in order and out of order', (jitterMs) => {
    for (const inOrder of [true, false]) {
      const random = new SeededRandom(jitterMs)
      const trace = (count: number) =>
        packets(count, () => basicMs + random.fraction() * jitterMs, { inOrder })
      const { hearing, playout, late, seconds } = likeness(pcmu, trace)
      const name = inOrder ? 'in order' : 'out of order'
      expect(hearing.score, name).toBeGreaterThan(inOrder ? 0.95 : 0.85)
      expect(late / (50 * seconds), name).toBeLessThan(inOrder ? 0.001 : 0.15)
      expect(playout.delayMs, name).toBeLessThanOrEqual(jitterMs + 40)
    }
  })

  it('that ends: the delay comes down again, without a leap', () => {
    const random = new SeededRandom(11)
    const sent = packets(4_500, (i) => basicMs + (i < 1500 ? random.fraction() * 150 : 0))
    const { delays } = delaysOf(sent)
    expect(delays.find(({ now }) => now > 29_000)!.ms).toBeGreaterThan(100)
    const after = delays.filter(({ now }) => now > 31_000)
    expect(after.at(-1)!.ms).toBeLessThanOrEqual(80)
    for (const { now, stepMs } of after) expect(Math.abs(stepMs - packetMs), `${now}`).toBeLessThanOrEqual(15)
  })

  it('is what the delay is fitted to, within its bounds', () => {
    const random = new SeededRandom(12)
    const jittering = packets(3_000, () => basicMs + random.fraction() * 120, { inOrder: false })
    const bounded = (playoutDelay: Listening['playoutDelay']) => {
      const { delays, late } = delaysOf(jittering, { playoutDelay })
      const settled = delays.filter(({ now }) => now > 20_000).map(({ ms }) => ms)
      return { late, meanMs: settled.reduce((sum, ms) => sum + ms, 0) / settled.length }
    }
    const [short, fitted, long] = [bounded({ maximumMs: 20 }), bounded(undefined), bounded(200)]
    expect(short.late).toBeGreaterThan(10 * fitted.late)
    expect(fitted.late).toBeLessThan(0.03 * 3_000)
    expect(long.late).toBe(0)
    expect(short.meanMs).toBeLessThan(fitted.meanMs)
    expect(fitted.meanMs).toBeLessThan(200)
    expect(long.meanMs).toBeGreaterThan(230)
  })
})

it('packets that overtake others within the delay are heard in their order', () => {
  const sent = packets(1_000, (i) => basicMs + (i % 10 === 4 ? 50 : 0), { inOrder: false })
  const { delays, late } = delaysOf(sent, { playoutDelay: 60 })
  expect(late).toBe(0)
  for (const { stepMs } of delays) expect(stepMs).toBe(packetMs)
  expect(new Set(delays.map(({ ms }) => ms)).size).toBe(1)
})

it('a burst that was held up is heard whole, later, and the delay comes down after it', () => {
  const sent = packets(1_500, (i) => basicMs + (i >= 500 && i < 515 ? (515 - i) * packetMs : 0))
  const { delays, late, playout } = delaysOf(sent)
  expect(late).toBe(0)
  const around = (from: number, to: number) =>
    delays.filter(({ now }) => now > from && now < to).map(({ ms }) => ms)
  expect(Math.max(...around(8_000, 9_900))).toBeLessThanOrEqual(80)
  expect(Math.max(...around(10_300, 10_800))).toBeGreaterThan(250)
  expect(Math.max(...around(16_000, 29_000))).toBeLessThanOrEqual(80)
  expect(playout.changes.shortenedMs).toBeGreaterThan(200)
})

it('a path that becomes 150 ms longer is followed at once, and so is one that becomes shorter', () => {
  const sent = packets(4_500, (i) => basicMs + (i >= 500 && i < 1_500 ? 150 : 0))
  const { delays, late } = delaysOf(sent)
  expect(late).toBe(0)
  const at = (from: number) => delays.find(({ now }) => now >= from)!.ms
  expect(at(9_000)).toBeLessThanOrEqual(80)
  expect(at(10_500)).toBeGreaterThanOrEqual(180)
  expect(at(29_000)).toBeLessThanOrEqual(240)
  expect(at(85_000)).toBeLessThanOrEqual(100)
})

describe.each([200, -200])('a sender whose clock is %i ppm fast', (driftPpm) => {
  it('is followed for an hour without a leap or a loss', () => {
    const random = new SeededRandom(3)
    const sent = packets(180_000, () => basicMs + random.fraction() * 10, { driftPpm })
    const { delays, late, playout } = delaysOf(sent)
    expect(late).toBe(0)
    let [shortest, longest, steps] = [Number.POSITIVE_INFINITY, 0, 0]
    for (const { now, ms, stepMs } of delays) {
      const onTheWay = (((ms + (now * driftPpm) / 1e6) % wrapMs) + wrapMs) % wrapMs
      shortest = Math.min(shortest, onTheWay)
      longest = Math.max(longest, onTheWay)
      if (Math.abs(stepMs - packetMs) > packetMs) steps++
    }
    expect(shortest).toBeGreaterThanOrEqual(basicMs)
    expect(longest).toBeLessThan(basicMs + 10 + 20 + 20 + 40)
    expect(steps).toBe(0)
    // An hour of it is 720 ms.
    const { shortenedMs, stretchedMs, concealedMs } = playout.changes
    if (driftPpm > 0) expect(shortenedMs - stretchedMs - concealedMs).toBeGreaterThan(600)
    else expect(stretchedMs + concealedMs - shortenedMs).toBeGreaterThan(600)
  })
})

describe('after 30 s of silence', () => {
  const afterPause = (timestampsGoOn: boolean): Sent[] =>
    packets(1_000, () => basicMs).map((packet, i) => {
      if (i < 500) return packet
      const mediaMs = packet.mediaMs + 30_000
      const timestampMs = timestampsGoOn ? mediaMs : packet.mediaMs
      return { mediaMs, timestampMs, arrivedMs: mediaMs + basicMs, marker: i === 500 }
    })

  it.each([true, false])(
    'speech is heard from its first sample on (timestamps go on: %s)',
    (timestampsGoOn) => {
      const { delays, late } = delaysOf(afterPause(timestampsGoOn))
      expect(late).toBe(0)
      const first = delays.find(({ now }) => now > 20_000)!
      expect(first.now - first.ms).toBeLessThanOrEqual(40_000)
      expect(first.ms).toBeLessThanOrEqual(90)
      expect(delays.at(-1)!.ms).toBeLessThanOrEqual(80)
    },
  )
})

it('a reader slower than real time hears everything a little faster, no later and later', () => {
  const sent = packets(4_500, () => basicMs)
  const { delays, late, playout } = delaysOf(sent, { frameMs: 20.2 })
  expect(late).toBe(0)
  expect(playout.changes.concealedMs).toBeLessThan(100)
  const latest = (from: number, to: number) =>
    Math.max(...delays.filter(({ now }) => now > from && now < to).map(({ ms }) => ms))
  expect(latest(80_000, 90_000)).toBeLessThanOrEqual(latest(40_000, 50_000) + 20)
  expect(latest(0, 90_000)).toBeLessThan(450)
  expect(playout.changes.shortenedMs).toBeGreaterThan(0.005 * 90_000)
})

it('keeps time at every rate a codec has', () => {
  for (const codec of [linear(16_000, 8_000), linear(48_000)]) {
    const random = new SeededRandom(4)
    const sent = packets(2_500, (i) => basicMs + (i < 500 ? random.fraction() * 100 : 0))
    const { delays, late } = delaysOf(sent, { codec })
    expect(late).toBe(0)
    expect(delays.at(-1)!.ms).toBeLessThanOrEqual(100)
    for (const { stepMs } of delays) expect(stepMs).toBeLessThanOrEqual(36)
  }
})

it('a delay is a number, or bounds in their order', () => {
  expect(playoutBounds()).toEqual({ minimumMs: 20, maximumMs: 400 })
  expect(playoutBounds(60)).toEqual({ minimumMs: 60, maximumMs: 60 })
  expect(playoutBounds({ minimumMs: 500 })).toEqual({ minimumMs: 500, maximumMs: 500 })
  expect(playoutBounds({ maximumMs: 100 })).toEqual({ minimumMs: 20, maximumMs: 100 })
  for (const wrong of [-1, Number.NaN, 6_000, { minimumMs: 100, maximumMs: 50 }, { maximumMs: 10 }])
    expect(() => playoutBounds(wrong)).toThrow(/playoutDelay cannot be/)
})
