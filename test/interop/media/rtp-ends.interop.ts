// ffmpeg and GStreamer as ends of RTP and SRTP, in calls that SIPp makes and takes for them: each codec and suite that they have, a
// tone recognised at each end.
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import type { Call, PhoneOptions } from '../../../src/index.ts'
import { suiteByName } from '../../../src/srtp/suite.ts'
import type { Scene } from '../case.ts'
import type { Need } from '../installed.ts'
import { addressOf, hearsFromNow, startPhone } from '../peers/phone.ts'
import { eventually, freePort } from '../peers/process.ts'
import {
  payloadTypeOf,
  type RtpCodec,
  RtpEnd,
  type RtpEndOptions,
  type RtpProgram,
  sdpOf,
  toldBy,
} from '../peers/rtp-end.ts'
import { Sipp } from '../peers/sipp.ts'
import { dialsWith, takes } from '../peers/sipp-calls.ts'
import { isHungUpOn } from '../peers/sipp-scenario.ts'
import { type Row, sideBySide } from '../side-by-side.ts'
import { proofsOf } from './proof.ts'

const tone = 'tone:620'

/** The call, and what floe has said of itself in it. */
async function callOf(
  scene: Scene,
  by: 'floe' | 'peer',
  end: RtpEndOptions,
  options: PhoneOptions,
): Promise<{ call: Call; sipp: Sipp }> {
  const phone = await startPhone(scene, options)
  if (by === 'floe') {
    const sipp = await Sipp.called(scene, [...takes(sdpOf(end)), ...isHungUpOn])
    const call = await phone.call(sipp.uri())
    await call.answered
    return { call, sipp }
  }
  const incoming = phone.nextCall({ timeoutMs: 20_000 })
  const sipp = await Sipp.calls(scene, addressOf(phone), [...dialsWith(sdpOf(end)), ...isHungUpOn])
  const call = await incoming
  await call.answer()
  await call.answered
  return { call, sipp }
}

function rowsOf(peer: RtpProgram, suites: readonly string[]): Row<void>[] {
  const cases: { codec: RtpCodec; suite?: string }[] = [
    ...(['PCMU', 'PCMA', 'G722', 'opus'] as const).map((codec) => ({ codec })),
    ...suites.map((suite) => ({ codec: 'PCMU' as const, suite })),
  ]
  return cases.flatMap(({ codec, suite }) =>
    (['floe', 'peer'] as const).map(
      (by): Row<void> => ({
        by: 'both',
        name: `${suite ?? codec}: ${by === 'floe' ? 'floe calls' : 'floe is called'}`,
        run: async (scene) => {
          const { keyBytes = 0, saltBytes = 0 } = suiteByName(suite ?? '') ?? {}
          const own = randomBytes(keyBytes + saltBytes).toString('base64')
          const end = { codec, port: await freePort(), ...(suite && { keys: { suite, own } }) }
          const { call, sipp } = await callOf(scene, by, end, {
            codecs: [codec],
            ...(suite && { srtp: 'require', srtpKeying: 'sdes', srtpSuites: [suite] }),
          })
          call.play(tone, { loop: true }).catch(() => undefined) // it ends with the call
          const ssrc = await eventually(() => call.report().statistics?.sent.ssrc, { what: 'floe sends' })
          const rtp = await RtpEnd.start(
            scene,
            peer,
            end,
            toldBy(await sipp.descriptionOfOther(), codec, ssrc),
          )
          await Promise.all([hearsFromNow(call, rtp.says), rtp.hears(tone)])
          const report = await call.hangUp()
          expect(report.codec?.name).toBe(codec)
          // Each wants the packets numbered as its own description says.
          const { payloadType, receivePayloadType } = report.codec!
          expect(payloadType).toBe(payloadTypeOf(codec))
          expect(receivePayloadType === payloadType).toBe(codec !== 'opus' || by === 'peer')
          expect(report.srtp).toEqual(suite && { by: 'sdes', suite })
          await sipp.finished()
          return proofsOf(call, { peer, by })
        },
      }),
    ),
  )
}

const ends: [RtpProgram, Need, string[]][] = [
  ['ffmpeg', 'ffmpeg', ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32']],
  [
    'GStreamer',
    'gstreamer',
    [
      ...['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32', 'AES_256_CM_HMAC_SHA1_80'],
      ...['AES_256_CM_HMAC_SHA1_32', 'AEAD_AES_128_GCM', 'AEAD_AES_256_GCM'],
    ],
  ],
]
for (const [peer, need, suites] of ends)
  sideBySide({
    peer,
    needs: [need, 'sipp'],
    start: async () => undefined,
    rows: rowsOf(peer, suites),
  })
