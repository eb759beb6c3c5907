import { Command } from 'commander'
import { expect, test } from 'vitest'
import { withoutStolenOperands } from '../../../src/cli/optional-values.ts'

/** What the verb gets of a command line. */
function parsed(syntax: string, line: string): unknown[] {
  const command = new Command()
    .exitOverride()
    .command(syntax)
    .option('--tls-key-log [file]')
    .option('--play <what>')
    .option('--loop')
    .exitOverride()
  let got: unknown[] = []
  command.action((...all: unknown[]) => {
    got = all.slice(0, -1)
  })
  command.parse(withoutStolenOperands(command, line.split(' ')), { from: 'user' })
  return got
}

test.each([
  ['bob --tls-key-log keys', ['bob', { tlsKeyLog: 'keys' }]],
  ['--tls-key-log keys bob', ['bob', { tlsKeyLog: 'keys' }]],
  ['--tls-key-log=keys bob', ['bob', { tlsKeyLog: 'keys' }]],
  ['bob --tls-key-log', ['bob', { tlsKeyLog: true }]],
  ['--tls-key-log bob', ['bob', { tlsKeyLog: true }]],
  ['--tls-key-log bob --play tone:440 --loop', ['bob', { tlsKeyLog: true, play: 'tone:440', loop: true }]],
  ['--play a.wav --tls-key-log --loop bob', ['bob', { tlsKeyLog: true, play: 'a.wav', loop: true }]],
  ['--tls-key-log -- bob', ['bob', { tlsKeyLog: true }]],
])('floe call %s', (line, expected) => {
  expect(parsed('call <target>', line)).toEqual(expected)
})

test('of two words that are needed neither is taken', () => {
  expect(parsed('message <target> <text>', '--tls-key-log bob hello')).toEqual([
    'bob',
    'hello',
    { tlsKeyLog: true },
  ])
})

test('a word that may be left out is known by its scheme', () => {
  expect(parsed('doctor [uri]', '--tls-key-log sips:pbx.example')).toEqual([
    'sips:pbx.example',
    { tlsKeyLog: true },
  ])
  expect(parsed('doctor [uri]', '--tls-key-log keys')).toEqual([undefined, { tlsKeyLog: 'keys' }])
})
