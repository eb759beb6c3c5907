// Servers that are killed and come back while a phone is registered, rings or speaks; connections that are cut in the middle of
// a message; a network that loses one packet in ten. What must hold: no call hangs, the phone lives, and the next call works.
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { Call, Phone, PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { Asterisk } from '../peers/asterisk.ts'
import { CuttingProxy } from '../peers/cutting-proxy.ts'
import { Kamailio } from '../peers/kamailio.ts'
import { losePackets, packetsLost } from '../peers/loss.ts'
import { connect, expectBothHear, expectEcho, startPhone } from '../peers/phone.ts'
import { eventually } from '../peers/process.ts'
import { type Row, sideBySide } from '../side-by-side.ts'
import { hello, reply } from '../sounds.ts'

const rowMs = 150_000
const healsWithinMs = 90_000

const rows: Row<void>[] = []
const row = (
  feature: string,
  peer: 'Asterisk 22' | 'Kamailio',
  name: string,
  run: (scene: Scene) => Promise<void>,
): void =>
  void (peer === 'Kamailio' ? rows : asteriskRows).push({ feature, by: 'peer', name, run, timeoutMs: rowMs })
const asteriskRows: Row<void>[] = []

const userOf = (server: Asterisk | Kamailio, number: string): PhoneOptions => ({
  account: `sip:${number}@${server.address}`,
  password: `pw${number}`,
  registerExpires: 12,
})

async function expectCall(from: Phone, to: Phone, uri: string): Promise<void> {
  const [caller, called] = await connect(from, to, uri)
  await expectBothHear(caller, called)
  await caller.hangUp()
  await called.ended
}

// ---- the server dies ---------------------------------------------------------------------------------------------------------

for (const transport of ['udp', 'tcp'] as const) {
  const over = transport.toUpperCase()
  row(
    'server restarts',
    'Kamailio',
    `${over}: forgets who is registered: phones come back by themselves`,
    async (scene) => {
      const kamailio = await Kamailio.start(scene)
      const server = kamailio.server(transport)
      const alice = await startPhone(scene, { ...userOf(kamailio, '2001'), server }, 'alice')
      const bob = await startPhone(scene, { ...userOf(kamailio, '2002'), server }, 'bob')
      await kamailio.kill()
      await kamailio.restart()
      const bothThere = async () => (await kamailio.hasContact('2001')) && (await kamailio.hasContact('2002'))
      await eventually(bothThere, {
        what: 'both have registered again',
        withinMs: healsWithinMs,
        everyMs: 200,
      })
      await expectCall(alice, bob, kamailio.uri('2002'))
    },
  )

  row(
    'server dies in a call',
    'Kamailio',
    `${over}: the call goes on without it, and ends through it`,
    async (scene) => {
      const kamailio = await Kamailio.start(scene)
      const server = kamailio.server(transport)
      const alice = await startPhone(scene, { ...userOf(kamailio, '2001'), server }, 'alice')
      const bob = await startPhone(scene, { ...userOf(kamailio, '2002'), server }, 'bob')
      const [caller, called] = await connect(alice, bob, kamailio.uri('2002'))
      await expectBothHear(caller, called)
      await kamailio.kill()
      await expectBothHear(caller, called)
      await kamailio.restart()
      const bobIsThere = () => kamailio.hasContact('2002')
      await eventually(bobIsThere, { what: 'bob is there again', withinMs: healsWithinMs, everyMs: 200 })
      await caller.hangUp()
      await called.ended
      await expectCall(alice, bob, kamailio.uri('2002'))
    },
  )

  row(
    'server dies while it rings',
    'Kamailio',
    `${over}: who gives up is free at once, and calls again`,
    async (scene) => {
      const kamailio = await Kamailio.start(scene)
      const server = kamailio.server(transport)
      const alice = await startPhone(scene, { ...userOf(kamailio, '2001'), server }, 'alice')
      const bob = await startPhone(scene, { ...userOf(kamailio, '2002'), server }, 'bob')
      const ringing = bob.nextCall({ timeoutMs: 30_000 })
      const call = await alice.call(kamailio.uri('2002'))
      call.answered.catch(() => undefined) // it is given up
      const stale = await ringing
      await eventually(() => call.state !== 'calling', { what: 'it rings' })
      await kamailio.kill()
      await call.hangUp()
      stale.reject(486)
      await kamailio.restart()
      const bothThere = async () => (await kamailio.hasContact('2001')) && (await kamailio.hasContact('2002'))
      await eventually(bothThere, { what: 'both are there again', withinMs: healsWithinMs, everyMs: 200 })
      await expectCall(alice, bob, kamailio.uri('2002'))
    },
  )

  row(
    'server restarts',
    'Asterisk 22',
    `${over}: calls the phone that was registered before`,
    async (scene) => {
      const asterisk = await Asterisk.start(scene)
      const server = asterisk.server(transport)
      const phone = await startPhone(scene, { ...userOf(asterisk, '1000'), server })
      await asterisk.kill()
      await asterisk.restart()
      const calls = async () => {
        const incoming = phone.nextCall({ timeoutMs: 3_000 }).catch(() => undefined)
        await asterisk.originate('1000', 'echo')
        return await incoming
      }
      const call = await eventually(calls, { what: 'a call comes', withinMs: healsWithinMs, everyMs: 500 })
      await call.answer()
      await expectEcho(call)
      await call.hangUp()
    },
  )

  row(
    'server dies while it rings',
    'Asterisk 22',
    `${over}: who answers a dead caller is free in the end`,
    async (scene) => {
      const asterisk = await Asterisk.start(scene)
      const server = asterisk.server(transport)
      const phone = await startPhone(scene, { ...userOf(asterisk, '1000'), server })
      const incoming = phone.nextCall({ timeoutMs: 30_000 })
      await asterisk.originate('1000', 'echo')
      const call = await incoming
      await asterisk.kill()
      await call.answer().catch(() => undefined) // over TCP it may be known by now that nobody is there
      await call.ended
    },
  )
}

// ---- a connection is cut in the middle of a message ------------------------------------------------------------------------------

/** What is encrypted is known by its turn alone: the first of the caller's messages, and of those to the called. */
const cuts = [
  { transports: ['tcp', 'tls', 'wss'], of: 'caller', direction: 'to server', start: 'INVITE ' },
  { transports: ['tcp', 'tls', 'wss'], of: 'called', direction: 'to client', start: 'INVITE ' },
  { transports: ['tcp'], of: 'called', direction: 'to server', start: 'SIP/2.0 200' },
  { transports: ['tcp'], of: 'caller', direction: 'to client', start: 'SIP/2.0 200' },
] as const

for (const { transports, of, direction, start } of cuts)
  for (const transport of transports) {
    const what = start.replace('SIP/2.0 ', '').trim()
    row(
      'connection cut',
      'Kamailio',
      `${transport.toUpperCase()} of the ${of} in the middle of ${what}: the phone connects anew`,
      async (scene) => {
        const kamailio = await Kamailio.start(scene, transport === 'tcp' ? {} : { secure: true })
        const target = { host: kamailio.host, port: kamailio.portOf(transport) }
        const tls = transport !== 'tcp' && { tls: { ca: readFileSync(kamailio.authority, 'utf8') } }
        const behind = async (number: string, name: string) => {
          const proxy = await CuttingProxy.start(scene, target)
          const server = `sip:${proxy.address};transport=${transport}`
          return {
            proxy,
            phone: await startPhone(scene, { ...userOf(kamailio, number), ...tls, server }, name),
          }
        }
        const caller = await behind('2001', 'alice')
        const called = await behind('2002', 'bob')
        const { proxy } = of === 'caller' ? caller : called
        const [alice, bob] = [caller.phone, called.phone]
        proxy.cutNext(direction, transport === 'tcp' ? start : undefined)
        const taken: Call[] = []
        bob.onCall = (call) => {
          taken.push(call)
          call.answer().catch(() => undefined) // its caller may be gone
        }
        const first = await alice.call(kamailio.uri('2002'))
        first.answered.catch(() => undefined) // it may come to nothing
        await eventually(() => proxy.cuts === 1, { what: 'the connection is cut', withinMs: 30_000 })
        await first.hangUp()
        const calls = async () => {
          const call = await alice.call(kamailio.uri('2002'))
          const answered = await call.answered.then(
            () => true,
            () => false,
          )
          return answered && call
        }
        const call = await eventually(calls, { what: 'a call works', withinMs: healsWithinMs, everyMs: 500 })
        await expectBothHear(call, taken.at(-1)!)
        await call.hangUp()
      },
    )
  }

sideBySide({
  peer: 'Kamailio',
  heading: 'Kamailio: faults',
  needs: ['kamailio'],
  start: async () => undefined,
  rows,
})
sideBySide({
  peer: 'Asterisk 22',
  heading: 'Asterisk 22: faults',
  needs: ['asterisk'],
  start: async () => undefined,
  rows: asteriskRows,
})

// ---- loss ------------------------------------------------------------------------------------------------------------------------

/** They hear the files through the gaps. */
async function expectBothRecognise(a: Call, b: Call, spoken: readonly [string, string]): Promise<void> {
  a.play(spoken[0], { loop: true }).catch(() => undefined) // it ends with the call
  b.play(spoken[1], { loop: true }).catch(() => undefined)
  await Promise.all([b.waitToHear(spoken[0], 30_000), a.waitToHear(spoken[1], 30_000)])
}

const lossPercent = 10
sideBySide<Kamailio>({
  peer: 'Kamailio',
  heading: `Kamailio: ${lossPercent} % loss`,
  needs: ['kamailio', 'namespace'],
  start: async (scene) => {
    losePackets(scene, lossPercent)
    return await Kamailio.start(scene)
  },
  rows: [0, 1, 2, 3].map((pair) => ({
    feature: 'UDP that loses a tenth',
    by: 'peer',
    name: `registers, calls, holds, resumes, hangs up: pair ${pair + 1}`,
    timeoutMs: rowMs,
    run: async (scene, kamailio) => {
      const [a, b] = [String(2011 + 2 * pair), String(2012 + 2 * pair)]
      const account = (number: string) => ({ ...userOf(kamailio, number), registerExpires: 300 })
      const [alice, bob] = [
        await startPhone(scene, account(a), 'alice'),
        await startPhone(scene, account(b), 'bob'),
      ]
      const [caller, called] = await connect(alice, bob, kamailio.uri(b))
      await expectBothRecognise(caller, called, [hello, reply])
      await caller.hold()
      await eventually(() => called.heldBy.remote, { what: 'it is held', withinMs: 40_000 })
      await caller.resume()
      await expectBothRecognise(caller, called, [reply, hello])
      await caller.hangUp()
      await called.ended
      expect(packetsLost()).toBeGreaterThan(0)
    },
  })),
})
