// Who may call a phone: allow-lists, passwords, the default of a registered phone, and how many may at once. Whole phones on a
// simulated network in virtual time.
import { afterEach, describe, expect, it } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import { isAllowed, parseAllowList } from '../../../src/phone/allow-list.ts'
import type { CallerOptions, PhoneOptions } from '../../../src/phone/options.ts'
import { Phone } from '../../../src/phone/phone.ts'
import { startServer } from '../../../src/serve/server.ts'
import { simulate } from '../../../src/sim/simulate.ts'
import { request } from '../sip-wire/messages.ts'

const from = (entries: string[], source: string, headers: string[] = [], trusted = false): boolean =>
  isAllowed(parseAllowList(entries), request({ method: 'INVITE', headers }), source, trusted)

describe('an allow-list', () => {
  // The request's From is sip:alice@example.com.
  it.each<[string, string, boolean]>([
    ['sip:alice@example.com', '192.0.2.2', true],
    ['alice@EXAMPLE.com', '192.0.2.2', true],
    ['sip:%61lice@example.com', '192.0.2.2', true],
    ['sip:Alice@example.com', '192.0.2.2', false],
    ['sip:alice@example.org', '192.0.2.2', false],
    ['example.com', '192.0.2.2', true],
    ['ample.com', '192.0.2.2', false],
    ['192.0.2.2', '192.0.2.2', true],
    ['192.0.2.0/24', '192.0.2.255', true],
    ['192.0.2.0/24', '192.0.3.1', false],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['0.0.0.0/0', '198.51.100.1', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/33', '2001:db8:ffff::1', false],
    ['[2001:db8::1]', '2001:db8::1', true],
    ['server', '192.0.2.2', false],
    ['authenticated', '192.0.2.2', false],
  ])('of %s takes a call from %s: %s', (entry, source, expected) => {
    expect(from([entry], source)).toBe(expected)
  })
  it('believes its server more than the caller', () => {
    const asserted = ['P-Asserted-Identity: <sip:eve@example.org>']
    expect(from(['alice@example.com'], '192.0.2.2', asserted)).toBe(true)
    expect(from(['alice@example.com'], '192.0.2.2', asserted, true)).toBe(false)
    expect(from(['eve@example.org'], '192.0.2.2', asserted, true)).toBe(true)
    expect(from(['server'], '192.0.2.2', [], true)).toBe(true)
  })
  it.each(['', 'tel:+1', '192.0.2.0/33', '192.0.2.0/x', 'example.com/24', 'a b'])('has no "%s"', (entry) => {
    expect(() => parseAllowList([entry])).toThrow(UsageError)
  })
})

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

async function world(called: CallerOptions & { account?: string }, caller: Partial<PhoneOptions> = {}) {
  const sim = simulate(3)
  cleanUps.push(sim.clock.installGlobals())
  const listen = (address: string) => [
    { protocol: 'udp' as const, address, port: 5060 },
    { protocol: 'tcp' as const, address, port: 5060 },
  ]
  const host = (name: string, address: string) => sim.host(name, sim.internet.at(address, { latencyMs: 2 }))
  const server = await startServer({ runtime: host('server', '203.0.113.1'), listen: listen('203.0.113.1') })
  const bob = await sim.clock.run(
    Phone.start({ runtime: host('bob', '203.0.113.2'), listen: listen('203.0.113.2'), ...called }),
  )
  const alice = await sim.clock.run(
    Phone.start({
      runtime: host('alice', '203.0.113.3'),
      listen: listen('203.0.113.3'),
      account: 'sip:alice@203.0.113.1',
      register: false,
      ...caller,
    }),
  )
  const calls: string[] = []
  bob.onCall = (call) => {
    calls.push(call.id)
    void call.answer()
  }
  cleanUps.unshift(() => server.stop())
  cleanUps.unshift(() => sim.clock.run(Promise.all([alice.stop(), bob.stop()])))
  const dial = async (target: string): Promise<number> => {
    const call = await sim.clock.run(alice.call(target))
    const outcome = await sim.clock.run(
      call.answered.then(
        () => 200,
        (error) => error.status as number,
      ),
    )
    await sim.clock.run(call.hangUp())
    return outcome
  }
  return { sim, bob, alice, calls, dial }
}

const bobDirect = 'sip:bob@203.0.113.2'

describe('a phone', () => {
  it('that registers takes calls for its user, by its registrar or directly, and no guesses', async () => {
    const { dial, calls } = await world({ account: 'sip:bob@203.0.113.1' })
    expect(await dial('sip:bob@203.0.113.1')).toBe(200)
    expect(await dial(bobDirect)).toBe(200)
    expect(await dial('sip:100@203.0.113.2')).toBe(404)
    expect(calls).toHaveLength(2)
  })
  it('without an account takes any call', async () => {
    const { dial } = await world({})
    expect(await dial('sip:100@203.0.113.2')).toBe(200)
  })
  it('takes calls through its server alone where it is told to', async () => {
    const { dial, calls } = await world({ account: 'sip:bob@203.0.113.1', allow: ['server'] })
    expect(await dial('sip:bob@203.0.113.1')).toBe(200)
    expect(await dial(bobDirect)).toBe(403)
    expect(calls).toHaveLength(1)
  })
  it('asks for a password, and takes the right one', async () => {
    const rules = { allow: ['authenticated'], callers: { alice: 'secret' } }
    const right = await world(rules, { password: 'secret' })
    expect(await right.dial(bobDirect)).toBe(200)
    expect(await right.dial(bobDirect)).toBe(200)
    for (const cleanUp of cleanUps.splice(0)) await cleanUp()
    const wrong = await world(rules, { password: 'guess' })
    expect(await wrong.dial(bobDirect)).toBe(401)
    expect(wrong.calls).toEqual([])
  })
  it('has no password list without passwords', async () => {
    await expect(world({ allow: ['authenticated'] })).rejects.toThrow(/nobody has a password/)
  })
  it.each([
    [{ maximumCallsPerSource: 2 }, 503],
    [{ maximumCalls: 2 }, 486],
  ])('is busy above its limits: %o', async (limits, status) => {
    const { sim, alice, bob } = await world(limits)
    const outcomes: number[] = []
    for (let i = 0; i < 3; i++) {
      const call = await sim.clock.run(alice.call(bobDirect))
      call.answered.then(
        () => outcomes.push(200),
        (error) => outcomes.push(error.status),
      )
      await sim.clock.advance(1_000)
    }
    expect(outcomes).toEqual([200, 200, status])
    await sim.clock.run(bob.stop())
  })
})
