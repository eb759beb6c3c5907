// Networks calling each other with real processes over real kernels, each outcome compared with the oracle. `npm run interop`
// goes around a ring that touches every kind of network; `npm run natlab -- --all` (run.mjs) calls between all pairs, and has
// every outcome appended to a file as one line of JSON, which a later run goes on from.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scene } from '../interop/case.ts'
import { interopFolder, missing } from '../interop/installed.ts'
import { exit } from '../interop/peers/floe.ts'
import { eventually } from '../interop/peers/process.ts'
import {
  type CallEnds,
  endsOf,
  iceFailsWithinMs,
  type Outcome,
  outcomeOf,
  placeCall,
  type ServerSet,
  serverSets,
  startServers,
} from './calls.ts'
import { type Home, Lab } from './lab.ts'
import { type NetworkName, networkNames, networkOf } from './networks.ts'
import { type Verdict, verdict } from './oracle.ts'

interface Pair {
  readonly caller: NetworkName
  readonly called: NetworkName
  readonly servers: ServerSet
  readonly expected: Verdict
}

const pair = (caller: NetworkName, called: NetworkName, servers: ServerSet): Pair => ({
  caller,
  called,
  servers,
  expected: verdict(networkOf(caller).theory, networkOf(called).theory, serverSets[servers]),
})

/** Each calls the next; the servers take turns where they suffice. Last, the one pair that TCP alone makes direct, and two that
 *  nothing can connect without a relay. */
const ring = (): Pair[] => [
  ...networkNames.map((caller, i) => {
    const called = networkNames[(i + 1) % networkNames.length]!
    const sets = Object.keys(serverSets).filter((set) => set !== 'STUN only') as ServerSet[]
    const first = pair(caller, called, sets[i % sets.length]!)
    return first.expected === 'none' ? pair(caller, called, 'all') : first
  }),
  pair('UDP blocked', 'public', 'STUN only'),
  pair('symmetric, random ports', 'port-restricted', 'STUN only'),
  pair('UDP blocked', 'full cone', 'STUN only'),
]

/** Unordered pairs; who calls alternates. Without those that no server of the set can connect: each takes 40 s to fail. */
const all = (sets: readonly ServerSet[]): Pair[] =>
  sets.flatMap((set) =>
    networkNames.flatMap((a, i) =>
      networkNames
        .slice(i)
        .map((b, j) => (j % 2 === 0 ? pair(a, b, set) : pair(b, a, set)))
        .filter(({ expected }) => expected !== 'none'),
    ),
  )

const sets = process.env['FLOE_NATLAB_SETS']?.split(',') as ServerSet[] | undefined
const resultsFile = process.env['FLOE_NATLAB_RESULTS']
const only = new RegExp(process.env['FLOE_NATLAB_ONLY'] ?? '')

const title = ({ caller, called, servers, expected }: Pair): string =>
  `${caller} calls ${called}, ${servers}: ${expected === 'timing' ? 'direct or relay' : expected}`

/** The lines of an earlier run that need not be done again. */
const done = new Set<string>(
  resultsFile && existsSync(resultsFile)
    ? readFileSync(resultsFile, 'utf8')
        .trim()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).title)
    : [],
)
const pairs = (sets ? all(sets) : ring()).filter((p) => only.test(title(p)) && !done.has(title(p)))

const reason = missing(['namespace', 'kamailio', 'coturn'])
if (reason !== undefined && process.env['FLOE_INTEROP_REQUIRE'] === '1')
  throw new Error(`not to be skipped here, but ${reason}`)

const folder = join(interopFolder, 'run', 'nat-lab')
const cleanUps: (() => void | Promise<void>)[] = []
const common: Scene = { folder, onEnd: (f) => void cleanUps.push(f), log: () => undefined }

let lab: Lab
const homes = new Map<string, Promise<Home>>()
function home(kind: NetworkName, copy: number): Promise<Home> {
  const name = `${kind.toLowerCase().replace(/[^a-z0-9]+/g, '-')}-${copy}`
  const known = homes.get(name) ?? lab.addHome(name, kind)
  homes.set(name, known)
  return known
}

/** Waiting for a lane included. */
const rowMs = 180_000

/** Users of the registrar that no call is using; as many calls run side by side. */
const lanes = Number(process.env['FLOE_NATLAB_LANES'] ?? 3)
const free = [1, 3, 5, 7].slice(0, lanes).map((n) => [`200${n}`, `200${n + 1}`] as const)

async function check(p: Pair, scene: Scene): Promise<void> {
  const numbers = await eventually(() => free.pop(), { what: 'a free lane', withinMs: rowMs })
  try {
    const ends = [await home(p.caller, 0), await home(p.called, p.caller === p.called ? 1 : 0)] as const
    const calls = await placeCall(scene, common, ends, { servers: p.servers, numbers })
    const result = await endsOf(calls, iceFailsWithinMs)
    const outcome = outcomeOf(result)
    if (resultsFile) appendFileSync(resultsFile, `${JSON.stringify({ title: title(p), ...p, ...outcome })}\n`)
    judge(p, result, outcome)
  } finally {
    free.push(numbers)
  }
}

function judge({ expected }: Pair, { caller, called }: CallEnds, outcome: Outcome): void {
  const codes = [caller.code, called.code]
  if (expected !== 'none') {
    expect(codes, outcome.failure).toEqual([exit.ok, exit.ok])
    if (expected === 'direct') expect(outcome.path, outcome.pairs).toMatch(/^direct/)
    return
  }
  // Whose checks give up first ends the call and knows why; the other may only see the call end.
  expect(codes).toContain(exit.ice)
  for (const { code, report, stderr } of [caller, called]) {
    expect(report?.verdict, stderr).toMatchObject({ ok: false })
    if (code === exit.ice) expect(report?.verdict).toMatchObject({ cause: 'ice-failed', layer: 'ice' })
  }
}

describe.skipIf(reason !== undefined)('floe through two networks', () => {
  beforeAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    lab = await Lab.build(common)
    await startServers(common)
  })
  afterAll(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp()
  })
  for (const [i, p] of pairs.entries()) {
    it.concurrent(title(p), { timeout: rowMs }, async (test) => {
      const own = join(folder, String(i))
      mkdirSync(own, { recursive: true })
      await check(p, { folder: own, onEnd: (f) => test.onTestFinished(() => f()), log: () => undefined })
    })
  }
})
