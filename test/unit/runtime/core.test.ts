import { describe, expect, it } from 'vitest'
import { addressFamily, formatAddress, sameAddress } from '../../../src/runtime/address.ts'
import { type Core, CoreDriver, type Datagram, type Deadline } from '../../../src/runtime/core.ts'
import type { Millis } from '../../../src/runtime/runtime.ts'
import { VirtualClock } from '../../../src/sim/clock.ts'

const END = { address: '192.0.2.1', port: 1 }
const datagram = (byte: number): Datagram => ({ data: Uint8Array.of(byte), local: END, remote: END })

/** Repeats a datagram every 10 ms, `left` times, and tells of each. */
class Repeater implements Core<string> {
  private readonly out: Datagram[] = []
  private readonly events: string[] = []
  private deadline: Deadline | undefined

  constructor(private left: number) {}

  start(now: Millis): string {
    this.handleTimeout(now)
    return 'started'
  }
  say(word: string): void {
    this.events.push(word)
  }
  handleDatagram(_now: Millis, { data }: Datagram): void {
    this.events.push(`got ${data[0]}`)
  }
  handleTimeout(now: Millis): void {
    this.out.push(datagram(this.left))
    this.events.push(`sent ${this.left} at ${now}`)
    this.left--
    this.deadline = this.left > 0 ? { at: now + 10, why: 'repeat' } : undefined
  }
  pollTransmit(): Datagram | undefined {
    return this.out.shift()
  }
  pollEvent(): string | undefined {
    return this.events.shift()
  }
  nextTimeout(): Deadline | undefined {
    return this.deadline
  }
}

describe('a driver of a core', () => {
  it('sends, tells and re-arms its one deadline until there is none', async () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    const core = new Repeater(3)
    const driver = new CoreDriver(
      core,
      clock,
      ({ data }) => seen.push(`wire ${data[0]}`),
      (event) => seen.push(event),
    )
    expect(driver.drive((now) => core.start(now))).toBe('started')
    expect(clock.pendingTimers).toBe(1)
    driver.drive((now) => core.handleDatagram(now, datagram(9)))
    expect(clock.pendingTimers).toBe(1)
    await clock.advance(100)
    expect(seen).toEqual([
      ...['wire 3', 'sent 3 at 0', 'got 9'],
      ...['wire 2', 'sent 2 at 10', 'wire 1', 'sent 1 at 20'],
    ])
    expect(clock.pendingTimers).toBe(0)
  })

  it('drains what a handler drives in the outer drain, in order', () => {
    const seen: string[] = []
    const core = new Repeater(0)
    const driver = new CoreDriver(
      core,
      new VirtualClock(),
      () => undefined,
      (event) => {
        if (event === 'first') driver.drive(() => core.say('third'))
        seen.push(event)
      },
    )
    driver.drive(() => {
      core.say('first')
      core.say('second')
    })
    expect(seen).toEqual(['first', 'second', 'third'])
  })

  it('is silent once it was stopped, be it by one of its own events', async () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    const core = new Repeater(3)
    const driver = new CoreDriver(
      core,
      clock,
      () => undefined,
      (event) => {
        seen.push(event)
        driver.stop()
      },
    )
    driver.drive((now) => {
      core.start(now)
      core.say('unheard')
    })
    await clock.advance(100)
    expect([seen, clock.pendingTimers]).toEqual([['sent 3 at 0'], 0])
  })
})

describe('transport addresses', () => {
  it('have a text form, a family and an identity', () => {
    const v6 = { address: '2001:db8::1', port: 5060 }
    expect([formatAddress(END), formatAddress(v6)]).toEqual(['192.0.2.1:1', '[2001:db8::1]:5060'])
    expect([addressFamily(END.address), addressFamily(v6.address)]).toEqual([4, 6])
    expect([sameAddress(v6, { ...v6 }), sameAddress(v6, { ...v6, port: 1 })]).toEqual([true, false])
  })
})
