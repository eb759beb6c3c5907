// Speaker and microphone of the phone through the system's tools.
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Speaker } from '../../../src/cli/sound/speaker.ts'
import { Phone } from '../../../src/index.ts'
import { hearFile } from '../../../src/phone/hearing.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { floe, plain, serve, temporaryFolder } from './cli.ts'
import { ControlledPhone } from './controlled-phone.ts'
import { FakeSound, until } from './fake-sound.ts'

const patienceMs = 30_000

/** Alice with a speaker and a microphone calls Bob, who answers. */
async function inCall(flags: string[]): Promise<{ sound: FakeSound; alice: ControlledPhone }> {
  const { sip } = await serve()
  const sound = new FakeSound(temporaryFolder())
  const bob = floe(['answer', '--as', `bob@${sip}`, '--for', '60s', ...plain])
  await bob.line((line) => line.type === 'listening')
  const alice = await ControlledPhone.start(['--as', `alice@${sip}`, ...flags], { env: sound.environment })
  await alice.do('dial', { target: 'bob' })
  await alice.event('connected')
  return { sound, alice }
}

test('what is heard is played, what is spoken is sent, what is played takes the microphone’s place; both tools end with the call', async () => {
  const { sip } = await serve()
  const sound = new FakeSound(temporaryFolder())
  const bob = await Phone.start({ account: `sip:bob@${sip}` })
  onTestFinished(() => bob.stop())
  const alice = await ControlledPhone.start(['--as', `alice@${sip}`, '--audio'], { env: sound.environment })
  const answering = bob.nextCall({ timeoutMs: patienceMs })
  await alice.do('dial', { target: 'bob' })
  const call = await answering
  await call.answer({ play: 'tone:1000', loop: true })
  await call.waitToHear(sound.tone, patienceMs)
  const tools = await Promise.all([sound.pid('pacat'), sound.pid('parec')])
  expect(sound.arguments('pacat')).toBe(
    '--playback --raw --format=s16le --rate=48000 --channels=1 --latency-msec=40',
  )
  await until(() => hearFile(sound.recording(), 'tone:1000', nodeRuntime.files).heard)

  void alice.ask('play', { what: 'tone:620' })
  await call.waitToHear('tone:620', patienceMs)
  await alice.do('stop')
  const heard = join(temporaryFolder(), 'heard.wav')
  call.record(heard) // what comes from now on
  await until(() => hearFile(heard, sound.tone, nodeRuntime.files).heard)
  await alice.do('hang-up')
  await Promise.all(tools.map((pid) => FakeSound.gone(pid)))
  expect(alice.events('warning')).toEqual([])
})

test('nothing is touched unless asked; a device is named to the tool', async () => {
  const { sound, alice } = await inCall(['--speaker', 'headset'])
  await sound.pid('pacat')
  expect(sound.arguments('pacat')).toMatch(/ --device=?\s?headset$/)
  expect(() => sound.arguments('parec')).toThrow(/ENOENT/)
  await alice.do('quit')
  expect((await alice.floe.ended).code).toBe(0)
})

test('a tool that dies is told in one sentence, and the call goes on', async () => {
  const { sound, alice } = await inCall(['--audio'])
  process.kill(await sound.pid('parec'), 'SIGTERM')
  const { message } = await alice.event('warning')
  expect(message).toMatch(/^the microphone .*: parec was ended by SIGTERM$/)
  await alice.do('digits', { digits: '1' })
  await alice.do('hang-up')
  expect(await alice.event('call', { state: 'ended' })).toMatchObject({ by: 'local' })
})

test('no tool at all: one sentence', async () => {
  const { sip } = await serve()
  const bob = floe(['answer', '--as', `bob@${sip}`, ...plain])
  await bob.line((line) => line.type === 'listening')
  const alice = await ControlledPhone.start(['--as', `alice@${sip}`, '--speaker'], {
    env: { PATH: temporaryFolder() },
  })
  await alice.do('dial', { target: 'bob' })
  expect(await alice.event('warning')).toMatchObject({
    message: expect.stringMatching(/^the speaker does not work: no tool for it is installed; those of /),
  })
  await alice.event('connected')
})

test('killed outright, the phone leaves no tool behind', async () => {
  const { sound, alice } = await inCall(['--audio'])
  const tools = await Promise.all([sound.pid('pacat'), sound.pid('parec')])
  alice.floe.child.kill('SIGKILL')
  await alice.floe.ended
  await Promise.all(tools.map((pid) => FakeSound.gone(pid)))
})

test('a speaker that lags is never more than a pipe behind', async () => {
  const sound = new FakeSound(temporaryFolder())
  const { PATH } = process.env
  process.env['PATH'] = sound.environment.PATH
  const failures: string[] = []
  const speaker = new Speaker(undefined, (why) => failures.push(why))
  process.env['PATH'] = PATH
  const pid = await sound.pid('pacat')
  process.kill(pid, 'SIGSTOP')
  const frame = new Int16Array(960).fill(1)
  for (let n = 0; n < 500; n++) {
    speaker.write(frame)
    await new Promise(setImmediate)
  }
  process.kill(pid, 'SIGCONT')
  await until(() => sound.played.length > 0)
  await speaker.stop()
  // Ten seconds were written.
  expect(sound.played.length / 48_000).toBeLessThan(2)
  expect(failures).toEqual([])
})
