// Two phones in one process call each other without any server, over real sockets on loopback.

import { readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { Phone } from '../../../src/phone/phone.ts'

const phones: Phone[] = []
afterEach(async () => {
  await Promise.all(phones.splice(0).map((phone) => phone.stop()))
})

async function start(options: Parameters<typeof Phone.start>[0] = {}): Promise<Phone> {
  const phone = await Phone.start({
    listen: [
      { protocol: 'udp', address: '127.0.0.1', port: 0 },
      { protocol: 'tcp', address: '127.0.0.1', port: 0 },
      { protocol: 'tls', address: '127.0.0.1', port: 0 },
    ],
    tls: { ca: pem('ca.pem'), cert: pem('server.pem'), key: pem('server.key') },
    ...options,
  })
  phones.push(phone)
  return phone
}

const pem = (name: string): string => readFileSync(`test/fixtures/tls/${name}`, 'utf8')

const uriOf = (phone: Phone, protocol: 'udp' | 'tcp' | 'tls'): string => {
  const { port } = phone.addresses.find((a) => a.protocol === protocol)!
  return `sip:bob@127.0.0.1:${port};transport=${protocol}`
}

for (const protocol of ['udp', 'tcp', 'tls'] as const) {
  test(`each end hears the other's file, SIP over ${protocol}`, async () => {
    const alice = await start()
    const bob = await start()
    const incoming = bob.nextCall()
    const call = await alice.call(uriOf(bob, protocol), { play: 'media/hello-8k.wav' })
    const answered = await incoming
    await answered.answer({ play: 'media/reply-8k.wav' })
    await Promise.all([call.played, answered.played])
    expect((await answered.waitToHear('media/hello-8k.wav', 3_000)).heard).toBe(true)
    expect((await call.waitToHear('media/reply-8k.wav', 3_000)).heard).toBe(true)
    expect((await call.hasHeard('media/hello-8k.wav')).heard).toBe(false)
    const report = await call.hangUp()
    expect(report.verdict).toMatchObject({ ok: true })
    expect(report.selected[0]).toMatchObject({ local: { type: 'host' }, remote: { type: 'host' } })
    expect((await answered.ended).verdict).toMatchObject({ ok: true })
  })
}
