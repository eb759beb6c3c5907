// Prints each row as it ends, then the table peer x case, the one of ICE implementations, the one feature x peer, those of media,
// and a line of totals. Where FLOE_ICE_RESULTS names a file, what the rows about ICE have measured goes there, unless one has
// failed; where FLOE_SIGNALLING_RESULTS does, what those about signalling have shown; FLOE_MEDIA_RESULTS, those about media.

import { writeFileSync } from 'node:fs'
import type { SerializedError, UserConsoleLog } from 'vitest'
import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node'
import type { Measured, Proof, Shown } from './case.ts'
import { iceTable } from './ice/table.mjs'
import { mediaTable } from './media/table.mjs'
import { eachOnce, signallingTable } from './table.mjs'

type Outcome = 'passed' | 'failed' | 'skipped'
interface Row {
  peer: string
  name: string
  outcome: Outcome
  seconds: string
  reason: string
}

export default class TableReporter implements Reporter {
  private readonly rows: Row[] = []
  private readonly measured: Measured[] = []
  private readonly shown: Shown[] = []
  private readonly proofs: Proof[] = []

  onTestCaseReady(test: TestCase): void {
    if (process.stdout.isTTY) process.stdout.write(`… ${peerOf(test)}: ${test.name}\r`)
  }

  onTestCaseResult(test: TestCase): void {
    const result = test.result()
    const again = test.diagnostic()?.flaky === true
    const problem = firstLine(result.errors?.[0]?.message)
    const reason =
      result.state === 'skipped' ? result.note : again ? `at the second try; the first: ${problem}` : problem
    if (reason === undefined) return // not asked for: `-t` named other rows
    const outcome: Outcome = result.state === 'pending' ? 'failed' : result.state
    const row: Row = {
      peer: peerOf(test),
      name: test.name,
      outcome,
      seconds: ((test.diagnostic()?.duration ?? 0) / 1000).toFixed(1),
      reason,
    }
    this.rows.push(row)
    const { measured, shown, proofs } = test.meta()
    if (measured && outcome === 'passed') this.measured.push(measured)
    if (shown && outcome === 'passed') this.shown.push(shown)
    if (proofs && outcome === 'passed') this.proofs.push(...proofs)
    print(
      `${mark[outcome]} ${row.peer}: ${row.name} (${row.seconds} s)${outcome === 'skipped' ? `: ${row.reason}` : ''}`,
    )
    for (const error of result.errors ?? []) print(indent(explain(error)))
  }

  onUserConsoleLog(log: UserConsoleLog): void {
    process.stderr.write(log.content)
  }

  /** A file that breaks before its rows are known is a row that failed. */
  onTestModuleEnd(module: TestModule): void {
    for (const error of module.errors()) this.broken(module.relativeModuleId, explain(error))
  }

  /** What a group of rows needs together and does not get fails them all. */
  onTestSuiteResult(suite: TestSuite): void {
    for (const error of suite.errors()) this.broken(suite.name, explain(error))
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    for (const error of unhandled) this.broken('the run itself', explain(error))
    if (modules.length === 0) this.broken('the run itself', 'no rows were found')
    print('')
    for (const line of table(this.rows)) print(line)
    if (this.measured.length > 0) {
      print(`\n${iceTable(this.measured).join('\n')}`)
      this.write('FLOE_ICE_RESULTS', this.measured)
    }
    if (this.shown.length > 0) {
      print(`\n${signallingTable(this.shown).join('\n')}`)
      this.write('FLOE_SIGNALLING_RESULTS', eachOnce(this.shown, ['feature', 'peer', 'by']))
    }
    if (this.proofs.length > 0) {
      for (const table of ['codec', 'security'] as const)
        print(`\n${mediaTable(this.proofs, table).join('\n')}`)
      this.write('FLOE_MEDIA_RESULTS', eachOnce(this.proofs, ['table', 'row', 'peer', 'by']))
    }
    const count = (outcome: Outcome) => this.rows.filter((row) => row.outcome === outcome).length
    print('')
    print(`interop: ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`)
  }

  private write(variable: string, results: readonly unknown[]): void {
    const path = process.env[variable]
    if (path === undefined || this.rows.some(({ outcome }) => outcome !== 'passed')) return
    writeFileSync(path, `[\n${results.map((result) => JSON.stringify(result)).join(',\n')}\n]\n`)
  }

  private broken(name: string, why: string): void {
    this.rows.push({
      peer: '(runner)',
      name,
      outcome: 'failed',
      seconds: '0.0',
      reason: firstLine(why),
    })
    print(`${mark.failed} ${name}`)
    print(indent(why))
  }
}

const mark: Record<Outcome, string> = { passed: '✓', failed: '✗', skipped: '–' }
const print = (line: string) => process.stdout.write(`${line}\n`)
const firstLine = (text = '') => text.split('\n')[0]?.slice(0, 120) ?? ''
const indent = (text: string) => text.replace(/^/gm, '    ')
const explain = (error: SerializedError) =>
  [error.message, ...(error.stack ?? '').split('\n').filter((line) => /^ *at .*\/test\//.test(line))].join(
    '\n',
  )
const peerOf = (test: TestCase) =>
  test.parent.type === 'suite' ? test.parent.name : test.module.relativeModuleId

function table(rows: readonly Row[]): string[] {
  const width = (pick: (row: Row) => string, heading: string) =>
    Math.max(heading.length, ...rows.map((row) => pick(row).length))
  const peer = width((row) => row.peer, 'peer')
  const name = width((row) => row.name, 'case')
  const line = (a: string, b: string, c: string, d: string) =>
    `${a.padEnd(peer)}  ${b.padEnd(name)}  ${c.padEnd(7)}  ${d}`.trimEnd()
  return [
    line('peer', 'case', 'result', 'time'),
    line('-'.repeat(peer), '-'.repeat(name), '-------', '------'),
    ...rows.map((row) =>
      line(row.peer, row.name, row.outcome, `${row.seconds} s${row.reason && `  ${row.reason}`}`),
    ),
  ]
}
