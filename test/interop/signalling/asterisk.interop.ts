// floe as a phone at Asterisk 22, which is started once: every row has users of its own there. What changes in a call is
// followed by audio both ways.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Call, Peer, PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { Asterisk, type User } from '../peers/asterisk.ts'
import { answerWithinMs, calledBy, holdAndResume, music, pair, phoneOf } from '../peers/asterisk-calls.ts'
import { expectBothHear, expectEcho, hearsFromNow } from '../peers/phone.ts'
import { eventually } from '../peers/process.ts'
import { type Row, sideBySide } from '../side-by-side.ts'
import { writeTone } from '../sounds.ts'

const users: Record<string, readonly string[]> = {}
/** A user for one row alone. */
function user(...options: string[]): User {
  const name: User = `1${100 + Object.keys(users).length}`
  users[name] = options
  return name
}

const rows: Row<Asterisk>[] = []
const row = (
  feature: string,
  by: Row<Asterisk>['by'],
  name: string,
  run: (scene: Scene, asterisk: Asterisk) => Promise<void>,
  timeoutMs?: number,
) => rows.push({ feature, by, name, run, ...(timeoutMs !== undefined && { timeoutMs }) })

const server = (asterisk: Asterisk, transport: Parameters<Asterisk['server']>[0]): PhoneOptions => ({
  server: asterisk.server(transport),
  tls: { ca: readFileSync(asterisk.authority, 'utf8') },
})

// ---- transports ------------------------------------------------------------------------------------------------------------

for (const transport of ['udp', 'tcp', 'tls', 'ws', 'wss'] as const) {
  const number = user('ice_support=yes')
  row(
    transport.toUpperCase(),
    'both',
    `over ${transport.toUpperCase()}: registers, calls, is called`,
    async (scene, asterisk) => {
      const phone = await phoneOf(scene, asterisk, number, {
        ...server(asterisk, transport),
        ice: 'require',
      })
      const call = await phone.call(asterisk.uri('echo'))
      await expectEcho(call)
      await call.hangUp()
      const second = await calledBy(asterisk, phone, number, 'echo')
      await expectEcho(second)
      await second.hangUp()
      await phone.stop()
      expect(await asterisk.hasContact(number)).toBe(false)
    },
  )
}

// ---- hold ------------------------------------------------------------------------------------------------------------------

const holding = [user(), user()] as const
row('hold and resume', 'floe', 'holds: the other hears music; resumes: both hear', (scene, asterisk) =>
  holdAndResume(scene, asterisk, holding),
)

// ---- transfers ---------------------------------------------------------------------------------------------------------------

const sentOn = user()
row('blind transfer', 'peer', 'is sent on to Echo by a REFER of Asterisk', async (scene, asterisk) => {
  const phone = await phoneOf(scene, asterisk, sentOn)
  const call = await phone.call(asterisk.uri('transfer'))
  const next = await new Promise<Call>((resolve, reject) => {
    call.onTransfer = (transfer) => transfer.accept().then(resolve, reject)
  })
  await expectEcho(next)
  await call.ended
  await asterisk.logged(/transfer SUCCESS/)
  await next.hangUp()
})

const blind = [user(), user(), user()] as const
row('blind transfer', 'floe', 'hands the far end over to a third phone', async (scene, asterisk) => {
  const { caller, called } = await pair(scene, asterisk, [blind[0], blind[1]])
  const third = await phoneOf(scene, asterisk, blind[2])
  const incoming = third.nextCall({ timeoutMs: answerWithinMs })
  const transferred = caller.transfer(asterisk.uri(blind[2]))
  const last = await incoming
  await last.answer()
  await transferred
  await caller.ended
  await expectBothHear(called, last)
  await last.hangUp()
  await called.ended
})

const attended = [user(), user(), user()] as const
row(
  'attended transfer',
  'floe',
  'asks a third phone, then hands the first over to it',
  async (scene, asterisk) => {
    const { a, caller, called } = await pair(scene, asterisk, [attended[0], attended[1]])
    const third = await phoneOf(scene, asterisk, attended[2])
    await caller.hold()
    await hearsFromNow(called, music)
    const incoming = third.nextCall({ timeoutMs: answerWithinMs })
    const asking = await a.call(asterisk.uri(attended[2]))
    const last = await incoming
    await last.answer()
    await expectBothHear(asking, last)
    await caller.transferTo(asking)
    await Promise.all([caller.ended, asking.ended])
    await expectBothHear(called, last)
    await called.hangUp()
    await last.ended
  },
)

// ---- messages and digits -------------------------------------------------------------------------------------------------------

const writers = [user(), user()] as const
row('MESSAGE', 'both', 'writes to another phone through Asterisk', async (scene, asterisk) => {
  const [a, b] = [await phoneOf(scene, asterisk, writers[0]), await phoneOf(scene, asterisk, writers[1])]
  const texts: string[] = []
  b.onMessage = ({ text }) => texts.push(text)
  expect([200, 202]).toContain((await a.message(asterisk.uri(writers[1]), 'hello from here')).status)
  await eventually(() => texts.includes('hello from here'), { what: 'the text has come' })
})

for (const by of ['info', 'info-relay'] as const) {
  const presses = user('dtmf_mode=info')
  row('DTMF in INFO', 'floe', `presses digits by ${by}, which Asterisk reads`, async (scene, asterisk) => {
    const phone = await phoneOf(scene, asterisk, presses)
    const call = await phone.call(asterisk.uri('read-dtmf'))
    await call.answered
    await call.sendDtmf(by === 'info' ? '2580' : '1470', { by })
    await asterisk.logged(by === 'info' ? /read digits=2580/ : /read digits=1470/)
    await call.hangUp()
  })
}

// ---- events --------------------------------------------------------------------------------------------------------------------

const mailbox = user()
users[mailbox] = [`aor.mailboxes=${mailbox}@default`]
row('message-summary', 'floe', 'is told of a message in its mailbox', async (scene, asterisk) => {
  const phone = await phoneOf(scene, asterisk, mailbox)
  const subscription = phone.subscribe(undefined, 'message-summary')
  const waiting = () => subscription.last?.messages
  await eventually(() => waiting()?.waiting === false, { what: 'an empty mailbox' })
  asterisk.leaveMessage(mailbox)
  await eventually(() => waiting()?.waiting === true, { what: 'a message waits' })
  expect(waiting()?.voice).toMatchObject({ new: 1, old: 0 })
  subscription.stop()
})

const watched = { watcher: user(), phone: user() }
row('dialog event', 'floe', 'watches another phone ring and speak', async (scene, asterisk) => {
  const watcher = await phoneOf(scene, asterisk, watched.watcher)
  const phone = await phoneOf(scene, asterisk, watched.phone)
  const subscription = watcher.subscribe(asterisk.uri(watched.phone), 'dialog')
  const states = () => subscription.last?.dialogs?.map(({ state }) => state)
  await eventually(() => states() !== undefined, { what: 'the first notification' })
  const call = await calledBy(asterisk, phone, watched.phone, 'echo')
  await eventually(() => states()?.includes('confirmed'), { what: 'the phone is seen to speak' })
  await expectEcho(call)
  await call.hangUp()
  await eventually(() => !states()?.includes('confirmed'), { what: 'the phone is seen to be free' })
  subscription.stop()
})

const seen = { watcher: user(), phone: user() }
row('presence event', 'floe', 'sees another phone come and speak', async (scene, asterisk) => {
  const watcher = await phoneOf(scene, asterisk, seen.watcher)
  const subscription = watcher.subscribe(asterisk.uri(seen.phone), 'presence')
  const open = () => subscription.last?.presence?.tuples.some((tuple) => tuple.open)
  await eventually(() => open() === false, { what: 'it is away' })
  await phoneOf(scene, asterisk, seen.phone)
  await eventually(() => open() === true, { what: 'it is there' })
  subscription.stop()
})

// ---- reliability, timers, identity -----------------------------------------------------------------------------------------------

const required = user('100rel=required')
row('PRACK', 'peer', 'is called by Asterisk, which requires 100rel', async (scene, asterisk) => {
  const phone = await phoneOf(scene, asterisk, required)
  const call = await calledBy(asterisk, phone, required, 'echo')
  await expectEcho(call)
  expect(messages(call, 'PRACK')).toBeGreaterThan(0)
  await call.hangUp()
})

const supported = user('100rel=peer_supported')
row('PRACK', 'floe', 'takes early media that Asterisk sends reliably', async (scene, asterisk) => {
  const phone = await phoneOf(scene, asterisk, supported)
  const call = await phone.call(asterisk.uri('early-media'))
  await call.waitToHear('tone:440', answerWithinMs)
  await call.answered
  await expectEcho(call)
  expect(messages(call, 'PRACK')).toBeGreaterThan(0)
  await call.hangUp()
})

const timed = user('timers=always', 'timers_min_se=90', 'timers_sess_expires=90')
row(
  'session timers',
  'both',
  'is refreshed in time, and heard afterwards',
  async (scene, asterisk) => {
    const phone = await phoneOf(scene, asterisk, timed, { sessionExpiresSeconds: 90 })
    const call = await phone.call(asterisk.uri('echo'))
    await expectEcho(call)
    const refreshed = () => messages(call, 'UPDATE') > 0 || messages(call, 'INVITE') > 2
    await eventually(refreshed, { what: 'a refresh', withinMs: 70_000, everyMs: 200 })
    await expectEcho(call)
    await call.hangUp()
  },
  120_000,
)

const renamed = user('send_pai=yes', 'trust_id_outbound=yes', 'connected_line_method=update')
row('connected line', 'peer', 'is told by UPDATE who is at the far end now', async (scene, asterisk) => {
  const phone = await phoneOf(scene, asterisk, renamed)
  const call = await phone.call(asterisk.uri('connected-line'))
  await call.answered
  await eventually(() => call.peer.asserted?.displayName === 'Somebody Else', { what: 'the UPDATE' })
  expect(messages(call, 'UPDATE')).toBeGreaterThan(0)
  await expectEcho(call)
  await call.hangUp()
})

const forwarded: Record<string, { read: (peer: Peer) => unknown; as: unknown }> = {
  'P-Asserted-Identity': {
    read: ({ asserted }) => asserted,
    as: { uri: expect.stringContaining('sip:1998@'), displayName: 'Asserted Name' },
  },
  Diversion: {
    read: ({ diversion }) => diversion,
    as: [{ uri: expect.stringContaining('sip:1999@'), displayName: 'Forwarder', reason: 'unconditional' }],
  },
}
for (const [feature, { read, as }] of Object.entries(forwarded)) {
  const [from, to] = [user(), user('send_pai=yes', 'trust_id_outbound=yes')]
  row(feature, 'peer', `is told by ${feature} of a call that was forwarded`, async (scene, asterisk) => {
    const [a, b] = [await phoneOf(scene, asterisk, from), await phoneOf(scene, asterisk, to)]
    const incoming = b.nextCall({ timeoutMs: answerWithinMs })
    const caller = await a.call(asterisk.uri(`divert${to}`))
    const called = await incoming
    expect(read(called.peer)).toEqual(as)
    await called.answer()
    await Promise.all([caller.answered, called.answered])
    await expectBothHear(caller, called)
    await caller.hangUp()
    await called.ended
  })
}

/** How many messages of the method were seen in the call, requests and answers. */
const messages = (call: Call, method: string): number =>
  call.trace.facts.filter(
    (fact) => fact.layer === 'sip' && fact.type === 'message' && fact.method === method && !fact.status,
  ).length

// ---- keep-alive --------------------------------------------------------------------------------------------------------------

const qualified = user('aor.qualify_frequency=1')
row('OPTIONS', 'peer', 'is asked every second whether it is there', async (scene, asterisk) => {
  await phoneOf(scene, asterisk, qualified)
  const available = async () => /\/sip:.*Avail/.test(await asterisk.console(`pjsip show aor ${qualified}`))
  await eventually(available, { what: 'Asterisk finds it available' })
})

sideBySide({
  peer: 'Asterisk 22',
  heading: 'Asterisk 22: calls',
  needs: ['asterisk'],
  start: async (scene) => {
    const file = join(scene.folder, 'music.wav')
    writeTone(file, music, 20_000)
    return await Asterisk.start(scene, { users, music: file, secure: true })
  },
  rows,
})
