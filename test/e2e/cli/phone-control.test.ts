// floe phone --control in real processes: two phones at a server, and what a program may do wrong.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { hearFile } from '../../../src/phone/hearing.ts'
import { nodeRuntime } from '../../../src/runtime/node.ts'
import { plain, run, serve, temporaryFolder } from './cli.ts'
import { ControlledPhone } from './controlled-phone.ts'
import { until } from './fake-sound.ts'

const hello = 'media/hello-8k.wav'

async function twoPhones(): Promise<{ alice: ControlledPhone; bob: ControlledPhone; sip: string }> {
  const { sip } = await serve()
  const [alice, bob] = await Promise.all(
    ['alice', 'bob'].map((name) => ControlledPhone.start(['--as', `${name}@${sip}`, ...plain])),
  )
  return { alice: alice!, bob: bob!, sip }
}

/** Alice calls Bob, who answers; both have audio. */
async function inCall(): Promise<{ alice: ControlledPhone; bob: ControlledPhone; sip: string }> {
  const phones = await twoPhones()
  const { alice, bob } = phones
  await alice.do('dial', { target: 'bob' })
  await bob.event('call', { state: 'ringing' })
  await bob.do('answer')
  await Promise.all([alice.event('connected'), bob.event('connected')])
  return phones
}

/** Where a phone without an account is reached. */
async function addressOf(phone: ControlledPhone): Promise<string> {
  const { addresses } = (await phone.event('listening')) as unknown as { addresses: { port: number }[] }
  return `sip:bob@127.0.0.1:${addresses[0]!.port}`
}

test('--allow lets those alone call who are on it, and --privacy hides who calls', async () => {
  const [open, guarded] = await Promise.all([
    ControlledPhone.start(['--bind', '127.0.0.1']),
    ControlledPhone.start(['--bind', '127.0.0.1', '--allow', '192.0.2.0/24']),
  ])
  const refused = await run(['call', await addressOf(guarded!)])
  expect([refused.code, guarded!.events('call')]).toEqual([12, []])
  const hidden = run(['call', await addressOf(open!), '--privacy', 'id'])
  expect(await open!.event('call', { state: 'ringing' })).toMatchObject({
    remote: 'sip:anonymous@anonymous.invalid',
  })
  await open!.do('reject')
  expect((await hidden).code).toBe(12)
})

describe('a call', () => {
  test('is dialled, answered, played, recorded, measured, muted, dialled into and hung up', async () => {
    const { alice, bob, sip } = await inCall()
    const recording = join(temporaryFolder(), 'heard.wav')
    expect(await alice.do('record', { file: recording })).toMatchObject({ file: recording })
    await bob.do('play', { what: hello })
    void bob.ask('play', { what: 'tone:1000' })
    await until(() => hearFile(recording, 'tone:1000', nodeRuntime.files).heard)
    expect(await alice.do('stop-recording')).toMatchObject({ file: recording })
    expect(readFileSync(recording).readUInt32LE(4)).toBe(statSync(recording).size - 8)

    await alice.do('digits', { digits: '4*#' })
    for (const digit of '4*#') await bob.event('dtmf', { digit, call: '1' })

    void bob.ask('play', { what: 'tone:440', loop: true })
    await alice.do('levels', { intervalMs: 50 })
    const heard = (from: number, to: number) =>
      alice.floe.line(({ event, receivedDbov }) => {
        const level = Number(receivedDbov)
        return event === 'levels' && level >= from && level <= to
      }, alice.floe.lines.length)
    await heard(-40, 0)
    expect(await bob.do('mute')).toMatchObject({ muted: true })
    await heard(-127, -100)
    const calls = await bob.do('calls')
    expect(calls).toMatchObject({
      calls: [{ call: '1', state: 'answered', muted: true, direction: 'incoming' }],
    })
    await bob.do('unmute')
    await alice.do('levels', { intervalMs: 0 })
    await bob.do('stop')

    await alice.do('hang-up')
    const ended = await alice.event('call', { state: 'ended' })
    expect(ended).toMatchObject({
      by: 'local',
      remote: `sip:bob@${sip}`,
      report: { verdict: { ok: true }, dtmf: { sent: '4*#' } },
    })
    expect(await bob.event('call', { state: 'ended' })).toMatchObject({ by: 'remote', status: 200 })
    const { history } = await bob.do('calls')
    expect(history).toMatchObject([{ call: '1', state: 'ended', missed: false }])
    expect(await bob.do('report', { call: '1' })).toMatchObject({ report: { dtmf: { received: '4*#' } } })
    expect(bob.events('path').length).toBeGreaterThan(0)
  })

  test('is held by both ends, resumed, written into, handed over, and taken back attended', async () => {
    const { alice, bob, sip } = await inCall()
    const carol = await ControlledPhone.start(['--as', `carol@${sip}`, ...plain])
    await alice.do('hold')
    await bob.event('hold', { local: false, remote: true })
    await bob.do('hold')
    await alice.event('hold', { local: true, remote: true })
    await bob.do('resume')
    await alice.do('resume')
    await bob.event('hold', { local: false, remote: false })
    await alice.do('message', { target: 'bob', text: 'I hand you over' })
    expect(await bob.event('message')).toMatchObject({
      from: `sip:alice@${sip}`,
      text: 'I hand you over',
      contentType: 'text/plain',
    })

    const refused = alice.ask('transfer', { target: 'carol' })
    expect(await bob.event('transfer')).toMatchObject({ target: `sip:carol@${sip}`, attended: false })
    await bob.do('reject-transfer')
    expect(await refused).toMatchObject({ ok: false, code: 'CALL_FAILED', status: 603 })

    const done = alice.ask('transfer', { target: 'carol' })
    await bob.floe.line(
      ({ event }) => event === 'transfer',
      bob.floe.lines.findIndex(({ event }) => event === 'transfer') + 1,
    )
    expect(await bob.do('accept-transfer')).toMatchObject({ call: '2' })
    await carol.event('call', { state: 'ringing' })
    await carol.do('answer')
    expect(await done).toMatchObject({ ok: true, target: 'carol' })
    await alice.event('call', { state: 'ended', call: '1' })
    await bob.event('call', { state: 'ended', call: '1' })

    // Carol asks Alice, and connects her with Bob.
    await carol.do('dial', { target: 'alice' })
    await alice.event('call', { state: 'ringing', call: '2' })
    await alice.do('answer')
    await carol.event('connected', { call: '2' })
    const connected = carol.ask('transfer-to', { call: '1', to: '2' })
    expect(await bob.floe.line(({ event, call }) => event === 'transfer' && call === '2')).toMatchObject({
      attended: true,
    })
    await bob.do('accept-transfer', { call: '2' })
    await alice.event('call', { state: 'answered', call: '3' })
    expect(await connected).toMatchObject({ ok: true })
    for (const call of ['1', '2']) await carol.event('call', { state: 'ended', call })
    await alice.event('call', { state: 'ended', call: '2' })
    await bob.event('call', { state: 'ended', call: '2' })
    await bob.do('digits', { digits: '5' })
    await alice.event('dtmf', { call: '3', digit: '5' })
  })

  test('is rejected, or missed where the caller gives up', async () => {
    const { alice, bob } = await twoPhones()
    await alice.do('dial', { target: 'bob' })
    await bob.event('call', { state: 'ringing', call: '1' })
    await bob.do('reject', { status: 603 })
    expect(await alice.event('call', { state: 'ended' })).toMatchObject({ status: 603, by: 'remote' })
    await alice.do('dial', { target: 'bob' })
    await bob.event('call', { state: 'ringing', call: '2' })
    await alice.do('hang-up')
    await bob.event('call', { state: 'ended', call: '2' })
    expect((await bob.do('calls'))['history']).toMatchObject([
      { call: '1', missed: false },
      { call: '2', missed: true },
    ])
  })

  test('has its number at once: what follows a dial in one piece waits for it', async () => {
    const { alice, bob } = await twoPhones()
    alice.floe.send(
      [
        '{"id":"a","command":"dial","target":"bob"}',
        '{"id":"b","command":"digits","digits":"7"}',
        '{"id":"c","command":"calls"}',
        '',
      ].join('\n'),
    )
    expect(await alice.floe.line((line) => line['id'] === 'c')).toMatchObject({ calls: [{ call: '1' }] })
    await bob.event('call', { state: 'ringing' })
    await bob.do('answer')
    expect(await alice.floe.line((line) => line['id'] === 'b')).toMatchObject({ ok: true, digits: '7' })
    await bob.event('dtmf', { digit: '7' })
  })
})

describe('what is wrong is answered, and ends nothing', () => {
  test('broken lines, unknown commands, missing and surplus parameters', async () => {
    const phone = await ControlledPhone.start([])
    const code = 'USAGE'
    phone.floe.send('{"id":1,\n')
    expect(await phone.floe.line((line) => line['ok'] === false)).toEqual({
      ok: false,
      error: 'a line is not JSON',
      code,
    })
    phone.floe.send('["dial"]\n')
    await phone.floe.line(({ error }) => /is a JSON object/.test(String(error)))
    phone.floe.send(`${'x'.repeat(200_000)}\n`)
    await phone.floe.line(({ error }) => /longer than 65536/.test(String(error)))
    const errorOf = async (command: string, parameters = {}) =>
      (await phone.ask(command, parameters))['error']
    expect(await errorOf('fly')).toMatch(/^there is no command "fly": there is dial, /)
    expect(await errorOf('dial')).toBe('dial: "target" is missing')
    expect(await errorOf('dial', { target: 'x', colour: 'red' })).toBe('dial: it takes no "colour"')
    expect(await errorOf('digits', { digits: 'help' })).toBe(
      'digits: "digits": digits are 0-9 A-D * # and w to wait',
    )
    expect(await errorOf('hang-up')).toBe('there is no call')
    expect(await errorOf('mute', { call: 7 })).toBe('there is no call 7')
    expect(await errorOf('answer')).toBe('no call rings')
    expect(await errorOf('dial', { target: 'bob', account: 'carol' })).toMatch(/^there is no account carol/)
    expect(await phone.ask('dial', { target: 'sip:x@127.0.0.1', play: 'nosuch.wav' })).toMatchObject({
      ok: false,
      code,
      error: expect.stringContaining('nosuch.wav'),
    })
    expect(await phone.do('calls')).toMatchObject({ calls: [], history: [{ state: 'ended' }] })
  })

  test('an account that cannot register is told, and the others work', async () => {
    const { sip } = await serve('alice:right', 'bob:right')
    const phone = new ControlledPhone(['--as', `alice:wrong@${sip}`, '--as', `bob:right@${sip}`])
    expect(await phone.event('registration', { account: `alice@${sip}`, state: 'failed' })).toMatchObject({
      status: expect.any(Number),
    })
    await phone.event('registration', { account: `bob@${sip}`, state: 'registered' })
    expect(phone.floe.stdout).not.toMatch(/wrong|right/)
    expect(await phone.ask('dial', { target: 'bob', account: 'bob' })).toMatchObject({ ok: true })
    await phone.event('call', { direction: 'incoming', account: `bob@${sip}` })
  })

  test('an account is taken from its server and registers again', async () => {
    const { alice, bob, sip } = await twoPhones()
    await alice.do('unregister')
    await alice.event('registration', { state: 'unregistered' })
    expect(await bob.do('dial', { target: 'alice' })).toMatchObject({ call: '1' })
    expect(await bob.event('call', { state: 'ended' })).toMatchObject({ by: 'remote', account: `bob@${sip}` })
    const before = alice.floe.lines.length
    await alice.do('register')
    await alice.floe.line(({ event, state }) => event === 'registration' && state === 'registered', before)
    await bob.do('dial', { target: 'alice' })
    await alice.event('call', { state: 'ringing' })
  })

  test('no terminal and no --control: one sentence, exit 2', async () => {
    const outcome = await run(['phone'])
    expect(outcome).toEqual({
      code: 2,
      stdout: '',
      stderr: 'floe: floe phone needs a terminal: use floe phone --control to drive it by a program\n',
    })
  })
})

describe('the end', () => {
  test('the end of stdin hangs up, un-registers and exits 0; so does quit', async () => {
    const { alice, bob } = await inCall()
    alice.floe.child.stdin!.end()
    expect((await alice.floe.ended).code).toBe(0)
    expect(await alice.event('call', { state: 'ended' })).toMatchObject({
      report: { outcome: { by: 'local' } },
    })
    expect(alice.floe.lines.at(-1)).toMatchObject({ event: 'registration', state: 'unregistered' })
    await bob.event('call', { state: 'ended', by: 'remote' })
    bob.floe.send({ id: 9, command: 'quit' })
    const { code, stderr } = await bob.floe.ended
    expect([code, stderr]).toEqual([0, ''])
    expect(await bob.floe.line((line) => line['id'] === 9)).toMatchObject({ ok: true })
  })

  test('a command that is under way when stdin ends is finished', async () => {
    const { alice, bob } = await inCall()
    const digits = '123'
    alice.floe.send({ id: 'last', command: 'digits', digits })
    alice.floe.child.stdin!.end()
    expect((await alice.floe.ended).code).toBe(0)
    expect(await alice.floe.line((line) => line['id'] === 'last')).toMatchObject({ ok: true })
    for (const digit of digits) await bob.event('dtmf', { digit })
  })

  test('Ctrl-C hangs up and exits 130; killed outright, nothing of it is left', async () => {
    const { alice, bob } = await inCall()
    bob.floe.interrupt()
    expect((await bob.floe.ended).code).toBe(130)
    await alice.event('call', { state: 'ended', by: 'remote' })
    const { pid } = alice.floe.child
    alice.floe.child.kill('SIGKILL')
    await alice.floe.ended
    expect(existsSync(`/proc/${pid}`)).toBe(false)
  })
})
