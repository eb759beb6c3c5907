// floe phone: a softphone in the terminal, or, with --control, driven by a program. Either is a face of phone/switchboard.ts.
import type { Command } from 'commander'
import { UsageError } from '../index.ts'
import { exitCodes } from './exit-codes.ts'
import { collect, type PhoneFlags, phoneFlags, phoneOptions } from './flags.ts'
import { Interrupt } from './interrupt.ts'
import { control } from './phone/control.ts'
import { Switchboard } from './phone/switchboard.ts'

interface Flags extends Omit<PhoneFlags, 'as' | 'profile'> {
  as?: string[]
  profile?: string[]
  control?: boolean
}

export function addPhone(program: Command, finish: (code: number) => void): void {
  const command = phoneFlags(
    program
      .command('phone')
      .description('an interactive phone in the terminal; with --control driven by JSON lines on stdin'),
  ).option('--control', 'take one JSON command a line on stdin, answer and tell events on stdout')
  for (const option of command.options) {
    if (option.long !== '--as' && option.long !== '--profile') continue
    option.description += '; repeat for several'
    option.argParser(collect)
  }
  command.action(async (flags: Flags) => {
    const { control: controlled, ...rest } = flags
    const accounts = accountsOf(rest)
    if (!controlled)
      throw new UsageError('floe phone needs a terminal: use floe phone --control to drive it by a program')
    const interrupt = new Interrupt()
    const board = new Switchboard(accounts.map(phoneOptions), { oneAtATime: !controlled })
    let code: number = exitCodes.ok
    interrupt.onInterrupt(() => {
      code = exitCodes.interrupted
      board.leave()
    })
    try {
      const over = control(board, { input: process.stdin, output: process.stdout })
      void board.start()
      await over
    } finally {
      await board.stop()
      process.stdin.destroy()
    }
    finish(code)
  })
}

/** The flags of each account: one for each --as and --profile, or one that all of the rest says. */
function accountsOf({ as = [], profile = [], ...rest }: Flags): PhoneFlags[] {
  const accounts: PhoneFlags[] = [
    ...as.map((each) => ({ ...rest, as: each })),
    ...profile.map((each) => ({ ...rest, profile: each })),
  ]
  return accounts.length > 0 ? accounts : [rest]
}
