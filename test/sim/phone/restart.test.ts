// ICE restarts that are asked for, in both roles, and offers in mid-call that are none; offers of ill will.
import { describe, expect, test } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import type { Call } from '../../../src/phone/call.ts'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import { UserAgent } from '../../../src/sip/user-agent.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

/** Alice calls Bob; both play for ever. */
async function talk(
  act: (s: { call: Call; answered: Call; advance(ms: number): Promise<void> }) => Promise<void>,
  options: { alice?: PhoneOptions; bob?: PhoneOptions } = {},
): Promise<void> {
  const simulation = world()
  const { clock, internet } = simulation
  const link = { latencyMs: 20 }
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1', link)), options.alice)
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2', link)), options.bob)
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', { play: 'hello-8k.wav', loop: true })
      const answered = await incoming
      await answered.answer({ play: 'reply-8k.wav', loop: true })
      await Promise.all([call.connected, answered.connected])
      await act({ call, answered, advance: (ms) => new Promise((done) => clock.setTimer(ms, done)) })
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
}

const received = (call: Call) => call.report().statistics?.received

describe('a restart that is asked for', () => {
  test.each(['caller', 'called'] as const)('by the %s: another path, and not one packet is lost', (who) =>
    talk(async ({ call, answered, advance }) => {
      await advance(2_000)
      const before = call.report().selected[0]?.local.address
      const ssrc = received(call)?.ssrc
      await (who === 'caller' ? call : answered).restartIce()
      await advance(5_000)
      const report = call.report()
      expect(report.selected[0]?.local.address).not.toEqual(before)
      expect(report.ice.restarts).toEqual([
        expect.objectContaining({
          by: who === 'caller' ? 'local' : 'remote',
          pathAfterMs: expect.any(Number),
        }),
      ])
      for (const end of [call, answered]) {
        expect(received(end)?.lost).toBe(0)
        expect(end.report().verdict.ok).toBe(true)
      }
      expect(received(call)?.ssrc).toBe(ssrc)
      expect((await call.hangUp()).verdict.ok).toBe(true)
    }),
  )

  test('three times, from both ends', () =>
    talk(async ({ call, answered, advance }) => {
      for (const end of [call, answered, call]) {
        await end.restartIce()
        await advance(500)
      }
      await advance(3_000)
      expect(received(answered)?.lost).toBe(0)
      expect(call.report().ice.restarts).toHaveLength(3)
    }))

  test('by both at the same time: glare ends, media goes on', () =>
    talk(async ({ call, answered, advance }) => {
      await advance(1_000)
      const outcomes = await Promise.allSettled([call.restartIce(), answered.restartIce()])
      expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
      await advance(6_000)
      for (const end of [call, answered]) {
        expect(end.state).toBe('answered')
        expect(received(end)?.lost).toBe(0)
      }
    }))

  test('again and again for half a minute: five in ten seconds are followed, and media goes on', () =>
    talk(async ({ call, answered, advance }) => {
      let asking = true
      const asked = (async () => {
        while (asking) await call.restartIce()
      })()
      await advance(30_000)
      asking = false
      await asked
      const followed = answered.report().ice.restarts.length
      expect(followed).toBeGreaterThan(5)
      expect(followed).toBeLessThanOrEqual(4 * 5)
      await advance(3_000)
      for (const end of [call, answered]) {
        expect(end.state).toBe('answered')
        expect(received(end)?.lost).toBe(0)
      }
    }))

  test('while one is under way: it is refused, and the first is not disturbed', () =>
    talk(async ({ call, answered, advance }) => {
      const first = call.restartIce()
      await advance(10)
      await expect(call.restartIce()).rejects.toMatchObject({ status: 491 })
      await first
      await advance(3_000)
      expect(call.report().ice.restarts).toHaveLength(1)
      for (const end of [call, answered]) expect(received(end)?.lost).toBe(0)
    }))

  test('without ICE there is nothing to restart', () =>
    talk(
      async ({ call, answered }) => {
        await expect(call.restartIce()).rejects.toBeInstanceOf(UsageError)
        await expect(answered.restartIce()).rejects.toBeInstanceOf(UsageError)
      },
      { bob: { ice: 'off' } },
    ))
})

test('a peer that has nothing more to say costs one restart, and the call goes on', async () => {
  const simulation = world()
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')))
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')))
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2', {
        silence: false,
        mediaTimeoutMs: 0,
        play: 'hello-8k.wav',
      })
      const answered = await incoming
      await answered.answer({ play: 'reply-8k.wav', mediaTimeoutMs: 0 })
      await call.played
      await new Promise<void>((done) => clock.setTimer(120_000, done))
      expect([call.state, answered.state]).toEqual(['answered', 'answered'])
      expect(answered.report().ice.restarts).toHaveLength(1)
      expect((await call.hangUp()).verdict.ok).toBe(true)
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})

describe('an offer that lies or babbles', () => {
  const head = (address: string) =>
    `v=0\r\no=- 1 1 IN IP4 ${address}\r\ns=-\r\nc=IN IP4 ${address}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n`
  const ice = 'a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=rtcp-mux\r\n'
  const line = (i: number, address: string, port: number) =>
    `a=candidate:${i} 1 UDP ${2_000_000 - i} ${address} ${port} typ host\r\n`
  const many = Array.from({ length: 400 }, (_, i) => line(i, `203.0.113.${1 + (i % 250)}`, 5_000 + i))

  test.each<[string, string]>([
    ['candidates where nobody is', head('203.0.113.200') + ice + line(1, '203.0.113.200', 4_000)],
    ['hundreds of candidates', head('203.0.113.1') + ice + line(0, '203.0.113.1', 4_000) + many.join('')],
    [
      'malformed candidates',
      `${head('203.0.113.200') + ice + line(1, '203.0.113.200', 4_000)}a=candidate:x\r\na=candidate:1 1 UDP nan 1.2.3.4 5 typ host\r\n`,
    ],
    [
      'addresses of no single host',
      head('203.0.113.200') +
        ice +
        line(1, '203.0.113.200', 4_000) +
        ['0.0.0.0', '224.0.0.1', '255.255.255.255'].map((a, i) => line(9 + i, a, 4_000)).join(''),
    ],
    [
      'a name that nobody knows',
      head('203.0.113.200') + ice + line(1, '203.0.113.200', 4_000) + line(2, 'nobody.local', 4_000),
    ],
  ])('%s: the call ends with a verdict, and little was sent', async (_name, content) => {
    const simulation = world()
    const { clock, internet } = simulation
    let toStrangers = 0
    simulation.onPacket = (_fate, { source, destination }) => {
      if (source.address === '203.0.113.2' && destination.address !== '203.0.113.1') toStrangers++
    }
    const verdict = await clock.run(
      (async () => {
        const mallory = await UserAgent.start({
          runtime: simulation.host('mallory', internet.at('203.0.113.1')),
          listen: [{ protocol: 'udp', address: '203.0.113.1', port: 5060 }],
        })
        const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')))
        const ringing = bob.nextCall()
        mallory.invite(
          'sip:bob@203.0.113.2',
          { onAccepted: (_response, acknowledge) => acknowledge(), onEnded: () => {} },
          { offer: { contentType: 'application/sdp', content } },
        )
        const call = await ringing
        await call.answer({ play: 'reply-8k.wav' })
        const report = await call.ended
        await bob.stop()
        await mallory.stop()
        return report.verdict
      })(),
    )
    expect(verdict).toMatchObject({ ok: false, layer: 'ice' })
    expect(verdict).toHaveProperty('fix')
    // RFC 8445 6.1.2.5: 100 pairs at most, each a check of seven requests; and no media.
    expect(toStrangers).toBeLessThan(100 * 7 * 2)
    await expectNothingLeft(simulation)
  })
})
