// Who may call, as flags of the verbs that answer calls. The callers' passwords come from FLOE_CALLERS ("alice:password bob:password")
// and are never printed.
import type { Command } from 'commander'
import { type CallerOptions, UsageError } from '../index.ts'
import { collect, wholeNumber } from './flags.ts'
import { readProfile } from './profile.ts'

export interface CallerFlags {
  profile?: string
  allow?: string[]
  maxCalls?: number
}

export const callerFlags = (command: Command): Command =>
  command
    .option(
      '--allow <who>',
      'take calls from these alone: sip:alice@example.com, example.com, 192.0.2.0/24, server (the registrar), authenticated (with the passwords in FLOE_CALLERS); repeat for several',
      collect,
    )
    .option(
      '--max-calls <number>',
      'tell callers that we are busy above so many calls',
      wholeNumber(1, 100_000),
    )

export function callerOptions({ profile: name, maxCalls, ...flags }: CallerFlags): CallerOptions {
  const profile = name === undefined ? {} : readProfile(name)
  const text = process.env['FLOE_CALLERS']
  const allow = flags.allow ?? profile.allow
  const callers = text === undefined ? profile.callers : parseCallers(text)
  return {
    ...(allow && { allow }),
    ...(callers && { callers }),
    ...(maxCalls !== undefined && { maximumCalls: maxCalls }),
  }
}

function parseCallers(text: string): Record<string, string> {
  const pairs = text.split(/\s+/).filter((pair) => pair !== '')
  return Object.fromEntries(
    pairs.map((pair) => {
      const colon = pair.indexOf(':')
      if (colon <= 0)
        throw new UsageError(
          'FLOE_CALLERS does not name callers and their passwords: write "alice:password bob:password"',
        )
      return [pair.slice(0, colon), pair.slice(colon + 1)]
    }),
  )
}
