// The phone on a terminal (in memory), its keys and its pictures, against a server and another phone on loopback.
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Switchboard } from '../../../src/cli/phone/switchboard.ts'
import { Terminal } from '../../../src/cli/phone/terminal.ts'
import { anyPort } from '../../../src/cli/text.ts'
import { type Call, nodeRuntime, Phone, type RunningServer, startServer } from '../../../src/index.ts'
import { temporaryFolder } from './cli.ts'
import { FakeTerminal } from './fake-terminal.ts'

const loopback = '127.0.0.1'
const enter = '\r'
const controlC = '\x03'

let server: RunningServer
let screen: FakeTerminal
let board: Switchboard
let terminal: Terminal
let bob: Phone

beforeEach(async () => {
  server = await startServer({
    runtime: nodeRuntime,
    listen: anyPort(loopback),
    stun: { address: loopback, port: 0 },
  })
  const host = `${loopback}:${server.sip[0]!.port}`
  bob = await Phone.start({ account: `sip:bob@${host}`, displayName: 'Bob' })
  screen = new FakeTerminal()
  board = new Switchboard([{ account: `sip:alice@${host}` }], { oneAtATime: true })
  terminal = new Terminal(board, {
    input: screen.input,
    output: screen.output,
    colours: false,
    unicode: true,
  })
  terminal.open()
  await board.start()
  await screen.shows(/✓ alice@127/)
})

afterEach(async () => {
  terminal.close()
  await board.stop()
  await bob.stop()
  server.stop()
  expect(screen.raw).toBe(false)
  expect(screen.alternate).toBe(false)
  expect(screen.input.listenerCount('keypress')).toBe(0)
})

const command = (text: string) => screen.type(text + enter)

async function bobAnswers(): Promise<Call> {
  const call = await bob.nextCall({ timeoutMs: 20_000 })
  await call.answer()
  return call
}

test('dials by word, digits and letters by key, and hangs up', async () => {
  command('dial bob')
  const call = await bobAnswers()
  await screen.shows(/▶ 1 bob@127\S+ +in call 00:0\d/)
  await screen.shows(/opus · host→host \S+ · loss 0\.0 %/)
  screen.type('4')
  screen.type('2')
  await call.waitForDtmf('42', 20_000)
  expect(screen.prompt).toBe('>')

  screen.type('h')
  await screen.shows(/holds the call in a moment/)
  await screen.shows(/▶ 1 .* held 00:/)
  expect(call.heldBy).toEqual({ local: false, remote: true })
  screen.type('h')
  await screen.shows(/▶ 1 .* in call 00:.*\n(?:.*\n)+.*h holds/)
  screen.type('m')
  await screen.shows(/in call 00:\d\d · muted/)
  screen.type(`m${enter}`) // Enter does not wait
  await screen.shows(/▶ 1 .* in call \d\d:\d\d +out/)
  screen.type('x')
  await screen.shows(/call 1 with bob@\S+ ended after 00:\d\d: hung up/)
  expect((await call.ended).verdict).toMatchObject({ ok: true })
})

test('letters do not hinder typing: h begins "help" in a call', async () => {
  command('dial bob')
  const call = await bobAnswers()
  await screen.shows(/in call/)
  screen.type('help dial')
  await screen.shows(/> help dial$/)
  command('')
  await screen.shows(/dial TARGET (?:.*\n){1,3}.*calls target/)
  expect(call.heldBy).toEqual({ local: false, remote: false })
})

test('an incoming call rings with a bell, says who it is, and is answered or rejected by a key', async () => {
  const target = `sip:alice@${loopback}:${server.sip[0]!.port}`
  const first = await bob.call(target)
  await screen.shows(/Bob <bob@\S+> calls alice@\S+: a answers, x rejects/)
  await screen.shows(/▶ 1 .*bob@\S+ +calls you/)
  expect(screen.bells).toBeGreaterThan(0)
  screen.type('a')
  await first.answered
  await screen.shows(/in call/)
  const second = await bob.call(target)
  await screen.shows(/2 .*calls you/)
  command('reject 2 603')
  await expect(second.answered).rejects.toMatchObject({ status: 603 })
  await first.hangUp()
  await screen.shows(/the other side hung up/)
  const third = await bob.call(target)
  await screen.shows(/3 .*calls you/)
  await third.hangUp()
  await screen.shows(/missed call from .*bob@/)
  command('calls')
  await screen.shows(/1 ← .*00:\d\d\n.*2 ← .*rejected\n.*3 ← .*missed/)
})

test('who turns to another call holds the present one', async () => {
  command('dial bob')
  const first = await bobAnswers()
  await screen.shows(/▶ 1 .*in call/)
  command('dial bob')
  await screen.shows(/ {2}1 .*held/)
  const second = await bobAnswers()
  await screen.shows(/▶ 2 .*in call/)
  expect([first.heldBy.remote, second.heldBy.remote]).toEqual([true, false])
  command('switch')
  await screen.shows(/▶ 1 .*in call/)
  await screen.shows(/ {2}2 .*held/)
  expect([first.heldBy.remote, second.heldBy.remote]).toEqual([false, true])
})

test('text messages both ways, a recording, levels, and what cannot be', async () => {
  const received = new Promise<string>((resolve) => {
    bob.onMessage = ({ text }) => resolve(text)
  })
  command('message bob see you at five')
  expect(await received).toBe('see you at five')
  await bob.message(`sip:alice@${loopback}:${server.sip[0]!.port}`, 'fine\x1b[2J')
  await screen.shows(/bob@\S+ writes: fine \[2J/)

  command('dial bob')
  const call = await bobAnswers()
  void call.play('tone:440', { loop: true })
  await screen.shows(/in [▁▂▃▅]*▇/)
  const file = join(temporaryFolder(), 'heard.wav')
  command(`record ${file}`)
  await screen.shows(/recording/)
  command('stop-recording')
  await screen.shows(/is written/)
  command('play nosuch.wav')
  await screen.shows(/nosuch\.wav/)
  command('fly')
  await screen.shows(/there is no command "fly": help lists them/)
  command('report')
  await screen.shows(/pairs +\* 1/)
})

describe('the prompt', () => {
  test('completes, remembers, takes a paste as one line, and is cleared by Ctrl-C', async () => {
    screen.type('dia\t')
    await screen.shows(/> dial $|> dial$/)
    screen.type('bob\x15res\t')
    await screen.shows(/> resume/)
    screen.type('\x15hold\r')
    await screen.shows(/there is no call/)
    screen.type('\x1b[A')
    await screen.shows(/> hold$/)
    screen.type(controlC)
    await screen.shows(/>$/)
    screen.type('\x1b[200~message bob\nhello\x1b[201~')
    await screen.shows(/> message bob hello$/)
  })

  test('fits whatever size the terminal takes', async () => {
    screen.resize(30, 8)
    await screen.shows(/✓ alice@/)
    screen.type('dial somebody.with.a.long.name@example.org')
    await screen.shows(/e\.org$/)
    screen.resize(120, 40)
    await screen.shows(/> dial somebody.with.a.long.name@example.org$/)
  })
})

describe('the end', () => {
  test('Ctrl-C twice', async () => {
    command('dial bob')
    const call = await bobAnswers()
    await screen.shows(/in call/)
    screen.type(controlC)
    await screen.shows(/Ctrl-C once more leaves and hangs up the call/)
    screen.type(controlC)
    await board.leaving
    terminal.close()
    await board.stop()
    expect((await call.ended).outcome).toMatchObject({ by: 'remote' })
  })

  test('quit', async () => {
    command('quit')
    await board.leaving
  })

  test('a failure of the program itself gives the terminal back', () => {
    const program: NodeJS.EventEmitter = process
    program.emit('uncaughtExceptionMonitor', new Error('of the test'))
    expect([screen.raw, screen.alternate]).toEqual([false, false])
  })
})
