// Registered for a day, and for a month, whatever happens to servers, NATs, addresses and names: outside of the time that a mishap
// and its mending take, every call arrives. In virtual time, with whole phones.
import { describe, expect, test } from 'vitest'
import { Phone } from '../../../src/phone/phone.ts'
import { type RunningServer, type ServeOptions, startServer } from '../../../src/serve/server.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { type Nat, type NatBehaviour, natKinds } from '../../../src/sim/nat.ts'
import type { Simulation } from '../../../src/sim/simulate.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { expectNothingLeft, world } from './world.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const addresses = ['203.0.113.10', '203.0.113.11'] as const
const name = 'pbx.example'

class Scene {
  readonly simulation: Simulation
  readonly hosts: VirtualHost[]
  readonly nat: Nat
  readonly phoneHost: VirtualHost
  phone!: Phone
  private readonly running: (RunningServer | undefined)[] = []
  private caller!: UserAgent
  private moves = 0
  private readonly options: Partial<ServeOptions> = {}

  constructor(
    seed: number,
    private readonly transport: 'udp' | 'tcp',
    behaviour: NatBehaviour,
  ) {
    this.simulation = world(seed)
    const { internet } = this.simulation
    this.hosts = addresses.map((address) => this.simulation.host(address, internet.at(address)))
    this.nat = this.simulation.nat('home', '203.0.113.100', behaviour, { link: { latencyMs: 20 } })
    this.phoneHost = this.simulation.host('alice', this.nat.inside.at('192.168.1.2'))
    this.simulation.setName(name, [addresses[0]])
  }

  async open(expiresSeconds: number): Promise<void> {
    await this.startServer(0)
    this.caller = await UserAgent.start({
      runtime: this.simulation.host('bob', this.simulation.internet.at('203.0.113.50')),
      listen: [{ protocol: 'udp', address: '203.0.113.50', port: 5060 }],
    })
    this.phone = await Phone.start({
      codecs: ['PCMU'],
      runtime: this.phoneHost,
      account: `sip:alice@${name}`,
      password: 'a1',
      server: `sip:${name};transport=${this.transport}`,
      registerExpires: expiresSeconds,
    })
    this.phone.onCall = (call) => void call.reject(486)
  }

  async startServer(i: number): Promise<void> {
    this.running[i] = await startServer({
      runtime: this.hosts[i]!,
      listen: (['udp', 'tcp'] as const).map((protocol) => ({ protocol, address: addresses[i]!, port: 5060 })),
      users: { alice: 'a1' },
      ...this.options,
    })
  }

  stopServer(i: number): void {
    this.running[i]?.stop()
    this.running[i] = undefined
  }

  /** The server forgets everything: bindings, nonces, connections. */
  async restartServer(downMs: number): Promise<void> {
    this.stopServer(0)
    await this.pass(downMs)
    await this.startServer(0)
  }

  async shortenExpiry(longestExpiresSeconds: number): Promise<void> {
    Object.assign(this.options, { longestExpiresSeconds })
    await this.restartServer(1_000)
  }

  /** To the next private address, behind the same NAT. */
  renumberHost(): void {
    this.phoneHost.setInterfaces(this.nat.inside.at(`192.168.1.${3 + (this.moves++ % 200)}`))
  }

  renumberNat(): void {
    this.nat.renumber(`203.0.113.${101 + (this.moves++ % 100)}`)
  }

  /** The name leads to the other server, and the first one ends. */
  async moveName(from: 0 | 1): Promise<void> {
    const to = 1 - from
    await this.startServer(to)
    this.simulation.setName(name, [addresses[to]!])
    this.stopServer(from)
  }

  pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.simulation.clock.setTimer(ms, resolve))
  }

  /** Whether a call through that server reaches the phone: it is busy. */
  async callArrives(i = 0): Promise<boolean> {
    const status = await new Promise<number>((resolve) => {
      this.caller.invite(
        `sip:alice@${addresses[i]}`,
        { onEnded: (end) => resolve(end.status) },
        { ringTimeoutMs: 5_000 },
      )
    })
    return status === 486
  }

  async close(): Promise<void> {
    await Promise.all([this.phone.stop(), this.caller.stop()])
    this.stopServer(0)
    this.stopServer(1)
  }
}

/** For that long after a mishap calls may be lost: what a phone needs to notice and to mend it. */
const mendingMs = 2 * minuteMs
const isPart = (part: number, whole: number): boolean => part % whole === 0

async function live(
  scene: Scene,
  plan: { hours: number; callEveryMs: number; expiresSeconds: number; mishapEveryMs: number },
): Promise<{ calls: number; mishaps: number; lost: string[]; lostWhileMending: number }> {
  const { clock, random } = scene.simulation
  const dice = random.fork('mishaps')
  const lost: string[] = []
  let calls = 0
  let lostWhileMending = 0
  await scene.open(plan.expiresSeconds)
  let last = 'start'
  let mendedAt = 0
  let nextMishapAt = plan.mishapEveryMs
  const mishaps: [string, () => void | Promise<void>][] = [
    ['server restarted', () => scene.restartServer(1_000 + dice.integer(60_000))],
    ['NAT restarted', () => scene.nat.flush()],
    ['NAT renumbered', () => scene.renumberNat()],
    ['host renumbered', () => scene.renumberHost()],
    ['expiry shortened', () => scene.shortenExpiry(30 + dice.integer(60))],
  ]
  let done = 0
  while (clock.now() < plan.hours * hourMs) {
    await scene.pass(plan.callEveryMs)
    if (clock.now() >= nextMishapAt) {
      const [what, happens] =
        mishaps[isPart(done, 2) ? (done / 2) % mishaps.length : dice.integer(mishaps.length)]!
      done++
      await happens()
      last = `${what} at ${Math.round(clock.now() / 1000)} s`
      mendedAt = clock.now() + mendingMs
      nextMishapAt = clock.now() + plan.mishapEveryMs / 2 + dice.integer(plan.mishapEveryMs)
    }
    const isMending = clock.now() < mendedAt
    calls++
    if (await scene.callArrives()) continue
    if (isMending) lostWhileMending++
    else lost.push(`call at ${Math.round(clock.now() / 1000)} s, after: ${last}`)
  }
  await scene.close()
  if (process.env['SIM_DAYS']) console.log({ calls, mishaps: done, lost, lostWhileMending })
  return { calls, mishaps: done, lost, lostWhileMending }
}

const randomPorts: NatBehaviour = { ...natKinds.portRestricted, ports: 'random', udpLifetimeMs: 30_000 }

/** SIM_DAYS=30 for a month, and a call every ten minutes. */
const days = Number(process.env['SIM_DAYS'] ?? 1)
const callEveryMs = (days > 1 ? 10 : 1) * minuteMs

describe(`${days * 24} hours of registration: every call arrives`, () => {
  test.each([
    ['udp', 'a NAT that forgets after 30 s', randomPorts, 1],
    ['udp', 'a symmetric NAT', { ...natKinds.symmetric, udpLifetimeMs: 60_000 }, 2],
    ['tcp', 'a NAT', randomPorts, 3],
  ] as const)(
    'over %s, behind %s',
    { timeout: days * 240_000 },
    async (transport, _name, behaviour, seed) => {
      const scene = new Scene(seed, transport, behaviour)
      const { clock } = scene.simulation
      const hours = days * 24
      const plan = { hours, callEveryMs, expiresSeconds: 60, mishapEveryMs: 40 * minuteMs }
      const outcome = await clock.run(live(scene, plan), 2 * hours * hourMs)
      expect(outcome.lost).toEqual([])
      expect(outcome.calls).toBeGreaterThan((0.8 * hours * hourMs) / callEveryMs)
      // There were mishaps, and each cost the call that came in its midst at most.
      expect(outcome.mishaps).toBeGreaterThan(hours)
      expect(outcome.lostWhileMending).toBeGreaterThan(0)
      expect(outcome.lostWhileMending).toBeLessThanOrEqual(outcome.mishaps)
      await expectNothingLeft(scene.simulation)
    },
  )
})

test.each(['udp', 'tcp'] as const)(
  'follows a name that leads to another server, over %s',
  async (transport) => {
    const scene = new Scene(4, transport, randomPorts)
    await scene.simulation.clock.run(
      (async () => {
        await scene.open(60)
        expect(await scene.callArrives(0)).toBe(true)
        await scene.moveName(0)
        await scene.pass(3 * minuteMs)
        expect(await scene.callArrives(1)).toBe(true)
        await scene.moveName(1)
        await scene.pass(3 * minuteMs)
        expect(await scene.callArrives(0)).toBe(true)
        await scene.close()
      })(),
    )
    await expectNothingLeft(scene.simulation)
  },
)
