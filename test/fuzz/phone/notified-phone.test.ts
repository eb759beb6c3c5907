// A running phone that is subscribed to everything it can read, and that has handed its caller over, is notified by a peer whose
// bodies are mutated: each NOTIFY is answered, nothing is thrown, and the next good one is understood. FUZZ_RUNS, FUZZ_SEED.
import { expect, test } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import type { SipRequest } from '../../../src/sip/message.ts'
import { expectNothingLeft, phoneOn, world } from '../../sim/phone/world.ts'
import { ScriptedPeer } from '../../unit/sip-ua/scripted-peer.ts'
import { mutated, seeds } from './bodies.ts'

const runs = Number(process.env['FUZZ_RUNS'] ?? 1_500)
const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_128)

const [summary = '', dialogInfo = '', pidf = ''] = seeds
const packages = [
  { event: 'message-summary', type: 'application/simple-message-summary', body: summary },
  { event: 'dialog', type: 'application/dialog-info+xml', body: dialogInfo },
  { event: 'presence', type: 'application/pidf+xml', body: pidf },
]
const fragment = {
  type: 'message/sipfrag;version=2.0',
  body: 'SIP/2.0 180 Ringing\r\nContact: <sip:c@d>\r\n',
}

const answer = {
  contentType: 'application/sdp',
  content:
    'v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n',
}

test(`a phone lives through ${runs} mutated notifications`, { timeout: 600_000 }, async () => {
  const simulation = world(seed)
  const { clock, internet } = simulation
  const random = new SeededRandom(seed)
  const read = { messages: 0, dialogs: 0, presence: 0, reports: 0 }
  const problems: string[] = []
  await clock.run(
    (async () => {
      const host = simulation.host('alice', internet.at('192.0.2.1'))
      const phone = await phoneOn(host, { ice: 'off' })
      phone.onFact = (fact) => {
        if (fact.layer === 'sip' && fact.type === 'dropped' && fact.reason.startsWith('internal error'))
          problems.push(fact.reason)
      }
      const peer = await ScriptedPeer.open(simulation, '192.0.2.2', { address: '192.0.2.1', port: 5060 })
      let sequence = 0
      let unanswered = 0
      const notify = async (dialog: SipRequest, event: string, type: string, content: string) => {
        const headers = [`Event: ${event}`, 'Subscription-State: active;expires=3600']
        peer.inDialog(dialog, 'NOTIFY', ++sequence, { headers, body: { contentType: type, content } })
        unanswered++
        await new Promise<void>((done) => clock.setTimer(100, done))
        for (const message of peer.inbox.splice(0))
          if (message.kind === 'request') peer.reply(message, 200)
          else if (message.cseq.method === 'NOTIFY') unanswered--
      }

      const subscriptions = []
      for (const { event } of packages) {
        const subscription = phone.subscribe(peer.uri, event)
        subscription.onNotify = ({ messages, dialogs, presence }) => {
          if (messages) read.messages++
          if (dialogs) read.dialogs++
          if (presence) read.presence++
        }
        const request = await peer.request('SUBSCRIBE')
        peer.reply(request, 200, { headers: ['Expires: 3600'] })
        subscriptions.push({ subscription, request })
      }

      let call: Call | undefined
      const refer = async (): Promise<{ request: SipRequest; decided: boolean }> => {
        if (call?.state !== 'answered') {
          call = await phone.call(peer.uri, { mediaTimeoutMs: 0 })
          peer.reply(await peer.request('INVITE'), 200, { body: answer })
          await call.answered
        }
        const decided = () => {
          referral.decided = true
        }
        call.transfer('sip:carol@192.0.2.3').then(decided, decided)
        const request = await peer.request('REFER')
        peer.reply(request, 202)
        const referral = { request, decided: false }
        return referral
      }
      let referral = await refer()

      for (let run = 0; run < runs; run++) {
        const which = random.integer(packages.length + 1)
        const about = packages[which]
        if (about) {
          // Sometimes the body of another package.
          const { type } = random.integer(8) ? about : packages[random.integer(packages.length)]!
          await notify(subscriptions[which]!.request, about.event, type, mutated(about.body, random))
        } else {
          if (referral.decided) {
            read.reports++
            referral = await refer()
          }
          const body = fragment.body.replace('180', random.integer(3) ? '180' : String(random.integer(1_000)))
          await notify(referral.request, 'refer', fragment.type, mutated(body, random))
        }
      }

      await notify(subscriptions[0]!.request, 'message-summary', packages[0]!.type, summary)
      expect(subscriptions[0]!.subscription.last?.messages?.voice).toMatchObject({ new: 4, old: 8 })
      expect(unanswered).toBe(0)
      await phone.stop()
      peer.close()
    })(),
  )
  expect(problems).toEqual([])
  // The mutations are mild enough to reach the inside of each parser.
  for (const [what, count] of Object.entries(read)) expect(count, what).toBeGreaterThan(runs / 100)
  await expectNothingLeft(simulation)
})
