// Encrypted calls with Asterisk 22 (libsrtp, OpenSSL), which is started once: keys in the SDP and by DTLS, with ICE and without,
// both directions, and G.722. Audio is heard both ways in each, and the report says how it was encrypted.
import { expect } from 'vitest'
import type { CallReport, PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { Asterisk, type User } from '../peers/asterisk.ts'
import { expectEcho, startPhone } from '../peers/phone.ts'
import { type Row, sideBySide } from '../side-by-side.ts'

const users: Record<string, readonly string[]> = {}
const user = (...options: string[]): User => {
  const name: User = `1${100 + Object.keys(users).length}`
  users[name] = options
  return name
}

const dtls = ['media_encryption=dtls', 'dtls_auto_generate_cert=yes', 'media_use_received_transport=yes']
const sdes = ['media_encryption=sdes']
const ice = 'ice_support=yes'

interface Case {
  feature: string
  name: string
  asterisk: readonly string[]
  phone: PhoneOptions
  srtp?: CallReport['srtp']
  codec?: string
}

const cm80 = 'AES_CM_128_HMAC_SHA1_80'
const cases: Case[] = [
  {
    feature: 'SRTP, keys in the SDP',
    name: 'keys in the SDP, ICE',
    asterisk: [...sdes, ice],
    phone: { srtp: 'require', srtpKeying: 'sdes', ice: 'require' },
    srtp: { by: 'sdes', suite: cm80 },
  },
  {
    feature: 'SRTP, keys in the SDP',
    name: 'keys in the SDP, no ICE',
    asterisk: sdes,
    phone: { srtp: 'require', srtpKeying: 'sdes', ice: 'off' },
    srtp: { by: 'sdes', suite: cm80 },
  },
  {
    feature: 'SRTP, keys in the SDP',
    name: 'keys in the SDP, a tag of 32 bits',
    asterisk: [...sdes, ice, 'srtp_tag_32=yes'],
    phone: { srtp: 'require', srtpKeying: 'sdes', srtpSuites: ['AES_CM_128_HMAC_SHA1_32'] },
    srtp: { by: 'sdes', suite: 'AES_CM_128_HMAC_SHA1_32' },
  },
  {
    feature: 'SRTP, opportunistic (RFC 8643)',
    name: 'keys in the SDP, preferred',
    asterisk: [...sdes, ice, 'media_encryption_optimistic=yes'],
    phone: { srtp: 'prefer', srtpKeying: 'sdes' },
    srtp: { by: 'sdes', suite: cm80 },
  },
  {
    feature: 'SRTP, opportunistic (RFC 8643)',
    name: 'preferred, and in the clear there',
    asterisk: [ice],
    phone: { srtp: 'prefer' },
  },
  {
    feature: 'DTLS-SRTP',
    name: 'DTLS, ICE',
    asterisk: [...dtls, ice],
    phone: { srtp: 'require', ice: 'require' },
    srtp: { by: 'dtls', suite: cm80 },
  },
  {
    feature: 'DTLS-SRTP',
    name: 'DTLS, no ICE',
    asterisk: dtls,
    phone: { srtp: 'require', ice: 'off' },
    srtp: { by: 'dtls', suite: cm80 },
  },
  {
    feature: 'DTLS-SRTP',
    name: 'DTLS, as for a browser: ICE, rtcp-mux, SAVPF',
    asterisk: ['webrtc=yes', 'dtls_auto_generate_cert=yes'],
    phone: { srtp: 'require', ice: 'require' },
    srtp: { by: 'dtls', suite: cm80 },
  },
  {
    feature: 'G.722',
    name: 'G.722',
    asterisk: [ice, 'allow=!all,g722'],
    phone: { codecs: ['G722'] },
    codec: 'G722',
  },
  {
    feature: 'Opus',
    name: 'Opus, encrypted by DTLS',
    asterisk: ['webrtc=yes', 'dtls_auto_generate_cert=yes', 'allow=!all,opus'],
    phone: { codecs: ['opus'], srtp: 'require', ice: 'require' },
    codec: 'opus',
    srtp: { by: 'dtls', suite: cm80 },
  },
]

const rows = cases.flatMap(({ feature, name, asterisk: options, phone, srtp, codec }): Row<Asterisk>[] => {
  const check = (report: CallReport): void => {
    expect(report.srtp).toEqual(srtp)
    expect(report.codec?.name).toBe(codec ?? 'PCMU')
    expect(report.verdict).toMatchObject({ ok: true })
    // Asterisk's first packets may be older than the end of its own handshake.
    expect(report.statistics!.received.lossPercent).toBeLessThan(20)
  }
  const outgoing = user(...options)
  const incoming = user(...options)
  const start = (scene: Scene, asterisk: Asterisk, number: User, register: boolean) =>
    startPhone(
      scene,
      { account: `sip:${number}@${asterisk.address}`, password: `pw${number}`, register, ...phone },
      number,
    )
  return [
    {
      feature,
      by: 'floe',
      name: `${name}: floe calls`,
      run: async (scene, asterisk) => {
        const alice = await start(scene, asterisk, outgoing, false)
        const call = await alice.call(asterisk.uri('echo'))
        await call.answered
        await expectEcho(call)
        check(await call.hangUp())
      },
    },
    {
      feature,
      by: 'peer',
      name: `${name}: floe is called`,
      run: async (scene, asterisk) => {
        const bob = await start(scene, asterisk, incoming, true)
        const ringing = bob.nextCall({ timeoutMs: 20_000 })
        await asterisk.originate(incoming, 'echo')
        const call = await ringing
        await call.answer()
        await expectEcho(call)
        check(await call.hangUp())
      },
    },
  ]
})

sideBySide({
  peer: 'Asterisk 22',
  heading: 'Asterisk 22, encrypted',
  needs: ['asterisk'],
  start: (scene) => Asterisk.start(scene, { users }),
  rows,
})
