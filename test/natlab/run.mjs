// npm run natlab [-- --all] [--servers "all,TURN/UDP"] [--only REGEXP] [--lanes N] [--fresh]: calls through real NATs.
// Without --all a ring that touches every kind of network. With it every pair with every set of servers, which takes about an
// hour; a run that was interrupted goes on where it was, and pairs that failed are tried again, unless --fresh. Ends with the
// tables of the README, and a complete run writes their figures to test/natlab/results.json (`npm run docs` reads it).
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { networkTable, serverTable } from './table.mjs'

const repository = resolve(import.meta.dirname, '../..')
const peers = process.env.FLOE_PEERS ?? join(repository, '.peers')
const { values: options } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    servers: { type: 'string', default: 'all,TURN/UDP,TURN/TCP 443,TURN/TLS 443,STUN only' },
    only: { type: 'string', default: '' },
    lanes: { type: 'string', default: '3' },
    fresh: { type: 'boolean', default: false },
  },
})

mkdirSync(peers, { recursive: true })
const results = join(peers, options.all ? 'natlab-all.jsonl' : 'natlab-ring.jsonl')
if (options.fresh || !options.all) rmSync(results, { force: true })

const vitest = join(repository, 'node_modules/vitest/vitest.mjs')
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', '--config', 'vitest.interop.config.ts', '--passWithNoTests', 'test/natlab/pairs'],
  {
    cwd: repository,
    stdio: 'inherit',
    env: {
      ...process.env,
      FLOE_NATLAB_RESULTS: results,
      FLOE_NATLAB_LANES: options.lanes,
      ...(options.only && { FLOE_NATLAB_ONLY: options.only }),
      ...(options.all && { FLOE_NATLAB_SERVERS: options.servers }),
    },
  },
)

/** The last outcome of each pair. */
const lines = existsSync(results) ? readFileSync(results, 'utf8').trim().split('\n').filter(Boolean) : []
const latest = new Map(lines.map((line) => JSON.parse(line)).map((result) => [result.title, result]))
const rows = [...latest.values()]
  .filter(({ expected }) => expected !== 'none')
  .map((r) => [
    r.caller,
    r.called,
    r.servers,
    r.expected,
    r.path,
    r.firstPacketMs ?? null,
    r.firstAudioMs ?? null,
  ])
for (const table of [serverTable(rows), networkTable(rows)]) console.log(`\n${table.join('\n')}`)
const failed = [...latest.values()].filter(({ failure, expected }) => failure && expected !== 'none')
for (const { title, pairs, failure } of failed) console.log(`\nnot connected: ${title}: ${pairs}: ${failure}`)
if (options.all && !options.only && status === 0)
  writeFileSync(
    join(import.meta.dirname, 'results.json'),
    `[\n${rows.map((r) => JSON.stringify(r)).join(',\n')}\n]\n`,
  )
process.exitCode = status ?? 1
