// Scenario files: what they may say, and that every mistake is told with its place.
import { describe, expect, test } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import { parseScenarios } from '../../../src/testkit/scenario.ts'

const good = `name: hello
server: loopback
timeout: 20s
phones:
  alice: { ice: require, stun: "192.0.2.1:3478" }
  bob:
steps:
  - register: alice
  - call: { from: alice, to: bob, ring-for: 5s }
  - answer: { phone: bob, within: 500ms }
  - play: { phone: bob, what: tone:440, loop: true }
  - dtmf: { phone: alice, digits: 12 }
  - wait: 1.5
  - hang-up: alice
`

test('a scenario becomes steps with their lines', () => {
  const [scenario, ...others] = parseScenarios(good, 'calls.yaml')
  expect(others).toEqual([])
  expect(scenario).toMatchObject({ name: 'hello', loopbackServer: true, timeoutMs: 20_000 })
  expect(scenario!.phones).toEqual({ alice: { ice: 'require', stun: ['192.0.2.1:3478'] }, bob: {} })
  expect(scenario!.steps.map(({ kind, line }) => [kind, line])).toEqual([
    ['register', 8],
    ['call', 9],
    ['answer', 10],
    ['play', 11],
    ['dtmf', 12],
    ['wait', 13],
    ['hang-up', 14],
  ])
  expect(scenario!.steps[2]!.with).toEqual({ phone: 'bob', within: 500 })
  expect(scenario!.steps[4]!.with).toEqual({ phone: 'alice', digits: '12' })
  expect(scenario!.steps[5]!.with).toBe(1_500)
})

test('several documents are several scenarios', () => {
  expect(parseScenarios(`${good}---\n${good}`, 'calls.yaml')).toHaveLength(2)
})

test('${NAME} comes from the environment', () => {
  const text = good.replace('bob:', 'bob: { password: "${BOBS}" }')
  expect(parseScenarios(text, 'calls.yaml', { BOBS: 's3cret' })[0]!.phones['bob']).toEqual({
    password: 's3cret',
  })
})

describe('mistakes', () => {
  const mistakes: [string, string, string, RegExp][] = [
    [
      'a step that is none',
      'answer: { phone: bob, within: 500ms }',
      'anser: bob',
      /^calls\.yaml:10:5: .*"anser" is not a step/,
    ],
    ['an unknown setting', 'ice: require', 'icy: require', /^calls\.yaml:5:\d+: .*icy/],
    ['a wrong value', 'ice: require', 'ice: sometimes', /^calls\.yaml:5:\d+: phones\.alice\.ice: .*"auto"/],
    [
      'a bad time',
      'within: 500ms',
      'within: soon',
      /^calls\.yaml:10:\d+: steps\.answer\.within: write a time as 500ms/,
    ],
    [
      'a phone that is not there',
      'phone: bob, what',
      'phone: eve, what',
      /^calls\.yaml:11:\d+: .*there is no phone "eve"/,
    ],
    [
      'digits that are none',
      'digits: 12',
      'digits: hello',
      /^calls\.yaml:12:\d+: steps\.dtmf\.digits: digits are/,
    ],
    ['a missing key', 'to: bob, ', '', /^calls\.yaml:9:\d+: /],
    ['YAML that is none', 'name: hello', 'name: "hello', /^calls\.yaml:\d+:\d+: /],
    [
      'an environment variable that is not set',
      'to: bob',
      'to: "${BOB}"',
      /^calls\.yaml:9:\d+: .*BOB is not set/,
    ],
    [
      'a step of two',
      'hang-up: alice',
      'hang-up: alice\n    wait: 1s',
      /^calls\.yaml:14:5: .*a step is one of/,
    ],
  ]
  test.each(mistakes)('%s', (_name, from, to, message) => {
    const broken = good.replace(from, to)
    expect(broken).not.toBe(good)
    expect(() => parseScenarios(broken, 'calls.yaml')).toThrow(UsageError)
    expect(() => parseScenarios(broken, 'calls.yaml')).toThrow(message)
  })

  test('an empty file', () => {
    expect(() => parseScenarios('', 'calls.yaml')).toThrow(/calls\.yaml:1:1: /)
  })
})
