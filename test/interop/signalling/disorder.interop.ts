// UDP that loses a tenth of the datagrams, repeats a tenth and turns a tenth over: twenty calls at once between two phones, ended
// and held in every way by either. What must hold: both ends agree on how each call stands and that it is over.
import { expect } from 'vitest'
import type { Call, Phone, PhoneOptions } from '../../../src/index.ts'
import { type InteropCase, interop } from '../case.ts'
import { Kamailio } from '../peers/kamailio.ts'
import { startPhone } from '../peers/phone.ts'
import { eventually, peerHost } from '../peers/process.ts'
import { UdpRelay } from '../peers/udp-relay.ts'
import { sideBySide } from '../side-by-side.ts'

const hardship = { lost: 10, repeated: 10, late: 10 }
const calls = 20
const rowMs = 150_000
/** A transaction that fails takes 32 s (RFC 3261 17.1.1.2). */
const agreedWithinMs = 60_000

const listen = [{ protocol: 'udp', address: peerHost, port: 0 }] as const

const isHeld = (by: 'local' | 'remote', call: Call, held = true) =>
  eventually(() => call.heldBy[by] === held, {
    what: `${by} ${held ? 'holds' : 'has resumed'}`,
    withinMs: agreedWithinMs,
  })

/** What befalls a call that both ends have answered. */
const fates: ((caller: Call, called: Call) => Promise<unknown>)[] = [
  (caller) => caller.hangUp(),
  (_, called) => called.hangUp(),
  (caller, called) => Promise.all([caller.hangUp(), called.hangUp()]),
  async (caller, called) => {
    await caller.hold()
    await isHeld('remote', called)
    await caller.resume()
    await isHeld('remote', called, false)
    await called.hangUp()
  },
  async (caller, called) => {
    await called.hold()
    await isHeld('remote', caller)
    await caller.hangUp()
  },
  async (caller, called) => {
    await Promise.all([caller.hold(), called.hold()])
    await Promise.all([isHeld('remote', caller), isHeld('remote', called)])
    await Promise.all([caller.resume(), called.resume()])
    await Promise.all([isHeld('remote', caller, false), isHeld('remote', called, false)])
    await caller.hangUp()
  },
]

async function expectAgreement(from: Phone, to: Phone, uri: string): Promise<void> {
  const taken: Call[] = []
  to.onCall = (call) => {
    taken.push(call)
    call.answer().catch(() => undefined) // its caller may have given up
  }
  const one = async (n: number): Promise<void> => {
    const caller = await from.call(uri, { headers: [['Subject', `call ${n}`]] })
    // One in seven gives up while it may be answered.
    const fate = fates[n % (fates.length + 1)]
    if (fate === undefined) {
      caller.answered.catch(() => undefined)
      await caller.hangUp()
      return
    }
    await caller.answered
    const called = taken.find(({ id }) => id === caller.id)!
    await called.answered
    await fate(caller, called)
    const ends = await Promise.all([caller.ended, called.ended])
    for (const { outcome } of ends) expect(outcome.by).not.toBe('network')
  }
  await Promise.all(Array.from({ length: calls }, (_, n) => one(n)))
  await Promise.all(taken.map(({ ended }) => ended))
  // Each call has rung once, however often its INVITE has come; one that was given up at once may never have.
  const ids = taken.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.length).toBeLessThanOrEqual(calls)
}

const expectHardship = ({ seen }: UdpRelay): void => {
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0)
}

const rows: InteropCase[] = [
  {
    peer: 'floe',
    name: `${calls} calls over UDP that loses, repeats and turns over`,
    needs: [],
    timeoutMs: rowMs,
    run: async (scene) => {
      const bob = await startPhone(scene, { listen }, 'bob')
      const relay = await UdpRelay.start(scene, bob.addresses[0]!.port, { ...hardship, seed: 1 })
      const alice = await startPhone(scene, { listen }, 'alice')
      await expectAgreement(alice, bob, `sip:bob@${peerHost}:${relay.port}`)
      expectHardship(relay)
    },
  },
]
interop(rows)

sideBySide<Kamailio>({
  peer: 'Kamailio',
  heading: 'Kamailio: disorder',
  needs: ['kamailio'],
  start: (scene) => Kamailio.start(scene),
  rows: [
    {
      feature: 'UDP that repeats and turns over',
      by: 'peer',
      name: `${calls} calls, and both phones are on ways that lose, repeat and turn over`,
      timeoutMs: rowMs,
      run: async (scene, kamailio) => {
        const behind = async (number: string, seed: number) => {
          const relay = await UdpRelay.start(scene, kamailio.port, { ...hardship, seed })
          const options: PhoneOptions = {
            account: `sip:${number}@${kamailio.address}`,
            password: `pw${number}`,
            server: `sip:${peerHost}:${relay.port};transport=udp`,
            listen,
          }
          return { relay, phone: await startPhone(scene, options, number) }
        }
        const [alice, bob] = [await behind('2031', 2), await behind('2032', 3)]
        await expectAgreement(alice.phone, bob.phone, kamailio.uri('2032'))
        expectHardship(alice.relay)
        expectHardship(bob.relay)
      },
    },
  ],
})
