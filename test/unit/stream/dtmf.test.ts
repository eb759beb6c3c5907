import { describe, expect, it } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import { ArraySource, l16, ramp, TwoStreams } from './two-streams.ts'

const digitsAt = (world: TwoStreams) => {
  const heard: { digit: string; durationMs: number; at: number }[] = []
  world.b.stream.onDtmf = (digit, durationMs) => heard.push({ digit, durationMs, at: world.time.now() })
  return heard
}

describe('DTMF between two streams', () => {
  it('arrives digit by digit, with its durations and pauses', async () => {
    const world = new TwoStreams().start()
    const heard = digitsAt(world)
    const sent = world.a.stream.sendDtmf('12w3#', { durationMs: 120, gapMs: 80 })
    expect(await world.time.run(sent)).toBe('ended')
    expect(heard.map((h) => h.digit).join('')).toBe('123#')
    expect(heard.map((h) => h.durationMs)).toEqual([120, 120, 120, 120])
    const steps = heard.slice(1).map((h, i) => h.at - heard[i]!.at)
    expect(steps).toEqual([200, 700, 200])
    const facts = [...world.a.facts, ...world.b.facts].filter((f) => f.type === 'dtmf')
    expect(facts.map((f) => `${f.direction} ${f.digit} ${f.durationMs}`)).toEqual([
      ...['1', '2', '3', '#'].map((d) => `sent ${d} 120`),
      ...['1', '2', '3', '#'].map((d) => `received ${d} 120`),
    ])
  })

  it('keeps one timestamp a digit, whose distance is the time between them', async () => {
    const world = new TwoStreams().start()
    await world.time.run(world.a.stream.sendDtmf('55', { durationMs: 100, gapMs: 100 }))
    const events = world.a.wire.rtp.filter((p) => p.payloadType === 101)
    const timestamps = [...new Set(events.map((p) => p.timestamp))]
    expect(timestamps).toHaveLength(2)
    expect(timestamps[1]! - timestamps[0]!).toBe(200 * 8)
    // A start, 3 updates, 3 ends.
    expect(events).toHaveLength(14)
    expect(events.filter((p) => p.marker)).toHaveLength(2)
    const audioBetween = world.a.wire.rtp.filter(
      (p) => p.payloadType === 96 && p.at > events[6]!.at && p.at < events[7]!.at,
    )
    expect(audioBetween.length).toBeGreaterThan(0)
    expect(audioBetween[0]!.marker).toBe(true)
  })

  it('survives 10 % loss, bursts, duplication and reordering', async () => {
    const digits = '0123456789*#ABCD'
    for (let seed = 1; seed <= 25; seed++) {
      const random = new SeededRandom(seed)
      const world = new TwoStreams().start()
      let burst = 0
      world.a.wire.delay = () => {
        if (burst > 0) burst--
        else if (random.chance(0.06)) burst = random.integer(3)
        else return random.chance(0.1) ? 30 : 0
        return undefined
      }
      const heard = digitsAt(world)
      await world.time.run(world.a.stream.sendDtmf(digits, { durationMs: 100, gapMs: 100 }))
      await world.time.advance(300)
      expect(heard.map((h) => h.digit).join(''), `seed ${seed}`).toBe(digits)
      world.a.stream.stop()
      world.b.stream.stop()
    }
  })

  it('pauses the file meanwhile and loses nothing of it', async () => {
    const world = new TwoStreams({ idle: 'nothing' }).start()
    const samples = ramp(3200)
    const played = world.a.stream.play(new ArraySource(samples), 'x')
    const sent = world.a.stream.sendDtmf('1')
    expect(await world.time.run(Promise.all([played, sent]))).toEqual(['ended', 'ended'])
    expect(world.a.wire.rtp.filter((p) => p.payloadType === 96)).toHaveLength(20)
  })

  it('waits for the path, and while the peer holds', async () => {
    const world = new TwoStreams({ idle: 'nothing' }).start()
    const heard = digitsAt(world)
    world.a.wire.up = false
    const sent = world.a.stream.sendDtmf('9')
    await world.time.advance(1000)
    world.a.wire.up = true
    await world.time.run(sent)
    await world.time.advance(200)
    expect(heard).toMatchObject([{ digit: '9', durationMs: 100 }])
  })

  it('queues; a stop ends the wait', async () => {
    const world = new TwoStreams().start()
    const heard = digitsAt(world)
    const both = [world.a.stream.sendDtmf('1'), world.a.stream.sendDtmf('2'), world.a.stream.sendDtmf('3')]
    await world.time.run(both[1]!)
    world.a.stream.stop()
    expect(await Promise.all(both)).toEqual(['ended', 'ended', 'stopped'])
    expect(heard.map((h) => h.digit).join('')).toBe('12')
  })

  it('says at once what cannot be sent', () => {
    const world = new TwoStreams().start()
    const { stream } = world.a
    expect(() => stream.sendDtmf('12x')).toThrow('"x" is no DTMF digit')
    expect(() => stream.sendDtmf('1', { durationMs: 0 })).toThrow(UsageError)
    expect(() => stream.sendDtmf('1', { durationMs: 9000 })).toThrow('8191 ms')
    expect(() => stream.sendDtmf('1', { gapMs: -1 })).toThrow(UsageError)
    stream.update({
      codec: l16,
      sendPayloadType: 96,
      receivePayloadType: 96,
      ptimeMs: 20,
      direction: 'sendrecv',
    })
    expect(() => stream.sendDtmf('1')).toThrow('accepts no telephone-event')
  })
})
