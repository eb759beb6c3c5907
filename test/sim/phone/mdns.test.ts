// An offer whose only candidate is a name, as browsers make it (draft-ietf-mmusic-mdns-ice-candidates): the answer waits for
// nobody, and the checks begin when the name is known.
import { expect, test } from 'vitest'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

const name = '3f1c2b6e-0000-4000-8000-000000000001.local'
const offer = [
  'v=0',
  'o=- 1 1 IN IP4 0.0.0.0',
  's=-',
  'c=IN IP4 0.0.0.0',
  't=0 0',
  'm=audio 9 RTP/AVP 0',
  'a=rtpmap:0 PCMU/8000',
  'a=rtcp-mux',
  'a=ice-options:trickle',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:abcdefghijklmnopqrstuv',
  `a=candidate:1 1 UDP 2113937151 ${name} 4000 typ host`,
  '',
].join('\r\n')

test('a name is resolved beside the call', async () => {
  const simulation = world()
  const { clock, internet } = simulation
  const afterMs = 900
  const checksAt: number[] = []
  let accepted = Number.NaN
  await clock.run(
    (async () => {
      const browsersHost = simulation.host('browser', internet.at('203.0.113.1'))
      const browser = await UserAgent.start({
        runtime: browsersHost,
        listen: [{ protocol: 'udp', address: '203.0.113.1', port: 5060 }],
      })
      const socket = await browsersHost.openUdp({ address: '203.0.113.1', port: 4_000 })
      socket.onDatagram = () => checksAt.push(clock.now())
      const bobsHost = simulation.host('bob', internet.at('203.0.113.2'))
      bobsHost.resolve = async (asked) => {
        await new Promise<void>((done) => clock.setTimer(afterMs, done))
        return asked === name ? ['203.0.113.1'] : []
      }
      const bob = await phoneOn(bobsHost)
      const ringing = bob.nextCall()
      const session = browser.invite(
        'sip:bob@203.0.113.2',
        {
          onAccepted: (_response, acknowledge) => {
            accepted = clock.now()
            acknowledge()
          },
          onEnded: () => {},
        },
        { offer: { contentType: 'application/sdp', content: offer } },
      )
      const call = await ringing
      const before = clock.now()
      await call.answer()
      await new Promise<void>((done) => clock.setTimer(3_000, done))
      expect(accepted - before).toBeLessThan(10)
      expect(checksAt[0]! - before).toBeGreaterThanOrEqual(afterMs)
      expect(checksAt[0]! - before).toBeLessThan(afterMs + 100)
      session.hangUp()
      await call.ended
      socket.close()
      await bob.stop()
      await browser.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})
