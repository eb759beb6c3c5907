// Calls with Asterisk 22 (libsrtp, OpenSSL), which is started once: keys in the SDP and by DTLS, with ICE and
// without, both directions; each codec, packet times, digits as events and as tones. Audio is heard both ways in each, and the report says how it was encrypted.
import { expect } from 'vitest'
import type { Call, CallReport, PhoneOptions } from '../../../src/index.ts'
import type { Proof, Scene } from '../case.ts'
import { Asterisk, type User } from '../peers/asterisk.ts'
import { connect, expectBothHear, expectEcho, startPhone } from '../peers/phone.ts'
import { type Row, sideBySide } from '../side-by-side.ts'
import { digitsProof, proofsOf, securityProof } from './proof.ts'

const peer = 'Asterisk 22'

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
  name: string
  asterisk: readonly string[]
  phone: PhoneOptions
  srtp?: CallReport['srtp']
  codec?: string
  /** A row of the table that the case is about, beside those that every call has. */
  security?: string
}

const cm80 = 'AES_CM_128_HMAC_SHA1_80'
const cases: Case[] = [
  {
    name: 'keys in the SDP, ICE',
    asterisk: [...sdes, ice],
    phone: { srtp: 'require', srtpKeying: 'sdes', ice: 'require' },
    srtp: { by: 'sdes', suite: cm80 },
  },
  {
    name: 'keys in the SDP, no ICE',
    asterisk: sdes,
    phone: { srtp: 'require', srtpKeying: 'sdes', ice: 'off' },
    srtp: { by: 'sdes', suite: cm80 },
  },
  {
    name: 'keys in the SDP, a tag of 32 bits',
    asterisk: [...sdes, ice, 'srtp_tag_32=yes'],
    phone: { srtp: 'require', srtpKeying: 'sdes', srtpSuites: ['AES_CM_128_HMAC_SHA1_32'] },
    srtp: { by: 'sdes', suite: 'AES_CM_128_HMAC_SHA1_32' },
  },
  {
    name: 'keys in the SDP, preferred',
    asterisk: [...sdes, ice, 'media_encryption_optimistic=yes'],
    phone: { srtp: 'prefer', srtpKeying: 'sdes' },
    srtp: { by: 'sdes', suite: cm80 },
    security: 'RFC 8643: encrypted',
  },
  {
    name: 'preferred, and in the clear there',
    asterisk: [ice],
    phone: { srtp: 'prefer' },
    security: 'RFC 8643: in the clear',
  },
  {
    name: 'DTLS, ICE',
    asterisk: [...dtls, ice],
    phone: { srtp: 'require', ice: 'require' },
    srtp: { by: 'dtls', suite: cm80 },
  },
  {
    name: 'DTLS, no ICE',
    asterisk: dtls,
    phone: { srtp: 'require', ice: 'off' },
    srtp: { by: 'dtls', suite: cm80 },
  },
  {
    name: 'DTLS, as for a browser: ICE, rtcp-mux, SAVPF',
    asterisk: ['webrtc=yes', 'dtls_auto_generate_cert=yes'],
    phone: { srtp: 'require', ice: 'require' },
    srtp: { by: 'dtls', suite: cm80 },
  },
  {
    name: 'PCMA',
    asterisk: ['allow=!all,alaw'],
    phone: { codecs: ['PCMA'] },
    codec: 'PCMA',
  },
  {
    name: 'G.722',
    asterisk: [ice, 'allow=!all,g722'],
    phone: { codecs: ['G722'] },
    codec: 'G722',
  },
  {
    name: 'Opus, encrypted by DTLS',
    asterisk: ['webrtc=yes', 'dtls_auto_generate_cert=yes', 'allow=!all,opus'],
    phone: { codecs: ['opus'], srtp: 'require', ice: 'require' },
    codec: 'opus',
    srtp: { by: 'dtls', suite: cm80 },
  },
]

const start = (scene: Scene, asterisk: Asterisk, number: User, register: boolean, options: PhoneOptions) =>
  startPhone(
    scene,
    { account: `sip:${number}@${asterisk.address}`, password: `pw${number}`, register, ...options },
    number,
  )

const rows = cases.flatMap((c): Row<Asterisk>[] => {
  const { name, asterisk: options, srtp, codec = 'PCMU', security } = c
  const phone = { codecs: [codec], ...c.phone }
  const check = (report: CallReport): void => {
    expect(report.srtp).toEqual(srtp)
    expect(report.codec?.name).toBe(codec)
    expect(report.verdict).toMatchObject({ ok: true })
    // Asterisk's first packets may be older than the end of its own handshake.
    expect(report.statistics!.received.lossPercent).toBeLessThan(20)
  }
  const proofs = (call: Call, by: 'floe' | 'peer'): Proof[] => [
    ...proofsOf(call, { peer, by }),
    ...(security ? [securityProof(security, { peer, by })] : []),
  ]
  const outgoing = user(...options)
  const calls: Row<Asterisk> = {
    by: 'floe',
    name: `${name}: floe calls`,
    run: async (scene, asterisk) => {
      const alice = await start(scene, asterisk, outgoing, false, phone)
      const call = await alice.call(asterisk.uri('echo'))
      await call.answered
      await expectEcho(call)
      check(await call.hangUp())
      return proofs(call, 'floe')
    },
  }
  const incoming = user(...options)
  const isCalled: Row<Asterisk> = {
    by: 'peer',
    name: `${name}: floe is called`,
    run: async (scene, asterisk) => {
      const bob = await start(scene, asterisk, incoming, true, phone)
      const ringing = bob.nextCall({ timeoutMs: 20_000 })
      await asterisk.originate(incoming, 'echo')
      const call = await ringing
      await call.answer()
      await expectEcho(call)
      check(await call.hangUp())
      return proofs(call, 'peer')
    },
  }
  return [calls, isCalled]
})

// ---- beside the cases ------------------------------------------------------------------------------------------------------

for (const ptimeMs of [10, 30, 40, 60]) {
  const number = user('use_ptime=yes', `allow=!all,ulaw:${ptimeMs}`)
  rows.push({
    by: 'floe',
    name: `packets of ${ptimeMs} ms`,
    run: async (scene, asterisk) => {
      const alice = await start(scene, asterisk, number, false, { codecs: ['PCMU'], ptimeMs })
      const call = await alice.call(asterisk.uri('echo'))
      await call.answered
      await expectEcho(call)
      expect((await call.hangUp()).codec).toMatchObject({ name: 'PCMU', ptimeMs })
    },
  })
}

const needsKeys = user(...sdes)
const hasNone = user()
rows.push(
  {
    by: 'floe',
    name: 'floe asks for keys, and Asterisk has none',
    run: async (scene, asterisk) => {
      const alice = await start(scene, asterisk, hasNone, false, { srtp: 'require', srtpKeying: 'sdes' })
      const call = await alice.call(asterisk.uri('echo'))
      await expect(call.answered).rejects.toThrow()
      expect(call.report().outcome.status).toBe(488)
      return [securityProof('no keys: refused', { peer, by: 'floe' })]
    },
  },
  {
    by: 'peer',
    name: 'Asterisk asks for keys, and floe has none',
    run: async (scene, asterisk) => {
      const bob = await start(scene, asterisk, needsKeys, true, { srtp: 'off' })
      const ringing = bob.nextCall({ timeoutMs: 20_000 })
      await asterisk.originate(needsKeys, 'echo')
      const call = await ringing
      await expect(call.answer()).rejects.toThrow(/switched off/)
      expect(call.report().outcome.status).toBe(488)
      return [securityProof('no keys: refused', { peer, by: 'peer' })]
    },
  },
)

const anyCodec = user('allow=!all,opus,g722,ulaw,alaw')
rows.push({
  by: 'both',
  name: 'codecs in the order that floe has by itself',
  run: async (scene, asterisk) => {
    const alice = await start(scene, asterisk, anyCodec, true, {})
    const call = await alice.call(asterisk.uri('echo'))
    await call.answered
    await expectEcho(call)
    await call.hangUp()
    const ringing = alice.nextCall({ timeoutMs: 20_000 })
    await asterisk.originate(anyCodec, 'echo')
    const another = await ringing
    await another.answer()
    await expectEcho(another)
    await another.hangUp()
  },
})

const [wide, opus] = [user('allow=!all,g722'), user('allow=!all,opus')]
rows.push({
  by: 'both',
  name: 'makes Opus of G.722, and G.722 of Opus, between two phones',
  run: async (scene, asterisk) => {
    const alice = await start(scene, asterisk, wide, true, { codecs: ['G722'] })
    const bob = await start(scene, asterisk, opus, true, { codecs: ['opus'] })
    const [caller, called] = await connect(alice, bob, asterisk.uri(opus))
    await expectBothHear(caller, called)
    await caller.hangUp()
    const reports = [caller.report(), await called.ended]
    expect(reports.map(({ codec }) => codec?.name)).toEqual(['G722', 'opus'])
  },
})

const digits = user()
rows.push({
  feature: 'DTMF in RTP',
  by: 'both',
  name: 'digits as events, from either end',
  run: async (scene, asterisk) => {
    const alice = await start(scene, asterisk, digits, false, { codecs: ['PCMU'] })
    const sends = await alice.call(asterisk.uri('send-dtmf'))
    await sends.waitForDtmf('1234*#', 20_000)
    await sends.hangUp()
    const reads = await alice.call(asterisk.uri('read-dtmf'))
    await reads.answered
    await reads.sendDtmf('9876')
    await asterisk.logged(/read digits=9876/)
    return [digitsProof({ peer, by: 'both' })]
  },
})

const inBand = user('dtmf_mode=inband')
rows.push({
  feature: 'DTMF in the audio',
  by: 'both',
  name: 'digits as tones, from either end',
  run: async (scene, asterisk) => {
    const alice = await start(scene, asterisk, inBand, false, { codecs: ['PCMU'] })
    const sends = await alice.call(asterisk.uri('send-dtmf'))
    const by: string[] = []
    sends.onDtmf = (digit) => by.push(digit.by)
    await sends.waitForDtmf('1234*#', 20_000)
    expect(new Set(by)).toEqual(new Set(['audio']))
    await sends.hangUp()
    const reads = await alice.call(asterisk.uri('read-dtmf'))
    await reads.answered
    await reads.sendDtmf('9876')
    await asterisk.logged(/read digits=9876/)
  },
})

sideBySide({
  peer,
  heading: 'Asterisk 22, media',
  needs: ['asterisk'],
  start: (scene) => Asterisk.start(scene, { users }),
  rows,
})
