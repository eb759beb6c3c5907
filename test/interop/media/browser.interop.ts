// Chromium and floe call each other through WSS, by the softphone of samples/browser: sip.js in the page, ICE with the ".local" names
// that browsers give, DTLS-SRTP, rtcp-mux and BUNDLE. Each row plays a tone each way, and each end must hear the other's, again after
// each change of the call.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { OggReader } from '../../../src/files/ogg.ts'
import type { Call, Phone, PhoneOptions } from '../../../src/index.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { fileName, type InteropCase, interop, type Proofs, type Scene, type Shown } from '../case.ts'
import { interopFolder } from '../installed.ts'
import { hearsFromNow, startPhone } from '../peers/phone.ts'
import { eventually } from '../peers/process.ts'
import { type Softphone, startSoftphone } from '../peers/softphone.ts'
import { digitsProof, proofsOf, securityProof } from './proof.ts'

const peer = 'Chromium'

// ---- the browser is started once -------------------------------------------------------------------------------------------

const folder = join(interopFolder, 'run', fileName('browser'))
const cleanUps: (() => void | Promise<void>)[] = []
let starting: Promise<Softphone> | undefined

afterAll(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
}, 30_000)

function softphone(scene: Scene): Promise<Softphone> {
  mkdirSync(folder, { recursive: true })
  for (const name of ['serve.log', 'chromium.log']) scene.log(join(folder, name))
  starting ??= startSoftphone({ folder, onEnd: (f) => void cleanUps.push(f), log: () => undefined })
  return starting
}

// ---- calls -----------------------------------------------------------------------------------------------------------------

const nextCallMs = 30_000

interface Ends {
  readonly page: Softphone
  readonly call: Call
}

/** floe as a client of the server that the page registers at, over WSS as well. */
async function registered(scene: Scene, page: Softphone, options: PhoneOptions): Promise<Phone> {
  const { address, server, files } = page
  const ca = readFileSync(files.ca, 'utf8')
  return await startPhone(scene, {
    account: `sip:floe@${address}`,
    server,
    tls: { ca },
    ice: 'auto',
    ...options,
  })
}

async function pageCalls(scene: Scene, options: PhoneOptions = {}): Promise<Ends> {
  const page = await softphone(scene)
  const phone = await registered(scene, page, options)
  await page.start({ server: page.server, user: 'alice' })
  const incoming = phone.nextCall({ timeoutMs: nextCallMs })
  await page.do('call', 'floe')
  const call = await incoming
  await call.answer()
  await page.until('in a call')
  return { page, call }
}

async function floeCalls(scene: Scene, options: PhoneOptions = {}): Promise<Ends> {
  const page = await softphone(scene)
  const phone = await registered(scene, page, options)
  await page.start({ server: page.server, user: 'alice' })
  const call = await phone.call('alice')
  await page.until('somebody calls')
  await page.do('answer')
  await call.answered
  await page.until('in a call')
  return { page, call }
}

/** The page calls a phone that listens on WSS itself, no server between them. */
async function pageCallsDirectly(scene: Scene): Promise<Ends> {
  const page = await softphone(scene)
  const { cert, key } = page.files
  const phone = await startPhone(scene, {
    listen: [{ protocol: 'wss', address: page.address, port: 0 }],
    tls: { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') },
    ice: 'auto',
  })
  const { address, port } = phone.addresses[0]!
  await page.start({ server: `wss://${address}:${port}`, user: 'alice', register: false })
  const incoming = phone.nextCall({ timeoutMs: nextCallMs })
  await page.do('call', 'floe')
  const call = await incoming
  await call.answer()
  await page.until('in a call')
  return { page, call }
}

function packetLengths(path: string): number[] {
  const file = nodeRuntime.files.openForReading(path)
  const ogg = new OggReader(file)
  const lengths = []
  for (let packet = ogg.next(); packet; packet = ogg.next()) lengths.push(packet.data.length)
  file.close()
  return lengths
}

const tonesHz = [440, 620, 850, 1150, 1400, 1750]
let lastTone = 0
const nextTone = (): number => tonesHz[lastTone++ % tonesHz.length]!

/** A tone each way that has not been played before. */
async function expectBothHear({ page, call }: Ends): Promise<void> {
  const [ours, theirs] = [nextTone(), nextTone()]
  await page.do('say', theirs)
  call.play(`tone:${ours}`, { loop: true }).catch(() => undefined) // it ends with the call
  await Promise.all([page.hears(ours), hearsFromNow(call, `tone:${theirs}`)])
}

async function floeHangsUp({ page, call }: Ends): Promise<void> {
  await call.hangUp()
  await page.until('the call is over')
}

async function pageHangsUp({ page, call }: Ends): Promise<void> {
  await page.do('hangUp')
  expect((await call.ended).outcome).toMatchObject({ by: 'remote' })
}

/** What every call with a browser is made of. */
async function expectBrowserCall({ page, call }: Ends, codec: string): Promise<void> {
  const { codec: agreed, srtp, ice } = call.report()
  expect(agreed).toMatchObject({ name: codec, rtcpMux: true })
  expect(srtp?.by).toBe('dtls')
  expect(ice.mode).toBe('full')
  expect(await page.do('farEndSays')).toMatch(/^a=group:BUNDLE \S+\r$/m)
}

/** What is heard of the page from now on, for half a second. */
async function expectFloeHearsNothing({ call }: Ends): Promise<void> {
  const loudest = () => {
    const { samples, sampleRateHz } = call.heardSamples()
    return samples.subarray(-sampleRateHz / 2).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)
  }
  await eventually(() => loudest() < nearlyNothing, {
    what: 'floe hears nothing',
    withinMs: 20_000,
    everyMs: 100,
  })
}

/** Of 32,768. */
const nearlyNothing = 30

// ---- the rows --------------------------------------------------------------------------------------------------------------

const rows: InteropCase[] = []
const row = (
  feature: string | undefined,
  by: Shown['by'],
  name: string,
  run: (scene: Scene) => Proofs,
): void => {
  const shows = feature === undefined ? {} : { shows: { feature: `Browser: ${feature}`, by } }
  rows.push({ peer, name, needs: ['namespace', 'chromium', 'openssl'], timeoutMs: 150_000, ...shows, run })
}

for (const codec of ['opus', 'PCMU', 'PCMA', 'G722']) {
  row(undefined, 'peer', `the page calls floe, ${codec}; floe hangs up`, async (scene) => {
    // What floe asks of Opus Chromium does: 16,000 bits a second in packets of one length are 40 octets in 20 ms.
    const ends = await pageCalls(scene, { codecs: [codec === 'opus' ? 'opus:bitrate=16000:cbr' : codec] })
    const recording = join(scene.folder, 'page.opus')
    ends.call.record(recording)
    await expectBothHear(ends)
    await expectBrowserCall(ends, codec)
    const { octets, packets } = ends.call.report().statistics!.received
    await floeHangsUp(ends)
    // They are recorded as they came; what came in another codec is encoded.
    const kept = packetLengths(recording).filter((length) => length === 40).length
    if (codec === 'opus') {
      expect(octets / packets).toBeCloseTo(40, 0)
      expect(kept).toBeGreaterThan(0.5 * packets)
    } else expect(kept).toBeLessThan(0.5 * packets)
    return proofsOf(ends.call, { peer, by: 'peer' })
  })
  row(undefined, 'floe', `floe calls the page, ${codec}; the page hangs up`, async (scene) => {
    const ends = await floeCalls(scene, { codecs: [codec] })
    await expectBothHear(ends)
    await expectBrowserCall(ends, codec)
    await pageHangsUp(ends)
    return proofsOf(ends.call, { peer, by: 'floe' })
  })
}

row(undefined, 'peer', 'the page calls the echo of its sample, and hears itself', async (scene) => {
  const page = await softphone(scene)
  await page.start({ server: page.server, user: 'alice' })
  await page.do('call', 'echo')
  await page.until('in a call')
  const hz = nextTone()
  await page.do('say', hz)
  await page.hears(hz)
  await page.do('hangUp')
  await page.until('the call is over')
})

row('no server between', 'peer', 'the page calls a phone of floe that listens on WSS', async (scene) => {
  const ends = await pageCallsDirectly(scene)
  await expectBothHear(ends)
  await ends.call.hold()
  await ends.call.resume()
  await expectBothHear(ends)
  await floeHangsUp(ends)
})

for (const [who, begin] of Object.entries({
  'the page calls floe': pageCalls,
  'floe calls the page': floeCalls,
})) {
  row('hold and resume', 'floe', `${who}; floe holds and resumes`, async (scene) => {
    const ends = await begin(scene)
    await expectBothHear(ends)
    await ends.call.hold()
    await ends.page.hearsSilence()
    await ends.call.resume()
    await expectBothHear(ends)
    await pageHangsUp(ends)
  })
  row('hold and resume', 'peer', `${who}; the page holds and resumes`, async (scene) => {
    const ends = await begin(scene)
    await expectBothHear(ends)
    await ends.page.do('hold')
    expect(ends.call.heldBy).toEqual({ local: false, remote: true })
    await ends.page.hearsSilence()
    await ends.page.do('resume')
    expect(ends.call.heldBy).toEqual({ local: false, remote: false })
    await expectBothHear(ends)
    await floeHangsUp(ends)
  })
}

row(undefined, 'peer', 'the page calls floe, which has SRTP switched off', async (scene) => {
  const page = await softphone(scene)
  const phone = await registered(scene, page, { srtp: 'off' })
  await page.start({ server: page.server, user: 'alice' })
  const incoming = phone.nextCall({ timeoutMs: nextCallMs })
  await page.do('call', 'floe')
  const call = await incoming
  await expect(call.answer()).rejects.toThrow(/switched off/)
  await page.until('the call is over')
  return [securityProof('no keys: refused', { peer, by: 'peer' })]
})

row('mute', 'both', 'each mutes itself, and is heard again', async (scene) => {
  const ends = await pageCalls(scene)
  await expectBothHear(ends)
  ends.call.mute()
  await ends.page.hearsSilence()
  ends.call.unmute()
  await expectBothHear(ends)
  await ends.page.do('mute')
  await expectFloeHearsNothing(ends)
  await ends.page.do('unmute')
  await expectBothHear(ends)
  await pageHangsUp(ends)
})

row('ICE restart', 'floe', 'floe restarts ICE', async (scene) => {
  const ends = await floeCalls(scene)
  await expectBothHear(ends)
  await ends.call.restartIce()
  await expectBothHear(ends)
  await pageHangsUp(ends)
})

row('ICE restart', 'peer', 'the page restarts ICE', async (scene) => {
  const ends = await pageCalls(scene)
  await expectBothHear(ends)
  await ends.page.do('restartIce')
  await expectBothHear(ends)
  await floeHangsUp(ends)
})

row('DTMF', 'peer', 'the page presses keys', async (scene) => {
  const ends = await pageCalls(scene, { codecs: ['opus'] })
  await expectBothHear(ends)
  await ends.page.do('press', '42#')
  await ends.call.waitForDtmf('42#', 20_000)
  await pageHangsUp(ends)
  return [digitsProof({ peer, by: 'peer' })]
})

interop(rows)
