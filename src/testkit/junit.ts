// Results as JUnit XML, the form that CI servers read: a suite a file, a case a scenario.
import type { ScenarioResult } from './run-scenario.ts'

export function formatJunit(results: readonly ScenarioResult[]): string {
  const files = [...new Set(results.map((result) => result.file))]
  const suites = files.map((file) => {
    const cases = results.filter((result) => result.file === file)
    return [
      `  <testsuite name="${xml(file)}" tests="${cases.length}" failures="${failures(cases)}" time="${seconds(cases)}">`,
      ...cases.map(formatCase),
      '  </testsuite>',
    ].join('\n')
  })
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites tests="${results.length}" failures="${failures(results)}" time="${seconds(results)}">`,
    ...suites,
    '</testsuites>',
    '',
  ].join('\n')
}

function formatCase(result: ScenarioResult): string {
  const open = `    <testcase classname="${xml(result.file)}" name="${xml(result.name)}" time="${seconds([result])}">`
  const failed = result.steps.find((step) => step.status === 'failed')
  const problem = failed
    ? `      <failure message="${xml(failed.problem ?? 'failed')}">${xml(`line ${failed.line}: ${failed.text}`)}</failure>\n`
    : ''
  const steps = result.steps.map(
    (step) => `${step.status}: ${step.text}${step.problem ? `: ${step.problem}` : ''}`,
  )
  return `${open}\n${problem}      <system-out>${xml(steps.join('\n'))}</system-out>\n    </testcase>`
}

const failures = (results: readonly ScenarioResult[]): number =>
  results.filter((result) => !result.passed).length
const seconds = (results: readonly ScenarioResult[]): string =>
  (results.reduce((sum, result) => sum + result.durationMs, 0) / 1000).toFixed(3)

/** XML 1.0 knows no control characters but tab, line feed and carriage return. */
const xml = (text: string): string =>
  text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replace(
      /[&<>"]/g,
      (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character] ?? '',
    )
