// A vitest reporter for .ci/run: writes how many tests passed, failed and were skipped, which failed, which passed at a second
// try, and why some were skipped, to the file that FLOE_TOTALS names. A test file that breaks before its tests are known, or
// an error outside a test, counts as one failure.
import { writeFileSync } from 'node:fs'

export default class TotalsReporter {
  onTestRunEnd(modules, unhandled) {
    const totals = { passed: 0, failed: [], skipped: [], again: [] }
    for (const error of unhandled) totals.failed.push(`outside a test: ${firstLine(error.message)}`)
    for (const module of modules) {
      for (const error of module.errors())
        totals.failed.push(`${module.relativeModuleId}: ${firstLine(error.message)}`)
      for (const test of module.children.allTests()) {
        const { state, errors, note } = test.result()
        if (state === 'passed') totals.passed++
        else if (state === 'skipped') totals.skipped.push(note ?? 'for the reason printed above')
        else totals.failed.push(`${test.fullName}: ${firstLine(errors?.[0]?.message)}`)
        if (state === 'passed' && test.diagnostic()?.flaky) totals.again.push(test.fullName)
      }
    }
    writeFileSync(process.env.FLOE_TOTALS, JSON.stringify(totals))
  }
}

const firstLine = (text = '') => text.split('\n')[0].slice(0, 200)
