// Third-party call control (RFC 3725): a controller joins two phones that know nothing of each other, by flows I, III and IV.
// floe is the phone in both roles; the controller is a user agent that hands descriptions on.
import { expect, test } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import type { IcePolicy } from '../../../src/phone/options.ts'
import type { Body, ResponseInfo, Session } from '../../../src/sip/session.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { hearsNow } from './far-end.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

/** One leg of the controller. */
class Leg {
  readonly accepted: Promise<{ response: ResponseInfo; acknowledge: (answer?: Body) => void }>
  readonly session: Session

  constructor(agent: UserAgent, uri: string, offer?: Body) {
    let session: Session | undefined
    this.accepted = new Promise((resolve) => {
      session = agent.invite(
        uri,
        {
          onAccepted: (response, acknowledge) => resolve({ response, acknowledge }),
          onEnded: () => {},
        },
        offer ? { offer } : {},
      )
    })
    this.session = session!
  }
}

const blackHole = (offer: string): Body => ({
  contentType: 'application/sdp',
  content: `v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n${
    offer.includes('a=mid:0') ? 'a=mid:0\r\n' : ''
  }`,
})
const noMedia: Body = {
  contentType: 'application/sdp',
  content: 'v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\n',
}

async function join(
  policies: { alice: IcePolicy; bob: IcePolicy },
  flow: (agent: UserAgent, alice: string, bob: string) => Promise<Leg[]>,
): Promise<void> {
  const simulation = world()
  const { clock, internet } = simulation
  const advance = (ms: number) => new Promise<void>((done) => clock.setTimer(ms, done))
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')), {
        ice: policies.alice,
      })
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), { ice: policies.bob })
      const calls: Call[] = []
      const take = (call: Call, tone: string) => {
        calls.push(call)
        void call.answer({ play: tone, loop: true })
      }
      alice.onCall = (call) => take(call, 'tone:450')
      bob.onCall = (call) => take(call, 'tone:1000')
      const agent = await UserAgent.start({
        runtime: simulation.host('controller', internet.at('203.0.113.9')),
        listen: [
          { protocol: 'udp', address: '203.0.113.9', port: 5060 },
          { protocol: 'tcp', address: '203.0.113.9', port: 5060 },
        ],
      })
      const legs = await flow(agent, 'sip:alice@203.0.113.1', 'sip:bob@203.0.113.2')
      await Promise.all(calls.map((call) => call.connected))
      await advance(3_000)
      expect(calls.map((call) => call.state)).toEqual(['answered', 'answered'])
      expect([hearsNow(calls[0]!, 1000), hearsNow(calls[1]!, 450)]).toEqual([true, true])
      for (const leg of legs) leg.session.hangUp()
      for (const call of calls) expect((await call.ended).verdict).toMatchObject({ ok: true })
      await Promise.all([alice.stop(), bob.stop(), agent.stop()])
    })(),
  )
  await expectNothingLeft(simulation)
}

const policies: [string, { alice: IcePolicy; bob: IcePolicy }][] = [
  ['both with ICE', { alice: 'auto', bob: 'auto' }],
  ['both without', { alice: 'off', bob: 'off' }],
  ['the first without', { alice: 'off', bob: 'auto' }],
]

test.each(policies)('flow I, %s: the offer of one is the offer to the other', (_name, how) =>
  join(how, async (agent, alice, bob) => {
    const first = new Leg(agent, alice)
    const one = await first.accepted
    const second = new Leg(agent, bob, one.response.body)
    const two = await second.accepted
    two.acknowledge()
    one.acknowledge(two.response.body)
    return [first, second]
  }),
)

test.each(policies)('flow III, %s: the first is put off with a black hole', (_name, how) =>
  join(how, async (agent, alice, bob) => {
    const first = new Leg(agent, alice)
    const one = await first.accepted
    one.acknowledge(blackHole(one.response.body!.content))
    const second = new Leg(agent, bob)
    const two = await second.accepted
    two.acknowledge(await first.session.reinvite(two.response.body!))
    return [first, second]
  }),
)

test.each(policies)('flow IV, %s: the first is called without media', (_name, how) =>
  join(how, async (agent, alice, bob) => {
    const first = new Leg(agent, alice, noMedia)
    const one = await first.accepted
    expect(one.response.body?.content).not.toContain('m=')
    one.acknowledge()
    const second = new Leg(agent, bob)
    const two = await second.accepted
    two.acknowledge(await first.session.reinvite(two.response.body!))
    return [first, second]
  }),
)
