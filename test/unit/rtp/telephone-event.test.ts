import { describe, expect, it } from 'vitest'
import {
  type EventPacket,
  EventReceiver,
  EventTrain,
  eventOfDigit,
  type ReceivedEvent,
  writeEvent,
} from '../../../src/rtp/telephone-event.ts'

const payload = (event: number, durationTicks: number, end = false): Uint8Array => {
  const out = new Uint8Array(4)
  writeEvent(out, 0, { event, timestamp: 0, marker: false, end, durationTicks })
  return out
}
const train = (event: number, timestamp: number, durationTicks: number): EventPacket[] => {
  const source = new EventTrain(event, timestamp, durationTicks)
  const packets: EventPacket[] = []
  while (!source.finished) {
    packets.push(source.next(160))
  }
  return packets
}
const receiver = () => {
  const heard: ReceivedEvent[] = []
  return { heard, events: new EventReceiver((event) => heard.push(event)) }
}

describe('telephone-event, sending', () => {
  it('marks the start, updates every packet time, ends three times, keeps the timestamp', () => {
    const packets = train(5, 1234, 800)
    expect(packets.map((p) => [p.marker, p.end, p.durationTicks])).toEqual([
      [true, false, 160],
      [false, false, 320],
      [false, false, 480],
      [false, false, 640],
      [false, true, 800],
      [false, true, 800],
      [false, true, 800],
    ])
    expect(new Set(packets.map((p) => p.timestamp))).toEqual(new Set([1234]))
  })

  it('ends an event shorter than a packet, and one whose length is no multiple of a packet', () => {
    expect(train(1, 0, 100).map((p) => [p.end, p.durationTicks])).toEqual([
      [false, 100],
      ...Array(3).fill([true, 100]),
    ])
    expect(train(1, 0, 400).at(-1)).toMatchObject({ end: true, durationTicks: 400 })
  })

  it('never lets the duration overflow its field', () => {
    const packets = train(1, 0, 100_000)
    expect(packets.at(-1)!.durationTicks).toBe(65_535)
  })

  it('writes the four octets of RFC 4733 2.3', () => {
    expect(payload(11, 0x1234, true)).toEqual(Uint8Array.of(11, 0x80 | 10, 0x12, 0x34))
    expect(['0', '9', '*', '#', 'A', 'd'].map(eventOfDigit)).toEqual([0, 9, 10, 11, 12, 15])
    expect(['', 'E', '12', ' '].map(eventOfDigit)).toEqual(Array(4).fill(undefined))
  })
})

describe('telephone-event, receiving', () => {
  it('hands a digit out once, whichever single packet survives', () => {
    const packets = train(7, 4000, 800)
    for (const survivor of packets) {
      const { heard, events } = receiver()
      events.receive(payload(survivor.event, survivor.durationTicks, survivor.end), survivor.timestamp, 0)
      events.handleTimeout(149)
      events.handleTimeout(150)
      events.handleTimeout(1000)
      expect(heard).toEqual([{ digit: '7', durationTicks: survivor.durationTicks }])
    }
  })

  it('is not confused by duplicates, order or packets after the end', () => {
    const { heard, events } = receiver()
    for (const [duration, end] of [
      [320, false],
      [160, false],
      [800, true],
      [640, false],
      [800, true],
    ] as const)
      events.receive(payload(3, duration, end), 99, 0)
    events.handleTimeout(10_000)
    expect(heard).toEqual([{ digit: '3', durationTicks: 800 }])
  })

  it('ends a digit when the next begins, and tells two equal digits apart by their timestamps', () => {
    const { heard, events } = receiver()
    events.receive(payload(1, 160), 1000, 0)
    events.receive(payload(1, 160), 3000, 100)
    events.receive(payload(1, 320, true), 1000, 110) // an echo of the first
    events.receive(payload(2, 480, true), 5000, 200)
    expect(heard.map((e) => e.digit).join('')).toBe('112')
  })

  it('joins the segments of an event longer than the field (RFC 4733 2.5.1.3)', () => {
    const { heard, events } = receiver()
    const start = 2 ** 32 - 1000
    events.receive(payload(0, 65_535), start, 0)
    events.receive(payload(0, 65_535), (start + 65_535) >>> 0, 10)
    events.receive(payload(0, 930, true), (start + 2 * 65_535) >>> 0, 20)
    expect(heard).toEqual([{ digit: '0', durationTicks: 2 * 65_535 + 930 }])
  })

  it('hears a sender that begins a new time line far behind the old one', () => {
    const { heard, events } = receiver()
    events.receive(payload(1, 800, true), 2_000_000_000, 0)
    events.receive(payload(2, 800, true), 1000, 1000)
    expect(heard.map((e) => e.digit).join('')).toBe('12')
  })

  it('refuses what is no digit', () => {
    const { heard, events } = receiver()
    expect(events.receive(Uint8Array.of(1, 2, 3), 0, 0)).toBe(false)
    expect(events.receive(payload(16, 160, true), 0, 0)).toBe(false)
    expect(heard).toEqual([])
  })
})
