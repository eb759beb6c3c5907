// Calls whose ends encrypt differently, with rtpengine between them, which Kamailio asks for: DTLS-SRTP, SRTP with keys in the SDP
// and plain RTP, with ICE and without; and the same before Asterisk and SIPp, who know less than floe.
import { expect } from 'vitest'
import type { PhoneOptions } from '../../../src/index.ts'
import type { Scene } from '../case.ts'
import { Asterisk } from '../peers/asterisk.ts'
import { Kamailio } from '../peers/kamailio.ts'
import { registeredPhone } from '../peers/kamailio-phone.ts'
import { connect, expectBothHear, expectEcho } from '../peers/phone.ts'
import { expectRelayed, startRtpengine } from '../peers/rtpengine.ts'
import { Sipp } from '../peers/sipp.ts'
import { isHungUpOn, receive, reply, sdp } from '../peers/sipp-scenario.ts'
import { type Row, sideBySide } from '../side-by-side.ts'
import { digitsProof, proofsOf, securityProof } from './proof.ts'

const peer = 'rtpengine'

let lastUser = 2000
const user = () => String(++lastUser)

const rows: Row<Kamailio>[] = []

/** What rtpengine is to make of the offer. */
const through = (flags: string): { headers: [string, string][] } => ({
  headers: [['X-Rtpengine', `${flags} replace-origin replace-session-connection`]],
})

interface End {
  name: string
  options: PhoneOptions
  /** What rtpengine is told to offer to it, and to take from it beside what it takes anyway. */
  flags: string
  taken?: string
  /** A row of the table that it is about, beside those that every call has. */
  security?: string
  by?: 'dtls' | 'sdes'
}

const plain: End = { name: 'plain RTP', options: { ice: 'off', srtp: 'off' }, flags: 'RTP/AVP ICE=remove' }
const sdes: End = {
  name: 'keys in the SDP',
  options: { ice: 'off', srtp: 'require', srtpKeying: 'sdes' },
  flags: 'RTP/SAVP DTLS=off ICE=remove',
  by: 'sdes',
}
const dtls: End = {
  name: 'DTLS',
  options: { ice: 'off', srtp: 'require', srtpKeying: 'dtls' },
  flags: 'UDP/TLS/RTP/SAVP SDES-off ICE=remove',
  by: 'dtls',
}
const browser: End = {
  name: 'DTLS with ICE and rtcp-mux',
  options: { ice: 'require', srtp: 'require', srtpKeying: 'dtls' },
  flags: 'UDP/TLS/RTP/SAVPF SDES-off ICE=force rtcp-mux-offer',
  by: 'dtls',
}

const opportunistic: End = {
  ...sdes,
  name: 'keys beside plain RTP',
  options: { ice: 'off', srtp: 'prefer', srtpKeying: 'sdes' },
  flags: `${sdes.flags} OSRTP-offer`,
  taken: 'OSRTP-accept',
  security: 'RFC 8643: encrypted',
}

const keyedBy = (suite: string): End => ({
  ...sdes,
  name: suite,
  options: { ...sdes.options, srtpSuites: [suite] },
})

for (const [from, to, codec] of [
  [dtls, plain, 'PCMU'],
  [plain, dtls, 'PCMA'],
  [sdes, plain, 'G722'],
  [plain, sdes, 'opus'],
  [dtls, sdes, 'PCMU'],
  [sdes, dtls, 'PCMA'],
  [browser, plain, 'opus'],
  [plain, browser, 'PCMU'],
  [browser, sdes, 'opus'],
  [opportunistic, plain, 'PCMU'],
  [plain, opportunistic, 'PCMU'],
  [keyedBy('AES_CM_128_HMAC_SHA1_32'), plain, 'PCMU'],
  [keyedBy('AES_256_CM_HMAC_SHA1_80'), plain, 'PCMU'],
  [keyedBy('AES_256_CM_HMAC_SHA1_32'), plain, 'PCMU'],
  [keyedBy('AEAD_AES_128_GCM'), plain, 'PCMU'],
  [keyedBy('AEAD_AES_256_GCM'), plain, 'PCMU'],
] as const) {
  const [a, b] = [user(), user()]
  rows.push({
    by: 'both',
    name: `${from.name} calls ${to.name}`,
    run: async (scene, kamailio) => {
      const codecs = [codec]
      const alice = await registeredPhone(scene, kamailio, a, { codecs, ...from.options })
      const bob = await registeredPhone(scene, kamailio, b, { codecs, ...to.options })
      const [caller, called] = await connect(
        alice,
        bob,
        kamailio.uri(b),
        through(`${to.flags} ${from.taken ?? ''}`),
      )
      await expectBothHear(caller, called)
      await caller.sendDtmf('42')
      await called.waitForDtmf('42', 20_000)
      expectRelayed(caller, called)
      const reports = [await caller.hangUp(), await called.ended]
      expect(reports.map(({ srtp }) => srtp?.by)).toEqual([from.by, to.by])
      expect(reports.map(({ verdict }) => verdict.ok)).toEqual([true, true])
      expect(reports.map((report) => report.codec?.name)).toEqual([codec, codec])
      return [
        ...proofsOf(caller, { peer, by: 'floe' }),
        ...proofsOf(called, { peer, by: 'peer' }),
        ...(from.security ? [securityProof(from.security, { peer, by: 'floe' })] : []),
        ...(to.security ? [securityProof(to.security, { peer, by: 'peer' })] : []),
        digitsProof({ peer, by: 'both' }),
      ]
    },
  })
}

// ---- others at the far end -------------------------------------------------------------------------------------------------------

const beforeSipp = { caller: user(), called: user() }
rows.push({
  by: 'both',
  name: 'DTLS with ICE and rtcp-mux calls SIPp, which has neither',
  needs: ['sipp'],
  run: async (scene, kamailio) => {
    const answers = [receive('INVITE'), reply(180), reply(200, { to: 'INVITE', body: sdp() }), receive('ACK')]
    const sipp = await Sipp.called(scene, [...answers, ...isHungUpOn])
    await kamailio.addContact(beforeSipp.called, sipp.uri())
    const phone = await registeredPhone(scene, kamailio, beforeSipp.caller, browser.options)
    const call = await phone.call(kamailio.uri(beforeSipp.called), through(plain.flags))
    await call.answered
    await expectEcho(call)
    expectRelayed(call)
    expect((await call.hangUp()).srtp?.by).toBe('dtls')
    await sipp.finished()
  },
})

for (const [name, endpoint, from, flags] of [
  ['ICE calls Asterisk, which has none', [], 'require', plain.flags],
  ['no ICE calls Asterisk, which has it', ['ice_support=yes'], 'off', 'RTP/AVP ICE=force'],
] as const) {
  const [caller, called] = [user(), user()]
  rows.push({
    feature: 'ICE',
    by: 'both',
    name,
    needs: ['asterisk'],
    run: async (scene, kamailio) => {
      const asterisk = await Asterisk.start(scene, { users: { [caller]: endpoint } })
      await kamailio.addContact(called, asterisk.uri('echo'))
      const phone = await registeredPhone(scene, kamailio, caller, { ice: from })
      const call = await phone.call(kamailio.uri(called), through(flags))
      await call.answered
      await expectEcho(call)
      expectRelayed(call)
      expect((await call.hangUp()).verdict.ok).toBe(true)
    },
  })
}

sideBySide({
  peer,
  heading: 'rtpengine between ends that encrypt differently',
  needs: ['kamailio', 'rtpengine', 'namespace'],
  start: async (scene: Scene) => Kamailio.start(scene, { rtpengine: await startRtpengine(scene) }),
  rows,
})
