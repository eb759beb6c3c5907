// The life of a call against SIPp, on ladders of these rows' own: what SIPp asks of floe in a call, and floe of SIPp. SIPp
// sends back every packet of audio, so that after each change both directions are heard at once.
import { expect } from 'vitest'
import { addressOf, expectEcho, startPhone } from '../peers/phone.ts'
import { eventually } from '../peers/process.ts'
import { Sipp } from '../peers/sipp.ts'
import {
  answers,
  called,
  calling,
  dials,
  listOfRows,
  reinvites,
  requestsOf,
  rings,
} from '../peers/sipp-calls.ts'
import {
  ack,
  hangUp,
  isHungUpOn,
  perhapsReplied,
  receive,
  replied,
  reply,
  request,
  sdp,
  untilTold,
} from '../peers/sipp-scenario.ts'
import { sideBySide } from '../side-by-side.ts'

const { rows, row } = listOfRows()

// ---- offers and answers ----------------------------------------------------------------------------------------------------

row('late offer', 'floe', 'floe dials without an offer, and answers in its ACK', async (scene) => {
  const steps = [
    receive('INVITE', { 'Content-Length': '^ *0$' }),
    reply(180),
    reply(200, { body: sdp() }),
    receive('ACK', { body: 'm=audio' }),
    ...isHungUpOn,
  ]
  const { call, sipp } = await calling(scene, steps, { lateOffer: true })
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

row('late offer', 'peer', 'SIPp dials without an offer, and answers in its ACK', async (scene) => {
  const { call, sipp } = await called(scene, [
    request('INVITE'),
    perhapsReplied(180),
    replied(200, { body: 'm=audio' }),
    ack(sdp()),
    ...isHungUpOn,
  ])
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

row('late offer', 'peer', 'SIPp re-INVITEs without an offer', async (scene) => {
  const { call, sipp } = await called(scene, [
    ...dials,
    untilTold(),
    request('INVITE'),
    replied(200, { body: 'm=audio' }),
    ack(sdp()),
    ...isHungUpOn,
  ])
  await expectEcho(call)
  await sipp.go(call.id)
  await eventually(() => requestsOf(call, 'ACK') >= 2, { what: 'the ACK with the answer' })
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

row('early media', 'peer', 'SIPp sends audio before it answers', async (scene) => {
  const { call, sipp } = await calling(scene, [
    receive('INVITE'),
    reply(183, { body: sdp() }),
    untilTold(),
    reply(200, { body: sdp(), to: 'INVITE' }),
    receive('ACK'),
    ...isHungUpOn,
  ])
  await eventually(() => call.state === 'early-media', { what: 'early media' })
  await sipp.go(call.id)
  await call.answered
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

row('multipart INVITE', 'peer', 'SIPp puts its offer into multipart/mixed', async (scene) => {
  const { text } = sdp()
  const parts = [
    ...['--next', 'Content-Type: text/plain', '', 'hello', '--next', 'Content-Type: application/sdp', ''],
    ...[text, '--next--'],
  ]
  const body = { type: 'multipart/mixed;boundary=next', text: parts.join('\n') }
  const { call, sipp } = await called(scene, [
    request('INVITE', { body }),
    perhapsReplied(180),
    replied(200, { body: 'm=audio' }),
    ack(),
    ...isHungUpOn,
  ])
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

// ---- reliable provisional answers --------------------------------------------------------------------------------------------------

const reliably = (rseq: number) => ({ Require: '100rel', RSeq: String(rseq) })

row('PRACK', 'peer', 'SIPp sends 183 and 180 reliably: floe acknowledges each', async (scene) => {
  const { call, sipp } = await calling(scene, [
    receive('INVITE', { Supported: '100rel' }),
    reply(183, { headers: reliably(7), body: sdp() }),
    receive('PRACK', { RAck: '^ *7 1 INVITE' }),
    reply(200),
    reply(180, { headers: reliably(8), to: 'INVITE' }),
    receive('PRACK', { RAck: '^ *8 1 INVITE' }),
    reply(200),
    reply(200, { to: 'INVITE' }),
    receive('ACK'),
    ...isHungUpOn,
  ])
  await call.answered
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

row(
  'PRACK',
  'peer',
  'floe dials without an offer, SIPp offers in its 183, floe answers in PRACK',
  async (scene) => {
    const { call, sipp } = await calling(
      scene,
      [
        receive('INVITE'),
        reply(183, { headers: reliably(1), body: sdp() }),
        receive('PRACK', { body: 'm=audio' }),
        reply(200),
        reply(200, { to: 'INVITE' }),
        receive('ACK'),
        ...isHungUpOn,
      ],
      { lateOffer: true },
    )
    await call.answered
    await expectEcho(call)
    await call.hangUp()
    await sipp.finished()
  },
)

row('PRACK', 'floe', 'SIPp requires 100rel: floe rings reliably', async (scene) => {
  const phone = await startPhone(scene)
  const incoming = phone.nextCall({ timeoutMs: 20_000 })
  const sipp = await Sipp.calls(scene, addressOf(phone), [
    request('INVITE', { headers: { Require: '100rel' }, body: sdp() }),
    replied(180, { RSeq: '[0-9]', Require: '100rel' }),
    request('PRACK'),
    replied(200),
    replied(200),
    ack(),
    ...isHungUpOn,
  ])
  const call = await incoming
  await eventually(() => requestsOf(call, 'PRACK') > 0, { what: 'the PRACK' })
  await call.answer()
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

// ---- hold ------------------------------------------------------------------------------------------------------------------

const holds = {
  'a=sendonly': sdp({ direction: 'sendonly' }),
  'c=0.0.0.0': sdp({ address: '0.0.0.0', direction: 'inactive' }),
}
for (const [style, body] of Object.entries(holds)) {
  row('hold and resume', 'peer', `SIPp holds with ${style}, and resumes`, async (scene) => {
    const { call, sipp } = await called(scene, [
      ...dials,
      untilTold(),
      ...reinvites(body, { body: 'a=(recvonly|inactive)' }),
      untilTold(),
      ...reinvites(sdp(), { body: 'm=audio' }),
      ...isHungUpOn,
    ])
    await expectEcho(call)
    await sipp.go(call.id)
    await eventually(() => requestsOf(call, 'ACK') >= 2, { what: 'the hold' })
    await sipp.go(call.id)
    await eventually(() => requestsOf(call, 'ACK') >= 3, { what: 'the resumption' })
    await expectEcho(call)
    await call.hangUp()
    await sipp.finished()
  })
}

row('hold and resume', 'floe', 'floe holds and resumes', async (scene) => {
  const { call, sipp } = await calling(scene, [
    ...answers,
    receive('INVITE', { body: 'a=(sendonly|inactive)' }),
    reply(200, { body: sdp({ direction: 'recvonly' }) }),
    receive('ACK'),
    receive('INVITE', { body: 'a=sendrecv' }),
    reply(200, { body: sdp() }),
    receive('ACK'),
    ...isHungUpOn,
  ])
  await expectEcho(call)
  await call.hold()
  expect(call.heldBy).toEqual({ local: true, remote: false })
  await call.resume()
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

row('hold and resume', 'floe', 'SIPp refuses to be held with 488: the call goes on', async (scene) => {
  const steps = [...answers, receive('INVITE'), reply(488), receive('ACK'), ...isHungUpOn]
  const { call, sipp } = await calling(scene, steps)
  await call.answered
  await expect(call.hold()).rejects.toMatchObject({ status: 488 })
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

row(
  're-INVITE glare',
  'both',
  'both re-INVITE at once: 491 both ways, and each gets its turn',
  async (scene) => {
    const { call, sipp } = await calling(scene, [
      ...answers,
      receive('INVITE'),
      request('INVITE', { body: sdp() }),
      replied(491),
      ack(),
      reply(491, { to: 'INVITE' }),
      receive('ACK'),
      ...reinvites(),
      // floe made the call: it comes again after 2.1 to 4 s (RFC 3261 14.1).
      receive('INVITE'),
      reply(200, { body: sdp({ direction: 'recvonly' }) }),
      receive('ACK'),
      receive('INVITE'),
      reply(200, { body: sdp() }),
      receive('ACK'),
      ...isHungUpOn,
    ])
    await expectEcho(call)
    await call.hold()
    await call.resume()
    await expectEcho(call)
    await call.hangUp()
    await sipp.finished()
  },
)

// ---- ends ------------------------------------------------------------------------------------------------------------------

row('CANCEL', 'floe', 'floe gives up while it rings', async (scene) => {
  const { call, sipp } = await calling(scene, [
    ...rings,
    receive('CANCEL'),
    reply(200),
    reply(487, { to: 'INVITE' }),
    receive('ACK'),
  ])
  await eventually(() => call.state === 'ringing', { what: 'it rings' })
  await call.hangUp()
  await sipp.finished()
})

row('CANCEL crosses 200', 'floe', 'SIPp answers before it gets the CANCEL: ACK and BYE', async (scene) => {
  const { call, sipp } = await calling(scene, [
    ...rings,
    receive('CANCEL'),
    reply(200),
    reply(200, { body: sdp(), to: 'INVITE' }),
    receive('ACK'),
    ...isHungUpOn,
  ])
  await eventually(() => call.state === 'ringing', { what: 'it rings' })
  await call.hangUp()
  await sipp.finished()
})

row('CANCEL', 'peer', 'SIPp gives up while it rings', async (scene) => {
  const phone = await startPhone(scene)
  const incoming = phone.nextCall({ timeoutMs: 20_000 })
  const sipp = await Sipp.calls(scene, addressOf(phone), [
    request('INVITE', { body: sdp() }),
    replied(180),
    request('CANCEL'),
    replied(200),
    replied(487),
    ack(),
  ])
  const report = await (await incoming).ended
  expect(report.outcome).toMatchObject({ by: 'remote' })
  await sipp.finished()
})

row('CANCEL crosses 200', 'peer', 'SIPp sends CANCEL after the 200: the call stands', async (scene) => {
  const { call, sipp } = await called(scene, [
    request('INVITE', { body: sdp() }),
    perhapsReplied(180),
    replied(200),
    request('CANCEL'),
    replied(200),
    ack(),
    ...hangUp,
  ])
  await call.ended
  await sipp.finished()
})

row('BYE', 'peer', 'SIPp hangs up', async (scene) => {
  const { call, sipp } = await called(scene, [...dials, untilTold(), ...hangUp])
  await expectEcho(call)
  await sipp.go(call.id)
  expect((await call.ended).outcome).toMatchObject({ by: 'remote' })
  await sipp.finished()
})

// ---- in a call ---------------------------------------------------------------------------------------------------------------

const digitBodies = {
  'application/dtmf-relay': 'Signal=5\nDuration=160',
  'application/dtmf': '5',
}
for (const [type, text] of Object.entries(digitBodies)) {
  row('DTMF in INFO', 'peer', `SIPp sends a digit as ${type}`, async (scene) => {
    const { call, sipp } = await called(scene, [
      ...dials,
      request('INFO', { body: { type, text } }),
      replied(200),
      ...isHungUpOn,
    ])
    await call.waitForDtmf('5', 20_000)
    await call.hangUp()
    await sipp.finished()
  })
}

row(
  'OPTIONS',
  'peer',
  'SIPp asks OPTIONS in a call, as exchanges do to see whether it is there',
  async (scene) => {
    const { call, sipp } = await called(scene, [
      ...dials,
      request('OPTIONS'),
      replied(200, { Allow: 'INVITE' }),
      ...isHungUpOn,
    ])
    await expectEcho(call)
    await call.hangUp()
    await sipp.finished()
  },
)

row('OPTIONS', 'peer', 'SIPp asks OPTIONS outside any call', async (scene) => {
  const phone = await startPhone(scene)
  phone.onCall = (call) => call.reject()
  const steps = [request('OPTIONS'), replied(200, { Allow: 'INVITE', Accept: 'application/sdp' })]
  await (await Sipp.calls(scene, addressOf(phone), steps)).finished()
})

row('OPTIONS', 'floe', 'floe asks SIPp', async (scene) => {
  const sipp = await Sipp.called(scene, [receive('OPTIONS'), reply(200)])
  const phone = await startPhone(scene)
  expect((await phone.ping(sipp.uri())).status).toBe(200)
  await sipp.finished()
})

sideBySide({ peer: 'SIPp', heading: 'SIPp: calls', needs: ['sipp'], start: async () => undefined, rows })
