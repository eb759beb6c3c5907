// floe with Kamailio as registrar and as the proxy that stays in the path, which is started once, with rtpengine beside it for
// the rows whose media passes that. Every row has users of its own.
import { expect } from 'vitest'
import type { Call, PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { Kamailio } from '../peers/kamailio.ts'
import { registeredPhone } from '../peers/kamailio-phone.ts'
import { connect, expectBothHear, expectEcho } from '../peers/phone.ts'
import { eventually } from '../peers/process.ts'
import { expectRelayed, startRtpengine } from '../peers/rtpengine.ts'
import { Sipp } from '../peers/sipp.ts'
import { isHungUpOn, receive, reply, sdp, untilTold } from '../peers/sipp-scenario.ts'
import { type Row, sideBySide } from '../side-by-side.ts'

let lastUser = 2000
const user = () => String(++lastUser)

// ---- calls through the proxy -------------------------------------------------------------------------------------------------

const rows: Row<Kamailio>[] = []
const rowOf =
  (into: Row<Kamailio>[]) =>
  (
    feature: string,
    by: Row<Kamailio>['by'],
    name: string,
    run: (scene: Scene, kamailio: Kamailio) => Promise<void>,
    timeoutMs?: number,
  ) =>
    into.push({ feature, by, name, run, ...(timeoutMs !== undefined && { timeoutMs }) })
const row = rowOf(rows)

for (const [from, to] of [
  ['udp', 'udp'],
  ['tcp', 'tcp'],
  ['tcp', 'udp'],
  ['udp', 'tcp'],
  ['tls', 'tls'],
  ['tls', 'udp'],
  ['udp', 'tls'],
  ['ws', 'ws'],
  ['wss', 'udp'],
  ['tls', 'wss'],
] as const) {
  const [a, b] = [user(), user()]
  const name = `calls from ${from.toUpperCase()} to ${to.toUpperCase()}, holds, resumes`
  row(to.toUpperCase(), 'both', name, async (scene, kamailio) => {
    const alice = await registeredPhone(scene, kamailio, a, { transport: from })
    const bob = await registeredPhone(scene, kamailio, b, { transport: to })
    const [caller, called] = await connect(alice, bob, kamailio.uri(b))
    await expectBothHear(caller, called)
    await caller.hold()
    await eventually(() => called.heldBy.remote, { what: 'it is held' })
    await caller.resume()
    await expectBothHear(caller, called)
    await called.hangUp()
    await caller.ended
  })
}

const transferred = { a: user(), b: user(), c: user() }
row(
  'blind transfer',
  'floe',
  'a phone hands another over to a third through the proxy',
  async (scene, kamailio) => {
    const [a, b, c] = [
      await registeredPhone(scene, kamailio, transferred.a),
      await registeredPhone(scene, kamailio, transferred.b, { transport: 'tcp' }),
      await registeredPhone(scene, kamailio, transferred.c, { transport: 'tls' }),
    ]
    const [first, called] = await connect(a, b, kamailio.uri(transferred.b))
    await expectBothHear(first, called)
    const onward = new Promise<Call>((resolve, reject) => {
      called.onTransfer = (transfer) => transfer.accept().then(resolve, reject)
    })
    const incoming = c.nextCall({ timeoutMs: 20_000 })
    const handedOver = first.transfer(kamailio.uri(transferred.c))
    const last = await incoming
    await last.answer()
    await Promise.all([handedOver, first.ended, called.ended])
    await expectBothHear(await onward, last)
    await last.hangUp()
  },
)

const written = { a: user(), b: user() }
row('MESSAGE', 'both', 'a phone writes to another through the proxy', async (scene, kamailio) => {
  const [a, b] = [
    await registeredPhone(scene, kamailio, written.a),
    await registeredPhone(scene, kamailio, written.b, { transport: 'tls' }),
  ]
  const texts: string[] = []
  b.onMessage = ({ text }) => texts.push(text)
  expect((await a.message(kamailio.uri(written.b), 'hello from here')).status).toBe(200)
  expect(texts).toEqual(['hello from here'])
})

const forked = { caller: user(), called: user() }
row(
  'forking',
  'peer',
  'two phones ring: audio of one before the answer, and the other answers',
  async (scene, kamailio) => {
    const early = await Sipp.called(
      scene,
      [
        receive('INVITE'),
        reply(183, { body: sdp() }),
        receive('CANCEL'),
        reply(200),
        reply(487, { to: 'INVITE' }),
        receive('ACK'),
      ],
      { name: 'early' },
    )
    const answers = [receive('INVITE'), reply(180), untilTold(), reply(200, { to: 'INVITE', body: sdp() })]
    const answering = await Sipp.called(scene, [...answers, receive('ACK'), ...isHungUpOn], {
      name: 'answers',
    })
    for (const { address } of [early, answering])
      await kamailio.addContact(forked.called, `sip:service@${address}`)
    const phone = await registeredPhone(scene, kamailio, forked.caller)
    const call = await phone.call(kamailio.uri(forked.called))
    await eventually(() => call.state === 'early-media', { what: 'early media' })
    await eventually(() => answering.hasSeen('180 Ringing'), { what: 'the other rings' })
    await answering.go(call.id)
    await call.answered
    await expectEcho(call)
    await early.finished()
    await call.hangUp()
    await answering.finished()
  },
)

// ---- media through rtpengine ---------------------------------------------------------------------------------------------------

const mediaRows: Row<Kamailio>[] = []
const mediaRow = rowOf(mediaRows)

const plain = { ice: 'off' } as const
const withIce = { ice: 'require' } as const
const relayed: {
  name: string
  feature: string
  caller: PhoneOptions
  called: PhoneOptions
  flags: string
}[] = [
  { name: 'plain to plain', feature: 'media relayed', caller: plain, called: plain, flags: 'ICE=remove' },
  { name: 'plain to ICE', feature: 'ICE', caller: plain, called: withIce, flags: 'ICE=force' },
  { name: 'ICE to plain', feature: 'ICE', caller: withIce, called: plain, flags: 'ICE=remove' },
  { name: 'ICE to ICE', feature: 'ICE', caller: withIce, called: withIce, flags: 'ICE=force' },
  {
    name: 'plain to ICE, and rtpengine is lite',
    feature: 'ICE-lite',
    caller: plain,
    called: withIce,
    flags: 'ICE=force ICE-lite=forward rtcp-mux-offer',
  },
]
for (const { name, feature, caller: callers, called: calleds, flags } of relayed) {
  const [a, b] = [user(), user()]
  mediaRow(feature, 'both', `media of two phones, ${name}; held and resumed`, async (scene, kamailio) => {
    const [alice, bob] = [
      await registeredPhone(scene, kamailio, a, callers),
      await registeredPhone(scene, kamailio, b, calleds),
    ]
    const headers: [string, string][] = [
      ['X-Rtpengine', `${flags} replace-origin replace-session-connection`],
    ]
    const [caller, called] = await connect(alice, bob, kamailio.uri(b), { headers })
    await expectBothHear(caller, called)
    await called.hold()
    await eventually(() => caller.heldBy.remote, { what: 'it is held' })
    await called.resume()
    await expectBothHear(caller, called)
    expectRelayed(caller, called)
    await caller.hangUp()
    await called.ended
  })
}

sideBySide({
  peer: 'Kamailio',
  heading: 'Kamailio: calls',
  needs: ['kamailio', 'sipp'],
  start: (scene) => Kamailio.start(scene, { secure: true }),
  rows,
})

sideBySide({
  peer: 'rtpengine',
  heading: 'Kamailio with rtpengine',
  needs: ['kamailio', 'rtpengine', 'namespace'],
  start: async (scene) => Kamailio.start(scene, { rtpengine: await startRtpengine(scene) }),
  rows: mediaRows,
})

// ---- digest ------------------------------------------------------------------------------------------------------------------

const [a256, b256] = [user(), user()]
sideBySide({
  peer: 'Kamailio',
  heading: 'Kamailio: SHA-256',
  needs: ['kamailio'],
  start: (scene) => Kamailio.start(scene, { algorithm: 'SHA-256' }),
  rows: [
    {
      feature: 'digest',
      by: 'peer',
      name: 'registers and calls with SHA-256',
      run: async (scene, kamailio) => {
        const [alice, bob] = [
          await registeredPhone(scene, kamailio, a256),
          await registeredPhone(scene, kamailio, b256),
        ]
        const [caller, called] = await connect(alice, bob, kamailio.uri(b256))
        await expectBothHear(caller, called)
        await caller.hangUp()
        await called.ended
      },
    },
  ],
})
