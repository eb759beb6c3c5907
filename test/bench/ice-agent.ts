// One ICE agent as a process, on real UDP sockets, steered by lines on stdin and telling its times on stdout, so that
// floe can be measured beside other implementations by one harness:
//
//   ice-agent --controlling|--controlled [--stun IP:PORT]
//   stdin   start | desc UFRAG PWD | cand CANDIDATE | eoc | echo | ping N SIZE | count | quit
//   stdout  ready | desc UFRAG PWD | cand CANDIDATE | eoc | ev NAME CLOCK_MONOTONIC_NS [TEXT]
//           events: created, gathered, remote (the peer's description is applied), first (first valid pair), selected, connected
//
// Node 20 does not run TypeScript: npx rolldown test/bench/ice-agent.ts --platform node --file build/ice-agent.mjs
import { createInterface } from 'node:readline'
import { IceAgent, type IceEvent } from '../../src/ice/agent.ts'
import type { Candidate, CandidateType, RemoteIce } from '../../src/ice/candidate.ts'
import { candidateLine } from '../../src/ice/candidate.ts'
import { warmUpIce } from '../../src/ice/warm-up.ts'
import { formatAddress, type TransportAddress } from '../../src/runtime/address.ts'
import { CoreDriver } from '../../src/runtime/core.ts'
import { nodeRuntime } from '../../src/runtime/node.ts'
import type { UdpSocket } from '../../src/runtime/runtime.ts'
import { isStun } from '../../src/stun/message.ts'

const { clock, network, random } = nodeRuntime
const flags = process.argv.slice(2)
const stunFlag = flags.includes('--stun') ? flags[flags.indexOf('--stun') + 1] : undefined

const out = (line: string) => process.stdout.write(`${line}\n`)
const tell = (name: string, text = '') => out(`ev ${name} ${process.hrtime.bigint()}${text && ` ${text}`}`)

const agent = new IceAgent({
  controlling: flags.includes('--controlling'),
  random,
  stunServers: stunFlag ? [parseAddress(stunFlag)] : [],
})
agent.addStream(1)
const sockets = new Map<string, UdpSocket>()
const driver = new CoreDriver<IceEvent>(
  agent,
  clock,
  ({ data, local, remote }) => sockets.get(formatAddress(local))?.send(data, remote),
  onEvent,
)
const remote: RemoteIce = { ufrag: '', pwd: '', lite: false, options: [], candidates: [] }
let echoing = false
let received = 0
let onPacket: ((packet: Uint8Array) => void) | undefined

function onEvent(event: IceEvent): void {
  if (event.type === 'gathered') {
    tell('gathered')
    out(`desc ${agent.parameters.ufrag} ${agent.parameters.pwd}`)
    for (const candidate of agent.localCandidates(0)) out(`cand candidate:${candidateLine(candidate)}`)
    out('eoc')
    remoteComplete()
  } else if (event.type === 'valid') {
    tell('first')
  } else if (event.type === 'selected') {
    tell('selected')
    tell('connected')
  }
}

async function start(): Promise<void> {
  tell('created')
  // The address that the default route uses comes first, as it does in a phone.
  const preferred = await network.sourceAddressFor({ address: '192.0.2.1', port: 9 })
  const addresses = network
    .interfaces()
    .filter(({ address, loopback }) => !loopback && !/^fe[89ab]/i.test(address))
    .map(({ address }) => address)
    .sort((a, b) => Number(b === preferred) - Number(a === preferred))
  for (const address of addresses) {
    const socket = await network.openUdp({ address, port: 0 })
    sockets.set(formatAddress(socket.local), socket)
    socket.onDatagram = (data, from) => {
      if (isStun(data))
        driver.drive((now) => agent.handleDatagram(now, { data, local: socket.local, remote: from }))
      else onData(data)
    }
  }
  driver.drive((now) => {
    for (const { local } of sockets.values()) agent.addSocket(now, { stream: 0, component: 1, base: local })
    agent.closeGathering(now)
  })
}

let localDone = false
let remoteDone = false
function remoteComplete(which: 'local' | 'remote' = 'local'): void {
  if (which === 'local') localDone = true
  else remoteDone = true
  if (!localDone || !remoteDone) return
  tell('remote')
  driver.drive((now) => agent.setRemote(now, 0, remote))
}

function send(packet: Uint8Array): void {
  const path = agent.sendPair(0, 1)
  if (path) sockets.get(formatAddress(path.local.base))?.send(packet, path.remote)
}

function onData(packet: Uint8Array): void {
  received++
  if (echoing) send(packet)
  else onPacket?.(packet)
}

async function ping(count: number, sizeBytes: number): Promise<void> {
  const tripsUs: number[] = []
  const packet = new Uint8Array(Math.max(8, sizeBytes)).fill(0x80)
  for (let i = 0; i < count; i++) {
    const sentAt = process.hrtime.bigint()
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(1_000, resolve)
      onPacket = () => {
        timer.cancel()
        tripsUs.push(Number(process.hrtime.bigint() - sentAt) / 1e3)
        resolve()
      }
      send(packet)
    })
  }
  onPacket = undefined
  tripsUs.sort((a, b) => a - b)
  const quantile = (q: number) => tripsUs[Math.floor(q * (tripsUs.length - 1))]
  tell(
    'ping',
    JSON.stringify({
      n: count,
      size: sizeBytes,
      lost: count - tripsUs.length,
      p50_us: quantile(0.5),
      p95_us: quantile(0.95),
    }),
  )
}

function parseAddress(text: string): TransportAddress {
  const colon = text.lastIndexOf(':')
  return { address: text.slice(0, colon).replace(/[[\]]/g, ''), port: Number(text.slice(colon + 1)) }
}

function parseCandidate(line: string): Candidate {
  const [foundation, component, transport, priority, address, port, , type] = line
    .replace(/^candidate:/, '')
    .split(' ')
  return {
    foundation: foundation!,
    component: Number(component),
    transport: transport!.toLowerCase(),
    priority: Number(priority),
    address: address!,
    port: Number(port),
    type: type as CandidateType,
  }
}

function finish(): void {
  driver.stop()
  for (const socket of sockets.values()) socket.close()
  process.exit(0)
}

const lines = createInterface({ input: process.stdin })
lines.on('close', finish)
lines.on('line', (line) => {
  const [verb, first, second] = line.split(' ')
  if (verb === 'start') void start()
  else if (verb === 'desc') Object.assign(remote, { ufrag: first, pwd: second })
  else if (verb === 'cand') remote.candidates.push(parseCandidate(line.slice('cand '.length)))
  else if (verb === 'eoc') remoteComplete('remote')
  else if (verb === 'echo') echoing = true
  else if (verb === 'ping') void ping(Number(first), Number(second))
  else if (verb === 'count') tell('count', JSON.stringify({ got: received }))
  else if (verb === 'quit') finish()
})
warmUpIce(random)
out('ready')
