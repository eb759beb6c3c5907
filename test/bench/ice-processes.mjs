// Two ICE agents as two processes in two network namespaces, floe's or another's, joined by a link in user space that delays,
// loses and drops packets (ice-link.py) and tells when which STUN message went over it: so all are measured by the same clock, on the
// wire, from the moment when the controlling end is handed the other's description. The other implementations are those
// that `npm run interop` installs, steered by the same lines.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { installed, wait } from './processes.mjs'

const path = (file) => fileURLToPath(new URL(file, import.meta.url))
const peersFolder = process.env.FLOE_PEERS ?? path('../../.peers')
const agents = path('../interop/ice/agents')
const systemPath = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, FLOE_PEERS: peersFolder }
const node22 = join(peersFolder, 'node-22/node_modules/node/bin/node')
const python = '/usr/bin/python3'
const stunServer = '10.3.0.1'
/** Longer than any of them takes; who has not connected then does not. */
const giveUpMs = 8_000
/** Who never connected in so many sessions is not asked again. */
const enoughFailures = 3

const canImport = (module) => {
  try {
    execFileSync(python, ['-c', `import ${module}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
const inPeers = (...names) => join(peersFolder, ...names)

/** How each is started, and what must be there for that. */
const implementations = {
  floe: { command: [process.execPath, path('ice-agent.mjs')], files: [] },
  pion: { command: [inPeers('ice/pion')] },
  libnice: { command: [inPeers('ice/libnice')] },
  'libnice, aggressive': { command: [inPeers('ice/libnice'), '--aggressive'] },
  aioice: { command: [python, join(agents, 'aioice-peer.py')], needs: () => canImport('aioice') },
  werift: {
    command: [node22, join(agents, 'werift.mjs')],
    files: [inPeers('werift/node_modules/werift')],
  },
}

const isThere = ({ command, files = [], needs = () => true }) =>
  [...command.filter((word) => word.startsWith('/')), ...files].every((file) => existsSync(file)) && needs()

/** What lies between the two ends; `routed`: the default route of each end names the address that works. */
const scenarios = {
  'no delay': { link: {} },
  '50 ms': { link: { delayMs: 25 } },
  '200 ms': { link: { delayMs: 100 } },
  'port-restricted NATs, 50 ms': { nat: true, link: { delayMs: 25 } },
  '10 addresses, routes tell': { addresses: 10, routed: true, link: {} },
  '10 addresses, routes tell, 50 ms': { addresses: 10, routed: true, link: { delayMs: 25 } },
  '10 addresses, nothing tells': { addresses: 10, link: {} },
  '10 addresses, nothing tells, 50 ms': { addresses: 10, link: { delayMs: 25 } },
  '20 addresses, nothing tells, 50 ms': { addresses: 20, link: { delayMs: 25 } },
  '5 % lost, 50 ms': { link: { delayMs: 25, loss: 0.05 } },
  '10 % lost, 50 ms': { link: { delayMs: 25, loss: 0.1 } },
}

/** { scenario: { implementation: [{ firstMs, nominatedMs, packets } or null where it did not connect] } } */
export async function betweenProcesses(sessions, only = '') {
  if (process.env.FLOE_NAMESPACE !== '1' || !installed('ip') || !installed('nft')) {
    console.log('  two processes: skipped, network namespaces, ip and nft are needed')
    return {}
  }
  const chosen = Object.entries(implementations).filter(([name, implementation]) => {
    const there = isThere(implementation)
    if (!there) console.log(`  ${name}: skipped, not installed (test/interop/install)`)
    return there
  })
  const results = {}
  for (const [scenario, options] of Object.entries(scenarios)) {
    if (!new RegExp(only).test(scenario)) continue
    if (options.nat && !installed('turnserver')) {
      console.log(`  ${scenario}: skipped, coturn is not installed`)
      continue
    }
    const rows = Object.fromEntries(chosen.map(([name]) => [name, []]))
    const network = await Network.build(options)
    for (let session = 0; session < sessions; session++)
      for (const [name, { command }] of chosen) {
        const hopeless = rows[name].length >= enoughFailures && !rows[name].some(Boolean)
        if (!hopeless) rows[name].push(await network.session(command, options, session))
      }
    await network.end()
    results[scenario] = rows
  }
  return results
}

const shell = (script) => execFileSync('sh', ['-euc', script], { encoding: 'utf8', env: systemPath })

class Network {
  static async build({ addresses = 1, nat = false }) {
    const network = new Network()
    network.link = new Lines(spawn(python, [path('ice-link.py')], { stdio: ['pipe', 'pipe', 'inherit'] }))
    await network.link.told('ready')
    network.namespaces = ['left', 'right', 'server', ...(nat ? ['left-home', 'right-home'] : [])]
    shell(network.namespaces.map((name) => `ip netns add ${name}; ip -n ${name} link set lo up`).join('\n'))
    ;['left', 'right'].forEach((side, index) => {
      const end = nat ? `${side}-home` : side
      const own = Array.from({ length: addresses }, (_, k) => `10.${index + 1}.${k}.1`)
      shell(attached(side, end, own))
      if (nat) shell(home(side, index))
    })
    shell(attached('server', 'server', [stunServer]))
    if (nat) {
      // coturn, because libnice asks in the way of RFC 3489, which floe's own server does not answer.
      const flags = ['--no-tls', '--no-dtls', '--no-cli', '--log-file=stdout', '--pidfile=/dev/null']
      const command = ['turnserver', '-n', '--stun-only', `--listening-ip=${stunServer}`, ...flags]
      const words = ['netns', 'exec', 'server', ...command]
      network.stun = new Lines(spawn('ip', words, { stdio: ['pipe', 'pipe', 'ignore'], env: systemPath }))
      await wait(500)
    }
    return network
  }

  async session(command, { addresses = 1, nat = false, routed = false, link }, session) {
    // Each address of a side works as often as any other, and each in another company.
    const only = addresses > 1 && [
      `10.1.${(session * 7 + 3) % addresses}.1`,
      `10.2.${(session * 3 + 8) % addresses}.1`,
    ]
    if (routed)
      ['left', 'right'].forEach((side, index) => {
        shell(`ip -n ${side} route replace default dev eth0 src ${only[index]}`)
      })
    await this.link.ask(`set ${JSON.stringify({ ...link, seed: session + 1, ...(only && { only }) })}`, 'set')
    const start = (side, role) => {
      const words = [
        'netns',
        'exec',
        side,
        ...command,
        role,
        ...(nat ? ['--stun', `${stunServer}:3478`] : []),
      ]
      return new Lines(spawn('ip', words, { stdio: ['pipe', 'pipe', 'ignore'], env: systemPath }))
    }
    const [a, b] = [start('left', '--controlling'), start('right', '--controlled')]
    try {
      await Promise.all([a.told('ready'), b.told('ready')])
      a.say('start')
      await a.told('eoc')
      b.say('start', ...a.description)
      await b.told('eoc')
      const startNs = Number(process.hrtime.bigint())
      a.say(...b.description)
      // What they tell of it themselves comes at different moments, and with some never.
      for (const deadline = Date.now() + giveUpMs; Date.now() < deadline; await wait(50)) {
        const measured = measure(JSON.parse(await this.link.ask('report', '[')), startNs)
        if (Number.isFinite(measured.nominatedMs)) return measured
      }
      return null
    } catch {
      return null
    } finally {
      await Promise.all([a.stop(), b.stop()])
    }
  }

  async end() {
    await Promise.all([this.link.stop(), this.stun?.stop()])
    shell(this.namespaces.map((name) => `ip netns del ${name}`).join('\n'))
  }
}

/** The TUN device of a side, in a namespace, with its addresses. */
const attached = (device, namespace, addresses) => `
  ip link set ${device} netns ${namespace}
  ip -n ${namespace} link set ${device} name eth0 mtu 1400 up
  ${addresses.map((address) => `ip -n ${namespace} address add ${address}/24 dev eth0`).join('\n')}
  ip -n ${namespace} route add default dev eth0`

/** A host behind a router that translates and lets in only who was sent to. */
const home = (side, index) => `
  ip link add eth0 netns ${side} type veth peer name lan netns ${side}-home
  ip -n ${side} address add 192.168.${index}.2/24 dev eth0
  ip -n ${side}-home address add 192.168.${index}.1/24 dev lan
  ip -n ${side} link set eth0 up
  ip -n ${side}-home link set lan up
  ip -n ${side} route add default via 192.168.${index}.1
  ip netns exec ${side}-home sysctl -qw net.ipv4.ip_forward=1
  ip netns exec ${side}-home nft '
    table ip home {
      chain out { type nat hook postrouting priority 100; oifname eth0 masquerade; }
      chain in { type filter hook input priority 0; iifname eth0 meta l4proto udp drop; }
      chain through { type filter hook forward priority 0;
        iifname eth0 ct state new drop; oifname eth0 ip daddr 192.168.0.0/16 drop; }
    }'`

const requestType = '0001'
const successType = '0101'
const useCandidate = 0x25

/** What the link saw: the first answered check of the controlling end; when both ends have a nominated pair that works;
 *  and how many messages both have sent until then. */
function measure(entries, startNs) {
  const messages = entries.map(([side, readNs, deliveredNs, header, types, from, to]) => ({
    side,
    readNs,
    deliveredNs,
    type: header.slice(0, 4),
    id: header.slice(16),
    nominates: types.includes(useCandidate),
    from,
    to,
  }))
  const requests = new Map(messages.filter((m) => m.type === requestType).map((m) => [m.id, m]))
  /** Answered requests of a side: the request, and when its answer arrived. */
  const answered = (side) =>
    messages
      .filter((m) => m.type === successType && m.side !== side && m.deliveredNs !== null)
      .map((m) => ({ request: requests.get(m.id), atNs: m.deliveredNs }))
      .filter(({ request }) => request?.side === side)
  const earliest = (all) => Math.min(...all.map(({ atNs }) => atNs))
  const left = answered(0)
  const right = answered(1)
  const nominatedLeft = earliest(left.filter(({ request }) => request.nominates))
  const nominatedRight = earliest(
    messages
      .filter((m) => m.side === 0 && m.type === requestType && m.nominates && m.deliveredNs !== null)
      .flatMap((m) => {
        const own = right.filter(({ request }) => request.from === m.to && request.to === m.from)
        return own.map(({ atNs }) => ({ atNs: Math.max(atNs, m.deliveredNs) }))
      }),
  )
  const nominatedNs = Math.max(nominatedLeft, nominatedRight)
  const sinceStart = (ns) => (ns - startNs) / 1e6
  return {
    firstMs: sinceStart(earliest(left)),
    nominatedMs: sinceStart(nominatedNs),
    packets: messages.filter(({ readNs }) => readNs <= nominatedNs).length,
  }
}

/** A process that is spoken to in lines. */
class Lines {
  constructor(child) {
    this.lines = []
    this.child = child
    this.ended = once(child, 'exit')
    void this.ended.then(() => this.onLine?.())
    child.stdin.on('error', () => undefined)
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.lines.push(line)
      this.onLine?.()
    })
  }

  say(...lines) {
    this.child.stdin.write(`${lines.join('\n')}\n`)
  }

  /** Waits for a line that begins so. */
  async told(start) {
    const deadline = Date.now() + giveUpMs
    for (;;) {
      const line = this.lines.find((line) => line.startsWith(start))
      if (line !== undefined) return line
      const leftMs = deadline - Date.now()
      if (leftMs <= 0 || this.child.exitCode !== null) throw new Error(`nobody said "${start}"`)
      await new Promise((resolve) => {
        this.onLine = resolve
        setTimeout(resolve, leftMs).unref()
      })
    }
  }

  /** Says something that is answered by one line. */
  async ask(question, answer) {
    this.lines = []
    this.say(question)
    return await this.told(answer)
  }

  get description() {
    return this.lines.filter((line) => /^(desc|cand|eoc)/.test(line))
  }

  /** It ends by itself when nobody can speak to it any more. */
  async stop() {
    this.child.stdin.end()
    const force = setTimeout(() => this.child.kill('SIGKILL'), 2_000)
    await this.ended
    clearTimeout(force)
  }
}
