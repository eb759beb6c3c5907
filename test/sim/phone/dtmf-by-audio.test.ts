// DTMF within the audio, between two phones in virtual time.
import { expect, it } from 'vitest'
import type { Call } from '../../../src/phone/call.ts'
import type { CallOptions, PhoneOptions } from '../../../src/phone/options.ts'
import type { ReceivedDigit } from '../../../src/phone/received-digits.ts'
import { expectNothingLeft, phoneOn, world } from './world.ts'

interface Scene {
  call: Call
  answered: Call
  heard: ReceivedDigit[]
  advance(ms: number): Promise<void>
}

async function inCall(
  {
    caller = {},
    called = {},
    answer = {},
  }: { caller?: PhoneOptions; called?: PhoneOptions; answer?: CallOptions },
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const simulation = world(9)
  const { clock, internet } = simulation
  await clock.run(
    (async () => {
      const alice = await phoneOn(simulation.host('alice', internet.at('203.0.113.1')), caller)
      const bob = await phoneOn(simulation.host('bob', internet.at('203.0.113.2')), called)
      const incoming = bob.nextCall()
      const call = await alice.call('sip:bob@203.0.113.2')
      const answered = await incoming
      const heard: ReceivedDigit[] = []
      answered.onDtmf = (digit) => heard.push(digit)
      await answered.answer(answer)
      await call.connected
      const advance = (ms: number) => new Promise<void>((resolve) => clock.setTimer(ms, resolve))
      await act({ call, answered, heard, advance })
      await call.hangUp()
      await alice.stop()
      await bob.stop()
    })(),
  )
  await expectNothingLeft(simulation)
}
const textOf = (digits: ReceivedDigit[]): string => digits.map(({ digit, by }) => `${digit} ${by}`).join(', ')

it.each([['PCMU'], ['G722'], ['opus']])(
  'digits go and come as tones where the peer takes no telephone-events: %s',
  (codec) =>
    inCall(
      { called: { telephoneEvents: false, codecs: [codec] }, caller: { codecs: [codec] } },
      async ({ call, answered, heard }) => {
        const playing = call.play('tone:440')
        await call.sendDtmf('15w9D#', { durationMs: 80, gapMs: 60 })
        await answered.waitForDtmf('159D#', 500)
        expect(textOf(heard)).toBe('1 audio, 5 audio, 9 audio, D audio, # audio')
        for (const { durationMs } of heard) expect(Math.abs(durationMs - 80)).toBeLessThan(20)
        await answered.sendDtmf('42')
        await call.waitForDtmf('42', 500)
        expect(call.report().dtmf).toEqual({ sent: '159D#', received: '42' })
        call.stopPlaying()
        await playing
      },
    ),
)

it('what is played pauses meanwhile, muted or not', () =>
  inCall({ called: { telephoneEvents: false } }, async ({ call, answered }) => {
    const played = call.play('hello-8k.wav')
    call.mute()
    await call.sendDtmf('7')
    call.unmute()
    await answered.waitForDtmf('7', 500)
    await played
    await answered.waitToHear('hello-8k.wav', 5_000)
  }))

it('digits are found in the audio of any peer where that is asked for', () =>
  inCall({ answer: { detectDtmf: true } }, async ({ call, answered, heard }) => {
    await call.sendDtmf('12#', { by: 'audio' })
    await answered.waitForDtmf('12#', 500)
    expect(textOf(heard)).toBe('1 audio, 2 audio, # audio')
    // Telephone-events are believed from then on: a gateway may send both.
    await call.sendDtmf('3', { by: 'rtp' })
    await call.sendDtmf('4', { by: 'audio' })
    await call.sendDtmf('5')
    await answered.waitForDtmf('35', 500)
    expect(answered.dtmf).toBe('12#35')
  }))

it('and are not looked for where telephone-events will come', () =>
  inCall({}, async ({ call, answered, advance }) => {
    await call.sendDtmf('12#', { by: 'audio' })
    await advance(500)
    expect(answered.dtmf).toBe('')
  }))

it('the last one ends with the call, and what waits is given up', () =>
  inCall({ called: { telephoneEvents: false } }, async ({ call, answered, advance }) => {
    const sent = call.sendDtmf('1', { durationMs: 60_000 })
    await advance(2_000)
    expect(answered.dtmf).toBe('')
    await call.hangUp()
    await answered.ended
    await sent
    expect(answered.dtmf).toBe('1')
  }))

it('what cannot be is told at once', () =>
  inCall({ called: { telephoneEvents: false } }, async ({ call }) => {
    await expect(call.sendDtmf('1', { durationMs: -1 })).rejects.toThrow(/^a DTMF digit and the gap/)
    await expect(call.sendDtmf('1', { by: 'rtp' })).rejects.toThrow('accepts no telephone-event')
    await expect(call.sendDtmf('x', { by: 'audio' })).rejects.toThrow('is not DTMF')
  }))
