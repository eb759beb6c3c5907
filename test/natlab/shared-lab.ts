// One lab and one set of servers for all rows of a file, whose calls run side by side: homes are built when a row first asks
// for one, and a row waits for a lane, which is a pair of users at the registrar.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import type { Scene } from '../interop/case.ts'
import { interopFolder, missing } from '../interop/installed.ts'
import { startServers } from './calls.ts'
import { type Home, Lab } from './lab.ts'
import type { NetworkName } from './networks.ts'

/** What a row gets. */
export interface Lane {
  readonly scene: Scene
  /** The scene of the servers. */
  readonly servers: Scene
  readonly lab: Lab
  readonly numbers: readonly [caller: string, called: string]
  /** The home of a kind that all rows share; `copy` tells several of a kind apart. */
  home(kind: NetworkName, copy?: string): Promise<Home>
}

export interface SharedRow {
  readonly name: string
  run(lane: Lane): Promise<void>
}

/** Waiting for a lane included. */
const rowMs = 240_000

/** `lanes` is how many calls run side by side, at most as vitest.interop.config.ts says. */
export function labRows(heading: string, rows: readonly SharedRow[], lanes: number): void {
  const reason = missing(['namespace', 'kamailio', 'coturn', 'python'])
  if (reason !== undefined && process.env['FLOE_INTEROP_REQUIRE'] === '1')
    throw new Error(`not to be skipped here, but ${reason}`)
  const folder = join(interopFolder, 'run', heading.toLowerCase().replace(/[^a-z0-9]+/g, '-'))
  const cleanUps: (() => void | Promise<void>)[] = []
  const servers: Scene = { folder, onEnd: (f) => void cleanUps.push(f), log: () => undefined }
  const free = Array.from({ length: lanes }, (_, i) => [`${2001 + 2 * i}`, `${2002 + 2 * i}`] as const)
  const waiting: ((numbers: (typeof free)[number]) => void)[] = []
  const take = async () =>
    free.pop() ?? (await new Promise<(typeof free)[number]>((resolve) => waiting.push(resolve)))
  const giveBack = (numbers: (typeof free)[number]) => (waiting.shift() ?? ((n) => free.push(n)))(numbers)
  const homes = new Map<string, Promise<Home>>()
  let lab: Lab
  const home = (kind: NetworkName, copy = 'first'): Promise<Home> => {
    const name = `${kind.toLowerCase().replace(/[^a-z0-9]+/g, '-')}-${copy}`
    const known = homes.get(name) ?? lab.addHome(name, kind)
    homes.set(name, known)
    return known
  }

  describe.skipIf(reason !== undefined)(heading, () => {
    beforeAll(async () => {
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder, { recursive: true })
      lab = await Lab.build(servers)
      await startServers(servers)
    })
    afterAll(async () => {
      for (const cleanUp of cleanUps.reverse()) await cleanUp()
    })
    for (const [i, row] of rows.entries()) {
      it.concurrent(row.name, { timeout: rowMs }, async (test) => {
        const own = join(folder, String(i))
        mkdirSync(own, { recursive: true })
        const scene: Scene = {
          folder: own,
          onEnd: (f) => test.onTestFinished(() => f()),
          log: () => undefined,
        }
        const numbers = await take()
        try {
          await row.run({ scene, servers, lab, numbers, home })
        } finally {
          giveBack(numbers)
        }
      })
    }
  })
}
