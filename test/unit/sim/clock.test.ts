import { describe, expect, it } from 'vitest'
import { TimeoutError } from '../../../src/errors.ts'
import { VirtualClock } from '../../../src/sim/clock.ts'

describe('a virtual clock', () => {
  it('runs timers in the order of their time, and of their arming within one instant', async () => {
    const clock = new VirtualClock()
    const ran: string[] = []
    const note = (what: string): void => {
      ran.push(`${what} at ${clock.now()}`)
    }
    clock.setTimer(20, () => note('late'))
    clock.setTimer(5.25, () => note('early'))
    clock.setTimer(20, () => note('late, armed second'))
    clock.setTimer(-3, () => note('at once'))
    await clock.advance(20)
    expect(ran).toEqual(['at once at 0', 'early at 5.25', 'late at 20', 'late, armed second at 20'])
  })

  it('keeps the order of many timers in random order', () => {
    const clock = new VirtualClock()
    const times: number[] = []
    const seen: number[] = []
    for (let i = 0; i < 1000; i++) times.push((i * 7919) % 1009)
    for (const at of times) clock.setTimer(at, () => seen.push(at))
    while (clock.step());
    expect(seen).toEqual([...times].sort((a, b) => a - b))
  })

  it('stops where it was told to, even without events', async () => {
    const clock = new VirtualClock(1_000)
    let ran = false
    clock.setTimer(11, () => {
      ran = true
    })
    await clock.advance(10)
    expect([clock.now(), clock.wallTime(), ran, clock.pendingTimers]).toEqual([10, 1_010, false, 1])
    await clock.advance(1)
    expect([ran, clock.pendingTimers]).toEqual([true, 0])
  })

  it('does not run what was cancelled, be it twice or from another timer of that instant', async () => {
    const clock = new VirtualClock()
    let ran = 0
    const first = clock.setTimer(5, () => second.cancel())
    const second = clock.setTimer(5, () => ran++)
    const third = clock.setTimer(6, () => ran++)
    third.cancel()
    third.cancel()
    expect(clock.pendingTimers).toBe(2)
    await clock.advance(10)
    first.cancel()
    expect([ran, clock.pendingTimers]).toEqual([0, 0])
  })

  it('lets promises go on between two events', async () => {
    const clock = new VirtualClock()
    const pause = (ms: number): Promise<void> => new Promise((resolve) => clock.setTimer(ms, resolve))
    const ran: string[] = []
    const task = async (name: string, ms: number): Promise<void> => {
      for (let i = 1; i <= 3; i++) {
        await pause(ms)
        await Promise.resolve()
        ran.push(`${name}${i}@${clock.now()}`)
      }
    }
    await clock.run(Promise.all([task('a', 10), task('b', 15)]))
    expect(ran).toEqual(['a1@10', 'b1@15', 'a2@20', 'b2@30', 'a3@30', 'b3@45'])
  })

  it('hands on what a task rejects with and what an event throws', async () => {
    const clock = new VirtualClock()
    await expect(clock.run(Promise.reject(new Error('task')))).rejects.toThrow('task')
    clock.setTimer(1, () => {
      throw new Error('event')
    })
    await expect(clock.advance(2)).rejects.toThrow('event')
  })

  it('says that a task can never end', async () => {
    const clock = new VirtualClock()
    clock.setTimer(7, () => undefined)
    const endless = new Promise(() => undefined)
    await expect(clock.run(endless)).rejects.toThrow(
      'the simulation stands still after 7 ms: no timer is armed and no packet is on its way',
    )
    const tick = (): void => {
      clock.setTimer(100, tick)
    }
    tick()
    await expect(clock.run(endless, 1_000)).rejects.toThrow(TimeoutError)
  })

  it('takes over the global timers and gives them back', async () => {
    const { setTimeout: realSetTimeout, clearInterval: realClearInterval } = globalThis
    const realNow = Date.now
    const clock = new VirtualClock(5_000)
    const restore = clock.installGlobals()
    const ran: string[] = []
    try {
      setTimeout((word: string) => ran.push(`${word} ${Date.now()}`), 3_600_000, 'hour')
      const cancelled = setTimeout(() => ran.push('cancelled'), 1)
      clearTimeout(cancelled)
      clearTimeout(undefined)
      const interval = setInterval(() => {
        if (ran.push('tick') === 2) clearInterval(interval)
      }, 10)
      await clock.advance(3_600_000)
    } finally {
      restore()
    }
    expect(ran).toEqual(['tick', 'tick', 'hour 3605000'])
    expect(clock.pendingTimers).toBe(0)
    expect([setTimeout, clearInterval, Date.now]).toEqual([realSetTimeout, realClearInterval, realNow])
  })
})
