// Early media by the called (RFC 3960, RFC 3262): the caller hears what is played before the answer, with ICE and without, and the
// call that is answered then goes on as it was.
import { describe, expect, test } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import type { DialOptions, IcePolicy } from '../../../src/phone/options.ts'
import { Phone } from '../../../src/phone/phone.ts'
import { startServer } from '../../../src/serve/server.ts'
import { natKinds } from '../../../src/sim/nat.ts'
import type { SipFact } from '../../../src/trace/facts.ts'
import { hearsNow } from './far-end.ts'
import { expectNothingLeft, phoneOn, withMedia, world } from './world.ts'

interface Scene {
  caller: Call
  called: Call
  advance(ms: number): Promise<void>
}

async function scene(
  how: { ice?: IcePolicy; dial?: DialOptions },
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const simulation = world()
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const options = how.ice ? { ice: how.ice } : {}
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')), options)
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), options)
      const incoming = bob.nextCall()
      const caller = await alice.call('sip:bob@203.0.113.2', { play: 'tone:450', loop: true, ...how.dial })
      const called = await incoming
      await act({ caller, called, advance: (ms) => new Promise((resolve) => clock.setTimer(ms, resolve)) })
      await Promise.all([alice.stop(), bob.stop()])
    })(),
  )
  await expectNothingLeft(simulation)
}

const messages = ({ trace }: Call): string[] =>
  trace.facts.flatMap((fact) =>
    fact.layer === 'sip' && fact.type === 'message' ? [(fact as SipFact & { summary: string }).summary] : [],
  )
const answersIn = ({ trace }: Call): number =>
  trace.facts.filter((fact) => fact.layer === 'sdp' && fact.type === 'description' && fact.kind === 'answer')
    .length

describe('early media by the called', () => {
  test.each<[string, IcePolicy]>([
    ['with ICE', 'auto'],
    ['without', 'off'],
  ])('%s: what is played is heard before the answer, and goes on', (_name, ice) =>
    scene({ ice }, async ({ caller, called, advance }) => {
      await called.startEarlyMedia()
      void called.play('tone:1000', { loop: true })
      await called.connected
      await advance(2_000)
      expect([caller.state, called.state]).toEqual(['early-media', 'early-media'])
      expect(hearsNow(caller, 1000)).toBe(true)
      // The caller's `play` waits for the answer.
      expect(hearsNow(called, 450)).toBe(false)
      expect(messages(caller)).toContainEqual(expect.stringMatching(/^PRACK /))
      await called.answer()
      await Promise.all([caller.connected, called.answered])
      await advance(2_000)
      expect([hearsNow(caller, 1000), hearsNow(called, 450)]).toEqual([true, true])
      // The 200 said what the 183 had said, and nothing was gathered or agreed on again.
      expect(answersIn(called)).toBe(1)
      expect((await caller.hangUp()).verdict).toMatchObject({ ok: true })
      const { verdict, timings } = await called.ended
      expect(verdict).toMatchObject({ ok: true })
      expect(timings.firstRtpSent).toBeLessThan(timings.answered!)
    }),
  )

  test('what the answer names is played in its place', () =>
    scene({}, async ({ caller, called, advance }) => {
      await called.startEarlyMedia()
      const announced = called.play('tone:1000', { loop: true })
      await advance(1_000)
      await called.answer({ play: 'tone:1700', loop: true })
      await caller.answered
      await advance(2_000)
      expect([hearsNow(caller, 1000), hearsNow(caller, 1700)]).toEqual([false, true])
      await announced
      await called.hangUp()
    }))

  test('lasts longer than media may be missing in a call, and the call can still be refused', () =>
    scene({}, async ({ caller, called, advance }) => {
      await called.startEarlyMedia()
      await advance(60_000)
      expect([caller.state, called.state]).toEqual(['early-media', 'early-media'])
      called.reject(486)
      await expect(caller.answered).rejects.toThrow(/refused the call: 486/)
    }))

  test('ends with the caller', () =>
    scene({}, async ({ caller, called, advance }) => {
      await called.startEarlyMedia()
      const announced = called.play('tone:1000', { loop: true })
      await advance(1_000)
      await caller.hangUp()
      await expect(announced).rejects.toThrow(/the caller hung up before the answer/)
      expect((await called.ended).outcome).toMatchObject({ by: 'remote', status: 487 })
      await expect(called.startEarlyMedia()).rejects.toThrow(/only a call that rings/)
      await expect(caller.startEarlyMedia()).rejects.toThrow(/only a call that rings/)
    }))

  test('asked for together with the answer comes to nothing, and the call is answered', () =>
    scene({}, async ({ caller, called, advance }) => {
      await Promise.all([called.answer({ play: 'tone:1000', loop: true }), called.startEarlyMedia()])
      await Promise.all([caller.connected, called.connected])
      await advance(2_000)
      expect([caller.state, called.state]).toEqual(['answered', 'answered'])
      expect([hearsNow(caller, 1000), hearsNow(called, 450)]).toEqual([true, true])
      await called.hangUp()
    }))

  test('is not for a caller that leaves the offer to us', () =>
    scene({ dial: { lateOffer: true } }, async ({ caller, called, advance }) => {
      await expect(called.startEarlyMedia()).rejects.toThrow(/leaves the offer to us/)
      await called.answer({ play: 'tone:1000', loop: true })
      await caller.connected
      await advance(2_000)
      expect([hearsNow(caller, 1000), hearsNow(called, 450)]).toEqual([true, true])
      await called.hangUp()
    }))
})

test('between two NATs, whose addresses a server tells, it is heard before the answer in two calls at once', async () => {
  const simulation = world()
  const { clock, internet } = simulation
  const home = (name: string, address: string) =>
    simulation.nat(name, address, natKinds.portRestricted, { link: { latencyMs: 10 } })
  const server = '203.0.113.10'
  const serverHost = simulation.host('server', internet.at(server))
  const stun = '203.0.113.11'
  const stunHost = simulation.host('stun', internet.at(stun, { latencyMs: 60 }))
  const alicesHost = withMedia(
    simulation.host('alice', home('left', '203.0.113.101').inside.at('192.168.1.2')),
  )
  const bobsHost = withMedia(simulation.host('bob', home('right', '203.0.113.102').inside.at('192.168.1.3')))
  await clock.run(
    (async () => {
      const servers = await Promise.all([
        startServer({ runtime: serverHost, listen: [{ protocol: 'udp', address: server, port: 5060 }] }),
        startServer({ runtime: stunHost, listen: [], stun: { address: stun, port: 3478 } }),
      ])
      const [alice, bob] = await Promise.all(
        [alicesHost, bobsHost].map((runtime, i) =>
          Phone.start({
            codecs: ['PCMU'],
            runtime,
            account: `sip:${['alice', 'bob'][i]}@${server}`,
            iceServers: [`stun:${stun}`],
          }),
        ),
      )
      // One path is gathered ahead; the second call has to look for its own.
      const incoming = Promise.all([bob!.nextCall(), bob!.nextCall()])
      const dial = () => alice!.call('bob', { play: 'tone:450', loop: true })
      const callers = await Promise.all([dial(), dial()])
      const calleds = await incoming
      await Promise.all(calleds.map((called) => called.startEarlyMedia()))
      for (const called of calleds) void called.play('tone:1000', { loop: true })
      await new Promise<void>((resolve) => clock.setTimer(3_000, resolve))
      for (const caller of callers)
        expect([caller.state, hearsNow(caller, 1000)]).toEqual(['early-media', true])
      await Promise.all(calleds.map((called) => called.answer()))
      await new Promise<void>((resolve) => clock.setTimer(2_000, resolve))
      for (const caller of callers) expect([caller.state, hearsNow(caller, 1000)]).toEqual(['answered', true])
      for (const called of calleds) expect(hearsNow(called, 450)).toBe(true)
      await Promise.all([alice!.stop(), bob!.stop()])
      for (const each of servers) each.stop()
    })(),
  )
  await expectNothingLeft(simulation)
})

test('a caller that takes no reliable responses gets the same answer in the 183 and in the 200', async () => {
  const simulation = world()
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')))
      const caller = await simulation
        .host('caller', internet.at('203.0.113.9'))
        .openUdp({ address: '203.0.113.9', port: 5060 })
      const responses: string[] = []
      caller.onDatagram = (data) => responses.push(Buffer.from(data).toString())
      const request = (method: string, to: string, body = ''): void => {
        const lines = [
          `${method} sip:bob@203.0.113.2 SIP/2.0`,
          `Via: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK${method};rport`,
          'Max-Forwards: 70',
          'From: <sip:old@203.0.113.9>;tag=1',
          to,
          'Call-ID: old',
          `CSeq: ${method === 'BYE' ? 2 : 1} ${method}`,
          'Contact: <sip:old@203.0.113.9:5060>',
          ...(body ? ['Content-Type: application/sdp'] : []),
          `Content-Length: ${body.length}`,
        ]
        caller.send(Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`), {
          address: '203.0.113.2',
          port: 5060,
        })
      }
      const incoming = bob.nextCall()
      request(
        'INVITE',
        'To: <sip:bob@203.0.113.2>',
        'v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n',
      )
      const call = await incoming
      await call.startEarlyMedia()
      await call.answer()
      const final = await new Promise<string>((resolve) => {
        const look = (): void => {
          const found = responses.find((text) => text.startsWith('SIP/2.0 200 '))
          if (found) resolve(found)
          else clock.setTimer(10, look)
        }
        look()
      })
      const early = responses.find((text) => text.startsWith('SIP/2.0 183 '))!
      const bodyOf = (text: string): string => text.slice(text.indexOf('\r\n\r\n'))
      expect(early).not.toMatch(/^(Require|RSeq):/m)
      expect(bodyOf(early)).toContain('m=audio')
      expect(bodyOf(final)).toBe(bodyOf(early))
      const to = /^To: .*$/m.exec(final)![0].trim()
      request('ACK', to)
      request('BYE', to)
      expect((await call.ended).outcome).toMatchObject({ by: 'remote', status: 200 })
      await bob.stop()
      caller.close()
    })(),
  )
  await expectNothingLeft(simulation)
})
