// floe phone: a softphone in the terminal, or, with --control, driven by a program. Either is a face of phone/switchboard.ts.
import type { Command } from 'commander'
import pc from 'picocolors'
import { UsageError } from '../index.ts'
import { accountsOf, type SeveralAccounts, severalAccounts } from './accounts.ts'
import { type CallerFlags, callerFlags, callerOptions } from './caller-flags.ts'
import { exitCodes } from './exit-codes.ts'
import { type PhoneFlags, phoneFlags, phoneOptions } from './flags.ts'
import { Interrupt } from './interrupt.ts'
import { control } from './phone/control.ts'
import { plainTerminal } from './phone/plain-terminal.ts'
import { Switchboard } from './phone/switchboard.ts'
import { Terminal } from './phone/terminal.ts'
import { Sound } from './sound/sound.ts'

interface Flags extends SeveralAccounts, Omit<CallerFlags, 'profile'> {
  control?: boolean
  speaker?: string | true
  mic?: string | true
  audio?: true
}

export function addPhone(program: Command, finish: (code: number) => void): void {
  const command = phoneFlags(
    program
      .command('phone')
      .description('an interactive phone in the terminal; with --control driven by JSON lines on stdin'),
  )
    .option('--control', 'take one JSON command a line on stdin, answer and tell events on stdout')
    .option('--speaker [device]', "play what is heard, by the system's own tools")
    .option('--mic [device]', "send what the microphone hears, by the system's own tools")
    .option('--audio', '--speaker and --mic')
  severalAccounts(callerFlags(command)).action(async (flags: Flags) => {
    const { control: controlled, speaker, mic, audio, allow, maxCalls, ...rest } = flags
    const callers = { ...(allow && { allow }), ...(maxCalls !== undefined && { maxCalls }) }
    const accounts = accountsOf(rest)
    const { stdin, stdout } = process
    if (!controlled && !(stdin.isTTY && stdout.isTTY))
      throw new UsageError('floe phone needs a terminal: use floe phone --control to drive it by a program')
    const interrupt = new Interrupt()
    const sound = soundOf(speaker ?? audio, mic ?? audio)
    const optionsOf = (account: PhoneFlags) => ({
      ...phoneOptions(account),
      ...callerOptions({ ...callers, ...(account.profile !== undefined && { profile: account.profile }) }),
    })
    const board = new Switchboard(accounts.map(optionsOf), {
      oneAtATime: !controlled,
      ...(sound && { sound }),
    })
    let code: number = exitCodes.ok
    interrupt.onInterrupt(() => {
      code = exitCodes.interrupted
      board.leave()
    })
    const face = controlled ? controlFace : process.env['TERM'] === 'dumb' ? plainFace : screenFace
    try {
      await face(board)
    } finally {
      await board.stop()
      stdin.destroy()
    }
    finish(code)
  })
}

// Each begins to show what happens, starts the accounts, and resolves when the phone shall end.

async function controlFace(board: Switchboard): Promise<void> {
  const over = control(board, { input: process.stdin, output: process.stdout })
  void board.start()
  await over
}

async function plainFace(board: Switchboard): Promise<void> {
  const over = plainTerminal(board, { input: process.stdin, output: process.stdout })
  void board.start()
  await over
}

async function screenFace(board: Switchboard): Promise<void> {
  const terminal = new Terminal(board, {
    input: process.stdin,
    output: process.stdout,
    colours: pc.isColorSupported,
    unicode: speaksUnicode(process.env),
  })
  const hangUp = (): void => board.leave()
  process.once('SIGHUP', hangUp)
  terminal.open()
  try {
    void board.start()
    await board.leaving
  } finally {
    terminal.close()
    process.removeListener('SIGHUP', hangUp)
  }
  process.stdout.write(`${farewell(board)}\n`)
}

/** What stays on the terminal. */
function farewell({ lines, history }: Switchboard): string {
  const calls = lines.length + history.length
  const missed = history.filter((line) => line.isMissed).length
  return `floe: ${calls === 1 ? '1 call' : `${calls} calls`}, ${missed} missed`
}

/** Where the locale says otherwise, it is believed. */
function speaksUnicode({ LC_ALL, LC_CTYPE, LANG, TERM }: NodeJS.ProcessEnv): boolean {
  const locale = LC_ALL || LC_CTYPE || LANG
  return TERM !== 'linux' && (locale === undefined || /utf-?8/i.test(locale))
}

function soundOf(
  speaker: string | true | undefined,
  microphone: string | true | undefined,
): Sound | undefined {
  if (speaker === undefined && microphone === undefined) return undefined
  return new Sound({
    ...(speaker !== undefined && { speaker }),
    ...(microphone !== undefined && { microphone }),
  })
}
