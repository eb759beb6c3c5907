// One row of the interop table: a peer, what is proved against it, what must be installed, and the proof. A file of rows
// (`*.interop.ts` here or in test/natlab) ends with `interop(rows)`. A row whose needs are missing is skipped with the reason,
// or fails when FLOE_INTEROP_REQUIRE=1. Rows of one file run one after the other, inside the namespace that `namespace` makes.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'vitest'
import { interopFolder, missing, type Need } from './installed.ts'

/** What a row gets to work with. */
export interface Scene {
  /** An empty folder of this row alone: recordings, logs and configuration go here and stay for reading afterwards. */
  readonly folder: string
  /** Runs when the row has passed, failed or timed out; the last one registered runs first. */
  onEnd(cleanUp: () => void | Promise<void>): void
  /** A file whose last lines are printed when the row fails. */
  log(path: string): void
}

/** A row of a table of the README. */
export interface MeasuringScene extends Scene {
  measured(result: Measured): void
}

/** A cell of the table implementation × case. */
export interface Measured {
  readonly implementation: string
  readonly case: string
  /** From the moment when both ends hold the other's description. */
  readonly nominatedMs: number
}

/** A cell of the table feature × peer. */
export interface Shown {
  readonly peer: string
  readonly feature: string
  /** Who does it: who holds, transfers, asks for PRACK. "both" where it takes both or cannot be told apart. */
  readonly by: 'floe' | 'peer' | 'both'
}

/** A cell of the tables codec × peer and security × peer: what a row has seen to work, which it returns. */
export interface Proof {
  readonly table: 'codec' | 'security'
  /** Of the table, e.g. "G722". */
  readonly row: string
  readonly peer: string
  /** Who calls. */
  readonly by: Shown['by']
}

/** Of a row: what it proves, or nothing for those tables. */
export type Proofs = Promise<void> | Promise<readonly Proof[]>

declare module 'vitest' {
  interface TaskMeta {
    measured?: Measured
    shown?: Shown
    proofs?: readonly Proof[]
  }
}

export interface InteropCase {
  /** The row's heading, e.g. "Asterisk 22". */
  readonly peer: string
  /** What is proved, e.g. "registers over TCP with digest". */
  readonly name: string
  readonly needs: readonly Need[]
  /** Default 60 s. */
  readonly timeoutMs?: number
  /** What it proves, for the table feature × peer; the column is `peer`. */
  readonly shows?: Pick<Shown, 'feature' | 'by'>
  run(scene: MeasuringScene): Proofs
}

const defaultTimeoutMs = 60_000
const required = process.env['FLOE_INTEROP_REQUIRE'] === '1'

/** Registers the rows with the runner, grouped by peer in the order given. */
export function interop(cases: readonly InteropCase[]): void {
  for (const peer of new Set(cases.map((c) => c.peer))) {
    describe(peer, () => {
      for (const c of cases.filter((row) => row.peer === peer)) {
        it(c.name, { timeout: c.timeoutMs ?? defaultTimeoutMs }, async (test) => {
          skipWhatIsMissing(test, c.needs)
          if (c.shows) test.task.meta.shown = { peer, ...c.shows }
          const proofs = await c.run({
            ...sceneOf(test, join(fileName(peer), fileName(c.name))),
            measured: (result) => {
              test.task.meta.measured = result
            },
          })
          if (proofs) test.task.meta.proofs = proofs
        })
      }
    })
  }
}

export function skipWhatIsMissing(test: TestContext, needs: readonly Need[]): void {
  const reason = missing(needs)
  if (reason === undefined) return
  if (required) throw new Error(`not to be skipped here, but ${reason}`)
  test.skip(reason)
}

/** What a row works with, in a folder of its own below `run`. */
export function sceneOf(test: TestContext, name: string): Scene {
  const logs = new Set<string>()
  const folder = emptyFolder(name)
  test.onTestFailed(() => {
    for (const path of logs) printTail(path)
  })
  return {
    folder,
    onEnd: (f) => test.onTestFinished(() => f()),
    log: (path) => void logs.add(path),
  }
}

export function emptyFolder(name: string): string {
  const folder = join(interopFolder, 'run', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return folder
}

export const fileName = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]+/g, '-')

const tailLines = 60
function printTail(path: string): void {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    text = '(no such file)'
  }
  process.stderr.write(
    `\n--- ${path}, last ${tailLines} lines\n${text.trimEnd().split('\n').slice(-tailLines).join('\n')}\n`,
  )
}
