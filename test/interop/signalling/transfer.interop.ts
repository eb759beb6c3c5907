// Transfers and text messages: against SIPp on ladders, where floe is the one that hands over, the one handed over, and the one
// that a call is taken over from.
import { expect } from 'vitest'
import type { Call } from '../../../src/index.ts'
import { addressOf, expectEcho, startPhone } from '../peers/phone.ts'
import { eventually } from '../peers/process.ts'
import { Sipp } from '../peers/sipp.ts'
import { listOfRows } from '../peers/sipp-calls.ts'
import {
  ack,
  hangUp,
  isHungUpOn,
  perhapsReplied,
  receive,
  replied,
  reply,
  request,
  type Step,
  sdp,
  untilTold,
} from '../peers/sipp-scenario.ts'
import { sideBySide } from '../side-by-side.ts'

const { rows, row } = listOfRows()

const answers = [receive('INVITE'), reply(180), reply(200, { body: sdp() }), receive('ACK')]
const dials = [request('INVITE', { body: sdp() }), perhapsReplied(180), replied(200), ack()]

const progress = (status: string, state: string): Step =>
  request('NOTIFY', {
    headers: { Event: 'refer', 'Subscription-State': state },
    body: { type: 'message/sipfrag;version=2.0', text: `SIP/2.0 ${status}` },
  })

// ---- floe hands over -----------------------------------------------------------------------------------------------------------

row('blind transfer', 'floe', 'hands SIPp over, which tells how it goes: 100, 180, 200', async (scene) => {
  const sipp = await Sipp.called(scene, [
    ...answers,
    untilTold(),
    receive('REFER', { 'Refer-To': 'sip:carol@' }),
    reply(202),
    progress('100 Trying', 'active;expires=60'),
    replied(200),
    progress('180 Ringing', 'active;expires=60'),
    replied(200),
    progress('200 OK', 'terminated;reason=noresource'),
    replied(200),
    ...isHungUpOn,
  ])
  const phone = await startPhone(scene)
  const call = await phone.call(sipp.uri())
  await expectEcho(call)
  await sipp.go(call.id)
  await call.transfer('sip:carol@192.0.2.1')
  await call.ended
  await sipp.finished()
})

row(
  'blind transfer',
  'floe',
  'hands SIPp over, whose call fails with 486: the old call goes on',
  async (scene) => {
    const sipp = await Sipp.called(scene, [
      ...answers,
      receive('REFER'),
      reply(202),
      progress('100 Trying', 'active;expires=60'),
      replied(200),
      progress('486 Busy Here', 'terminated;reason=noresource'),
      replied(200),
      ...isHungUpOn,
    ])
    const phone = await startPhone(scene)
    const call = await phone.call(sipp.uri())
    await call.answered
    await expect(call.transfer('sip:carol@192.0.2.1')).rejects.toMatchObject({ status: 486 })
    await expectEcho(call)
    await call.hangUp()
    await sipp.finished()
  },
)

row('blind transfer', 'floe', 'SIPp refuses to be handed over: the call goes on', async (scene) => {
  const sipp = await Sipp.called(scene, [...answers, receive('REFER'), reply(603), ...isHungUpOn])
  const phone = await startPhone(scene)
  const call = await phone.call(sipp.uri())
  await call.answered
  await expect(call.transfer('sip:carol@192.0.2.1')).rejects.toMatchObject({ status: 603 })
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

row(
  'attended transfer',
  'floe',
  'hands one SIPp over to another: Refer-To names the dialog',
  async (scene) => {
    const first = await Sipp.called(
      scene,
      [
        ...answers,
        receive('REFER', { 'Refer-To': 'Replaces=.*to-tag.*from-tag' }),
        reply(202),
        progress('200 OK', 'terminated;reason=noresource'),
        replied(200),
        ...isHungUpOn,
      ],
      { name: 'first' },
    )
    const second = await Sipp.called(scene, [...answers, ...isHungUpOn], { name: 'second' })
    const phone = await startPhone(scene)
    const [a, b] = [await phone.call(first.uri()), await phone.call(second.uri())]
    await expectEcho(a)
    await expectEcho(b)
    await a.transferTo(b)
    await Promise.all([a.ended, b.ended, first.finished(), second.finished()])
  },
)

// ---- floe is handed over -------------------------------------------------------------------------------------------------------

const notified = (status: string, state: string): Step[] => [
  receive('NOTIFY', { Event: 'refer', 'Subscription-State': state, body: `SIP/2.0 ${status}` }),
  reply(200),
]

row(
  'blind transfer',
  'peer',
  'SIPp hands floe over to another SIPp, and is told how it goes',
  async (scene) => {
    const target = await Sipp.called(scene, [...answers, ...isHungUpOn], { name: 'target' })
    const phone = await startPhone(scene)
    const incoming = phone.nextCall({ timeoutMs: 20_000 })
    const sipp = await Sipp.calls(scene, addressOf(phone), [
      ...dials,
      untilTold(),
      request('REFER', { headers: { 'Refer-To': `<${target.uri()}>`, 'Referred-By': '<sip:sipp@sipp>' } }),
      replied(202),
      ...notified('100', 'active'),
      ...notified('180', 'active'),
      ...notified('200', 'terminated'),
      ...hangUp,
    ])
    const call = await incoming
    const transferred = new Promise<Call>((resolve, reject) => {
      call.onTransfer = (transfer) => transfer.accept().then(resolve, reject)
    })
    await call.answer()
    await expectEcho(call)
    await sipp.go(call.id)
    const next = await transferred
    await next.answered
    await call.ended
    await expectEcho(next)
    await next.hangUp()
    await Promise.all([sipp.finished(), target.finished()])
  },
)

row(
  'blind transfer',
  'peer',
  'a REFER that nobody accepts is refused with 603: the call goes on',
  async (scene) => {
    const phone = await startPhone(scene)
    const incoming = phone.nextCall({ timeoutMs: 20_000 })
    const sipp = await Sipp.calls(scene, addressOf(phone), [
      ...dials,
      request('REFER', { headers: { 'Refer-To': '<sip:expensive@192.0.2.1>' } }),
      replied(603),
      ...isHungUpOn,
    ])
    const call = await incoming
    await call.answer()
    await expectEcho(call)
    await call.hangUp()
    await sipp.finished()
  },
)

row('Replaces', 'peer', 'SIPp takes the place of another SIPp in a call', async (scene) => {
  const phone = await startPhone(scene)
  const first = phone.nextCall({ timeoutMs: 20_000 })
  const replaced = await Sipp.calls(scene, addressOf(phone), [...dials, ...isHungUpOn], { name: 'replaced' })
  const old = await first
  await old.answer()
  await expectEcho(old)
  const replacing = phone.nextCall({ timeoutMs: 20_000 })
  const sipp = await Sipp.calls(scene, addressOf(phone), [
    request('INVITE', {
      headers: { Require: 'replaces', Replaces: replaced.replaces },
      body: sdp(),
    }),
    perhapsReplied(180),
    replied(200),
    ack(),
    ...isHungUpOn,
  ])
  const call = await replacing
  expect(call.replaces).toBe(old)
  await call.answer()
  await replaced.finished()
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

row('Replaces', 'peer', 'of a dialog that floe does not know: 481', async (scene) => {
  const phone = await startPhone(scene)
  const sipp = await Sipp.calls(scene, addressOf(phone), [
    request('INVITE', {
      headers: { Require: 'replaces', Replaces: 'nobody@nowhere;to-tag=1;from-tag=2' },
      body: sdp(),
    }),
    replied(481),
    ack(),
  ])
  await sipp.finished()
})

// ---- messages ------------------------------------------------------------------------------------------------------------------

row('MESSAGE', 'floe', 'floe writes to SIPp', async (scene) => {
  const text = { 'Content-Type': 'text/plain', body: '^hello$' }
  const sipp = await Sipp.called(scene, [receive('MESSAGE', text), reply(200)])
  const phone = await startPhone(scene)
  expect((await phone.message(sipp.uri(), 'hello')).status).toBe(200)
  await sipp.finished()
})

row('MESSAGE', 'peer', 'SIPp writes to floe', async (scene) => {
  const phone = await startPhone(scene)
  const texts: string[] = []
  phone.onMessage = ({ text }) => texts.push(text)
  const body = { type: 'text/plain;charset=utf-8', text: 'hello there' }
  await (await Sipp.calls(scene, addressOf(phone), [request('MESSAGE', { body }), replied(200)])).finished()
  await eventually(() => texts.length > 0, { what: 'the message' })
  expect(texts[0]!.trim()).toBe('hello there')
})

// ---- digits --------------------------------------------------------------------------------------------------------------------

for (const [by, type, body] of [
  ['info', 'application/dtmf', '^ *5'],
  ['info-relay', 'application/dtmf-relay', 'Signal= *5'],
] as const) {
  row('DTMF in INFO', 'floe', `floe sends a digit as ${type}`, async (scene) => {
    const match = { 'Content-Type': `${type} *$`, body }
    const sipp = await Sipp.called(scene, [...answers, receive('INFO', match), reply(200), ...isHungUpOn])
    const phone = await startPhone(scene)
    const call = await phone.call(sipp.uri())
    await call.answered
    await call.sendDtmf('5', { by })
    await call.hangUp()
    await sipp.finished()
  })
}

sideBySide({ peer: 'SIPp', heading: 'SIPp: transfers', needs: ['sipp'], start: async () => undefined, rows })
