// Session timers (RFC 4028) and UPDATE (RFC 3311) against SIPp. The shortest interval is 90 s: who refreshes does so after 45 s,
// who is not refreshed hangs up after 60. These rows wait side by side.
import { expect } from 'vitest'
import type { PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { addressOf, expectEcho, startPhone } from '../peers/phone.ts'
import { Sipp } from '../peers/sipp.ts'
import { calling as callsSipp, called as sippCalls } from '../peers/sipp-calls.ts'
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
import { type Row, sideBySide } from '../side-by-side.ts'

const waitMs = 110_000

const rows: Row<void>[] = []
const row = (
  feature: string,
  by: Row<void>['by'],
  name: string,
  run: (scene: Scene) => Promise<void>,
): void => void rows.push({ feature, by, name, run, timeoutMs: waitMs })

const called = (scene: Scene, steps: readonly Step[]) => sippCalls(scene, steps, {}, { waitMs })
const calling = (scene: Scene, steps: readonly Step[], phone: PhoneOptions = {}) =>
  callsSipp(scene, steps, { phone }, { waitMs })

const takesUpdate = { Allow: 'INVITE, ACK, CANCEL, BYE, UPDATE' }
const timer = (value: string, more = {}) => ({ Supported: 'timer', 'Session-Expires': value, ...more })
const dials = (headers = {}) => [
  request('INVITE', { headers, body: sdp() }),
  perhapsReplied(180),
  replied(200, { 'Session-Expires': '90' }),
  ack(),
]

// ---- the interval ----------------------------------------------------------------------------------------------------------------

row(
  'session timers',
  'peer',
  'SIPp refuses the interval with 422: floe asks for the longer one',
  async (scene) => {
    const steps = [
      receive('INVITE', { 'Session-Expires': '^ *90' }),
      reply(422, { headers: { 'Min-SE': '240' } }),
      receive('ACK'),
      receive('INVITE', { 'Session-Expires': '^ *240', 'Min-SE': '^ *240' }),
      reply(200, { body: sdp() }),
      receive('ACK'),
      ...isHungUpOn,
    ]
    const { call, sipp } = await calling(scene, steps, { sessionExpiresSeconds: 90 })
    await expectEcho(call)
    await call.hangUp()
    await sipp.finished()
  },
)

row('session timers', 'floe', 'floe refuses an interval below 90 s with 422', async (scene) => {
  const phone = await startPhone(scene)
  const incoming = phone.nextCall({ timeoutMs: 20_000 })
  const sipp = await Sipp.calls(scene, addressOf(phone), [
    request('INVITE', { headers: timer('60'), body: sdp() }),
    replied(422, { 'Min-SE': '^ *90' }),
    ack(),
    ...dials(timer('90')),
    ...isHungUpOn,
  ])
  const call = await incoming
  await call.answer()
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

// ---- refreshes -------------------------------------------------------------------------------------------------------------------

row('session timers', 'floe', 'floe calls, and refreshes by UPDATE', async (scene) => {
  const { call, sipp } = await calling(scene, [
    receive('INVITE'),
    reply(200, { headers: timer('90;refresher=uac', { Require: 'timer', ...takesUpdate }), body: sdp() }),
    receive('ACK'),
    receive('UPDATE', { 'Session-Expires': '90;refresher=uac' }),
    reply(200, { headers: timer('90;refresher=uac', { Require: 'timer' }) }),
    ...hangUp,
  ])
  await expectEcho(call)
  await call.ended
  await sipp.finished()
})

row(
  'session timers',
  'floe',
  'floe is called, and refreshes by re-INVITE, for SIPp takes no UPDATE',
  async (scene) => {
    const { call, sipp } = await called(scene, [
      ...dials(timer('90;refresher=uas', { Allow: 'INVITE, ACK, CANCEL, BYE' })),
      receive('INVITE', { 'Session-Expires': '90;refresher=uac' }),
      reply(200, { headers: timer('90;refresher=uac', { Require: 'timer' }), body: sdp() }),
      receive('ACK'),
      untilTold(),
      ...hangUp,
    ])
    await expectEcho(call)
    const refreshed = new Promise<void>((resolve) =>
      call.trace.subscribe((fact) => {
        if (fact.layer === 'sip' && fact.type === 'message' && fact.summary.startsWith('ACK ')) resolve()
      }),
    )
    await refreshed
    await expectEcho(call)
    await sipp.go(call.id)
    await call.ended
    await sipp.finished()
  },
)

row('session timers', 'peer', 'SIPp was to refresh and does not: floe hangs up', async (scene) => {
  const { call, sipp } = await calling(scene, [
    receive('INVITE'),
    reply(200, { headers: timer('90;refresher=uas', { Require: 'timer' }), body: sdp() }),
    receive('ACK'),
    ...isHungUpOn,
  ])
  await expectEcho(call)
  expect((await call.ended).outcome).toMatchObject({ status: 408 })
  await sipp.finished()
})

row('session timers', 'peer', 'SIPp refreshes by UPDATE and by re-INVITE', async (scene) => {
  const { call, sipp } = await called(scene, [
    ...dials(timer('90;refresher=uac')),
    request('UPDATE', { headers: timer('90;refresher=uac') }),
    replied(200, { 'Session-Expires': '90' }),
    request('INVITE', { headers: timer('90;refresher=uac'), body: sdp() }),
    replied(200, { 'Session-Expires': '90' }),
    ack(),
    ...isHungUpOn,
  ])
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

// ---- UPDATE ------------------------------------------------------------------------------------------------------------------------

row('UPDATE', 'peer', 'SIPp holds and resumes by UPDATE', async (scene) => {
  const { call, sipp } = await called(scene, [
    ...dials(timer('90')),
    untilTold(),
    request('UPDATE', { body: sdp({ direction: 'sendonly' }) }),
    replied(200, { body: 'a=(recvonly|inactive)' }),
    request('UPDATE', { body: sdp() }),
    replied(200, { body: 'm=audio' }),
    untilTold(),
    ...hangUp,
  ])
  await expectEcho(call)
  const holds: boolean[] = []
  const resumed = new Promise<void>((resolve) => {
    call.onHold = ({ remote }) => {
      holds.push(remote)
      if (!remote) resolve()
    }
  })
  await sipp.go(call.id)
  await resumed
  expect(holds).toEqual([true, false])
  await expectEcho(call)
  await sipp.go(call.id)
  await call.ended
  await sipp.finished()
})

sideBySide({ peer: 'SIPp', heading: 'SIPp: timers', needs: ['sipp'], start: async () => undefined, rows })
