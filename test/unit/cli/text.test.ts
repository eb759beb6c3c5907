// What people see on a terminal.
import { expect, test } from 'vitest'
import { forgottenAccount, wrapped } from '../../../src/cli/text.ts'

test('a line that fits stays as it is, spaces and all', () => {
  const text = '      -6.6  \u00b7  ICE gathered\n\n  two'
  expect(wrapped(text, 40)).toBe(text)
})

test('a longer one breaks between words and goes on indented; columns are not torn', () => {
  expect(wrapped('timings   ringing 9 ms, answered 17 ms', 26)).toBe(
    'timings   ringing 9 ms,\n            answered 17 ms',
  )
  expect(wrapped('a  b  c  d', 4)).toBe('a  b  c  d')
})

test('a number keeps its unit', () => {
  expect(wrapped('timings   ringing 9 ms, answered 17.5 ms', 37)).toBe(
    'timings   ringing 9 ms, answered\n            17.5 ms',
  )
  expect(wrapped('floe: no relay', 8, '  ')).toBe('floe: no\n  relay')
})

test('colours take no room', () => {
  const green = '\u001b[32mok\u001b[39m'
  expect(wrapped(`verdict ${green} now`, 14)).toBe(`verdict ${green} now`)
})

test('whoever calls a name alone without an account is told of accounts', () => {
  expect(forgottenAccount('bob', undefined)).toContain('--as')
  for (const target of ['bob@pbx.example', 'sip:bob', 'pbx.example', '192.0.2.1'])
    expect(forgottenAccount(target, undefined)).toBe('')
  expect(forgottenAccount('bob', 'sip:alice@pbx.example')).toBe('')
})
