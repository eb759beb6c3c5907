// Whole calls in virtual time: two phones on simulated hosts, no server between them.
import { describe, expect, test } from 'vitest'
import { CallFailed, IceFailed, TimeoutError } from '../../../src/errors.ts'
import type { Call } from '../../../src/phone/call.ts'
import type { DialOptions, PhoneOptions } from '../../../src/phone/options.ts'
import type { LinkQuality } from '../../../src/sim/link.ts'
import { natKinds } from '../../../src/sim/nat.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

interface Scene {
  alice?: PhoneOptions
  bob?: PhoneOptions
  dial?: DialOptions
  link?: LinkQuality
  seed?: number
}

/** Alice calls Bob; `act` gets both ends as soon as it rings at Bob's. */
async function scene(
  how: Scene,
  act: (s: {
    call: Call
    answered: Call
    advance(ms: number): Promise<void>
    bobPowersOff(): void
    now(): number
  }) => Promise<void>,
) {
  const simulation = world(how.seed)
  const { clock, internet } = simulation
  const bobsHost = simulation.host('bob', internet.at('203.0.113.2', how.link))
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1', how.link)), how.alice)
      const bob = await phoneOn(bobsHost, how.bob)
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', how.dial)
      await act({
        call,
        answered: await incoming,
        advance: (ms) => new Promise((resolve) => clock.setTimer(ms, resolve)),
        bobPowersOff: () => bobsHost.powerOff(),
        now: () => clock.now(),
      })
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
}

describe('a call that goes well', () => {
  test('who answers without silence sends nothing until something is played', () =>
    scene({ dial: { play: 'tone:440', loop: true } }, async ({ call, answered, advance }) => {
      await answered.answer({ silence: false })
      await call.answered
      await advance(2_000)
      expect(answered.report().statistics!.sent.packets).toBe(0)
      await answered.play('hello-16k.wav')
      expect(answered.report().statistics!.sent.packets).toBeGreaterThan(50)
    }))

  test.each(['G722', 'opus'])('in %s both ends hear each other, digits too', (codec) =>
    scene(
      {
        alice: { codecs: [codec, 'PCMU'] },
        bob: { codecs: ['PCMU', codec] },
        dial: { play: 'hello-16k.wav' },
      },
      async ({ call, answered }) => {
        await answered.answer({ play: 'tone:440' })
        await answered.waitToHear('hello-16k.wav', 10_000)
        await call.waitToHear('tone:440', 2_000)
        await call.sendDtmf('42#')
        await answered.waitForDtmf('42#', 2_000)
        const report = await call.hangUp()
        expect(report.codec?.name).toBe(codec)
        expect(report.verdict.ok).toBe(true)
      },
    ),
  )
  test('each end hears the other, and nothing is left behind', () =>
    scene({ dial: { play: 'hello-8k.wav', record: 'heard.wav' } }, async ({ call, answered }) => {
      await answered.answer({ play: 'reply-8k.wav' })
      await Promise.all([call.played, answered.played])
      await answered.waitToHear('hello-8k.wav', 1_000)
      await call.waitToHear('reply-8k.wav', 1_000)
      expect((await call.hasHeard('hello-8k.wav')).heard).toBe(false)
      const report = await call.hangUp()
      expect(report.verdict).toMatchObject({ ok: true })
      expect(report.codec?.name).toBe('PCMU')
      expect(report.statistics?.received.lost).toBe(0)
      expect((await answered.ended).outcome).toMatchObject({ state: 'ended', by: 'remote' })
    }))

  test('ten minutes with 2 % loss are measured as such', () =>
    scene({ link: { latencyMs: 20, loss: 0.01 }, seed: 5 }, async ({ call, answered, advance }) => {
      await answered.answer({ play: 'reply-8k.wav' })
      await call.connected
      await advance(600_000)
      const report = await call.hangUp()
      expect(report.verdict.ok).toBe(true)
      expect(report.statistics?.received.expected).toBeGreaterThan(29_900)
      expect(report.statistics?.received.lossPercent).toBeGreaterThan(1.5)
      expect(report.statistics?.received.lossPercent).toBeLessThan(2.6)
      expect(report.statistics?.roundTripMs).toBeCloseTo(80, -1)
    }))

  test('DTMF arrives in both directions in spite of loss', () =>
    scene({ link: { latencyMs: 10, loss: 0.05 }, seed: 3 }, async ({ call, answered }) => {
      await answered.answer({})
      await Promise.all([call.sendDtmf('12w3#'), answered.sendDtmf('A*0')])
      await answered.waitForDtmf('123#', 2_000)
      await call.waitForDtmf('A*0', 2_000)
      await call.hangUp()
    }))

  test('what is played when the call ends is nobody’s error; what cannot be played is', () =>
    scene({}, async ({ call, answered, advance }) => {
      await answered.answer({})
      // An unhandled rejection would fail the run.
      void call.play('tone:440', { loop: true })
      const waited = answered.play('tone:440', { loop: true })
      await expect(call.play('no-such-file.wav')).rejects.toThrow(/no-such-file/)
      await advance(500)
      await call.hangUp()
      await expect(waited).rejects.toThrow(CallFailed)
    }))

  test('late offer: the far end offers in its 200', () =>
    scene({ dial: { lateOffer: true, play: 'hello-8k.wav' } }, async ({ call, answered }) => {
      await answered.answer({ play: 'reply-8k.wav' })
      await call.played
      await answered.waitToHear('hello-8k.wav', 1_000)
      expect((await call.hangUp()).verdict.ok).toBe(true)
    }))

  test('a peer without ICE is answered with plain RTP', () =>
    scene({ alice: { ice: 'off' }, dial: { play: 'hello-8k.wav' } }, async ({ call, answered }) => {
      await answered.answer({ play: 'reply-8k.wav' })
      await call.played
      await answered.waitToHear('hello-8k.wav', 1_000)
      await call.waitToHear('reply-8k.wav', 5_000)
      const report = await call.hangUp()
      expect(report.ice.mode).toBe('off')
      expect(report.verdict.ok).toBe(true)
      expect((await answered.ended).ice.mode).toBe('peer-without-ice')
    }))
})

describe('a call that does not come about', () => {
  test('refused: CallFailed with its status', () =>
    scene({}, async ({ call, answered }) => {
      answered.reject(486)
      await expect(call.answered).rejects.toBeInstanceOf(CallFailed)
      const report = await call.ended
      expect(report.outcome).toMatchObject({ status: 486 })
      expect(report.verdict).toMatchObject({ ok: false, cause: 'busy' })
    }))

  test('given up by the caller: the callee is told by CANCEL', () =>
    scene({}, async ({ call, answered, advance }) => {
      await advance(1_000)
      const report = await call.hangUp()
      expect(report.verdict).toMatchObject({ ok: false, cause: 'cancelled' })
      expect((await answered.ended).outcome.status).toBe(487)
    }))

  test('nobody answers: TimeoutError after the time to ring', () =>
    scene({ dial: { ringTimeoutMs: 5_000 } }, async ({ call, answered }) => {
      await expect(call.answered).rejects.toBeInstanceOf(TimeoutError)
      expect((await call.ended).verdict).toMatchObject({ ok: false, cause: 'no-answer' })
      await answered.ended
    }))

  test('ICE required, and the far end has none: the call ends with that verdict', () =>
    scene({ alice: { ice: 'require' }, bob: { ice: 'off' } }, async ({ call, answered }) => {
      await answered.answer({})
      await expect(call.connected).rejects.toBeInstanceOf(IceFailed)
      const { verdict } = await call.ended
      expect(verdict).toMatchObject({ ok: false, layer: 'ice' })
    }))

  test('ICE required, and the caller has none: 488', () =>
    scene({ alice: { ice: 'off' }, bob: { ice: 'require' } }, async ({ call, answered }) => {
      await expect(answered.answer({})).rejects.toThrow(/ICE/)
      await expect(call.answered).rejects.toMatchObject({ status: 488 })
    }))
})

describe('a peer that dies in mid-call', () => {
  test('with ICE: consent expires after 30 s (RFC 7675), and no restart finds anybody', () =>
    scene({}, async ({ call, answered, advance, bobPowersOff, now }) => {
      await answered.answer({})
      await call.connected
      await advance(3_000)
      bobPowersOff()
      const diedAt = now()
      const report = await call.ended
      expect(report.verdict).toMatchObject({ ok: false, cause: 'consent-lost' })
      expect(report.ice.restarts.length).toBeGreaterThan(3)
      expect(now() - diedAt).toBeLessThan(50_000)
    }))

  test('without ICE: the media watchdog ends the call', () =>
    scene({ bob: { ice: 'off' } }, async ({ call, answered, advance, bobPowersOff, now }) => {
      await answered.answer({})
      await call.connected
      await advance(3_000)
      bobPowersOff()
      const diedAt = now()
      const report = await call.ended
      expect(report.verdict.ok).toBe(false)
      expect(now() - diedAt).toBeLessThan(65_000)
    }))
})

describe('symmetric RTP with a peer without ICE', () => {
  test('media goes to where the peer’s media comes from, not to the private address it names', async () => {
    const simulation = world()
    const { clock, internet } = simulation
    const home = simulation.nat('home', '203.0.113.7', natKinds.portRestricted)
    const alicesHost = simulation.host('alice', internet.at('203.0.113.1'))
    const bobsHost = simulation.host('bob', home.inside.at('192.168.1.2'))
    await clock.run(
      (async () => {
        const alice = await phoneOn(alicesHost)
        const bob = await phoneOn(bobsHost, { ice: 'off' })
        const incoming = alice.nextCall()
        const call = await bob.call('sip:alice@203.0.113.1', { play: 'hello-8k.wav' })
        const answered = await incoming
        await answered.answer({ play: 'reply-8k.wav' })
        await Promise.all([call.played, answered.played])
        await call.waitToHear('reply-8k.wav', 2_000)
        await answered.waitToHear('hello-8k.wav', 2_000)
        const report = answered.report()
        expect(report.media.latchedFrom?.address).toBe('203.0.113.7')
        expect(report.media.sentTo?.address).toBe('203.0.113.7')
        expect((await call.hangUp()).verdict).toMatchObject({ ok: true })
        await bob.stop()
        await alice.stop()
      })(),
    )
    await expectNothingLeft(simulation)
  })

  test('a stranger’s packets neither reach the call nor move its media', async () => {
    const simulation = world()
    const { clock, internet } = simulation
    const alicesHost = simulation.host('alice', internet.at('203.0.113.1'))
    const stranger = simulation.host('stranger', internet.at('203.0.113.66'))
    await clock.run(
      (async () => {
        const alice = await phoneOn(alicesHost)
        const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), { ice: 'off' })
        const incoming = alice.nextCall()
        const call = await bob.call('sip:alice@203.0.113.1', { play: 'hello-8k.wav', loop: true })
        const answered = await incoming
        await answered.answer({ play: 'reply-8k.wav', loop: true })
        await answered.connected
        await new Promise<void>((resolve) => clock.setTimer(500, resolve))
        const socket = await stranger.openUdp({ address: '203.0.113.66', port: 4000 })
        const rtp = new Uint8Array(172).fill(0x55)
        rtp.set([0x80, 0x00])
        const ports = alicesHost.open.flatMap((what) => /^udp \S+:(\d+)/.exec(what)?.[1] ?? [])
        for (let round = 0; round < 100; round++) {
          for (const port of ports) socket.send(rtp, { address: '203.0.113.1', port: Number(port) })
          await new Promise<void>((resolve) => clock.setTimer(20, resolve))
        }
        socket.close()
        await call.waitToHear('reply-8k.wav', 5_000)
        const report = answered.report()
        expect(report.media.sentTo?.address).toBe('203.0.113.2')
        expect(report.statistics?.received.lost).toBe(0)
        await call.hangUp()
        await bob.stop()
        await alice.stop()
      })(),
    )
    await expectNothingLeft(simulation)
  })
})
