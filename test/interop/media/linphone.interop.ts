// Calls with linphone (libsrtp, mbedTLS): SRTP with keys in the SDP by each suite and by DTLS, with ICE and without, both directions;
// each codec. Each end hears the other's tone, and the report says how the call was encrypted.
import { expect } from 'vitest'
import type { CallReport, PhoneOptions } from '../../../src/index.ts'
import { type Host, startHost } from '../peers/host.ts'
import { Linphone, type LinphoneOptions } from '../peers/linphone.ts'
import { startPhone } from '../peers/phone.ts'
import { peerHost } from '../peers/process.ts'
import { type Row, sideBySide } from '../side-by-side.ts'
import { digitsProof, proofsOf, securityProof } from './proof.ts'

const peer = 'linphone 5.1'

interface Case {
  name: string
  linphone: LinphoneOptions
  phone: PhoneOptions
  srtp?: CallReport['srtp']
  codec?: string
  /** Each presses some. */
  digits?: true
  /** A row of the table that the case is about, beside those that every call has. */
  security?: string
}

const cm80 = 'AES_CM_128_HMAC_SHA1_80'
const sdes = { srtp: 'require', srtpKeying: 'sdes' } as const
const dtls = { srtp: 'require', srtpKeying: 'dtls' } as const
const cases: Case[] = [
  {
    name: 'keys in the SDP, ICE',
    linphone: { encryption: 'srtp' },
    phone: { ...sdes, ice: 'require' },
    srtp: { by: 'sdes', suite: cm80 },
  },
  {
    name: 'keys in the SDP, no ICE',
    linphone: { encryption: 'srtp', ice: false },
    phone: { ...sdes, ice: 'off' },
    srtp: { by: 'sdes', suite: cm80 },
  },
  ...['AES_CM_128_HMAC_SHA1_32', 'AES_256_CM_HMAC_SHA1_80', 'AES_256_CM_HMAC_SHA1_32'].map(
    (suite): Case => ({
      name: suite,
      linphone: { encryption: 'srtp', ice: false, suite },
      phone: { ...sdes, srtpSuites: [suite], ice: 'off' },
      srtp: { by: 'sdes', suite },
    }),
  ),
  {
    name: 'DTLS, ICE',
    linphone: { encryption: 'dtls' },
    phone: { ...dtls, ice: 'require' },
    srtp: { by: 'dtls', suite: cm80 },
  },
  {
    name: 'DTLS, no ICE',
    linphone: { encryption: 'dtls', ice: false },
    phone: { ...dtls, ice: 'off' },
    srtp: { by: 'dtls', suite: cm80 },
  },
  {
    name: 'preferred, and in the clear there',
    linphone: { ice: false },
    phone: { srtp: 'prefer', ice: 'off' },
    digits: true,
    security: 'RFC 8643: in the clear',
  },
  {
    name: 'PCMA',
    linphone: { ice: false },
    phone: { codecs: ['PCMA'] },
    codec: 'PCMA',
  },
  {
    name: 'G.722',
    linphone: { ice: false, codec: 'G722/8000' },
    phone: { codecs: ['G722'] },
    codec: 'G722',
  },
  {
    name: 'Opus, ICE',
    linphone: {},
    phone: { codecs: ['opus'], ice: 'require' },
    codec: 'opus',
  },
  {
    name: 'Opus, encrypted by DTLS',
    linphone: { encryption: 'dtls' },
    phone: { ...dtls, codecs: ['opus'], ice: 'require' },
    srtp: { by: 'dtls', suite: cm80 },
    codec: 'opus',
  },
]

const rows = cases.flatMap((c) =>
  (['floe', 'peer'] as const).map(
    (by): Row<Host> => ({
      by,
      name: `${c.name}: ${by === 'floe' ? 'floe calls' : 'floe is called'}`,
      timeoutMs: 120_000,
      run: async (scene, host) => {
        const linphone = await Linphone.start(scene, host, c.linphone)
        const phone = await startPhone(scene, { codecs: ['PCMU'], ...c.phone })
        const incoming = by === 'peer' ? phone.nextCall({ timeoutMs: 20_000 }) : undefined
        if (incoming) await linphone.dial(`sip:floe@${peerHost}:${phone.addresses[0]!.port}`)
        const call = incoming ? await incoming : await phone.call(linphone.uriOver('udp'))
        if (incoming) await call.answer()
        await call.answered
        await linphone.speaksWith(call, 'tone:620')
        if (c.digits) {
          linphone.press('159')
          await call.waitForDtmf('159', 20_000)
          await call.sendDtmf('42')
          await linphone.expectDigits('42')
        }
        const report = await call.hangUp()
        expect(report.verdict).toMatchObject({ ok: true })
        expect(report.srtp).toEqual(c.srtp)
        expect(report.codec?.name).toBe(c.codec ?? 'PCMU')
        const told = { peer, by }
        return [
          ...proofsOf(call, told),
          ...(c.digits ? [digitsProof(told)] : []),
          ...(c.security ? [securityProof(c.security, told)] : []),
        ]
      },
    }),
  ),
)

rows.push({
  by: 'peer',
  name: 'linphone asks for keys, and floe has none',
  run: async (scene, host) => {
    const linphone = await Linphone.start(scene, host, { encryption: 'srtp', ice: false })
    const phone = await startPhone(scene, { codecs: ['PCMU'], srtp: 'off' })
    const incoming = phone.nextCall({ timeoutMs: 20_000 })
    await linphone.dial(`sip:floe@${peerHost}:${phone.addresses[0]!.port}`)
    const call = await incoming
    await expect(call.answer()).rejects.toThrow(/switched off/)
    expect(call.report().outcome.status).toBe(488)
    return [securityProof('no keys: refused', { peer, by: 'peer' })]
  },
})

sideBySide({
  peer,
  heading: 'linphone, media',
  needs: ['linphone', 'namespace'],
  start: async (scene) => startHost(scene),
  rows,
})
