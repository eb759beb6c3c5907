// A vitest reporter for .ci/run: writes how many tests passed, failed and were skipped, and why, to the file that
// FLOE_TOTALS names. A test file that breaks before its tests are known, or an error outside a test, counts as one failure.
import { writeFileSync } from 'node:fs'

export default class TotalsReporter {
  onTestRunEnd(modules, unhandled) {
    const totals = { passed: 0, failed: unhandled.length, skipped: [] }
    for (const module of modules) {
      totals.failed += module.errors().length
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (result.state === 'passed') totals.passed++
        else if (result.state !== 'skipped') totals.failed++
        else totals.skipped.push({ test: test.fullName, reason: result.note ?? 'for the reason printed above' })
      }
    }
    writeFileSync(process.env.FLOE_TOTALS, JSON.stringify(totals))
  }
}
