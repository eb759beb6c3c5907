// --allow, --max-calls and FLOE_CALLERS as options of the library; no mistake repeats a password.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, expect, test } from 'vitest'
import { answerAfterMs } from '../../../src/cli/answer.ts'
import { type CallerFlags, callerFlags, callerOptions } from '../../../src/cli/caller-flags.ts'
import { UsageError } from '../../../src/errors.ts'

afterEach(() => {
  delete process.env['FLOE_CALLERS']
  delete process.env['FLOE_CONFIG']
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

test('a profile names them too; flags and the environment override it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'floe-callers-'))
  try {
    const file = join(folder, 'config.yaml')
    process.env['FLOE_CONFIG'] = file
    const of = (profile: string, flags: CallerFlags = {}) => {
      writeFileSync(file, `profiles: { door: { as: door@pbx, ${profile} } }\n`)
      return callerOptions({ ...flags, profile: 'door' })
    }
    const profile = 'allow: authenticated, callers: { alice: 1234, bob: s3cret }'
    expect(of(profile)).toEqual({ allow: ['authenticated'], callers: { alice: '1234', bob: 's3cret' } })
    process.env['FLOE_CALLERS'] = 'carol:x'
    expect(of(profile, { allow: ['server'] })).toEqual({ allow: ['server'], callers: { carol: 'x' } })
    expect(() => of('callers: [topsecret]')).toThrow(
      /^(?!.*topsecret)"callers" in profile "door" names nobody/,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('--auto-answer answers when the caller says, and lets the others ring', () => {
  const intercom = { uri: 'sip:door@pbx', autoAnswerAfterMs: 2_000 }
  const other = { uri: 'sip:bob@pbx' }
  expect([intercom, other].map((peer) => answerAfterMs({}, peer))).toEqual([0, 0])
  expect([intercom, other].map((peer) => answerAfterMs({ after: 500 }, peer))).toEqual([500, 500])
  expect([intercom, other].map((peer) => answerAfterMs({ autoAnswer: true }, peer))).toEqual([
    2_000,
    undefined,
  ])
  expect(answerAfterMs({ autoAnswer: true, after: 500 }, other)).toBe(500)
})
