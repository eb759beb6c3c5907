// What is given up half-way: a call while its media is gathered, a phone while it starts, a question when the phone stops. Whoever
// asked is told in words, and nothing is left behind.
import { describe, expect, it } from 'vitest'
import { CallFailed, UsageError } from '../../../src/errors.ts'
import type { Call } from '../../../src/phone/call.ts'
import { Phone } from '../../../src/phone/phone.ts'
import type { Simulation } from '../../../src/sim/simulate.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

/** Nobody answers there: gathering waits for as long as it may. */
const silentServer = 'stun:203.0.113.99'

const pause = ({ clock }: Simulation, ms: number): Promise<void> =>
  new Promise((resolve) => void clock.setTimer(ms, () => resolve()))

const hosts = (simulation: Simulation) => ({
  alice: simulation.host('alice', simulation.internet.at('203.0.113.1', { latencyMs: 5 })),
  bob: simulation.host('bob', simulation.internet.at('203.0.113.2', { latencyMs: 5 })),
})

it.each(['half', 'off'] as const)(
  'a caller gives up while the answer is gathered, trickle %s',
  async (trickle) => {
    const simulation = world(3)
    const { alice, bob } = hosts(simulation)
    const outcome = await simulation.clock.run(
      (async () => {
        const caller = await phoneOn(alice, { trickle })
        const callee = await phoneOn(bob, { iceServers: [silentServer], trickle: 'off' })
        const incoming = callee.nextCall()
        const call = await caller.call('sip:bob@203.0.113.2')
        const answering = (await incoming).answer().catch((error) => error)
        await pause(simulation, 50)
        await call.hangUp()
        const error = await answering
        await caller.stop()
        await callee.stop()
        return error
      })(),
    )
    expect(outcome).toBeInstanceOf(CallFailed)
    await expectNothingLeft(simulation)
  },
)

it('a caller gives up while an offer that came with the 200 is answered', async () => {
  const simulation = world(3)
  const { alice, bob } = hosts(simulation)
  await simulation.clock.run(
    (async () => {
      const caller = await phoneOn(alice, { iceServers: [silentServer], trickle: 'off' })
      const callee = await phoneOn(bob)
      callee.onCall = (call) => void call.answer().catch(() => undefined)
      const call = await caller.call('sip:bob@203.0.113.2', { lateOffer: true })
      await pause(simulation, 100)
      await call.hangUp()
      await pause(simulation, 2_000)
      await caller.stop()
      await callee.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})

it('a phone stops while it dials', async () => {
  const simulation = world(3)
  const { alice } = hosts(simulation)
  const outcome = await simulation.clock.run(
    (async () => {
      const caller = await phoneOn(alice, { iceServers: [silentServer], trickle: 'off' })
      const calling = caller.call('sip:bob@203.0.113.2').catch((error) => error)
      await pause(simulation, 50)
      await caller.stop()
      return [await calling, await caller.call('sip:bob@203.0.113.2').catch((error) => error)]
    })(),
  )
  expect(outcome[0]).toBeInstanceOf(CallFailed)
  expect(outcome[1]).toBeInstanceOf(UsageError)
  await expectNothingLeft(simulation)
})

it('a phone stops while it looks up whom to dial', async () => {
  const simulation = world(3)
  const { alice } = hosts(simulation)
  simulation.setName('pbx.example', ['203.0.113.2'])
  simulation.names.delayMs = 50
  const outcome = await simulation.clock.run(
    (async () => {
      const caller = await phoneOn(alice)
      const calling = caller.call('sip:bob@pbx.example').catch((error) => error)
      await caller.stop()
      return calling
    })(),
  )
  expect(outcome).toBeInstanceOf(UsageError)
  await expectNothingLeft(simulation)
})

it('a phone stops while somebody waits for a call', async () => {
  const simulation = world(3)
  const { alice } = hosts(simulation)
  const outcomes = await simulation.clock.run(
    (async () => {
      const phone = await phoneOn(alice)
      const waiting = [phone.nextCall(), phone.nextCall({ timeoutMs: 3_600_000 })].map((next) =>
        next.catch((error) => error),
      )
      await phone.stop()
      return [...(await Promise.all(waiting)), await phone.nextCall().catch((error) => error)]
    })(),
  )
  for (const outcome of outcomes) expect(outcome).toBeInstanceOf(UsageError)
  await expectNothingLeft(simulation)
})

it('a phone is given up while it looks up its STUN server', async () => {
  const simulation = world(3)
  const { alice } = hosts(simulation)
  simulation.names.delayMs = 200
  const sent: string[] = []
  simulation.onSend = (packet) => sent.push(Buffer.from(packet.data).toString('latin1'))
  const abort = new AbortController()
  await simulation.clock.run(
    (async () => {
      const starting = Phone.start({
        runtime: alice,
        account: 'sip:alice@203.0.113.2',
        iceServers: ['stun:unknown.example'],
        signal: abort.signal,
      }).catch((error) => error)
      await pause(simulation, 100)
      abort.abort()
      expect(await starting).toBeInstanceOf(UsageError)
      await pause(simulation, 5_000)
    })(),
  )
  expect(sent.filter((text) => text.startsWith('REGISTER'))).toEqual([])
  await expectNothingLeft(simulation)
})

it('a call that is over is not recorded any more', async () => {
  const simulation = world(3)
  const { alice, bob } = hosts(simulation)
  await simulation.clock.run(
    (async () => {
      const caller = await phoneOn(alice)
      const callee = await phoneOn(bob)
      const incoming = callee.nextCall()
      const call = await caller.call('sip:bob@203.0.113.2')
      const received = await incoming
      await call.hangUp()
      await received.ended
      bob.files.put('kept.wav', Buffer.from('what was there'))
      expect(() => received.record('kept.wav')).toThrow(CallFailed)
      await expect(received.answer({ record: 'kept.wav' })).rejects.toThrow(CallFailed)
      expect(bob.files.readText('kept.wav')).toBe('what was there')
      await caller.stop()
      await callee.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})

describe('a transfer', () => {
  const pair = async (simulation: Simulation, host: ReturnType<typeof hosts>) => {
    const alice = await phoneOn(host.alice)
    const bob = await phoneOn(host.bob)
    const incoming = bob.nextCall()
    const call = await alice.call('sip:bob@203.0.113.2')
    const received = await incoming
    await received.answer()
    await call.connected
    const stop = async (): Promise<number> => {
      await Promise.all([alice.stop(), bob.stop()])
      await pause(simulation, 300)
      return simulation.clock.pendingTimers
    }
    return { alice, bob, call, received, stop }
  }

  it('that nobody has decided ends with the call', async () => {
    const simulation = world(3)
    const { call, received, stop } = await simulation.clock.run(pair(simulation, hosts(simulation)))
    const left = await simulation.clock.run(
      (async () => {
        const asked = new Promise((resolve) => {
          received.onTransfer = resolve
        })
        const outcome = call.transfer('sip:carol@203.0.113.3').catch((error) => error)
        await asked
        await call.hangUp()
        expect(await outcome).toBeInstanceOf(CallFailed)
        return stop()
      })(),
    )
    expect(left).toBe(0)
    await expectNothingLeft(simulation)
  })

  it('whose transferor has hung up leaves no timer when its target answers', async () => {
    const simulation = world(3)
    const { alice, call, received, stop } = await simulation.clock.run(pair(simulation, hosts(simulation)))
    const left = await simulation.clock.run(
      (async () => {
        const placed = new Promise<Call>((resolve, reject) => {
          received.onTransfer = (transfer) => void transfer.accept().then(resolve, reject)
        })
        const target = alice.nextCall()
        const outcome = call.transfer('sip:carol@203.0.113.1').catch((error) => error)
        const ringing = await target
        await call.hangUp()
        await outcome
        await ringing.answer()
        await (await placed).answered
        return stop()
      })(),
    )
    expect(left).toBe(0)
    await expectNothingLeft(simulation)
  })
})
