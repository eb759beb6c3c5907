// floe register: keep accounts registered and show how it goes; with --watch through every failure, as a living line each.
import type { Command } from 'commander'
import { type Phone, type RegistrationState, UsageError } from '../index.ts'
import { accountsOf, type SeveralAccounts, severalAccounts } from './accounts.ts'
import { exitCodes } from './exit-codes.ts'
import { type OutputFlags, outputFlags, phoneFlags, phoneOptions, wholeNumber } from './flags.ts'
import type { Interrupt } from './interrupt.ts'
import { Output } from './output.ts'
import { describeFailure } from './text.ts'
import { WatchedRegistration } from './watched-registration.ts'
import { withPhones } from './with-phone.ts'

interface Flags extends SeveralAccounts, OutputFlags {
  once?: boolean
  watch?: boolean
  expires?: number
}

const describe = (state: RegistrationState, account: string): string => {
  switch (state.state) {
    case 'registered':
      return `${account} is registered at ${state.registrar} for ${state.expiresSeconds} s as ${state.contact}`
    case 'failed':
      return `${account} is not registered: ${describeFailure(state)}${state.retryInMs === undefined ? '' : `; next try in ${Math.round(state.retryInMs / 1000)} s`}`
    case 'registering':
      return `registering ${account}`
    case 'unregistered':
      return `${account} is not registered any more`
  }
}

export function addRegister(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('register')
    .description('register accounts and keep them registered until Ctrl-C')
    .option('--once', 'register, say how it went, un-register and end')
    .option('--watch', 'go on whatever fails, with a living line for each account')
    .option('--expires <seconds>', 'lifetime to ask for', wholeNumber(1, 86_400))
  severalAccounts(outputFlags(phoneFlags(command))).action(async (flags: Flags) => {
    const { once, watch, expires, output: form, verbose, ...rest } = flags
    const output = new Output({ ...(form && { output: form }), ...(verbose && { verbose }) })
    const options = accountsOf(rest).map((account) => ({
      ...phoneOptions(account),
      ...(expires !== undefined && { registerExpires: expires }),
      ...(watch && { register: 'in-background' as const }),
    }))
    const accounts = options.map(({ account }) => {
      if (account === undefined)
        throw new UsageError('register needs an account: --as alice@host, FLOE_ACCOUNT or --profile')
      return account
    })
    finish(
      await withPhones(options, output, async (phones, interrupt) => {
        if (watch) return watchAll(phones, accounts, output, interrupt)
        follow(phones, accounts, (state, account) => {
          output.event({ type: 'registration', account, ...state })
          output.line(describe(state, account))
        })
        if (once) return exitCodes.ok
        output.setStatus('registered; Ctrl-C un-registers and ends')
        await interrupt.wait()
        return exitCodes.interrupted
      }),
    )
  })
}

/** Tells the present state of each, and every one that follows. */
function follow(
  phones: readonly Phone[],
  accounts: readonly string[],
  tell: (state: RegistrationState, account: string, i: number) => void,
): void {
  for (const [i, phone] of phones.entries()) {
    const account = accounts[i]!
    if (phone.registrationState) tell(phone.registrationState, account, i)
    phone.onRegistration = (state) => tell(state, account, i)
  }
}

/** Until Ctrl-C, or until nothing is left to be tried. */
async function watchAll(
  phones: readonly Phone[],
  accounts: readonly string[],
  output: Output,
  interrupt: Interrupt,
): Promise<number> {
  const watched = accounts.map((account) => new WatchedRegistration(account, Date.now))
  const hopeless = new Promise<number>((resolve) => {
    follow(phones, accounts, (state, _account, i) => {
      watched[i]!.take(state)
      output.event(watched[i]!.event)
      if (!output.isLive) output.line(watched[i]!.line)
      if (watched.every(({ isOver }) => isOver)) resolve(exitCodes.authentication)
    })
  })
  output.live(() => watched.map(({ line }) => line))
  return Promise.race([hopeless, interrupt.wait().then(() => exitCodes.interrupted)]).finally(() => {
    output.clear()
    for (const { line } of output.isLive ? watched : []) output.line(line)
  })
}
