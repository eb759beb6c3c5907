// What the far end changes in mid-call by re-INVITE: codec, packet time, port, address, ICE, hold in the old style. After each
// the audio is asserted both ways.
import { describe, expect, test } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import type { PhoneOptions } from '../../../src/phone/options.ts'
import { FarEnd, type FarMedia, hearsNow } from './far-end.ts'
import { expectNothingLeft, phoneOn, withMedia, world } from './world.ts'

interface Scene {
  call: Call
  far: FarEnd
  advance(ms: number): Promise<void>
  audio(): Promise<void>
}

async function scene(
  first: FarMedia,
  act: (scene: Scene) => Promise<void>,
  options: PhoneOptions = {},
): Promise<void> {
  const simulation = world()
  const { clock, internet } = simulation
  const advance = (ms: number) => new Promise<void>((done) => clock.setTimer(ms, done))
  await clock.run(
    (async () => {
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), options)
      const places = ['203.0.113.1', '203.0.113.11'].map((address) => internet.at(address))
      const far = await FarEnd.start(withMedia(simulation.host('far', ...places)), 1000)
      const incoming = bob.nextCall()
      const dialled = far.dial('sip:bob@203.0.113.2', first)
      const call = await incoming
      await call.answer({ play: 'tone:450', loop: true })
      await dialled
      await call.connected
      const audio = async () => {
        await advance(2_000)
        expect({ phone: hearsNow(call, 1000), far: far.hears(450) }).toEqual({ phone: true, far: true })
      }
      await audio()
      await act({ call, far, advance, audio })
      const report = await call.hangUp()
      expect(report.verdict).toMatchObject({ ok: true })
      await bob.stop()
      await far.stop()
    })(),
  )
  await expectNothingLeft(simulation)
}

describe.each(['auto', 'off'] as const)('ICE %s: the far end changes', (policy) => {
  test.each<[string, FarMedia, object]>([
    ['nothing but its port', {}, { name: 'PCMU', ptimeMs: 20 }],
    ['its codec', { codecs: ['PCMA'] }, { name: 'PCMA' }],
    ['the order of its codecs', { codecs: ['PCMA', 'PCMU'] }, { name: 'PCMA' }],
    ['its packet time', { ptimeMs: 40 }, { ptimeMs: 40 }],
    ['its address', { address: '203.0.113.11' }, { name: 'PCMU' }],
    ['all of it', { codecs: ['PCMA'], ptimeMs: 30, address: '203.0.113.11' }, { name: 'PCMA', ptimeMs: 30 }],
  ])('%s, and back', (_name, change, codec) =>
    scene({ policy }, async ({ call, far, audio }) => {
      await far.change({ policy, ...change })
      await audio()
      expect(call.report().codec).toMatchObject(codec)
      await far.change({ policy })
      await audio()
      expect(call.report().codec).toMatchObject({ name: 'PCMU', ptimeMs: 20 })
    }),
  )
})

test('from ICE to none and back to ICE', () =>
  scene({ policy: 'auto' }, async ({ call, far, audio }) => {
    await far.change({ policy: 'off' })
    await audio()
    await far.change({ policy: 'auto' })
    await audio()
    expect(call.state).toBe('answered')
  }))

test('hold in the style of RFC 2543 (c=0.0.0.0), and resumed by the old description', () =>
  scene({ policy: 'off' }, async ({ call, far, advance, audio }) => {
    const content = (await far.media.offerAgain()).content
    const held = content.replace(/^c=IN IP4 \S+/gm, 'c=IN IP4 0.0.0.0')
    expect(await far.say(held)).toContain('a=sendrecv'.replace('sendrecv', 'recvonly'))
    expect(call.heldBy).toEqual({ local: false, remote: true })
    const { packets } = call.report().statistics!.sent
    await advance(40_000)
    expect(call.report().statistics!.sent.packets).toBe(packets)
    far.media.accept({ contentType: 'application/sdp', content: await far.say(content) })
    await audio()
    expect(call.heldBy).toEqual({ local: false, remote: false })
  }))

test.each(['sendonly', 'inactive'])('hold by a=%s, while we hold, too', (direction) =>
  scene({ policy: 'off' }, async ({ call, far, audio }) => {
    const content = (await far.media.offerAgain()).content
    await far.say(content.replace('a=sendrecv', `a=${direction}`))
    expect(call.heldBy.remote).toBe(true)
    await call.hold()
    expect(call.heldBy).toEqual({ local: true, remote: false })
    await call.resume()
    await audio()
  }),
)
