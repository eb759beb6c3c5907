// floe and baresip call each other without a server between them, over UDP, TCP and TLS: hold, resume, digits, transfer.
// Each end plays a
// tone of its own. baresip records what it hears up to the first hold, and never again in that call.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Call, Phone } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { Baresip } from '../peers/baresip.ts'
import { authorityFile, makeCertificate } from '../peers/certificate.ts'
import { expectBothHear, hearsFromNow, startPhone } from '../peers/phone.ts'
import { eventually, peerHost } from '../peers/process.ts'
import { type Row, sideBySide } from '../side-by-side.ts'
import { writeTone } from '../sounds.ts'

const theirs = 'tone:1850'
const transports = ['udp', 'tcp', 'tls'] as const
type Transport = (typeof transports)[number]

/** Both ends of a row. */
async function start(scene: Scene): Promise<{ phone: Phone; baresip: Baresip }> {
  const play = join(scene.folder, 'theirs.wav')
  // It hangs up when its file ends.
  writeTone(play, theirs, 90_000)
  await makeCertificate(scene, [`IP:${peerHost}`])
  const text = (name: string) => readFileSync(join(scene.folder, name), 'utf8')
  const certificate = join(scene.folder, 'both.pem')
  writeFileSync(certificate, text('server.key') + text('server.pem'))
  const phone = await startPhone(scene, {
    listen: transports.map((protocol) => ({ protocol, address: peerHost, port: 0 })),
    tls: {
      ca: readFileSync(authorityFile(scene), 'utf8'),
      cert: text('server.pem'),
      key: text('server.key'),
    },
  })
  return {
    phone,
    baresip: await Baresip.start(scene, { play, rtcpMux: true, ice: false, certificate }),
  }
}

function uriOf(phone: Phone, transport: Transport): string {
  const { port } = phone.addresses.find(({ protocol }) => protocol === transport)!
  return `sip:floe@${peerHost}:${port};transport=${transport}`
}

/** floe hears baresip, and has sent enough of the tone for baresip to hear: its file is whole when it has hung up. */
async function bothSpeak(call: Call, tone: string): Promise<void> {
  call.play(tone, { loop: true }).catch(() => undefined) // it ends with the call
  const sent = () => call.report().statistics?.sent.packets ?? 0
  const before = sent()
  await hearsFromNow(call, theirs)
  await eventually(() => sent() > before + packetsToHear, { what: 'floe has sent enough', withinMs: 20_000 })
}

/** Two seconds of sound. */
const packetsToHear = 100

const rows: Row<void>[] = []
const row = (
  feature: string,
  by: Row<void>['by'],
  name: string,
  run: (scene: Scene) => Promise<void>,
): void => void rows.push({ feature, by, name, run })

async function calledBy(phone: Phone, baresip: Baresip, transport: Transport): Promise<Call> {
  const incoming = phone.nextCall({ timeoutMs: 20_000 })
  await baresip.dial(uriOf(phone, transport))
  const call = await incoming
  await call.answer()
  await call.answered
  return call
}

for (const transport of transports) {
  const over = transport.toUpperCase()
  row(over, 'floe', `floe calls over ${over}, holds, resumes, hangs up`, async (scene) => {
    const { phone, baresip } = await start(scene)
    const call = await phone.call(baresip.uriOver(transport))
    await call.answered
    await bothSpeak(call, 'tone:620')
    await call.hold()
    await call.resume()
    await hearsFromNow(call, theirs)
    await call.hangUp()
    await baresip.expectHeard('tone:620')
  })
  row(over, 'peer', `baresip calls over ${over}, holds, resumes, hangs up`, async (scene) => {
    const { phone, baresip } = await start(scene)
    const call = await calledBy(phone, baresip, transport)
    await bothSpeak(call, 'tone:620')
    await baresip.do('hold')
    await eventually(() => call.heldBy.remote, { what: 'baresip holds' })
    await baresip.do('resume')
    await eventually(() => !call.heldBy.remote, { what: 'baresip resumes' })
    await hearsFromNow(call, theirs)
    await baresip.do('hangup')
    await call.ended
    await baresip.expectHeard('tone:620')
  })
}

row('hold and resume', 'both', 'both hold at once, and resume', async (scene) => {
  const { phone, baresip } = await start(scene)
  const call = await phone.call(baresip.uri)
  await call.answered
  await bothSpeak(call, 'tone:620')
  await call.hold()
  await baresip.do('hold')
  await eventually(() => call.heldBy.remote, { what: 'both hold' })
  await call.resume()
  await baresip.do('resume')
  await eventually(() => !call.heldBy.remote, { what: 'nobody holds' })
  await hearsFromNow(call, theirs)
  await call.hangUp()
})

row('DTMF in RTP', 'peer', 'baresip presses digits', async (scene) => {
  const { phone, baresip } = await start(scene)
  const call = await calledBy(phone, baresip, 'udp')
  await bothSpeak(call, 'tone:620')
  await baresip.press('1590#')
  await call.waitForDtmf('1590#', 20_000)
  await call.hangUp()
})

row('blind transfer', 'floe', 'floe hands baresip over to another phone', async (scene) => {
  const { phone, baresip } = await start(scene)
  const other = await startPhone(scene, {}, 'other')
  const call = await phone.call(baresip.uri)
  await call.answered
  await bothSpeak(call, 'tone:620')
  const incoming = other.nextCall({ timeoutMs: 20_000 })
  const transferred = call.transfer(uriOf(other, 'udp'))
  const last = await incoming
  await last.answer()
  await transferred
  await call.ended
  await bothSpeak(last, 'tone:850')
  await last.hangUp()
  await baresip.expectHeard('tone:850')
})

row('blind transfer', 'peer', 'baresip hands floe over to another phone', async (scene) => {
  const { phone, baresip } = await start(scene)
  const other = await startPhone(scene, {}, 'other')
  const call = await calledBy(phone, baresip, 'udp')
  await bothSpeak(call, 'tone:620')
  const onward = new Promise<Call>((resolve, reject) => {
    call.onTransfer = (transfer) => transfer.accept().then(resolve, reject)
  })
  const incoming = other.nextCall({ timeoutMs: 20_000 })
  await baresip.transfer(uriOf(other, 'udp'))
  const last = await incoming
  await last.answer()
  await Promise.all([call.ended, last.answered])
  await expectBothHear(await onward, last)
  await last.hangUp()
})

sideBySide({
  peer: 'baresip',
  heading: 'baresip: calls',
  needs: ['baresip', 'namespace'],
  start: async () => undefined,
  rows,
})
