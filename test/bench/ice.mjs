// ICE: from "both ends hold the other's description" to the first pair that works and to the nominated one, and the STUN
// packets that were sent until then. Two agents as two processes in two network namespaces joined by a cable, beside aioice
// where it is installed; and on the simulated network, where a round trip takes exactly 50 ms.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { natKinds } from '../../dist/sim/nat.js'
import { simulate } from '../../dist/sim/simulate.js'
import { serveStun } from '../../dist/sim/stun-server.js'
import { median, printProfile, printTable } from './figures.mjs'
import { runSession } from './ice-session.mjs'
import { BenchProgram, installed, withFolder } from './processes.mjs'

const hops = { left: '10.98.0.1', right: '10.98.0.2' }
const oneWayMs = 25

export async function benchIce({ sessions = 21 }) {
  console.log(
    `\nICE: both descriptions known -> first valid pair, nominated at both ends; medians of ${sessions}`,
  )
  const rows = [
    ...(await betweenNamespaces(sessions)),
    ...(await onLoopback(sessions)),
    ...(await inVirtualTime(sessions)),
  ]
  printTable(['', 'first pair ms', 'nominated ms', 'STUN packets', 'nominated : floe'], rows)
  await withFolder(async (folder) => {
    const program = await BenchProgram.start('ice-loopback.mjs', [], folder)
    await program.ask({ sessions: 2_000 })
    await program.stop()
    printProfile('2,000 sessions on the loopback, both ends', folder)
  })
}

const row = (name, results, floe = results) => {
  const of = (figure, rows) => median(rows.map((result) => result[figure]))
  return [
    name,
    of('firstMs', results).toFixed(1),
    of('nominatedMs', results).toFixed(1),
    of('packets', results),
    `${(of('nominatedMs', results) / of('nominatedMs', floe)).toFixed(1)} x`,
  ]
}

// ---- two processes, two namespaces --------------------------------------------------------------------------------------

async function betweenNamespaces(sessions) {
  if (process.env.FLOE_NAMESPACE !== '1' || !installed('ip') || !installed('nft')) {
    console.log('  two processes: skipped, network namespaces, ip and nft are needed')
    return []
  }
  for (const side of Object.keys(hops)) inNamespace(side, 'create')
  const programs = { floe: [process.execPath, path('ice-agent.mjs')] }
  if (python()) programs.aioice = [python(), path('ice-aioice.py')]
  else console.log('  aioice: skipped, not installed (apt-get install python3-aioice)')
  const results = Object.fromEntries(Object.keys(programs).map((name) => [name, []]))
  for (let session = 0; session < sessions; session++)
    for (const [name, program] of Object.entries(programs)) results[name].push(await twoProcesses(program))
  return Object.entries(results).map(([name, rows]) =>
    row(`${name}, two processes, no delay`, rows, results.floe),
  )
}

const path = (file) => fileURLToPath(new URL(file, import.meta.url))

/** The Python that has aioice: that of the distribution before any other. */
function python() {
  return ['/usr/bin/python3', 'python3'].find((candidate) => {
    try {
      execFileSync(candidate, ['-c', 'import aioice'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
}

/** The namespaces left and right, a cable between them, and in each a count of the STUN packets that leave it. */
function inNamespace(side, what) {
  const scripts = {
    create: `ip netns add ${side}
      ${side === 'right' ? 'ip link add eth0 netns left type veth peer name eth0 netns right' : ''}
      ${side === 'right' ? Object.keys(hops).map(addressed).join('\n') : ''}`,
    // The magic cookie (RFC 8489 5), 4 bytes into the payload of a UDP datagram.
    reset: `ip netns exec ${side} nft reset counters >/dev/null`,
    count: `ip netns exec ${side} nft list counter ip bench stun`,
  }
  return execFileSync('sh', ['-euc', scripts[what]], { encoding: 'utf8', env: systemPath })
}

const systemPath = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }

const addressed = (side) => `ip netns exec ${side} sh -euc '
  ip address add ${hops[side]}/24 dev eth0
  ip link set eth0 up
  ip route add default dev eth0
  nft add table ip bench
  nft add counter ip bench stun
  nft "add chain ip bench output { type filter hook output priority 0; }"
  nft add rule ip bench output meta l4proto udp @th,96,32 0x2112a442 counter name stun'`

async function twoProcesses([command, ...args]) {
  const [a, b] = [
    new AgentProcess('left', command, [...args, '--controlling']),
    new AgentProcess('right', command, [...args, '--controlled']),
  ]
  await Promise.all([a.told('ready'), b.told('ready')])
  for (const side of Object.keys(hops)) inNamespace(side, 'reset')
  a.say('start')
  await a.told('eoc')
  b.say('start', ...a.description)
  await b.told('eoc')
  a.say(...b.description)
  await Promise.all([a.told('ev connected'), b.told('ev connected')])
  const packets = Object.keys(hops)
    .map((side) => Number(/packets (\d+)/.exec(inNamespace(side, 'count'))[1]))
    .reduce((sum, count) => sum + count)
  await Promise.all([a.stop(), b.stop()])
  const since = (at) => Number(at - a.at('remote')) / 1e6
  const later = a.at('connected') > b.at('connected') ? a : b
  return { firstMs: since(a.at('first')), nominatedMs: since(later.at('connected')), packets }
}

/** An agent that speaks the lines of ice-agent.mjs. */
class AgentProcess {
  constructor(side, command, args) {
    this.lines = []
    this.child = spawn('ip', ['netns', 'exec', side, command, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: systemPath,
    })
    this.ended = once(this.child, 'exit')
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.lines.push(line)
      this.onLine?.()
    })
  }

  say(...lines) {
    this.child.stdin.write(`${lines.join('\n')}\n`)
  }

  /** Waits for a line that begins so. */
  async told(start) {
    while (!this.lines.some((line) => line.startsWith(start)))
      await new Promise((resolve, reject) => {
        this.onLine = resolve
        setTimeout(() => reject(new Error(`an ICE agent did not say "${start}" within 20 s`)), 20_000).unref()
      })
  }

  get description() {
    return this.lines.filter((line) => /^(desc|cand|eoc)/.test(line))
  }

  /** When it told an event, in nanoseconds of the clock that both ends share. */
  at(event) {
    const line = this.lines.find((line) => line.startsWith(`ev ${event} `))
    return BigInt(line.split(' ')[2])
  }

  async stop() {
    this.say('quit')
    await this.ended
  }
}

// ---- one process --------------------------------------------------------------------------------------------------------

async function onLoopback(sessions) {
  const program = await BenchProgram.start('ice-loopback.mjs', [])
  const results = await program.ask({ sessions })
  await program.stop()
  return [
    row('floe, one process, loopback', results),
    row('the same, its first session (cold)', results.slice(0, 1)),
  ]
}

/** Simulated round trips cost no real time, so these figures are the algorithm's alone. */
async function inVirtualTime(sessions) {
  const rows = []
  for (const [name, lay] of Object.entries(networks)) {
    const results = []
    for (let seed = 1; seed <= sessions; seed++) {
      const world = simulate(seed)
      const { ends, stunServers } = await lay(world)
      results.push(await world.clock.run(runSession(ends, stunServers)))
    }
    rows.push(row(`floe, 50 ms round trip: ${name} (virtual time)`, results))
  }
  return rows
}

const networks = {
  'no NAT': (world) => ({
    ends: ['203.0.113.1', '203.0.113.2'].map((address, index) => ({
      runtime: world.host(`host ${index}`, world.internet.at(address, { latencyMs: oneWayMs / 2 })),
      addresses: [address],
    })),
  }),
  'both behind port-restricted NATs': async (world) => {
    const server = { address: '203.0.113.9', port: 3478 }
    await serveStun(world.host('server', world.internet.at(server.address)), server)
    const ends = ['203.0.113.1', '203.0.113.2'].map((address, index) => {
      const inside = `192.168.${index}.2`
      const home = world.nat(`home ${index}`, address, natKinds.portRestricted, {
        link: { latencyMs: oneWayMs / 2 },
      })
      return { runtime: world.host(`host ${index}`, home.inside.at(inside)), addresses: [inside] }
    })
    return { ends, stunServers: [server] }
  },
  '10 addresses a side, one pair works': (world) => {
    // The seed says which address of each side leads anywhere.
    const working = [0, 1].map(() => world.random.integer(10))
    const ends = [0, 1].map((side) => {
      const addresses = Array.from({ length: 10 }, (_, index) => `203.0.${113 + side}.${index + 1}`)
      const interfaces = addresses.map((address, index) =>
        world.internet.at(address, { latencyMs: oneWayMs / 2, loss: index === working[side] ? 0 : 1 }),
      )
      return { runtime: world.host(`host ${side}`, ...interfaces), addresses }
    })
    return { ends }
  },
}
