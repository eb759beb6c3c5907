// floe register: keep an account registered and show how it goes.
import type { Command } from 'commander'
import { type RegistrationState, UsageError } from '../index.ts'
import { exitCodes } from './exit-codes.ts'
import {
  type OutputFlags,
  outputFlags,
  type PhoneFlags,
  phoneFlags,
  phoneOptions,
  wholeNumber,
} from './flags.ts'
import { Output } from './output.ts'
import { withPhone } from './with-phone.ts'

interface Flags extends PhoneFlags, OutputFlags {
  once?: boolean
  expires?: number
}

const describe = (state: RegistrationState, account: string): string => {
  switch (state.state) {
    case 'registered':
      return `${account} is registered at ${state.registrar} for ${state.expiresSeconds} s as ${state.contact}`
    case 'failed':
      return `${account} is not registered: ${state.status} ${state.reason}${state.retryInMs === undefined ? '' : `; next try in ${Math.round(state.retryInMs / 1000)} s`}`
    case 'registering':
      return `registering ${account}`
    case 'unregistered':
      return `${account} is not registered any more`
  }
}

export function addRegister(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('register')
    .description('register an account and keep it registered until Ctrl-C')
    .option('--once', 'register, say how it went, un-register and end')
    .option('--expires <seconds>', 'lifetime to ask for', wholeNumber(1, 86_400))
  outputFlags(phoneFlags(command)).action(async (flags: Flags) => {
    const output = new Output(flags)
    const options = {
      ...phoneOptions(flags),
      ...(flags.expires !== undefined && { registerExpires: flags.expires }),
    }
    const account = options.account
    if (account === undefined)
      throw new UsageError('register needs an account: --as alice@host, FLOE_ACCOUNT or --profile')
    finish(
      await withPhone(options, output, async (phone, interrupt) => {
        const show = (state: RegistrationState): void => {
          output.event({ type: 'registration', ...state })
          output.line(describe(state, account))
        }
        if (phone.registrationState) show(phone.registrationState)
        phone.onRegistration = show
        if (flags.once) return exitCodes.ok
        output.setStatus('registered; Ctrl-C un-registers and ends')
        await interrupt.wait()
        return exitCodes.interrupted
      }),
    )
  })
}
