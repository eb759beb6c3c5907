// Rows about one peer that is started once for all of them, or about peers that each row starts for itself: they run side by
// side, because calls mostly wait. Each row names the feature that it
// proves, which is a row of the README's table, or returns what it proves for the tables of media.
import { join } from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import {
  emptyFolder,
  fileName,
  type Proofs,
  type Scene,
  type Shown,
  sceneOf,
  skipWhatIsMissing,
} from './case.ts'
import { missing, type Need } from './installed.ts'

export interface Row<Peer> {
  readonly name: string
  /** Of the table feature × peer, and who does it; absent where the row has no place there. */
  readonly feature?: string
  readonly by: Shown['by']
  readonly needs?: readonly Need[]
  /** Default 60 s. */
  readonly timeoutMs?: number
  run(scene: Scene, peer: Peer): Proofs
}

export interface Group<Peer> {
  /** The column of the table, e.g. "Asterisk 22". */
  readonly peer: string
  /** Tells groups about one peer apart. */
  readonly heading?: string
  readonly needs: readonly Need[]
  /** Makes what all rows share; ends with the last of them. */
  start(scene: Scene): Promise<Peer>
  readonly rows: readonly Row<Peer>[]
}

const defaultTimeoutMs = 60_000
const startWithinMs = 60_000

export function sideBySide<Peer>({ peer, heading = peer, needs, start, rows }: Group<Peer>): void {
  describe(heading, () => {
    const cleanUps: (() => void | Promise<void>)[] = []
    let shared: Promise<Peer> | undefined
    beforeAll(async () => {
      if (missing(needs) !== undefined) return // each row tells
      const folder = emptyFolder(join(fileName(heading), 'shared'))
      shared = start({ folder, onEnd: (f) => void cleanUps.push(f), log: () => undefined })
      await shared
    }, startWithinMs)
    afterAll(async () => {
      for (const cleanUp of cleanUps.reverse()) await cleanUp()
    }, startWithinMs)
    for (const row of rows) {
      it.concurrent(row.name, { timeout: row.timeoutMs ?? defaultTimeoutMs }, async (test) => {
        skipWhatIsMissing(test, [...needs, ...(row.needs ?? [])])
        if (row.feature !== undefined) test.task.meta.shown = { peer, feature: row.feature, by: row.by }
        const scene = sceneOf(test, join(fileName(heading), fileName(row.name)))
        const proofs = await row.run(scene, await shared!)
        if (proofs) test.task.meta.proofs = proofs
      })
    }
  })
}
