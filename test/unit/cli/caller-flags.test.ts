// --allow, --max-calls and FLOE_CALLERS as options of the library; no mistake repeats a password.
import { Command } from 'commander'
import { afterEach, expect, test } from 'vitest'
import { type CallerFlags, callerFlags, callerOptions } from '../../../src/cli/caller-flags.ts'
import { UsageError } from '../../../src/errors.ts'

afterEach(() => {
  delete process.env['FLOE_CALLERS']
})

const options = (...words: string[]) => {
  const command = callerFlags(new Command()).exitOverride()
  command.parse(words, { from: 'user' })
  return callerOptions(command.opts<CallerFlags>())
}

test('flags become options', () => {
  expect(options()).toEqual({})
  expect(options('--allow', 'server', '--allow', '192.0.2.0/24', '--max-calls', '3')).toEqual({
    allow: ['server', '192.0.2.0/24'],
    maximumCalls: 3,
  })
  expect(() => options('--max-calls', '0')).toThrow(/whole number/)
})

test('passwords come from the environment, and stay there', () => {
  process.env['FLOE_CALLERS'] = ' alice:s3cret:with:colons\nbob:x '
  expect(options('--allow', 'authenticated')).toEqual({
    allow: ['authenticated'],
    callers: { alice: 's3cret:with:colons', bob: 'x' },
  })
  process.env['FLOE_CALLERS'] = 'topsecret'
  expect(() => options()).toThrow(UsageError)
  expect(() => options()).not.toThrow(/topsecret/)
})
