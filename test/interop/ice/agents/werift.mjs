// werift's ICE agent, which speaks the lines of ../agent.ts: full or lite, trickle, restart, one component, UDP alone.
// Needs Node 22. `install` puts werift beside the other peers.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { hex, options, serve, stunServer, tell } from './lines.mjs'

const werift = join(process.env.FLOE_PEERS, 'werift/node_modules/werift/lib/ice/src/index.js')
const { Candidate, Connection } = (await import(pathToFileURL(werift))).default

const connection = new Connection(options.controlling, {
  iceLite: options.lite,
  useIpv6: false,
  useTcp: false,
  ...(stunServer && { stunServer: [stunServer.address, stunServer.port] }),
})
// Else it asks a server of the internet.
if (!stunServer) connection.stunServer = undefined
const text = ([address, port]) => `${address}:${port}`

connection.onIceCandidate.subscribe((candidate) => {
  if (candidate && options.trickle) tell('cand', `candidate:${candidate.toSdp()}`)
})
connection.onData.subscribe((data) => tell('data', 1, hex(data)))

const tellDescription = () => tell('desc', connection.localUsername, connection.localPassword)

async function gather() {
  if (options.trickle) tellDescription()
  await connection.gatherCandidates()
  if (!options.trickle) {
    tellDescription()
    for (const candidate of connection.localCandidates) tell('cand', `candidate:${candidate.toSdp()}`)
  }
  tell('eoc')
}

function connect() {
  connection.connect().then(
    () => {
      const { localCandidate, remoteAddr } = connection.nominated
      tell('selected', 1, text([localCandidate.host, localCandidate.port]), text(remoteAddr))
    },
    (error) => tell('failed', error.message),
  )
}

serve({
  start: gather,
  async restart() {
    await connection.restart()
    await gather()
  },
  desc(usernameFragment, password) {
    connection.setRemoteParams({ iceLite: options.remoteLite, usernameFragment, password })
    if (options.trickle) connect()
  },
  cand: (...words) =>
    connection.addRemoteCandidate(Candidate.fromSdp(words.join(' ').replace(/^candidate:/, ''))),
  async eoc() {
    await connection.addRemoteCandidate(undefined)
    if (!options.trickle) connect()
  },
  send: (_, data) => connection.send(Buffer.from(data, 'hex')),
})
