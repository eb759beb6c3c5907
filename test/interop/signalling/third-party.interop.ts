// Third-party call control (RFC 3725) by a controller of two SIPps, between two phones of floe's that know nothing of each other.
import type { Call } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { addressOf, expectBothHear, startPhone } from '../peers/phone.ts'
import { eventually, freePort, peerHost, tcpPortTaken } from '../peers/process.ts'
import { Sipp } from '../peers/sipp.ts'
import { listOfRows } from '../peers/sipp-calls.ts'
import {
  ack,
  type Body,
  isHungUpOn,
  perhapsReplied,
  replied,
  request,
  type Step,
  tellTwin,
  toldByTwin,
  twinsDescription,
} from '../peers/sipp-scenario.ts'
import { sideBySide } from '../side-by-side.ts'

const { rows, row } = listOfRows()

/** Two phones of floe's and a controller between them, which is two SIPps. */
async function controlled(scene: Scene, towardsA: readonly Step[], towardsB: readonly Step[]) {
  const [a, b] = [await startPhone(scene, {}, 'a'), await startPhone(scene, {}, 'b')]
  const answers = [a, b].map(async (phone) => {
    const call = await phone.nextCall({ timeoutMs: 20_000 })
    await call.answer()
    await call.answered
    return call
  })
  const twinPort = await freePort()
  const twin = `${peerHost}:${twinPort}`
  const sippB = await Sipp.calls(scene, addressOf(b), towardsB, { name: 'sipp-b', twin })
  await eventually(() => tcpPortTaken(twinPort), { what: 'the second SIPp waits for the first' })
  const sippA = await Sipp.calls(scene, addressOf(a), towardsA, { name: 'sipp-a', twin })
  const calls = [await answers[0]!, await answers[1]!] as const
  return { calls, sipps: [sippA, sippB] as const }
}

async function expectJoined(calls: readonly [Call, Call], sipps: readonly [Sipp, Sipp]): Promise<void> {
  await expectBothHear(...calls)
  // A SIPp whose twin ends gives up: the second leg, which nobody waits for any more, ends first.
  for (const leg of [1, 0] as const) {
    await calls[leg].hangUp()
    await sipps[leg].finished()
  }
}

row('3PCC', 'peer', 'a controller joins two phones: flow I of RFC 3725', async (scene) => {
  const { calls, sipps } = await controlled(
    scene,
    [
      request('INVITE'),
      perhapsReplied(180),
      replied(200, { body: 'm=audio' }),
      tellTwin(),
      toldByTwin(),
      ack(twinsDescription),
      ...isHungUpOn,
    ],
    [
      toldByTwin(),
      request('INVITE', { body: twinsDescription }),
      perhapsReplied(180),
      replied(200, { body: 'm=audio' }),
      ack(),
      tellTwin(),
      ...isHungUpOn,
    ],
  )
  await expectJoined(calls, sipps)
})

/** Flow III puts the first phone off with an address that leads nowhere, flow IV with no media at all. */
const description = (...media: string[]): Body => ({
  type: 'application/sdp',
  text: ['v=0', 'o=sipp 1 1 IN IP4 [local_ip]', 's=-', 'c=IN IP4 0.0.0.0', 't=0 0', ...media].join('\n'),
})
const offersWith: Record<string, { opening: Step[]; name: string }> = {
  III: {
    name: 'the first waits for a black hole',
    opening: [
      request('INVITE'),
      perhapsReplied(180),
      replied(200, { body: 'm=audio' }),
      ack(description('m=audio 9 RTP/AVP 0')),
    ],
  },
  IV: {
    name: 'the first is called without media',
    opening: [request('INVITE', { body: description() }), perhapsReplied(180), replied(200), ack()],
  },
}
for (const [flow, { opening, name }] of Object.entries(offersWith))
  row('3PCC', 'peer', `a controller joins two phones: flow ${flow}, ${name}`, async (scene) => {
    const { calls, sipps } = await controlled(
      scene,
      [
        ...opening,
        tellTwin(), // that it may begin
        toldByTwin(),
        request('INVITE', { body: twinsDescription }),
        replied(200, { body: 'm=audio' }),
        ack(),
        tellTwin(),
        ...isHungUpOn,
      ],
      [
        toldByTwin(),
        request('INVITE'),
        perhapsReplied(180),
        replied(200, { body: 'm=audio' }),
        tellTwin(),
        toldByTwin(),
        ack(twinsDescription),
        ...isHungUpOn,
      ],
    )
    await expectJoined(calls, sipps)
  })

sideBySide({
  peer: 'SIPp',
  heading: 'SIPp: third-party control',
  needs: ['sipp'],
  start: async () => undefined,
  rows,
})
