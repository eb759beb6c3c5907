// The verbs in real processes against each other on loopback: serve, register, answer, call, echo.
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { hearFile } from '../../../src/phone/hearing.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { floe, plain, reportOf, run, serve, temporaryFolder } from './cli.ts'

const registered = (line: { type?: string }) => line.type === 'listening'

describe('call and answer', () => {
  test('two processes hear each other through the server and ICE, DTMF arrives, recordings hold the audio', async () => {
    const { sip, stun } = await serve('alice:a1', 'bob:b1')
    const folder = temporaryFolder()
    const heardByBob = join(folder, 'bob.wav')
    const bob = floe(
      [
        'answer',
        '--as',
        `bob@${sip}`,
        '--stun',
        stun,
        '--play',
        'media/reply-8k.wav',
        '--record',
        heardByBob,
      ].concat(['--hear', 'media/hello-8k.wav', '--expect-dtmf', '42']),
      { FLOE_PASSWORD: 'b1' },
    )
    await bob.line(registered)
    const alice = await run(
      [
        'call',
        'bob',
        '--as',
        `alice@${sip}`,
        '--stun',
        stun,
        '--play',
        'media/hello-8k.wav',
        '--dtmf',
        '42',
      ].concat(['--hear', 'media/reply-8k.wav', '--for', '6s']),
      { FLOE_PASSWORD: 'a1' },
    )
    const answered = await bob.ended
    expect({ ...alice, stdout: '' }).toEqual({ code: 0, stdout: '', stderr: '' })
    expect({ ...answered, stdout: '' }).toEqual({ code: 0, stdout: '', stderr: '' })
    const report = reportOf(alice)
    expect(report.verdict).toMatchObject({ ok: true })
    expect(report.ice.mode).toBe('full')
    expect(report.timings.firstAudioHeard).toBeGreaterThan(0)
    expect(hearFile(heardByBob, 'media/hello-8k.wav', nodeRuntime.files).heard).toBe(true)
    for (const secret of ['a1', 'b1'])
      expect(alice.stdout + answered.stdout).not.toMatch(new RegExp(`\\b${secret}\\b`))
  })

  test('what was expected and not heard: exit 1 and one sentence', async () => {
    const { sip } = await serve()
    const bob = floe(['answer', '--as', `bob@${sip}`, '--play', 'media/reply-8k.wav', ...plain])
    await bob.line(registered)
    const alice = await run([
      'call',
      'bob',
      '--as',
      `alice@${sip}`,
      '--hear',
      'media/prompt-8k.wav',
      '--for',
      '4s',
    ])
    expect(alice.code).toBe(1)
    expect(alice.stderr).toMatch(/prompt-8k\.wav was not heard/)
  })

  test('--ptime: each end is sent the packets that it asks for', async () => {
    const { sip } = await serve()
    const sound = ['--codec', 'PCMU', '--play', 'tone:440', '--loop', '--ptime']
    const bob = floe(['answer', '--as', `bob@${sip}`, ...sound, '30'])
    await bob.line(registered)
    const call = ['call', 'bob', '--as', `alice@${sip}`, '--for', '3s', ...sound]
    const alice = await run([...call, '60'])
    expect(alice.code).toBe(0)
    expect(reportOf(alice).codec).toMatchObject({ ptimeMs: 30 })
    expect(reportOf(await bob.ended).codec).toMatchObject({ ptimeMs: 60 })
    const odd = await run([...call, '25'])
    expect(odd.code).toBe(2)
    expect(odd.stderr).toMatch(/packet time 25 ms is not possible: use a multiple of 10 from 10 to 120/)
  })

  test('echo gives one’s own file back', async () => {
    const { sip } = await serve()
    const echo = floe(['echo', '--as', `echo@${sip}`, ...plain])
    await echo.line(registered)
    const call = [
      'call',
      'echo',
      '--as',
      `alice@${sip}`,
      '--play',
      'media/hello-8k.wav',
      '--hear',
      'media/hello-8k.wav',
    ]
    expect((await run(call)).code).toBe(0)
    echo.interrupt()
    expect((await echo.ended).code).toBe(130)
  })

  test('SIP over TCP', async () => {
    const { sip } = await serve('alice:a1', 'bob:a1')
    const tcp = ['--as', `alice@${sip}`, '--transport', 'tcp']
    const outcome = await run(['register', '--once', ...tcp], { FLOE_PASSWORD: 'a1' })
    expect(outcome.code).toBe(0)
    expect(outcome.stdout).toContain('"registered"')

    const bob = floe([
      'answer',
      '--as',
      `bob:a1@${sip}`,
      '--transport',
      'tcp',
      '--play',
      'tone:440',
      '--loop',
      ...plain,
    ])
    await bob.line((line) => line.type === 'listening')
    const call = await run(['call', 'bob', '--for', '1s', ...tcp], { FLOE_PASSWORD: 'a1' })
    expect(call.code, call.stderr).toBe(0)
    expect(call.stdout).not.toContain('"protocol":"udp"')
  })
})

describe('what cannot work ends with its exit code and one sentence', () => {
  const oneSentence = (stderr: string) => expect(stderr.trim().split('\n')).toHaveLength(1)

  test('wrong password: 11', async () => {
    const { sip } = await serve('alice:right')
    const outcome = await run(['register', '--once', '--as', `alice@${sip}`], { FLOE_PASSWORD: 'wrong' })
    expect(outcome.code).toBe(11)
    oneSentence(outcome.stderr)
    expect(outcome.stderr).not.toContain('wrong')
  })

  test('unknown extension: 12', async () => {
    const { sip } = await serve()
    const outcome = await run(['call', 'nobody', '--as', `alice@${sip}`])
    expect(outcome.code).toBe(12)
    expect(reportOf(outcome).verdict).toMatchObject({ ok: false })
  })

  test('busy: 12', async () => {
    const { sip } = await serve()
    const bob = floe(['answer', '--as', `bob@${sip}`, '--reject', '486'])
    await bob.line(registered)
    const outcome = await run(['call', 'bob', '--as', `alice@${sip}`])
    expect(outcome.code).toBe(12)
    expect(reportOf(outcome).verdict).toMatchObject({ cause: 'busy' })
    expect((await bob.ended).code).toBe(0)
  })

  test('nobody answers: 13', async () => {
    const { sip } = await serve()
    const bob = floe(['answer', '--as', `bob@${sip}`, '--after', '60s'])
    await bob.line(registered)
    const outcome = await run(['call', 'bob', '--as', `alice@${sip}`, '--ring-for', '1s'])
    expect(outcome.code).toBe(13)
    await bob.ended
  })

  test('only a relay may be used and no TURN server is there: 20, and no secret in what is said', async () => {
    const { sip } = await serve()
    const turn = ['--turn', 'turn:floe:topsecret@127.0.0.1:9?transport=tcp']
    const outcome = await run(['call', 'bob', '--as', `alice@${sip}`, '--ice', 'relay', ...turn])
    expect(outcome.code).toBe(20)
    oneSentence(outcome.stderr)
    expect(outcome.stderr).toContain('127.0.0.1:9')
    expect(outcome.stdout + outcome.stderr).not.toContain('topsecret')
    const none = await run(['call', 'bob', '--as', `alice@${sip}`, '--ice', 'relay'])
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('needs a TURN server')])
  })

  test('nobody listens there: 10', async () => {
    const outcome = await run(['call', 'sip:bob@127.0.0.1:9;transport=tcp'])
    expect(outcome.code).toBe(10)
    // No status that nobody has sent.
    expect(outcome.stdout).toContain('this end gave up: TCP 127.0.0.1:9')
  })

  test('a WAV that is no WAV: 2', async () => {
    const outcome = await run(['call', 'sip:bob@127.0.0.1', '--play', 'package.json'])
    expect(outcome.code).toBe(2)
    oneSentence(outcome.stderr)
    expect(outcome.stderr).toContain('package.json')
  })

  test('a port in use: 10', async () => {
    const { sip } = await serve()
    const outcome = await run(['register', '--as', `alice@${sip}`, '--bind', sip])
    expect(outcome.code).toBe(10)
    oneSentence(outcome.stderr)
    expect(outcome.stderr).toMatch(/in use/)
  })

  test('an unknown flag, a bad time, an account that is none: 2', async () => {
    expect((await run(['call', 'x', '--nonsense'])).code).toBe(2)
    const time = await run(['call', 'x', '--for', 'soon'])
    expect([time.code, time.stderr]).toEqual([2, expect.stringContaining('"soon" is not a time')])
    const heard = await run(['call', 'x', '--hear', 'nosuch.wav'])
    expect([heard.code, heard.stderr]).toEqual([2, expect.stringContaining('nosuch.wav')])
    const privacy = await run(['call', 'sip:x@127.0.0.1:9', '--privacy', 'id,all'])
    expect([privacy.code, privacy.stderr]).toEqual([2, expect.stringContaining('privacy "all" is unknown')])
    const account = await run(['call', 'x', '--as', 'alice:secret'])
    expect(account.code).toBe(2)
    expect(account.stderr).not.toContain('secret')
  })
})

describe('Ctrl-C at every stage: a decent end and exit 130', () => {
  test('while registering at a server that does not answer', async () => {
    const call = floe(['register', '--as', 'alice@127.0.0.1:9', '-o', 'json'])
    await call.line((line) => line.type === 'registering')
    call.interrupt()
    expect((await call.ended).code).toBe(130)
  })

  test('while it rings: CANCEL', async () => {
    const { sip } = await serve()
    const bob = floe(['answer', '--as', `bob@${sip}`, '--after', '60s'])
    await bob.line(registered)
    const alice = floe(['call', 'bob', '--as', `alice@${sip}`])
    await alice.line((line) => line['state'] === 'ringing')
    alice.interrupt()
    expect((await alice.ended).code).toBe(130)
    const answered = await bob.ended
    expect(reportOf(answered).outcome).toMatchObject({ status: 487 })
  })

  test('in the call: BYE, and the recording is whole', async () => {
    const { sip } = await serve()
    const file = join(temporaryFolder(), 'heard.wav')
    const bob = floe(['answer', '--as', `bob@${sip}`, '--play', 'tone:440', ...plain])
    await bob.line(registered)
    const alice = floe(['call', 'bob', '--as', `alice@${sip}`, '--record', file])
    await alice.line((line) => line.type === 'first-heard')
    alice.interrupt()
    expect((await alice.ended).code).toBe(130)
    expect(reportOf(await bob.ended).outcome).toMatchObject({ by: 'remote' })
    expect(readFileSync(file).readUInt32LE(4)).toBe(statSync(file).size - 8)
  })
})
