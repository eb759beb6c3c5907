// What headers say of who calls, who sent the call here and why it ended, both ways between floe and SIPp: P-Asserted-Identity
// and Privacy (RFC 3325, RFC 3323), Diversion (RFC 5806), History-Info (RFC 7044), Reason (RFC 3326).
import { expect } from 'vitest'
import type { Peer, PhoneOptions } from '../../../src/index.ts'
import { nodeRuntime, startServer } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { addressOf, expectEcho, startPhone } from '../peers/phone.ts'
import { eventually, peerHost } from '../peers/process.ts'
import { Sipp } from '../peers/sipp.ts'
import { answers, called, calling, listOfRows, rings } from '../peers/sipp-calls.ts'
import {
  ack,
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

// ---- SIPp says it --------------------------------------------------------------------------------------------------------------

const dialsWith = (headers: Readonly<Record<string, string>>) => [
  request('INVITE', { headers, body: sdp() }),
  perhapsReplied(180),
  replied(200),
  ack(),
]

/** A phone that is registered at a server of this host, whose word it takes therefore. */
async function registered(scene: Scene): Promise<PhoneOptions> {
  const server = await startServer({
    runtime: nodeRuntime,
    listen: [{ protocol: 'udp', address: peerHost, port: 0 }],
  })
  scene.onEnd(() => server.stop())
  const { port } = server.sip[0]!
  return { account: `sip:service@${peerHost}:${port}`, server: `sip:${peerHost}:${port}` }
}

const asserting = { 'P-Asserted-Identity': '"Alice" <sip:+15551000@exchange.test>', Privacy: 'id' }
const asserted = { uri: 'sip:+15551000@exchange.test', displayName: 'Alice' }

row('P-Asserted-Identity', 'peer', 'its server says who calls: floe believes it', async (scene) => {
  const { call, sipp } = await called(
    scene,
    [...dialsWith(asserting), ...isHungUpOn],
    await registered(scene),
  )
  expect(call.peer.asserted).toEqual(asserted)
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

row('P-Asserted-Identity', 'peer', 'a stranger says who calls: floe does not believe it', async (scene) => {
  const { call, sipp } = await called(scene, [...dialsWith(asserting), ...isHungUpOn])
  expect(call.peer).toMatchObject({ displayName: 'SIPp' })
  expect(call.peer.asserted).toBeUndefined()
  await call.hangUp()
  await sipp.finished()
})

const told: Record<string, { value: string; read: (peer: Peer) => unknown; as: unknown }> = {
  Diversion: {
    value:
      '"Reception" <sip:100@exchange.test>;reason=no-answer;counter=1, <sip:200@exchange.test>;reason=user-busy',
    read: ({ diversion }) => diversion,
    as: [
      { uri: 'sip:100@exchange.test', displayName: 'Reception', reason: 'no-answer' },
      { uri: 'sip:200@exchange.test', reason: 'user-busy' },
    ],
  },
  'History-Info': {
    value: '<sip:100@exchange.test>;index=1, <sip:200@exchange.test?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1',
    read: ({ history }) => history,
    as: [
      { uri: 'sip:100@exchange.test', index: '1' },
      { uri: 'sip:200@exchange.test', index: '1.1', reason: 'SIP;cause=302' },
    ],
  },
}
for (const [name, { value, read, as }] of Object.entries(told))
  row(name, 'peer', `SIPp tells in ${name} where the call was before`, async (scene) => {
    const { call, sipp } = await called(scene, [...dialsWith({ [name]: value }), ...isHungUpOn])
    expect(read(call.peer)).toEqual(as)
    await expectEcho(call)
    await call.hangUp()
    await sipp.finished()
  })

const clearing = { Reason: 'Q.850;cause=16;text="Normal call clearing"' }
row('Reason', 'peer', 'SIPp tells in its BYE why it hangs up', async (scene) => {
  const { call, sipp } = await called(scene, [
    ...dialsWith({}),
    untilTold(),
    request('BYE', { headers: clearing }),
    replied(200),
  ])
  await expectEcho(call)
  await sipp.go(call.id)
  await call.ended
  expect(call.peer.reason).toEqual([{ protocol: 'Q.850', cause: 16, text: 'Normal call clearing' }])
  await sipp.finished()
})

row('Reason', 'peer', 'SIPp tells in its CANCEL that somebody else has answered', async (scene) => {
  const phone = await startPhone(scene)
  const incoming = phone.nextCall({ timeoutMs: 20_000 })
  const sipp = await Sipp.calls(scene, addressOf(phone), [
    request('INVITE', { body: sdp() }),
    replied(180),
    request('CANCEL', { headers: { Reason: 'SIP;cause=200;text="Call completed elsewhere"' } }),
    replied(200),
    replied(487),
    ack(),
  ])
  const call = await incoming
  await call.ended
  expect(call.peer.reason).toEqual([{ protocol: 'SIP', cause: 200, text: 'Call completed elsewhere' }])
  await sipp.finished()
})

row('Reason', 'peer', 'SIPp tells in its refusal what the telephone network said', async (scene) => {
  const headers = { Reason: 'Q.850;cause=21' }
  const { call, sipp } = await calling(scene, [receive('INVITE'), reply(603, { headers }), receive('ACK')])
  await expect(call.answered).rejects.toMatchObject({ status: 603 })
  expect(call.peer.reason).toEqual([{ protocol: 'Q.850', cause: 21 }])
  await sipp.finished()
})

// ---- floe says it --------------------------------------------------------------------------------------------------------------

row('Privacy', 'floe', 'floe hides who calls, and tells its server alone', async (scene) => {
  const anonymous = { Privacy: '^ *id *$', message: 'anonymous@anonymous.invalid', Contact: 'sip:anonymous@' }
  const sipp = await Sipp.called(scene, [
    receive('INVITE', { ...anonymous, 'P-Preferred-Identity': '"Alice" <sip:alice@exchange.test>' }),
    reply(200, { body: sdp() }),
    receive('ACK'),
    ...isHungUpOn,
  ])
  const phone = await startPhone(scene, {
    ...{ account: 'sip:alice@exchange.test', displayName: 'Alice', register: false },
    server: `sip:${sipp.address}`,
  })
  const call = await phone.call('sip:bob@exchange.test', { privacy: ['id'] })
  await expectEcho(call)
  await call.hangUp()
  await sipp.finished()
})

const said: Record<string, string> = {
  Diversion: '<sip:100@exchange.test>;reason=unconditional',
  'History-Info': '<sip:100@exchange.test>;index=1',
  'P-Asserted-Identity': '<sip:+15551000@exchange.test>',
}
for (const [name, value] of Object.entries(said))
  row(name, 'floe', `floe calls for somebody else, and says so in ${name}`, async (scene) => {
    const match = { [name]: value.replaceAll(/[+.]/g, '[$&]') }
    const steps = [receive('INVITE', match), reply(200, { body: sdp() }), receive('ACK'), ...isHungUpOn]
    const { call, sipp } = await calling(scene, steps, { headers: [[name, value]] })
    await expectEcho(call)
    await call.hangUp()
    await sipp.finished()
  })

const busy = { status: 486, text: 'Busy elsewhere' }
const reason = { Reason: 'SIP *;cause=486;text="Busy elsewhere"' }
row('Reason', 'floe', 'floe tells in its BYE why it hangs up', async (scene) => {
  const { call, sipp } = await calling(scene, [...answers, receive('BYE', reason), reply(200)])
  await expectEcho(call)
  await call.hangUp(busy)
  await sipp.finished()
})

row('Reason', 'floe', 'floe tells in its CANCEL why it gives up', async (scene) => {
  const { call, sipp } = await calling(scene, [
    ...rings,
    receive('CANCEL', reason),
    reply(200),
    reply(487, { to: 'INVITE' }),
    receive('ACK'),
  ])
  await eventually(() => call.state === 'ringing', { what: 'it rings' })
  await call.hangUp(busy)
  await sipp.finished()
})

sideBySide({ peer: 'SIPp', heading: 'SIPp: identity', needs: ['sipp'], start: async () => undefined, rows })
