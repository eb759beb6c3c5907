// floe and linphone call each other, directly over UDP and TCP and through Kamailio: ICE, hold, resume, digits, transfer. Each end
// hears the other's tone, again after each change.
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { Call, Phone, PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { type Host, startHost } from '../peers/host.ts'
import { Kamailio } from '../peers/kamailio.ts'
import { Linphone } from '../peers/linphone.ts'
import { expectBothHear, startPhone } from '../peers/phone.ts'
import { eventually, peerHost } from '../peers/process.ts'
import { type Row, sideBySide } from '../side-by-side.ts'

const [first, second] = ['tone:620', 'tone:850'] as const
const transports = ['udp', 'tcp'] as const
type Transport = (typeof transports)[number]

/** Both ends of a row. */
async function start(scene: Scene, host: Host, ice: boolean): Promise<{ phone: Phone; linphone: Linphone }> {
  const phone = await startPhone(scene, { codecs: ['PCMU'], ice: ice ? 'require' : 'off' })
  return { phone, linphone: await Linphone.start(scene, host, { ice }) }
}

function uriOf(phone: Phone, transport: Transport): string {
  const { port } = phone.addresses.find(({ protocol }) => protocol === transport)!
  return `sip:floe@${peerHost}:${port};transport=${transport}`
}

async function calledBy(linphone: Linphone, phone: Phone, uri: string): Promise<Call> {
  const incoming = phone.nextCall({ timeoutMs: answerWithinMs })
  await linphone.dial(uri)
  const call = await incoming
  await call.answer()
  await call.answered
  return call
}
const answerWithinMs = 20_000

const rows: Row<Host>[] = []
const row = (
  feature: string,
  by: Row<Host>['by'],
  name: string,
  run: (scene: Scene, host: Host) => Promise<void>,
): void => void rows.push({ feature, by, name, run, timeoutMs: 120_000 })

for (const transport of transports) {
  const over = transport.toUpperCase()
  row(over, 'floe', `floe calls over ${over}, holds, resumes, hangs up`, async (scene, host) => {
    const { phone, linphone } = await start(scene, host, false)
    const call = await phone.call(linphone.uriOver(transport))
    await call.answered
    await linphone.speaksWith(call, first)
    await call.hold()
    await call.resume()
    await linphone.speaksWith(call, second)
    expect((await call.hangUp()).verdict).toMatchObject({ ok: true })
  })
  row(over, 'peer', `linphone calls over ${over}, holds, resumes, hangs up`, async (scene, host) => {
    const { phone, linphone } = await start(scene, host, false)
    const call = await calledBy(linphone, phone, uriOf(phone, transport))
    await linphone.speaksWith(call, first)
    await linphone.pause()
    await eventually(() => call.heldBy.remote, { what: 'linphone holds' })
    linphone.resume()
    await eventually(() => !call.heldBy.remote, { what: 'linphone resumes' })
    await linphone.speaksWith(call, second)
    linphone.hangUp()
    await call.ended
  })
}

row('ICE', 'floe', 'floe calls with ICE', async (scene, host) => {
  const { phone, linphone } = await start(scene, host, true)
  const call = await phone.call(linphone.uriOver('udp'))
  await call.answered
  await linphone.speaksWith(call, first)
  const report = await call.hangUp()
  expect(report.verdict).toMatchObject({ ok: true })
  expect(report.selected.length).toBeGreaterThan(0)
})

row('ICE', 'peer', 'linphone calls with ICE, over TCP', async (scene, host) => {
  const { phone, linphone } = await start(scene, host, true)
  const call = await calledBy(linphone, phone, uriOf(phone, 'tcp'))
  await linphone.speaksWith(call, first)
  const report = await call.hangUp()
  expect(report.verdict).toMatchObject({ ok: true })
  expect(report.selected.length).toBeGreaterThan(0)
})

row(
  'hold and resume',
  'both',
  'floe holds and resumes, then linphone does, with ICE',
  async (scene, host) => {
    const { phone, linphone } = await start(scene, host, true)
    const call = await phone.call(linphone.uriOver('udp'))
    await call.answered
    await call.hold()
    await call.resume()
    await linphone.speaksWith(call, first)
    await linphone.pause()
    await eventually(() => call.heldBy.remote, { what: 'linphone holds' })
    linphone.resume()
    await eventually(() => !call.heldBy.remote, { what: 'linphone resumes' })
    await linphone.speaksWith(call, second)
    expect((await call.hangUp()).verdict).toMatchObject({ ok: true })
  },
)

row('DTMF in RTP', 'floe', 'floe presses digits', async (scene, host) => {
  const { phone, linphone } = await start(scene, host, true)
  const call = await phone.call(linphone.uriOver('udp'))
  await call.answered
  await linphone.speaksWith(call, first)
  await call.sendDtmf('1590#')
  await linphone.expectDigits('1590#')
  await call.hangUp()
})

row('DTMF in RTP', 'peer', 'linphone presses digits', async (scene, host) => {
  const { phone, linphone } = await start(scene, host, true)
  const call = await calledBy(linphone, phone, uriOf(phone, 'udp'))
  await linphone.speaksWith(call, first)
  linphone.press('1590#')
  await call.waitForDtmf('1590#', 20_000)
  await call.hangUp()
})

row('blind transfer', 'floe', 'floe hands linphone over to another phone', async (scene, host) => {
  const { phone, linphone } = await start(scene, host, true)
  const other = await startPhone(scene, { codecs: ['PCMU'], ice: 'require' }, 'other')
  const call = await phone.call(linphone.uriOver('udp'))
  await call.answered
  await linphone.speaksWith(call, first)
  const incoming = other.nextCall({ timeoutMs: answerWithinMs })
  const transferred = call.transfer(uriOf(other, 'udp'))
  const last = await incoming
  await last.answer()
  await transferred
  await call.ended
  await linphone.speaksWith(last, second)
  await last.hangUp()
})

row('blind transfer', 'peer', 'linphone hands floe over to another phone', async (scene, host) => {
  const { phone, linphone } = await start(scene, host, true)
  const other = await startPhone(scene, { codecs: ['PCMU'], ice: 'require' }, 'other')
  const call = await calledBy(linphone, phone, uriOf(phone, 'udp'))
  await linphone.speaksWith(call, first)
  const onward = new Promise<Call>((resolve, reject) => {
    call.onTransfer = (transfer) => transfer.accept().then(resolve, reject)
  })
  const incoming = other.nextCall({ timeoutMs: answerWithinMs })
  linphone.transfer(uriOf(other, 'udp'))
  const last = await incoming
  await last.answer()
  await Promise.all([call.ended, last.answered])
  await expectBothHear(await onward, last)
  await last.hangUp()
})

// ---- through a proxy ---------------------------------------------------------------------------------------------------------

for (const [index, transport] of ([...transports, 'tls'] as const).entries()) {
  const over = transport.toUpperCase()
  const [a, b] = [2001 + 2 * index, 2002 + 2 * index].map(String) as [string, string]
  row('through a proxy', 'both', `registered over ${over}: both call, with ICE`, async (scene, host) => {
    const kamailio = await Kamailio.start(scene, transport === 'tls' ? { secure: true } : {})
    const authority = transport === 'tls' ? kamailio.authority : undefined
    const options: PhoneOptions = {
      ...{ account: `sip:${a}@${kamailio.address}`, password: `pw${a}`, server: kamailio.server(transport) },
      ...{
        codecs: ['PCMU'],
        ice: 'require',
        ...(authority && { tls: { ca: readFileSync(authority, 'utf8') } }),
      },
    }
    const phone = await startPhone(scene, options)
    const account = { user: b, password: `pw${b}`, server: kamailio.server(transport), realm: 'floe.test' }
    const linphone = await Linphone.start(scene, host, { account, ...(authority && { authority }) })
    const call = await phone.call(kamailio.uri(b))
    await call.answered
    await linphone.speaksWith(call, first)
    expect((await call.hangUp()).verdict).toMatchObject({ ok: true })
    const called = await calledBy(linphone, phone, kamailio.uri(a))
    await linphone.speaksWith(called, second)
    linphone.hangUp()
    await called.ended
  })
}

sideBySide({
  peer: 'linphone 5.1',
  heading: 'linphone: calls',
  needs: ['linphone', 'kamailio', 'namespace'],
  start: async (scene) => startHost(scene),
  rows,
})
