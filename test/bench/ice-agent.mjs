// One ICE agent as a process on real UDP sockets, with every address of the machine, steered by lines as the agents of
// test/interop/ice are, so that one harness can measure floe beside other implementations:
//
//   ice-agent --controlling|--controlled [--stun IP:PORT]
//   stdin   start | desc UFRAG PWD | cand CANDIDATE | eoc
//   stdout  ready | desc UFRAG PWD | cand CANDIDATE | eoc | selected COMPONENT
import { createInterface } from 'node:readline'
import { IceAgent } from '../../dist/ice/agent.js'
import { candidateLine } from '../../dist/ice/candidate.js'
import { warmUpIce } from '../../dist/ice/warm-up.js'
import { formatAddress } from '../../dist/runtime/address.js'
import { CoreDriver } from '../../dist/runtime/core.js'
import { nodeRuntime } from '../../dist/runtime/node.js'
import { isStun } from '../../dist/stun/message.js'

const { clock, network, random } = nodeRuntime
const flags = process.argv.slice(2)
const stunFlag = flags.includes('--stun') ? flags[flags.indexOf('--stun') + 1] : undefined

const out = (line) => process.stdout.write(`${line}\n`)

const parseAddress = (text) => {
  const colon = text.lastIndexOf(':')
  return { address: text.slice(0, colon).replace(/[[\]]/g, ''), port: Number(text.slice(colon + 1)) }
}

const agent = new IceAgent({
  controlling: flags.includes('--controlling'),
  random,
  stunServers: stunFlag ? [parseAddress(stunFlag)] : [],
})
agent.addStream(1)
const sockets = new Map()
const transmit = ({ data, local, remote }) => sockets.get(formatAddress(local))?.send(data, remote)
const driver = new CoreDriver(agent, clock, transmit, ({ type }) => {
  if (type === 'selected') out('selected 1')
  else if (type === 'gathered') {
    out(`desc ${agent.parameters.ufrag} ${agent.parameters.pwd}`)
    for (const candidate of agent.localCandidates(0)) out(`cand candidate:${candidateLine(candidate)}`)
    out('eoc')
    apply('local')
  }
})

async function start() {
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
    socket.onDatagram = (data, remote) => {
      if (isStun(data))
        driver.drive((now) => agent.handleDatagram(now, { data, local: socket.local, remote }))
    }
  }
  driver.drive((now) => {
    for (const { local } of sockets.values()) agent.addSocket(now, { stream: 0, component: 1, base: local })
    agent.closeGathering(now)
  })
}

const remote = { ufrag: '', pwd: '', lite: false, options: [], candidates: [] }
const complete = new Set()

/** Checks start when both ends' candidates are complete. */
function apply(end) {
  complete.add(end)
  if (complete.size < 2) return
  driver.drive((now) => agent.setRemote(now, 0, remote))
}

function parseCandidate(line) {
  const [foundation, component, transport, priority, address, port, , type] = line
    .replace(/^candidate:/, '')
    .split(' ')
  return {
    foundation,
    component: Number(component),
    transport: transport.toLowerCase(),
    priority: Number(priority),
    address,
    port: Number(port),
    type,
  }
}

const lines = createInterface({ input: process.stdin })
lines.on('close', () => process.exit(0))
lines.on('line', (line) => {
  const [verb, first, second] = line.split(' ')
  if (verb === 'start') void start()
  else if (verb === 'desc') Object.assign(remote, { ufrag: first, pwd: second })
  else if (verb === 'cand') remote.candidates.push(parseCandidate(line.slice('cand '.length)))
  else if (verb === 'eoc') apply('remote')
})
warmUpIce(random)
out('ready')
