// floe's ICE against pjnath, inside Asterisk, and against baresip: real calls over the pairs that floe reports as nominated. Each
// end plays a tone of its own, and that the other has heard it is proved by its frequency.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { type Call, Phone, type PhoneOptions } from '../../../src/index.ts'
import { type InteropCase, interop, type MeasuringScene, type Scene } from '../case.ts'
import type { Need } from '../installed.ts'
import { Asterisk } from '../peers/asterisk.ts'
import { Baresip } from '../peers/baresip.ts'
import { eventually, peerHost } from '../peers/process.ts'
import { expectTone, holdsTone, writeTone } from '../sounds.ts'

const ours = 'tone:550'
const oursAfterRestart = 'tone:900'
const theirs = 'tone:1850'
const hearWithinMs = 10_000
/** Two seconds of sound. */
const packetsToHear = 100
/** As long as a path that has been replaced is still listened to. */
const oldPathMs = 2_000
/** Of the peer's file. baresip ends the call with it. */
const theirsMs = { asterisk: 3_000, baresip: 60_000 }

interface CallCase {
  readonly name: string
  readonly offers: 'floe' | 'peer'
  readonly rtcpMux: boolean
  readonly phone?: PhoneOptions
  readonly restart?: true
  /** floe dials and leaves the offer to the peer. */
  readonly lateOffer?: true
}

const cases = {
  controls: { name: 'floe controls', offers: 'floe', rtcpMux: true },
  controlled: { name: 'floe is controlled', offers: 'peer', rtcpMux: true },
  lite: { name: 'floe is lite', offers: 'peer', rtcpMux: true, phone: { iceLite: true } },
  restart: { name: 'restart by floe', offers: 'floe', rtcpMux: true, restart: true },
  aggressive: { name: 'aggressive nomination', offers: 'peer', rtcpMux: true, lateOffer: true },
  components: { name: 'two components', offers: 'floe', rtcpMux: false },
} as const satisfies Record<string, CallCase>

/** The peer, and floe in a call with it. */
interface InCall {
  readonly call: Call
  /** What floe hears when it plays this. */
  hears(played: string): string
  /** The call has ended: that the peer has recorded what floe played. */
  expectRecorded(...played: string[]): Promise<void>
}

async function startPhone(scene: Scene, options: PhoneOptions): Promise<Phone> {
  const listen: PhoneOptions['listen'] = [{ protocol: 'udp', address: peerHost, port: 0 }]
  const phone = await Phone.start({ ice: 'require', listen, ...options })
  scene.onEnd(() => phone.stop())
  return phone
}

async function answered(phone: Phone, makePeerDial: () => Promise<void>): Promise<Call> {
  const incoming = phone.nextCall({ timeoutMs: hearWithinMs })
  await makePeerDial()
  const call = await incoming
  await call.answer({ play: ours, loop: true })
  return call
}

async function callAsterisk(scene: Scene, c: CallCase): Promise<InCall> {
  const { offers, rtcpMux, lateOffer = false, phone: options } = c
  const prompt = join(scene.folder, 'theirs.wav')
  writeTone(prompt, theirs, theirsMs.asterisk)
  const asterisk = await Asterisk.start(scene, { prompt })
  const user = rtcpMux ? '1004' : '1001'
  const account = { account: `sip:${user}@${asterisk.address}`, password: `pw${user}` }
  const phone = await startPhone(scene, { ...account, ...options })
  const echoes = offers === 'floe' || lateOffer
  const call = echoes
    ? await phone.call(asterisk.uri('echo'), { play: ours, loop: true, lateOffer })
    : await answered(phone, () => asterisk.originate(user, 'play-and-record'))
  return {
    call,
    hears: (played) => (echoes ? played : theirs),
    expectRecorded: async (...played) => {
      if (echoes) return
      await eventually(async () => (await asterisk.channels()) === 0, {
        what: 'Asterisk has no channel left',
      })
      for (const tone of played) expectTone(asterisk.recording, tone)
    },
  }
}

async function callBaresip(scene: Scene, { offers, rtcpMux, phone: options }: CallCase): Promise<InCall> {
  const play = join(scene.folder, 'theirs.wav')
  writeTone(play, theirs, theirsMs.baresip)
  const baresip = await Baresip.start(scene, { play, rtcpMux })
  const phone = await startPhone(scene, options ?? {})
  const { address, port } = phone.addresses[0]!
  const call =
    offers === 'floe'
      ? await phone.call(baresip.uri, { play: ours, loop: true })
      : await answered(phone, () => baresip.dial(`sip:floe@${address}:${port}`))
  return {
    call,
    hears: () => theirs,
    expectRecorded: async (...played) => {
      for (const tone of played) await baresip.expectHeard(tone)
    },
  }
}

async function run(
  scene: MeasuringScene,
  implementation: string,
  c: CallCase,
  begin: (scene: Scene, c: CallCase) => Promise<InCall>,
): Promise<void> {
  const { call, hears, expectRecorded } = await begin(scene, c)
  await call.waitToHear(hears(ours), hearWithinMs)
  const played = [ours]
  if (c.restart) {
    await call.restartIce()
    call.play(oursAfterRestart, { loop: true }).catch(() => undefined) // it ends with the call
    played.push(oursAfterRestart)
    // The old path still receives for a while; what comes later has come over the new one.
    await sleep(oldPathMs)
    const start = call.heardSamples().samples.length
    const heardSince = () => {
      const { samples, sampleRateHz } = call.heardSamples()
      return holdsTone({ samples: samples.subarray(start), sampleRateHz }, hears(oursAfterRestart))
    }
    await eventually(heardSince, { what: 'the peer is heard over the new path', withinMs: hearWithinMs })
  }
  // The peer needs a second of it, too, to recognise it.
  const sentPackets = () => call.report().statistics?.sent.packets ?? 0
  await eventually(() => sentPackets() >= packetsToHear, { what: 'floe has sent enough' })
  const { timings, ice, selected, verdict } = await call.hangUp()
  expect(verdict).toMatchObject({ ok: true })
  expect(ice.role).toBe(c.offers === 'floe' ? 'controlling' : 'controlled')
  expect(selected).toHaveLength(c.rtcpMux ? 1 : 2)
  await expectRecorded(...played)
  scene.measured({ implementation, case: c.name, nominatedMs: timings.iceMs! })
}

const rowsOf = (
  implementation: string,
  needs: readonly Need[],
  begin: (scene: Scene, c: CallCase) => Promise<InCall>,
  what: readonly CallCase[],
): InteropCase[] =>
  what.map((c) => ({
    peer: `ICE: ${implementation}`,
    name: c.name,
    needs,
    run: (scene) => run(scene, implementation, c, begin),
  }))

const { controls, controlled, lite, restart, aggressive, components } = cases
interop([
  // pjnath nominates with its first check, always.
  ...rowsOf('pjnath', ['asterisk'], callAsterisk, [
    ...[controls, controlled, lite, restart, aggressive, components],
  ]),
  ...rowsOf('baresip', ['baresip', 'namespace'], callBaresip, [
    ...[controls, controlled, lite, restart, components],
  ]),
])
