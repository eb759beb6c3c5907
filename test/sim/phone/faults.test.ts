// Whole phones on links that lose one packet of ten, and repeat and reorder others: seeded calls that are answered, held, resumed,
// refused, given up and ended from either side, sometimes from both at once. Every call ends, both ends agree on what it was, and
// nothing is left. Then 500 calls in a row, and wall clocks that jump.
import { describe, expect, test } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import type { Phone } from '../../../src/phone/phone.ts'
import type { Runtime } from '../../../src/runtime/runtime.ts'
import type { LinkQuality } from '../../../src/sim/link.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import type { Simulation } from '../../../src/sim/simulate.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

const callsASeed = 25
const seeds = [1, 2, 3, 4, 5, 6, 7, 8]
/** Both links together: one packet of ten is lost. */
const faulty: LinkQuality = { latencyMs: 10, loss: 0.0513, duplication: 0.05, reordering: 0.05 }
const plain = { ice: 'off' as const }
/** Audio is not the subject. */
const silent = { silence: false, mediaTimeoutMs: 0 }

const plans = [
  'hang up',
  'be hung up',
  'both hang up',
  'hold',
  'be held',
  'cancel',
  'cross',
  'refuse',
] as const
type Plan = (typeof plans)[number]

const pause = (simulation: Simulation, ms: number): Promise<void> =>
  new Promise((resolve) => simulation.clock.setTimer(ms, resolve))

/** What a change of the call may come to where the other end makes one or has gone. */
const tolerated = (change: Promise<unknown>): Promise<unknown> => change.catch(() => undefined)

async function play(simulation: Simulation, plan: Plan, call: Call, incoming: Promise<Call>): Promise<void> {
  if (plan === 'cancel') {
    await pause(simulation, 300)
    await call.hangUp()
    return
  }
  const answered = await incoming
  if (plan === 'refuse') {
    answered.reject(486)
    return
  }
  if (plan === 'cross') {
    // Answer and CANCEL are under way at the same time.
    const answering = tolerated(answered.answer(silent))
    await call.hangUp()
    await answering
    return
  }
  await answered.answer(silent)
  await call.answered
  await pause(simulation, 500)
  if (plan === 'hold' || plan === 'be held') {
    const [holder] = plan === 'hold' ? [call] : [answered]
    await holder.hold()
    await pause(simulation, 300)
    await holder.resume()
  }
  if (plan !== 'be hung up') await call.hangUp()
  if (plan === 'be hung up' || plan === 'both hang up') await answered.hangUp()
}

/** By the caller's Call-ID: the called end of each call that reached Bob. */
function collect(bob: Phone): { waitFor(id: string): Promise<Call>; calls: Map<string, Call> } {
  const calls = new Map<string, Call>()
  const waiting = new Map<string, (call: Call) => void>()
  bob.onCall = (call) => {
    calls.set(call.id, call)
    waiting.get(call.id)?.(call)
  }
  const waitFor = (id: string): Promise<Call> =>
    new Promise((resolve) => {
      const known = calls.get(id)
      if (known) resolve(known)
      else waiting.set(id, resolve)
    })
  return { calls, waitFor }
}

describe('on links that lose, repeat and reorder', () => {
  test.each(seeds)('every call ends, and both ends agree (seed %i)', { timeout: 120_000 }, async (seed) => {
    const simulation = world(seed)
    const { clock, internet } = simulation
    const random = new SeededRandom(seed)
    let lost = 0
    const ends: string[] = []
    await clock.run(
      (async () => {
        const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1', faulty)), plain)
        const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2', faulty)), plain)
        alice.onFact = (fact) => {
          if (fact.layer === 'sip' && fact.type === 'message' && fact.retransmission) lost++
        }
        const arriving = collect(bob)
        const running: Promise<void>[] = []
        for (let i = 0; i < callsASeed; i++) {
          const plan = plans[random.integer(plans.length)]!
          const call = await alice.call('sip:bob@203.0.113.2', silent)
          const task = (async () => {
            await play(simulation, plan, call, arriving.waitFor(call.id))
            const here = (await call.ended).outcome
            const far = arriving.calls.get(call.id)
            const there = far && (await far.ended).outcome
            const what = `seed ${seed}, call ${i} (${plan}): ${JSON.stringify([here, there])}`
            ends.push(plan)
            expect(here.by, what).not.toBe('network')
            // A cancelled INVITE may never have arrived.
            if (!there) return expect(plan, what).toBe('cancel')
            expect(there.by, what).not.toBe('network')
            if (plan === 'refuse') expect([here.status, there.status], what).toEqual([486, 486])
            else if (plan === 'hang up' || plan === 'hold' || plan === 'be held')
              expect([here.by, there.by], what).toEqual(['local', 'remote'])
            else if (plan === 'be hung up') expect([here.by, there.by], what).toEqual(['remote', 'local'])
          })()
          // What fails is told at the end.
          task.catch(() => undefined)
          running.push(task)
          await pause(simulation, 50 + random.integer(400))
        }
        await Promise.all(running)
        await pause(simulation, 40_000)
        await Promise.all([alice.stop(), bob.stop()])
      })(),
    )
    expect(ends).toHaveLength(callsASeed)
    expect(lost).toBeGreaterThan(10)
    await expectNothingLeft(simulation)
  })
})

test('500 calls in a row leave no timer, socket or call', { timeout: 240_000 }, async () => {
  const simulation = world(11)
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const alice = await phoneOn(
        simulation.host('alice', internet.at('203.0.113.1', { latencyMs: 5 })),
        plain,
      )
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2', { latencyMs: 5 })), plain)
      await pause(simulation, 1_000)
      const before = { sockets: simulation.open.length, timers: clock.pendingTimers }
      for (let i = 0; i < 500; i++) {
        const incoming = bob.nextCall()
        const call = await alice.call('sip:bob@203.0.113.2', silent)
        const answered = await incoming
        await answered.answer(silent)
        await call.answered
        await (i % 2 ? call : answered).hangUp()
        await Promise.all([call.ended, answered.ended])
      }
      // Timers J and L: what absorbs repetitions.
      await pause(simulation, 40_000)
      expect({ sockets: simulation.open.length, timers: clock.pendingTimers }).toEqual(before)
      await Promise.all([alice.stop(), bob.stop()])
    })(),
  )
  await expectNothingLeft(simulation)
})

test.each([-86_400_000, 86_400_000])('a wall clock that jumps by %i ms changes nothing', async (jumpMs) => {
  const simulation = world(12)
  const { clock, internet } = simulation
  let offsetMs = 0
  await clock.run(
    (async () => {
      const host = simulation.host('alice', internet.at('203.0.113.1', { latencyMs: 5 }))
      const jumping: Runtime['clock'] = {
        now: () => clock.now(),
        wallTime: () => clock.wallTime() + offsetMs,
        setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
      }
      const alice = await phoneOn(host, { ...plain, runtime: { ...parts(host), clock: jumping } })
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2', { latencyMs: 5 })), plain)
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', { play: 'tone:440', loop: true })
      const answered = await incoming
      await answered.answer({ play: 'tone:600', loop: true })
      await answered.waitToHear('tone:440', 5_000)
      offsetMs = jumpMs
      await pause(simulation, 20_000)
      expect([call.state, answered.state]).toEqual(['answered', 'answered'])
      await call.waitToHear('tone:600', 5_000)
      for (const { statistics } of [call.report(), answered.report()])
        expect(statistics?.roundTripMs).toBeCloseTo(20, -1)
      await call.hold()
      await call.resume()
      const { timings } = await call.hangUp()
      for (const at of Object.values(timings)) expect(at ?? 0).toBeLessThan(60_000)
      await Promise.all([alice.stop(), bob.stop()])
    })(),
  )
  await expectNothingLeft(simulation)
})

/** A host's rooms without its clock. */
const parts = ({ network, random, files }: Runtime): Omit<Runtime, 'clock'> => ({ network, random, files })
