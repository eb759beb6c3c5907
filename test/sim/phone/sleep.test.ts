// A machine that sleeps for hours, with a phone on it, and clocks that jump.
import { expect, test } from 'vitest'
import { Phone } from '../../../src/phone/phone.ts'
import type { Clock, Millis, Runtime, Timer } from '../../../src/runtime/runtime.ts'
import { startServer } from '../../../src/serve/server.ts'
import { natKinds } from '../../../src/sim/nat.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { expectNothingLeft, world } from './world.ts'

/** As Linux has it: timers and the monotonic clock stand still in sleep, the wall clock goes on, and may be set. */
class MachineClock implements Clock {
  private readonly timers = new Set<{ at: Millis; run: () => void; timer?: Timer }>()
  private sleptMs = 0
  private asleepSince: Millis | undefined
  private setBy = 0

  constructor(private readonly world: Clock) {}

  now(): Millis {
    return (this.asleepSince ?? this.world.now()) - this.sleptMs
  }
  wallTime(): number {
    return this.world.wallTime() + this.setBy
  }
  setTimer(delayMs: Millis, callback: () => void): Timer {
    const entry: { at: Millis; run: () => void; timer?: Timer } = {
      at: this.now() + Math.max(0, delayMs),
      run: () => {
        this.timers.delete(entry)
        callback()
      },
    }
    this.timers.add(entry)
    if (this.asleepSince === undefined) entry.timer = this.world.setTimer(delayMs, entry.run)
    return {
      cancel: () => {
        entry.timer?.cancel()
        this.timers.delete(entry)
      },
    }
  }
  sleep(): void {
    this.asleepSince = this.world.now()
    for (const { timer } of this.timers) timer?.cancel()
  }
  wake(): void {
    this.sleptMs += this.world.now() - this.asleepSince!
    this.asleepSince = undefined
    for (const entry of this.timers) entry.timer = this.world.setTimer(entry.at - this.now(), entry.run)
  }
  set(byMs: number): void {
    this.setBy += byMs
  }
}

test.each(['udp', 'tcp'] as const)(
  'a phone registers at once after its machine has slept, over %s',
  async (transport) => {
    const simulation = world()
    const { clock, internet } = simulation
    const server = '203.0.113.10'
    const nat = simulation.nat('home', '203.0.113.1', { ...natKinds.portRestricted, ports: 'random' })
    const place = nat.inside.at('192.168.1.2', { latencyMs: 10 })
    const host = simulation.host('alice', place)
    const machine = new MachineClock(clock)
    const { network, random, files } = host
    const runtime: Runtime = { clock: machine, network, random, files }
    const pass = (ms: number) => new Promise<void>((resolve) => clock.setTimer(ms, resolve))
    let registers = 0
    await clock.run(
      (async () => {
        const running = await startServer({
          runtime: simulation.host('server', internet.at(server)),
          listen: (['udp', 'tcp'] as const).map((protocol) => ({ protocol, address: server, port: 5060 })),
        })
        const caller = await UserAgent.start({
          runtime: simulation.host('bob', internet.at('203.0.113.50')),
          listen: [{ protocol: 'udp', address: '203.0.113.50', port: 5060 }],
        })
        const status = () =>
          new Promise<number>((resolve) => {
            caller.invite(
              `sip:alice@${server}`,
              { onEnded: (end) => resolve(end.status) },
              { ringTimeoutMs: 3_000 },
            )
          })
        const phone = await Phone.start({
          codecs: ['PCMU'],
          runtime,
          account: `sip:alice@${server}`,
          server: `sip:${server};transport=${transport}`,
          registerExpires: 600,
        })
        phone.onCall = (call) => void call.reject(486)
        phone.onFact = (fact) => {
          if (fact.layer === 'sip' && fact.type === 'message' && fact.summary.startsWith('REGISTER'))
            registers++
        }
        expect(await status()).toBe(486)

        machine.sleep()
        host.setInterfaces()
        await pass(3 * 3_600_000)
        // The NAT has forgotten everything, and so has the registrar.
        nat.flush()
        expect(running.registrations()).toEqual([])
        host.setInterfaces(place)
        machine.wake()
        await pass(15_000)
        expect(phone.registrationState).toMatchObject({ state: 'registered' })
        expect(await status()).toBe(486)

        // A clock that is set forward costs a REGISTER and nothing else; one that is set back nothing at all.
        registers = 0
        machine.set(3_600_000)
        await pass(5_000)
        expect(registers).toBe(1)
        machine.set(-7_200_000)
        await pass(60_000)
        expect(registers).toBe(1)
        expect(await status()).toBe(486)

        await Promise.all([phone.stop(), caller.stop()])
        running.stop()
      })(),
      10 * 3_600_000,
    )
    await expectNothingLeft(simulation)
  },
)
