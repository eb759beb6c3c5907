// What an exchange tells unasked (RFC 3842, by a NOTIFY without a subscription), at a whole phone in virtual time.
import { expect, test } from 'vitest'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import type { UnsolicitedNotification } from '../../../src/phone/subscription.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

const body = 'Messages-Waiting: yes\r\nVoice-Message: 2/1\r\n'
const notify = [
  'NOTIFY sip:bob@203.0.113.2 SIP/2.0',
  'Via: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bKmwi;rport',
  'Max-Forwards: 70',
  'From: "Voicemail" <sip:mail@203.0.113.9>;tag=1',
  'To: <sip:bob@203.0.113.2>',
  'Call-ID: mwi',
  'CSeq: 1 NOTIFY',
  'Contact: <sip:mail@203.0.113.9:5060>',
  'Event: message-summary',
  'Subscription-State: active',
  'Content-Type: application/simple-message-summary',
  `Content-Length: ${body.length}`,
  '',
  body,
].join('\r\n')

test.each<[string, PhoneOptions, boolean, number]>([
  ['is handed over', {}, true, 200],
  ['is refused where nobody wants it', {}, false, 481],
  ['is refused from those who may not call', { allow: ['192.0.2.0/24'] }, true, 403],
])('a mailbox told of unasked %s', async (_name, options, wanted, status) => {
  const simulation = world()
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), options)
      const got: UnsolicitedNotification[] = []
      if (wanted) bob.onNotify = (notification) => got.push(notification)
      const exchange = await simulation
        .host('exchange', internet.at('203.0.113.9'))
        .openUdp({ address: '203.0.113.9', port: 5060 })
      const answer = new Promise<string>((resolve) => {
        exchange.onDatagram = (data) => resolve(Buffer.from(data).toString())
      })
      exchange.send(Buffer.from(notify), { address: '203.0.113.2', port: 5060 })
      expect(await answer).toMatch(new RegExp(`^SIP/2\\.0 ${status} `))
      expect(got).toEqual(
        status === 200
          ? [
              expect.objectContaining({
                from: 'sip:mail@203.0.113.9',
                event: 'message-summary',
                messages: expect.objectContaining({
                  waiting: true,
                  voice: { new: 2, old: 1, newUrgent: 0, oldUrgent: 0 },
                }),
              }),
            ]
          : [],
      )
      exchange.close()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})
