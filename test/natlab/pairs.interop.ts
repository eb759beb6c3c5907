// Networks calling each other with real processes over real kernels, each outcome compared with the oracle. `npm run interop`
// goes around a ring that touches every kind of network; `npm run natlab -- --all` (run.mjs) calls between all pairs, and has
// every outcome appended to a file as one line of JSON, which a later run goes on from.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { exit } from '../interop/peers/floe.ts'
import {
  type CallEnds,
  endsOf,
  iceFailsWithinMs,
  type Outcome,
  outcomeOf,
  placeCall,
  type ServerSet,
  serverSets,
} from './calls.ts'
import { type NetworkName, networkNames, networkOf } from './networks.ts'
import { type Verdict, verdict } from './oracle.ts'
import { type Lane, labRows } from './shared-lab.ts'

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

/** Each calls the next; the servers take turns where they suffice. Last, the one pair that TCP alone makes direct. What nothing can
 *  connect without a relay is called in relays.interop.ts. */
const ring = (): Pair[] => [
  ...networkNames.map((caller, i) => {
    const called = networkNames[(i + 1) % networkNames.length]!
    const relays = Object.keys(serverSets).filter((set) => set !== 'STUN only') as ServerSet[]
    const first = pair(caller, called, relays[i % relays.length]!)
    return first.expected === 'none' ? pair(caller, called, 'all') : first
  }),
  pair('UDP blocked', 'public', 'STUN only'),
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

const title = ({ caller, called, servers, expected }: Pair): string =>
  `${caller} calls ${called}, ${servers}: ${expected === 'timing' ? 'direct or relay' : expected}`

const sets = process.env['FLOE_NATLAB_SERVERS']?.split(',') as ServerSet[] | undefined
const resultsFile = process.env['FLOE_NATLAB_RESULTS']
const only = new RegExp(process.env['FLOE_NATLAB_ONLY'] ?? '')

/** What an earlier run has connected need not be done again. */
const earlier: { title: string; path: string }[] =
  resultsFile && existsSync(resultsFile)
    ? readFileSync(resultsFile, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    : []
const done = new Set(earlier.filter(({ path }) => path !== 'none').map((result) => result.title))

async function check(p: Pair, { scene, servers, numbers, home }: Lane): Promise<void> {
  const ends = [
    await home(p.caller),
    await home(p.called, p.caller === p.called ? 'second' : 'first'),
  ] as const
  for (let attempt = 1; ; attempt++) {
    const calls = await placeCall(scene, servers, ends, { servers: p.servers, numbers })
    const result = await endsOf(calls, iceFailsWithinMs)
    const outcome = outcomeOf(result)
    if (resultsFile) appendFileSync(resultsFile, `${JSON.stringify({ title: title(p), ...p, ...outcome })}\n`)
    if (attempt < callsForAudio && wasHeardBadly(result)) continue
    judge(p, result, outcome)
    return
  }
}

/** A machine with too much to do hands packets on so late that a sentence is not recognised. That says nothing of the path, so
 *  the call is placed again. */
const callsForAudio = 3

const wasHeardBadly = ({ caller, called }: CallEnds): boolean => {
  const ends = [caller, called]
  const hadMedia = ends.every(({ report }) => (report?.statistics?.received.packets ?? 0) > 0)
  const codes = ends.map(({ code }) => code)
  return (
    hadMedia && codes.includes(exit.assertion) && codes.every((c) => c === exit.ok || c === exit.assertion)
  )
}

function judge({ expected, servers }: Pair, { caller, called }: CallEnds, outcome: Outcome): void {
  const codes = [caller.code, called.code]
  const mayFail = expected === 'none' || (expected === 'timing' && servers === 'STUN only')
  if (!mayFail || outcome.path !== 'none') {
    expect(codes, outcome.failure).toEqual([exit.ok, exit.ok])
    if (expected === 'direct') expect(outcome.path, outcome.pairs).toMatch(/^direct/)
    if (expected === 'none') expect(outcome.path, 'theory says that nothing connects these').toBe('none')
    return
  }
  // Whose checks give up first ends the call and knows why; the other may only see the call end.
  expect(codes).toContain(exit.ice)
  for (const { code, report, stderr } of [caller, called]) {
    expect(report?.verdict, stderr).toMatchObject({ ok: false })
    if (code === exit.ice) expect(report?.verdict).toMatchObject({ layer: 'ice' })
  }
}

labRows(
  'floe through two networks',
  (sets ? all(sets) : ring())
    .filter((p) => only.test(title(p)) && !done.has(title(p)))
    .map((p) => ({ name: title(p), run: (lane) => check(p, lane) })),
  Number(process.env['FLOE_NATLAB_LANES'] ?? 3),
)
