// Several accounts on one command line: --as and --profile repeated, the other flags said once for all of them.
import type { Command } from 'commander'
import { collect, type PhoneFlags } from './flags.ts'

export interface SeveralAccounts extends Omit<PhoneFlags, 'as' | 'profile'> {
  as?: string[]
  profile?: string[]
}

/** Call it after `phoneFlags`. */
export function severalAccounts(command: Command): Command {
  for (const option of command.options) {
    if (option.long !== '--as' && option.long !== '--profile') continue
    option.description += '; repeat for several'
    option.argParser(collect)
  }
  return command
}

/** The flags of each account: one for each --as and --profile, or one that all of the rest says. */
export function accountsOf({ as = [], profile = [], ...rest }: SeveralAccounts): PhoneFlags[] {
  const accounts: PhoneFlags[] = [
    ...as.map((each) => ({ ...rest, as: each })),
    ...profile.map((each) => ({ ...rest, profile: each })),
  ]
  return accounts.length > 0 ? accounts : [rest]
}
