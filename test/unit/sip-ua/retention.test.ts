// What 2,000 finished calls leave behind in a user agent: nothing, 64 s later (RFC 3261 17: 64*T1 is the longest any state is kept).
import { afterEach, expect, it } from 'vitest'
import { simulate } from '../../../src/sim/simulate.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { Listener, sdp } from './scripted-peer.ts'

let restore = (): void => {}
afterEach(() => restore())

/** How many objects can be reached from `root` over properties, maps, sets and arrays; the world outside is not entered. */
function reachable(root: object, world: ReadonlySet<unknown>): number {
  const seen = new Set<object>()
  const waiting: unknown[] = [root]
  const visit = (value: unknown): void => {
    if (typeof value === 'object' && value !== null && !seen.has(value) && !world.has(value)) {
      seen.add(value)
      waiting.push(value)
    }
  }
  while (waiting.length > 0) {
    const value = waiting.pop() as object
    if (value instanceof Map) for (const [key, item] of value) [key, item].forEach(visit)
    else if (value instanceof Set) value.forEach(visit)
    else if (!ArrayBuffer.isView(value)) Object.values(value).forEach(visit)
  }
  return seen.size
}

it.each(['udp', 'tcp'] as const)(
  '2,000 calls over %s leave nothing behind after 64 s',
  { timeout: 180_000 },
  async (protocol) => {
    const world = simulate(11)
    restore = world.clock.installGlobals()
    const start = async (name: string, address: string) => {
      const runtime = world.host(name, world.internet.at(address, { latencyMs: 2 }))
      const agent = await UserAgent.start({ runtime, listen: [{ protocol, address, port: 5060 }] })
      return { agent, outside: new Set<unknown>([runtime, ...Object.values(runtime)]) }
    }
    const alice = await start('alice', '192.0.2.1')
    const bob = await start('bob', '192.0.2.2')
    const ends: string[] = []
    bob.agent.onInvite = (session) => {
      const listener = new Listener()
      session.handler = listener
      const user = session.local.uri.split(/[:@]/)[1]
      if (user === 'busy') return session.reject(486)
      session.progress(180)
      if (user === 'ring') return
      session.accept(sdp('answer'))
      if (user === 'short') world.clock.setTimer(50, () => session.hangUp())
      void listener.end.then((end) => ends.push(end.by))
    }
    const suffix = protocol === 'tcp' ? ';transport=tcp' : ''
    const call = (user: string): void => {
      const session = alice.agent.invite(`sip:${user}@192.0.2.2${suffix}`, new Listener(), { offer: sdp() })
      if (user !== 'short') world.clock.setTimer(100, () => session.hangUp())
    }
    const calls = async (count: number): Promise<void> => {
      const users = ['long', 'short', 'busy', 'ring']
      for (let i = 0; i < count; i++) {
        call(users[i % users.length]!)
        await world.clock.advance(1)
      }
      // A trickle of others goes on meanwhile: what is over must not wait for what is not.
      for (let second = 0; second < 64; second++) {
        call('long')
        await world.clock.advance(1_000)
      }
    }
    const sizes = (): number[] => [alice, bob].map(({ agent, outside }) => reachable(agent, outside))

    await calls(8)
    const before = sizes()
    await calls(2_000)
    expect(ends).toHaveLength(1_132)
    expect(sizes()).toEqual(before)
    await world.clock.run(Promise.all([alice.agent.stop(), bob.agent.stop()]))
    await world.clock.advance(10)
    expect(world.clock.pendingTimers).toBe(0)
  },
)
