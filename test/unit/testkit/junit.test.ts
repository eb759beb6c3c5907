// JUnit output is well-formed whatever a step says.
import { expect, test } from 'vitest'
import { formatJunit } from '../../../src/testkit/junit.ts'
import type { ScenarioResult } from '../../../src/testkit/run-scenario.ts'

const result = (passed: boolean): ScenarioResult => ({
  name: 'a & b <c>',
  file: 'calls.yaml',
  passed,
  durationMs: 1_234,
  steps: [
    { text: 'register alice', line: 3, status: 'passed', durationMs: 10 },
    passed
      ? { text: 'hear "x"', line: 4, status: 'passed', durationMs: 5 }
      : { text: 'hear "x"', line: 4, status: 'failed', durationMs: 5, problem: 'not\u0001heard' },
  ],
  calls: [],
})

test('suites, cases and failures', () => {
  expect(formatJunit([result(true), result(false)])).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1" time="2.468">
  <testsuite name="calls.yaml" tests="2" failures="1" time="2.468">
    <testcase classname="calls.yaml" name="a &amp; b &lt;c&gt;" time="1.234">
      <system-out>passed: register alice
passed: hear &quot;x&quot;</system-out>
    </testcase>
    <testcase classname="calls.yaml" name="a &amp; b &lt;c&gt;" time="1.234">
      <failure message="not\ufffdheard">line 4: hear &quot;x&quot;</failure>
      <system-out>passed: register alice
failed: hear &quot;x&quot;: not\ufffdheard</system-out>
    </testcase>
  </testsuite>
</testsuites>
`)
})
