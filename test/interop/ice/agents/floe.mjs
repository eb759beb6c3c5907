// floe's end: the media path of a call, as the built product has it, on the sockets of this machine. Speaks the lines of
// ../agent.ts. Leaves out SIP and the session description; names of candidates are looked up as a call does it.
import { isMulticastName, resolveMulticastName } from '../../../../dist/phone/mdns.js'
import { mediaAddresses } from '../../../../dist/phone/media-addresses.js'
import { MediaPath } from '../../../../dist/phone/media-path.js'
import { formatAddress } from '../../../../dist/runtime/address.js'
import { nodeRuntime } from '../../../../dist/runtime/node.js'
import { readCandidates, writeCandidate } from '../../../../dist/sdp/candidate-line.js'
import { hex, options, serve, stunServer, tell } from './lines.mjs'

const { clock, network, random } = nodeRuntime
/** Longer than a STUN server of the tests takes. */
const gatherLimitMs = 2_000

/** What media uses, and what takes its place after a restart as soon as it works. */
let current
let next
let remote

async function open() {
  const preferred = await network.sourceAddressFor({ address: '192.0.2.1', port: 9 })
  const path = await MediaPath.open({
    clock,
    network,
    random,
    addresses: mediaAddresses(network.interfaces(), preferred),
    components: options.components,
    connections: {},
    ice: {
      stunServers: stunServer ? [stunServer] : [],
      turnServers: [],
      relayOnly: false,
      lite: options.lite,
      tcp: false,
    },
    record: (fact) => {
      if (fact.layer === 'ice' && fact.type === 'role-conflict') tell('role', fact.now)
      if (fact.layer === 'ice' && fact.type === 'selected')
        queueMicrotask(() => tellPair(path, fact.component))
      if (fact.layer === 'ice' && fact.type === 'state' && fact.state === 'failed')
        tell('failed', fact.reason)
    },
  })
  path.onChange = () => {
    if (path !== next || !path.isUsable) return
    current?.close()
    current = path
    next = undefined
  }
  path.onRtp = (packet) => tell('data', 1, hex(packet))
  path.onRtcp = (packet) => tell('data', 2, hex(packet))
  tellWhatIsNoMedia(path)
  next = path
  remote = undefined
  if (!options.trickle) await path.gather(gatherLimitMs)
  const { agent } = path
  // What is otherwise settled with the peer's description counts for checks that come before it, too.
  agent.setControlling(clock.now(), options.controlling)
  tell('desc', agent.parameters.ufrag, agent.parameters.pwd)
  const tellCandidate = (candidate) =>
    candidate ? tell('cand', `candidate:${writeCandidate(candidate)}`) : tell('eoc')
  for (const candidate of agent.localCandidates(0)) tellCandidate(candidate)
  if (path.isGathered || !options.trickle) tell('eoc')
  else path.onCandidate = tellCandidate
}

function tellPair({ agent }, component) {
  const pair = agent.selectedPair(0, component)
  if (pair) tell('selected', component, formatAddress(pair.local), formatAddress(pair.remote))
}

/** RFC 7983: 20 to 63 is DTLS, which floe does not speak; peers that do are to be heard here. */
function tellWhatIsNoMedia({ wires }) {
  const { onDatagram } = wires
  wires.onDatagram = (datagram) => {
    const [first] = datagram.data
    if (first >= 20 && first < 64) tell('data', 1, hex(datagram.data))
    else onDatagram(datagram)
  }
}

const useRemote = () =>
  next.useIce(remote, { rtcpMux: options.components === 1, controlling: options.controlling })

function addCandidate(line) {
  const candidates = readCandidates([`a=${line}`], [])
  if (!options.trickle) remote.candidates.push(...candidates)
  else (next ?? current).addRemoteCandidates(candidates, false)
  for (const candidate of candidates.filter(({ address }) => isMulticastName(address)))
    resolveMulticastName(candidate.address, nodeRuntime).then((address) => {
      if (address) (next ?? current).addRemoteCandidates([{ ...candidate, address }], false)
    })
}

serve({
  start: open,
  restart: open,
  desc(ufrag, pwd) {
    const ice = options.trickle ? ['ice2', 'trickle'] : ['ice2']
    remote = { ufrag, pwd, lite: options.remoteLite, options: ice, candidates: [] }
    if (options.trickle) useRemote()
  },
  cand: (...words) => addCandidate(words.join(' ')),
  eoc() {
    if (options.trickle) (next ?? current).addRemoteCandidates([], true)
    else useRemote()
  },
  send(component, data) {
    const packet = Buffer.from(data, 'hex')
    if (component === '2') current.sendRtcp(packet)
    else current.sendRtp(packet)
  },
})
