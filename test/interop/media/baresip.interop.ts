// Calls with baresip (libre, libsrtp, OpenSSL): each codec, SRTP with keys in the SDP and by DTLS, both directions. Each end plays
// a tone of its own, which the other recognises.
import { join } from 'node:path'
import { expect } from 'vitest'
import type { CallReport, PhoneOptions } from '../../../src/index.ts'
import { Baresip, type BaresipOptions } from '../peers/baresip.ts'
import { addressOf, hearsFromNow, startPhone } from '../peers/phone.ts'
import { eventually } from '../peers/process.ts'
import { type Row, sideBySide } from '../side-by-side.ts'
import { writeTone } from '../sounds.ts'
import { proofsOf } from './proof.ts'

const peer = 'baresip'
const theirs = 'tone:1850'
const ours = 'tone:620'
/** It hangs up when its file ends. */
const theirsMs = 60_000
/** Two seconds of sound. */
const packetsToHear = 100

interface Case {
  name: string
  baresip: Pick<BaresipOptions, 'codec' | 'encryption' | 'sampleRateHz' | 'ice'>
  phone: PhoneOptions
  codec?: string
  srtp?: NonNullable<CallReport['srtp']>['by']
}

const cases: Case[] = [
  { name: 'PCMU', baresip: {}, phone: {} },
  { name: 'PCMA', baresip: { codec: 'PCMA' }, phone: {}, codec: 'PCMA' },
  {
    name: 'G.722',
    baresip: { codec: 'G722/16000/1', sampleRateHz: 16_000 },
    phone: {},
    codec: 'G722',
  },
  {
    name: 'Opus',
    baresip: { codec: 'opus/48000/2', sampleRateHz: 48_000 },
    phone: {},
    codec: 'opus',
  },
  {
    name: 'keys in the SDP',
    baresip: { encryption: 'srtp-mand' },
    phone: { srtp: 'require', srtpKeying: 'sdes' },
    srtp: 'sdes',
  },
  {
    name: 'DTLS',
    baresip: { encryption: 'dtls_srtp' },
    phone: { srtp: 'require' },
    srtp: 'dtls',
  },
  {
    name: 'Opus, DTLS, ICE',
    baresip: { encryption: 'dtls_srtp', codec: 'opus/48000/2', sampleRateHz: 48_000, ice: true },
    phone: { srtp: 'require', ice: 'require' },
    codec: 'opus',
    srtp: 'dtls',
  },
]

const rows = cases.flatMap(({ name, codec = 'PCMU', srtp, ...c }) =>
  (['floe', 'peer'] as const).map(
    (by): Row<void> => ({
      by,
      name: `${name}: ${by === 'floe' ? 'floe calls' : 'floe is called'}`,
      run: async (scene) => {
        const play = join(scene.folder, 'theirs.wav')
        writeTone(play, theirs, theirsMs, c.baresip.sampleRateHz)
        const baresip = await Baresip.start(scene, { play, rtcpMux: true, ice: false, ...c.baresip })
        const phone = await startPhone(scene, { codecs: [codec], ...c.phone })
        const incoming = by === 'peer' ? phone.nextCall({ timeoutMs: 20_000 }) : undefined
        if (incoming) await baresip.dial(`sip:floe@${addressOf(phone)}`)
        const call = incoming ? await incoming : await phone.call(baresip.uri)
        if (incoming) await call.answer()
        await call.answered
        call.play(ours, { loop: true }).catch(() => undefined) // it ends with the call
        const sent = () => call.report().statistics?.sent.packets ?? 0
        await hearsFromNow(call, theirs)
        await eventually(() => sent() > packetsToHear, { what: 'floe has sent enough', withinMs: 20_000 })
        const report = await call.hangUp()
        // Its file is whole when it has hung up.
        await baresip.expectHeard(ours)
        expect(report.codec?.name).toBe(codec)
        expect(report.srtp?.by).toBe(srtp)
        expect(report.verdict).toMatchObject({ ok: true })
        return proofsOf(call, { peer, by })
      },
    }),
  ),
)

sideBySide({
  peer,
  heading: 'baresip, media',
  needs: ['baresip', 'namespace'],
  start: async () => undefined,
  rows,
})
