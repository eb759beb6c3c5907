// Several phones answer one INVITE (RFC 3261 13.2.2.4), early or for good: the last early answer is heard, and the fork
// that accepts the call has its media, with ICE and without.
import { describe, expect, test } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import type { IcePolicy, PhoneOptions } from '../../../src/phone/options.ts'
import { ForkedPhone, startForkingProxy } from './forking-proxy.ts'
import { expectNothingLeft, phoneOn, withMedia, world } from './world.ts'

const caller = 'tone:450'
const desk = 'tone:1000'
const mobile = 'tone:1700'

interface Scene {
  call: Call
  desk: ForkedPhone
  mobile: ForkedPhone
  advance(ms: number): Promise<void>
  deskPowersOff(): void
}

/** A caller dials; a proxy lets two phones ring, which play from their first answer on. */
async function scene(
  how: {
    desk?: IcePolicy
    mobile?: IcePolicy
    caller?: PhoneOptions
    bareAccept?: boolean
    lateOffer?: boolean
  },
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const simulation = world()
  const { clock, internet } = simulation
  // Far away: what the desk sent is still on its way when the call is no longer its own.
  const deskHost = withMedia(simulation.host('desk', internet.at('203.0.113.2', { latencyMs: 200 })))
  const mobileHost = withMedia(simulation.host('mobile', internet.at('203.0.113.3')))
  const proxyHost = simulation.host('proxy', internet.at('203.0.113.9'))
  const place = internet.at('203.0.113.1')
  await clock.run(
    (async () => {
      const stopProxy = await startForkingProxy(proxyHost, ['203.0.113.2', '203.0.113.3'], {
        bareAccept: how.bareAccept ?? false,
      })
      const deskRings = await ForkedPhone.expect(deskHost, desk, how.desk ?? 'auto')
      const mobileRings = await ForkedPhone.expect(mobileHost, mobile, how.mobile ?? 'auto')
      const alice = await phoneOn(simulation.host('alice', place), how.caller)
      const call = await alice.call('sip:bob@203.0.113.9', {
        play: caller,
        record: 'heard.wav',
        lateOffer: how.lateOffer ?? false,
      })
      const phones = { desk: await deskRings(), mobile: await mobileRings() }
      await act({
        call,
        ...phones,
        advance: (ms) => new Promise((resolve) => clock.setTimer(ms, resolve)),
        deskPowersOff: () => deskHost.powerOff(),
      })
      await Promise.all([alice.stop(), phones.desk.stop(), phones.mobile.stop()])
      stopProxy()
    })(),
  )
  await expectNothingLeft(simulation)
}

/** The call is the mobile's, and its media are. */
async function expectMobileHasCall({ call, mobile: phone, advance }: Scene): Promise<void> {
  await call.connected
  await advance(3_000)
  expect((await call.hasHeard(mobile)).heard).toBe(true)
  expect(phone.hasHeard(caller)).toBe(true)
  expect((await call.hangUp()).verdict).toMatchObject({ ok: true })
  expect(await phone.end).toMatchObject({ by: 'remote', status: 200 })
}

describe('an early answer, and the call accepted by', () => {
  test('the same phone: it is heard and recorded before the answer, but `play` waits', () =>
    scene({}, async (s) => {
      await s.mobile.answerEarly()
      await s.advance(3_000)
      expect(s.call.state).toBe('early-media')
      expect((await s.call.hasHeard(mobile)).heard).toBe(true)
      expect(s.mobile.hasHeard(caller)).toBe(false)
      expect(s.call.report().played).toEqual([])
      await s.mobile.answer()
      await expectMobileHasCall(s)
      const { recordings, timings } = await s.call.ended
      expect(timings.firstAudioHeard).toBeLessThan(timings.answered!)
      expect(recordings[0]!.durationMs).toBeGreaterThan(5_900)
      expect(await s.desk.end).toMatchObject({ status: 487 })
    }))

  test.each<[string, IcePolicy, IcePolicy]>([
    ['another phone, both with ICE', 'auto', 'auto'],
    ['another phone, both without ICE', 'off', 'off'],
    ['a phone without ICE after one with ICE', 'auto', 'off'],
    ['a phone with ICE after one without', 'off', 'auto'],
  ])('%s', (_name, first, second) =>
    scene({ desk: first, mobile: second }, async (s) => {
      await s.desk.answerEarly()
      await s.advance(3_000)
      expect((await s.call.hasHeard(desk)).heard).toBe(true)
      await s.mobile.answer()
      await expectMobileHasCall(s)
      expect(s.desk.hasHeard(caller)).toBe(false)
      expect(await s.desk.end).toMatchObject({ status: 487 })
      const { ice, media } = await s.call.ended
      expect(ice.mode).toBe(second === 'off' ? 'peer-without-ice' : 'full')
      // What the desk had still sent was not taken for the mobile's.
      expect(media.latchedFrom).toBeUndefined()
    }),
  )

  test.each([
    ['with its answer again', false],
    ['without an answer, for it has given one', true],
  ])('the first of two that answered early, %s: each is heard in its turn', (_name, bareAccept) =>
    scene({ bareAccept }, async (s) => {
      await s.mobile.answerEarly()
      await s.advance(100)
      await s.desk.answerEarly()
      await s.advance(3_000)
      expect((await s.call.hasHeard(desk)).heard).toBe(true)
      expect((await s.call.hasHeard(mobile)).heard).toBe(false)
      await s.mobile.answer()
      await expectMobileHasCall(s)
    }),
  )
})

test('a late offer that comes early, in a reliable 183, is answered by PRACK: it is heard, and the call is its', () =>
  scene({ lateOffer: true }, async (s) => {
    await s.mobile.offerEarly()
    await s.advance(3_000)
    expect(s.call.state).toBe('early-media')
    expect((await s.call.hasHeard(mobile)).heard).toBe(true)
    await s.mobile.answer()
    await expectMobileHasCall(s)
  }))

test('the early session is changed by UPDATE, and the answer does not take that back', () =>
  scene({ bareAccept: true }, async (s) => {
    await s.mobile.answerEarly()
    await s.advance(1_000)
    await s.mobile.holdEarly(true)
    await s.advance(500)
    // What plays waits at the mobile.
    const { packets } = s.call.report().statistics!.received
    await s.mobile.holdEarly(false)
    await s.advance(1_000)
    expect(s.call.report().statistics!.received.packets).toBeGreaterThan(packets + 30)
    await s.mobile.answer()
    await expectMobileHasCall(s)
  }))

test('an early answer whose path dies does not end a call that another phone accepts', () =>
  scene({}, async (s) => {
    await s.desk.answerEarly()
    await s.advance(2_000)
    s.deskPowersOff()
    // Consent lasts for 30 s (RFC 7675 5.1).
    await s.advance(60_000)
    expect(s.call.state).toBe('early-media')
    await s.mobile.answer()
    await expectMobileHasCall(s)
  }))

test('an early answer that cannot be used does not end a call that another phone accepts', () =>
  scene({ desk: 'off', caller: { ice: 'require' } }, async (s) => {
    await s.desk.answerEarly()
    await s.advance(2_000)
    expect(s.call.state).toBe('ringing')
    await s.mobile.answer()
    await expectMobileHasCall(s)
  }))
