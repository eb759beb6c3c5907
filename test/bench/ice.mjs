// ICE: from "both ends hold the other's description" to the first pair that works and to the nominated one, and the STUN
// packets that were sent until then; beside the other implementations that are installed, on real sockets (ice-processes.mjs);
// floe alone in virtual time (ice-virtual.mjs) and on the loopback; five hundred agents in one process; the STUN codec.
// With --save the medians go to results/ice.json, which the README's tables are made of; --only=PART, or
// --only=processes/WORD, measures a part.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median, printProfile, printTable, quantile } from './figures.mjs'
import { betweenProcesses } from './ice-processes.mjs'
import { callsInVirtualTime, inVirtualTime } from './ice-virtual.mjs'
import { BenchProgram, wait, withFolder } from './processes.mjs'

const file = fileURLToPath(new URL('results/ice.json', import.meta.url))
const peersFolder = process.env.FLOE_PEERS ?? fileURLToPath(new URL('../../.peers', import.meta.url))
const node22 = join(peersFolder, 'node-22/node_modules/node/bin/node')
/** Interleaved with the others; what is measured beside werift runs on the Node that werift needs. */
const inNode22 = { execPath: node22, env: { ...process.env, FLOE_PEERS: peersFolder } }

export async function benchIce({
  sessions = 10,
  agents = 500,
  keepMs = 10_000,
  measureMs = 500,
  save,
  only,
}) {
  const measured = {}
  const part = async (name, measure) => {
    if (!only || only.split('/')[0] === name) measured[name] = await measure()
  }
  await part('processes', () => processes(sessions, only))
  await part('virtual', () => virtual(sessions))
  await part('calls', calls)
  await part('loopback', () => loopback(sessions))
  await part('load', () => load(agents, keepMs))
  await part('codec', () => codec(sessions, measureMs))
  await part('profile', profile)
  if (save) merge(measured)
}

/** Keeps what was measured before and not now. */
function merge(measured) {
  const known = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  const node = process.version
  const machine = { node, processors: cpus().length, model: cpus()[0]?.model.trim() }
  const processes = { ...known.processes, ...measured.processes }
  const { profile: _printed, ...rest } = measured
  const all = { ...known, ...rest, machine, processes }
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(all, undefined, 1)}\n`)
}

const round = (value, digits = 1) => Number(value.toFixed(digits))

function summary(sessions) {
  const connected = sessions.filter(Boolean)
  const of = (figure, q = 0.5) =>
    quantile(
      connected.map((session) => session[figure]),
      q,
    )
  return {
    connected: connected.length,
    of: sessions.length,
    ...(connected.length > 0 && {
      firstMs: round(of('firstMs')),
      nominatedMs: round(of('nominatedMs')),
      nominatedMs90: round(of('nominatedMs', 0.9)),
      packets: of('packets'),
    }),
  }
}

const cells = ({ connected, of, firstMs, nominatedMs, nominatedMs90, packets }) => [
  `${connected} of ${of}`,
  ...(connected > 0 ? [firstMs, nominatedMs, nominatedMs90, packets] : ['-', '-', '-', '-']),
]
const columns = ['connected', 'first pair ms', 'nominated ms', '90 %', 'STUN packets']

async function processes(sessions, only) {
  console.log(
    `\nICE: two processes, medians of ${sessions}, interleaved; ms after both hold the other's description`,
  )
  const load = round(loadavg()[0])
  const results = await betweenProcesses(sessions, only?.split('/')[1])
  const told = {}
  for (const [scenario, implementations] of Object.entries(results)) {
    told[scenario] = { load, implementations: {} }
    for (const [name, rows] of Object.entries(implementations))
      told[scenario].implementations[name] = summary(rows)
    printTable(
      [scenario, ...columns],
      Object.entries(told[scenario].implementations).map(([name, row]) => [name, ...cells(row)]),
    )
  }
  return told
}

async function virtual(sessions) {
  console.log('\nICE: floe on the simulated network, in virtual time')
  const results = await inVirtualTime(5 * sessions)
  const told = {}
  for (const [name, { roundTripMs, sessions: rows }] of Object.entries(results))
    told[name] = { roundTripMs, ...summary(rows) }
  printTable(
    ['', ...columns],
    Object.entries(told).map(([name, row]) => [name, ...cells(row)]),
  )
  return told
}

async function calls() {
  const told = await callsInVirtualTime()
  console.log(
    '\nWhole calls in virtual time, both behind port-restricted NATs: 200 OK to first media at both ends',
  )
  for (const [roundTripMs, ms] of Object.entries(told))
    console.log(`  ${roundTripMs} ms round trip: ${round(ms)} ms, ${round(ms / roundTripMs, 2)} round trips`)
  return told
}

async function loopback(sessions) {
  const cold = []
  const warm = []
  for (let i = 0; i < sessions; i++) {
    const program = await BenchProgram.start('ice-loopback.mjs', [])
    const [first, ...others] = await program.ask({ sessions: 21 })
    await program.stop()
    cold.push(first)
    warm.push(...others)
  }
  const told = { cold: summary(cold), warm: summary(warm) }
  console.log('\nICE: floe, both ends in one process on the loopback')
  printTable(
    ['', ...columns],
    [
      ['its first session', ...cells(told.cold)],
      ['its next twenty', ...cells(told.warm)],
    ],
  )
  return told
}

/** Longer than five hundred agents take. */
const loadPatienceMs = 20_000

const loadPrograms = {
  floe: {},
  werift: { needs: 'werift/node_modules/werift' },
}

async function load(agents, keepMs) {
  console.log(`\nICE: ${agents} agents in one process, each two connected over the loopback`)
  // Some do not use the loopback's addresses.
  if (process.env.FLOE_NAMESPACE === '1')
    execFileSync('sh', [
      '-euc',
      `ip link show load >/dev/null 2>&1 || ip link add load type veth peer name load-peer
       ip address replace 10.97.0.1/24 dev load; ip link set load up; ip link set load-peer up`,
    ])
  const rounds = { floe: [] }
  for (let round = 0; round < 3; round++)
    for (const [name, { needs = '' }] of Object.entries(loadPrograms)) {
      if (!existsSync(join(peersFolder, needs)) || !existsSync(node22)) {
        if (round === 0) console.log(`  ${name}: skipped, not installed (test/interop/install)`)
        continue
      }
      const running = await BenchProgram.start('ice-load.mjs', [name], undefined, {
        ...inNode22,
        execArgv: ['--expose-gc'],
      })
      const measured = await Promise.race([running.ask({ agents, keepMs }), wait(keepMs + loadPatienceMs)])
      rounds[name] ??= []
      if (measured) rounds[name].push(measured)
      else if (round === 0) console.log(`  ${name}: not all agents connected`)
      await running.stop()
    }
  const told = {}
  for (const [name, rows] of Object.entries(rounds)) {
    if (rows.length === 0) continue
    const of = (figure, digits) => round(median(rows.map((row) => row[figure])), digits)
    told[name] = {
      connectedMs: of('connectedMs', 0),
      cpuMsPerAgent: of('cpuMsPerAgent', 2),
      memoryKibPerAgent: of('memoryKibPerAgent', 0),
      keepingCpuPercent: of('keepingCpuPercent', 1),
    }
  }
  printTable(
    ['', 'all connected ms', 'CPU ms/agent', 'KiB/agent', 'CPU % of one core to keep them'],
    Object.entries(told).map(([name, row]) => [name, ...Object.values(row)]),
  )
  return { agents, implementations: told }
}

async function codec(rounds, measureMs) {
  console.log(
    '\nSTUN: connectivity checks a second on one core, written and read, with integrity and fingerprint',
  )
  const told = {}
  for (const name of ['floe', 'werift']) {
    if (!existsSync(node22) || (name === 'werift' && !existsSync(join(peersFolder, 'werift')))) {
      console.log(`  ${name}: skipped, not installed (test/interop/install)`)
      continue
    }
    const program = await BenchProgram.start('stun-codec.mjs', [name], undefined, inNode22)
    const { written, read } = await program.ask({ rounds, measureMs })
    await program.stop()
    told[name] = { written: Math.round(written), read: Math.round(read) }
  }
  printTable(
    ['', 'written/s', 'read/s'],
    Object.entries(told).map(([name, row]) => [name, ...Object.values(row)]),
  )
  return told
}

const profile = () =>
  withFolder(async (folder) => {
    const program = await BenchProgram.start('ice-loopback.mjs', [], folder)
    await program.ask({ sessions: 2_000 })
    await program.stop()
    printProfile('2,000 sessions on the loopback, both ends', folder)
  })
