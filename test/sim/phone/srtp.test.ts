// SRTP in whole calls, in virtual time: who offers what, what comes of it, and that each end hears the other.
import { describe, expect, it } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

async function called(
  alice: PhoneOptions,
  bob: PhoneOptions,
  act: (call: Call, answered: Call) => Promise<void> = async () => undefined,
) {
  const simulation = world(5)
  const { clock, internet } = simulation
  const reports = await clock.run(
    (async () => {
      const caller = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')), alice)
      const callee = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), bob)
      const incoming = callee.nextCall()
      const call = await caller.call('sip:bob@203.0.113.2', { play: 'hello-8k.wav' })
      call.answered.catch(() => undefined)
      const answered = await incoming
      let refused: Error | undefined
      await answered.answer({ play: 'reply-8k.wav' }).catch((error: Error) => {
        refused = error
      })
      if (!refused && call.state !== 'ended') {
        await Promise.all([
          answered.waitToHear('hello-8k.wav', 10_000).catch(() => undefined),
          call.waitToHear('reply-8k.wav', 10_000).catch(() => undefined),
        ])
        await act(call, answered)
      }
      const report = refused ? await call.ended : await call.hangUp()
      const theirs = await answered.ended
      await caller.stop()
      await callee.stop()
      return { report, theirs, refused }
    })(),
  )
  await expectNothingLeft(simulation)
  return reports
}

describe('what two phones agree on', () => {
  const dtls = { by: 'dtls', suite: 'AEAD_AES_256_GCM' }
  const sdes = { by: 'sdes', suite: 'AES_CM_128_HMAC_SHA1_80' }
  it.each<[string, PhoneOptions, PhoneOptions, object | undefined]>([
    ['nobody asks: in the clear', {}, {}, undefined],
    ['the caller prefers it: DTLS, in a plain profile (RFC 8643)', { srtp: 'prefer' }, {}, dtls],
    ['the caller requires it: DTLS', { srtp: 'require' }, {}, dtls],
    ['the caller requires it, keys in the SDP', { srtp: 'require', srtpKeying: 'sdes' }, {}, sdes],
    ['the caller prefers it, keys in the SDP', { srtp: 'prefer', srtpKeying: 'sdes' }, {}, sdes],
    ['both prefer it', { srtp: 'prefer' }, { srtp: 'prefer' }, dtls],
    ['the callee has it switched off: in the clear', { srtp: 'prefer' }, { srtp: 'off' }, undefined],
    [
      'another suite',
      { srtp: 'require', srtpKeying: 'sdes', srtpSuites: ['AEAD_AES_256_GCM'] },
      {},
      { by: 'sdes', suite: 'AEAD_AES_256_GCM' },
    ],
    ['without ICE', { srtp: 'require', ice: 'off' }, {}, dtls],
    ['without ICE, keys in the SDP', { srtp: 'require', srtpKeying: 'sdes', ice: 'off' }, {}, sdes],
  ])('%s', async (_, alice, bob, expected) => {
    const { report, theirs, refused } = await called(alice, bob)
    expect(refused).toBeUndefined()
    expect(report.srtp).toEqual(expected)
    expect(theirs.srtp).toEqual(expected)
    for (const one of [report, theirs]) {
      expect(one.hearings.map(({ heard }) => heard)).toEqual([true])
      expect(one.verdict.ok).toBe(true)
    }
  })

  it('keys outlive an ICE restart, hold and resume', async () => {
    for (const srtpKeying of ['dtls', 'sdes'] as const) {
      const { report } = await called({ srtp: 'require', srtpKeying }, {}, async (call, answered) => {
        await call.restartIce()
        await call.hold()
        await call.resume()
        void call.play('tone:440', { loop: true })
        await answered.waitToHear('tone:440', 10_000)
      })
      expect(report.ice.restarts).toHaveLength(1)
      expect(report.verdict.ok).toBe(true)
      expect(report.warnings).toEqual([])
    }
  })

  it.each<[string, PhoneOptions, PhoneOptions, RegExp]>([
    ['the callee requires it, the caller does not offer it', {}, { srtp: 'require' }, /requires SRTP/],
    [
      'the caller requires it, the callee has it switched off',
      { srtp: 'require' },
      { srtp: 'off' },
      /switched off/,
    ],
  ])('no call where %s', async (_, alice, bob, why) => {
    const { report, refused } = await called(alice, bob)
    expect(refused?.message).toMatch(why)
    expect(report.outcome.status).toBe(488)
  })
})
