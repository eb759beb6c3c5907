// Calls on random networks, a fast slice of `npm run sim`, and those that once went wrong: each as the plan of the seed that
// found it, cut down to what mattered.
import { describe, expect, it } from 'vitest'
import { pathBetween } from '../../src/sim/oracle.ts'
import type { Simulation } from '../../src/sim/simulate.ts'
import { readUint32 } from '../../src/stun/attributes.ts'
import { decode, isStun, type StunMessage } from '../../src/stun/message.ts'
import { attribute, method } from '../../src/stun/numbers.ts'
import { PlannedNetwork } from './seeds/network.ts'
import { drawPlan, type EndPlan, type Plan } from './seeds/plan.ts'
import { simulateCall } from './seeds/simulated-call.ts'

const SEEDS = 100
const SLICES = 10

const home = {
  nat: { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent' },
} as const
const symmetric = {
  nat: { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', ports: 'random' },
} as const
const link = { latencyMs: 25 }

const plan = (left: EndPlan, right: EndPlan, rest: Partial<Plan> = {}): Plan => ({
  left,
  right,
  signallingMs: 50,
  ringingMs: 300,
  ...rest,
})

/** Sees the STUN messages that leave hosts over UDP, those that a relay sends on included. */
function watchStun(world: Simulation, see: (sent: { message: StunMessage; host: string }) => void): void {
  const { onSend } = world
  world.onSend = (packet, host) => {
    onSend?.(packet, host)
    const message = packet.protocol === 'udp' && isStun(packet.data) ? decode(packet.data) : undefined
    if (typeof message === 'object') see({ message, host })
  }
}

describe('calls on random networks', () => {
  it.each(Array.from({ length: SLICES }, (_, slice) => slice))(
    'hold what npm run sim demands, slice %i',
    {
      timeout: 120_000,
    },
    async (slice) => {
      for (let seed = 1 + slice; seed <= SEEDS; seed += SLICES) {
        const { problems } = await simulateCall(drawPlan(seed), seed)
        expect(problems, `npm run sim -- --seed ${seed}`).toEqual([])
      }
    },
  )

  it('are the same for the same seed', async () => {
    const trace = async (): Promise<string[]> => {
      const packets: string[] = []
      await simulateCall(drawPlan(3), 3, (world) => {
        const { onSend } = world
        world.onSend = (packet, host) => {
          onSend?.(packet, host)
          packets.push(`${world.clock.now()} ${host} ${Buffer.from(packet.data).toString('base64')}`)
        }
      })
      return packets
    }
    const first = await trace()
    expect(first.length).toBeGreaterThan(20)
    expect(await trace()).toEqual(first)
  })
})

describe('calls that once went wrong', () => {
  it.each<[string, number, Plan, 'direct' | 'relay']>([
    [
      'a relay of the only family in common answers late, and the peer takes no candidates afterwards',
      92,
      plan(
        {
          accesses: [
            { v4: [], common: true, link: { latencyMs: 50 } },
            { v4: [home], link },
          ],
          turn: ['udp', 'tcp 443'],
          relay: 2,
        },
        {
          accesses: [{ v6: [{ firewall: { filtering: 'address-and-port-dependent' } }] }],
          stun: true,
          trickle: 'off',
        },
        { common: symmetric },
      ),
      'relay',
    ],
    [
      'a relay that the peer was not told of looks better than a direct path',
      95,
      plan(
        {
          accesses: [
            { v4: [home], v6: [{ firewall: { filtering: 'address-dependent' } }], link: { latencyMs: 100 } },
          ],
          stun: true,
          turn: ['tcp', 'tcp 443'],
          relay: 2,
          tcp: false,
          budget: false,
        },
        {
          accesses: [
            { v4: [symmetric], link: { latencyMs: 50 } },
            { v4: [], link: { latencyMs: 25 } },
          ],
          stun: true,
          turn: ['tcp', 'tls 443'],
          relay: 2,
          tcp: false,
          budget: true,
        },
        { signallingMs: 400, ringingMs: 20_000 },
      ),
      'direct',
    ],
    [
      'the HTTP proxy is reached from the second interface alone',
      1193,
      plan(
        {
          accesses: [
            { v4: [{ ...home, egress: 'port 443' }], link },
            { v4: [{ ...symmetric, egress: 'proxy' }], link },
          ],
          turn: ['tcp', 'tls 443'],
          relay: 1,
          proxy: true,
        },
        { accesses: [{ v4: [symmetric], link }], stun: true },
      ),
      'relay',
    ],
    [
      'a candidate has no room in the offer, and the peer takes none afterwards',
      2179,
      plan(
        {
          accesses: [{ v4: [], link }, { v4: [symmetric] }, { v4: [], v6: [], link: { latencyMs: 5 } }],
          stun: true,
          tcp: false,
          trickle: 'off',
          budget: true,
        },
        { accesses: [{ v4: [home], link }], stun: true, budget: true },
        { signallingMs: 150, ringingMs: 2_000 },
      ),
      'direct',
    ],
    [
      'firewalls of both families share a network',
      1038,
      plan(
        { accesses: [{ v4: [symmetric], v6: [], link }], stun: true, turn: ['udp'], relay: 2 },
        {
          accesses: [
            {
              v4: [{ firewall: { filtering: 'address-and-port-dependent' } }],
              v6: [{ firewall: { filtering: 'address-dependent' } }],
            },
          ],
          stun: true,
        },
      ),
      'direct',
    ],
    [
      'the peer can come by our relay alone, from an address that only its checks show',
      3256,
      plan(
        {
          accesses: [
            {
              v4: [{ nat: { mapping: 'address-and-port-dependent', filtering: 'endpoint-independent' } }],
              link,
            },
          ],
          stun: true,
          turn: ['udp'],
          relay: 1,
          tcp: false,
        },
        { accesses: [{ v4: [symmetric], link: { latencyMs: 250 } }], trickle: 'off', tcp: false },
      ),
      'relay',
    ],
    [
      'the interface that gets through is the second, and the peer is of the other family',
      3520,
      plan(
        { accesses: [{ v6: [{ firewall: { filtering: 'address-dependent' } }], link }] },
        {
          accesses: [
            { v4: [{ ...symmetric, egress: 'port 443' }], link },
            { v4: [symmetric], link },
          ],
          turn: ['tcp'],
          relay: 1,
        },
      ),
      'relay',
    ],
    [
      'two NATs show each other a new port with every packet, and a relay works',
      3678,
      plan(
        {
          accesses: [
            {
              v4: [
                {
                  nat: {
                    mapping: 'address-and-port-dependent',
                    filtering: 'endpoint-independent',
                    ports: 'random',
                  },
                },
              ],
              link,
            },
          ],
          stun: true,
          tcp: false,
        },
        {
          accesses: [
            {
              v4: [{ nat: { mapping: 'address-and-port-dependent', filtering: 'address-dependent' } }],
              link: { latencyMs: 250 },
            },
          ],
          stun: true,
          turn: ['udp'],
          relay: 2,
          trickle: 'off',
        },
      ),
      'relay',
    ],
    ...['lite, and asked before it knows who answers', 'the same, with another tie-breaker'].map(
      (name, index): [string, number, Plan, 'direct'] => [
        `a caller that is ${name}`,
        3133 + index,
        plan(
          { accesses: [{ v4: [], link: { latencyMs: 10 } }], lite: true, trickle: 'off' },
          { accesses: [{ v4: [symmetric], link }], stun: true },
          { signallingMs: 400 },
        ),
        'direct',
      ],
    ),
  ])('%s', { timeout: 30_000 }, async (_name, seed, calling, path) => {
    const { problems, expected, got } = await simulateCall(calling, seed)
    expect({ problems, expected, got }).toEqual({ problems: [], expected: path, got: path })
  })

  it.each([3133, 3134])('a lite caller never takes itself for controlling, seed %i', async (seed) => {
    const calling = plan(
      { accesses: [{ v4: [], link: { latencyMs: 10 } }], lite: true, trickle: 'off' },
      { accesses: [{ v4: [symmetric], link }], stun: true },
      { signallingMs: 400 },
    )
    let refusals = 0
    const { facts } = await simulateCall(calling, seed, (world) =>
      watchStun(world, ({ message, host }) => {
        if (message.class === 'error' && host === 'left') refusals++
      }),
    )
    const of = (type: string) =>
      [...facts.left, ...facts.right].filter((fact) => fact.layer === 'ice' && fact.type === type)
    expect(of('selected').length).toBeGreaterThan(0)
    expect(of('role-conflict')).toEqual([])
    expect(refusals).toBe(0)
  })

  it('a check that comes by a relay never claims more than a relay’s priority', async () => {
    const calling = plan(
      { accesses: [{ v4: [home], link }], stun: true, turn: ['udp'], relay: 1 },
      { accesses: [{ v4: [symmetric], link }], stun: true },
    )
    const claimed: number[] = []
    const { got } = await simulateCall(calling, 1, (world) =>
      watchStun(world, ({ message, host }) => {
        if (message.method === method.binding && message.class === 'request' && host === 'relay 1')
          claimed.push(readUint32(message, attribute.priority)!)
      }),
    )
    expect(got).toBe('relay')
    expect(claimed.length).toBeGreaterThan(0)
    expect(Math.max(...claimed)).toBeLessThan(2 ** 24)
  })

  it('a keepalive to a TURN server falls due at a time that floating point cannot hit', async () => {
    const { problems } = await simulateCall(drawPlan(113), 113)
    expect(problems).toEqual([])
  })

  it('the oracle ends where two NATs show each other a new port with every packet', async () => {
    const open = {
      nat: { mapping: 'address-and-port-dependent', filtering: 'endpoint-independent' },
    } as const
    const end = (nats: number): EndPlan => ({ accesses: [{ v4: Array(nats).fill(open) }], stun: true })
    const { world, left, right } = await PlannedNetwork.build(plan(end(2), end(2), { common: open }), 1)
    expect(pathBetween(world, left.oracle, right.oracle)).toBe('none')
  })
})
