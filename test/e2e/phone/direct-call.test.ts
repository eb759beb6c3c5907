// Two phones in one process call each other without any server, over real sockets on loopback, over every transport and both IP
// versions.
import { readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { Phone } from '../../../src/phone/phone.ts'
import type { Protocol } from '../../../src/sip/flow.ts'

const phones: Phone[] = []
afterEach(async () => {
  await Promise.all(phones.splice(0).map((phone) => phone.stop()))
})

const pem = (name: string): string => readFileSync(`test/fixtures/tls/${name}`, 'utf8')

async function start(address: string, protocols: readonly Protocol[]): Promise<Phone> {
  const phone = await Phone.start({
    listen: protocols.map((protocol) => ({ protocol, address, port: 0 })),
    tls: { ca: pem('ca.pem'), cert: pem('server.pem'), key: pem('server.key') },
  })
  phones.push(phone)
  return phone
}

const protocols: readonly Protocol[] = ['udp', 'tcp', 'tls', 'ws', 'wss']

test.each(
  protocols.flatMap((protocol) => ['127.0.0.1', '::1'].map((address) => [protocol, address] as const)),
)('each end hears the other, SIP over %s at %s', async (protocol, address) => {
  // Who calls over a WebSocket has none that others could connect to.
  const alice = await start(address, ['udp', 'tcp', 'tls'])
  const bob = await start(address, [protocol])
  const { port } = bob.addresses[0]!
  const host = address.includes(':') ? `[${address}]` : address
  const incoming = bob.nextCall()
  const call = await alice.call(`sip:bob@${host}:${port};transport=${protocol}`, {
    play: 'tone:440',
  })
  const answered = await incoming
  await answered.answer({ play: 'tone:620' })
  expect((await answered.waitToHear('tone:440', 10_000)).heard).toBe(true)
  expect((await call.waitToHear('tone:620', 10_000)).heard).toBe(true)
  expect((await call.hasHeard('tone:440')).heard).toBe(false)
  // The called hangs up: its BYE finds the caller, over the connection that he opened where there is one.
  const report = await answered.hangUp()
  expect(report.verdict).toMatchObject({ ok: true })
  expect(report.selected[0]).toMatchObject({ local: { type: 'host' }, remote: { type: 'host' } })
  expect((await call.ended).verdict).toMatchObject({ ok: true })
})
