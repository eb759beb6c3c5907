// npm run natlab [-- --all] [--servers "all,TURN/UDP"] [--only REGEXP] [--lanes N] [--fresh] [--events] [--save]:
// calls through real NATs. Without --all a ring that touches every kind of network. With it every pair with every set of servers,
// which takes more than an hour; a run that was interrupted goes on where it was, and pairs that failed are called again, unless
// --fresh. --events has the network changed in mid-call instead. Ends with the tables of the README;
// --save writes their figures to test/natlab/results.json, which `npm run docs` reads.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { eventTable, networkTable, pack, serverTable, timeTable, unpack } from './table.mjs'

const repository = resolve(import.meta.dirname, '../..')
const peers = process.env.FLOE_PEERS ?? join(repository, '.peers')
const { values: options } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    servers: { type: 'string', default: 'all,TURN/UDP,TURN/TCP 443,TURN/TLS 443,STUN only' },
    only: { type: 'string', default: '' },
    lanes: { type: 'string', default: '3' },
    fresh: { type: 'boolean', default: false },
    events: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  },
})

mkdirSync(peers, { recursive: true })
const kind = options.events ? 'events' : options.all ? 'all' : 'ring'
const results = join(peers, `natlab-${kind}.jsonl`)
if (options.fresh || kind !== 'all') rmSync(results, { force: true })

const vitest = join(repository, 'node_modules/vitest/vitest.mjs')
const rows = options.events ? 'test/natlab/events' : 'test/natlab/pairs'
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', '--config', 'vitest.interop.config.ts', '--passWithNoTests', rows],
  {
    cwd: repository,
    stdio: 'inherit',
    env: {
      ...process.env,
      [options.events ? 'FLOE_NATLAB_EVENTS' : 'FLOE_NATLAB_RESULTS']: results,
      FLOE_NATLAB_LANES: options.lanes,
      ...(options.only && { FLOE_NATLAB_ONLY: options.only }),
      ...(options.all && { FLOE_NATLAB_SERVERS: options.servers }),
    },
  },
)
process.exitCode = status ?? 1

const lines = existsSync(results) ? readFileSync(results, 'utf8').trim().split('\n').filter(Boolean) : []
const outcomes = lines.map((line) => JSON.parse(line))
const saved = join(import.meta.dirname, 'results.json')
const before = existsSync(saved) ? JSON.parse(readFileSync(saved, 'utf8')) : { networks: [], calls: {} }
/** One line for each call: small, and a diff shows what has changed. */
const write = ({ events = [], ...calls }) => {
  const text = JSON.stringify({ events, ...calls }, null, 2)
  const rowsOfNumbers = /\[\s+([-\d,\s]|null)+\]/g
  writeFileSync(
    saved,
    `${text.replace(rowsOfNumbers, (row) => row.replace(/\s+/g, ' ').replace('[ ', '[').replace(' ]', ']'))}\n`,
  )
}

if (options.events) {
  const events = outcomes.map(({ gaps: _gaps, ...event }) => event).sort((a, b) => a.awayMs - b.awayMs)
  console.log(`\n${eventTable(events).join('\n')}`)
  if (options.save) write({ ...before, events })
} else {
  /** The last outcome of each pair, and how many calls it took. */
  const latest = new Map()
  for (const outcome of outcomes)
    latest.set(outcome.title, { ...outcome, attempts: 1 + (latest.get(outcome.title)?.attempts ?? 0) })
  const owed = [...latest.values()].filter(({ expected }) => expected !== 'none')
  for (const table of [serverTable(owed), timeTable(owed), networkTable(owed)])
    console.log(`\n${table.join('\n')}`)
  for (const { title, pairs, failure } of owed.filter((outcome) => outcome.failure))
    console.log(`\nnot connected: ${title}: ${pairs}: ${failure}`)
  if (options.all && options.save) {
    // Sets that were not called this time stay as they were.
    const called = new Set(owed.map(({ servers }) => servers))
    const kept = unpack(before).filter(({ servers }) => !called.has(servers))
    write({ ...before, ...pack([...owed, ...kept]) })
  }
}
