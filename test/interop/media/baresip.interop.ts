// Calls with baresip (libre, libsrtp, OpenSSL): each codec, SRTP with keys in the SDP and by DTLS, both directions. Each end plays
// a tone of its own, which the other recognises.
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Call, CallReport, Phone, PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { Baresip, type BaresipOptions } from '../peers/baresip.ts'
import { addressOf, hearsFromNow, startPhone } from '../peers/phone.ts'
import { eventually } from '../peers/process.ts'
import { type Row, sideBySide } from '../side-by-side.ts'
import { writeTone } from '../sounds.ts'
import { digitsProof, proofsOf, securityProof } from './proof.ts'

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
  /** A row of the table that the case is about, beside those that every call has. */
  security?: string
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
    name: 'keys in the SDP, preferred',
    baresip: { encryption: 'srtp' },
    phone: { srtp: 'prefer', srtpKeying: 'sdes' },
    srtp: 'sdes',
    security: 'RFC 8643: encrypted',
  },
  {
    name: 'preferred, and in the clear there',
    baresip: {},
    phone: { srtp: 'prefer' },
    security: 'RFC 8643: in the clear',
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

interface Ends {
  readonly phone: Phone
  readonly baresip: Baresip
}

async function start(scene: Scene, options: Case['baresip'], phone: PhoneOptions): Promise<Ends> {
  const play = join(scene.folder, 'theirs.wav')
  writeTone(play, theirs, theirsMs, options.sampleRateHz)
  return {
    baresip: await Baresip.start(scene, { play, rtcpMux: true, ice: false, ...options }),
    phone: await startPhone(scene, phone),
  }
}

/** Not yet answered where floe is called. */
async function place({ phone, baresip }: Ends, by: 'floe' | 'peer'): Promise<Call> {
  if (by === 'floe') return await phone.call(baresip.uri)
  const incoming = phone.nextCall({ timeoutMs: 20_000 })
  await baresip.dial(`sip:floe@${addressOf(phone)}`)
  return await incoming
}

async function connect(ends: Ends, by: 'floe' | 'peer'): Promise<Call> {
  const call = await place(ends, by)
  if (by === 'peer') await call.answer()
  await call.answered
  return call
}

const rows = cases.flatMap(({ name, codec = 'PCMU', srtp, security, ...c }) =>
  (['floe', 'peer'] as const).map(
    (by): Row<void> => ({
      by,
      name: `${name}: ${by === 'floe' ? 'floe calls' : 'floe is called'}`,
      run: async (scene) => {
        const ends = await start(scene, c.baresip, { codecs: [codec], ...c.phone })
        const call = await connect(ends, by)
        call.play(ours, { loop: true }).catch(() => undefined) // it ends with the call
        const sent = () => call.report().statistics?.sent.packets ?? 0
        await hearsFromNow(call, theirs)
        await eventually(() => sent() > packetsToHear, { what: 'floe has sent enough', withinMs: 20_000 })
        const report = await call.hangUp()
        // Its file is whole when it has hung up.
        await ends.baresip.expectHeard(ours)
        expect(report.codec?.name).toBe(codec)
        expect(report.srtp?.by).toBe(srtp)
        expect(report.verdict).toMatchObject({ ok: true })
        const told = { peer, by }
        return [...proofsOf(call, told), ...(security ? [securityProof(security, told)] : [])]
      },
    }),
  ),
)

rows.push(
  {
    by: 'floe',
    name: 'floe asks for keys, and baresip has none',
    run: async (scene) => {
      const call = await place(await start(scene, {}, { srtp: 'require', srtpKeying: 'sdes' }), 'floe')
      await expect(call.answered).rejects.toThrow()
      expect(call.report().statistics?.sent.packets ?? 0).toBe(0)
      return [securityProof('no keys: refused', { peer, by: 'floe' })]
    },
  },
  {
    by: 'peer',
    name: 'baresip asks for keys, and floe has none',
    run: async (scene) => {
      const call = await place(await start(scene, { encryption: 'srtp-mand' }, { srtp: 'off' }), 'peer')
      await expect(call.answer()).rejects.toThrow(/switched off/)
      expect(call.report().outcome.status).toBe(488)
      return [securityProof('no keys: refused', { peer, by: 'peer' })]
    },
  },
  {
    by: 'both',
    name: 'digits as events, from either end',
    run: async (scene) => {
      const ends = await start(scene, {}, { codecs: ['PCMU'] })
      const call = await connect(ends, 'floe')
      await hearsFromNow(call, theirs)
      await ends.baresip.press('159')
      await call.waitForDtmf('159', 20_000)
      const heard = await ends.baresip.digitsHeard(scene)
      await call.sendDtmf('42')
      await eventually(() => heard() === '42', { what: 'baresip is sent 42', withinMs: 20_000 })
      return [digitsProof({ peer, by: 'both' })]
    },
  },
)

sideBySide({
  peer,
  heading: 'baresip, media',
  needs: ['baresip', 'namespace'],
  start: async () => undefined,
  rows,
})
