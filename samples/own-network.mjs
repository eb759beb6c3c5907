// A network of your own in the simulator: a home and a hotel whose NATs cannot meet, a TURN server, two phones that call each
// other through it. All in virtual time, and the same way every time.
//   node samples/own-network.mjs
import { formatReport, Phone, startServer } from 'floe'
import { natKinds, pathBetween, serveTurn, simulate } from 'floe/sim'

const PBX = '203.0.113.10'
const TURN = '203.0.113.11'
const world = simulate(7)
const home = world.nat('home', '203.0.113.101', natKinds.portRestricted)
const hotel = world.nat('hotel', '203.0.113.102', { ...natKinds.symmetric, udpLifetimeMs: 30_000 })
const alice = world.host('alice', home.inside.at('192.168.1.2', { latencyMs: 15, jitterMs: 5 }))
const bob = world.host('bob', hotel.inside.at('10.0.0.7', { latencyMs: 40, jitterMs: 20, loss: 0.01 }))
const pbx = world.host('pbx', world.internet.at(PBX))
const relay = world.host('relay', world.internet.at(TURN))

const turnServers = [{ address: { address: TURN, port: 3478 }, transport: 'udp' }]
const stunServers = [turnServers[0].address] // a TURN server answers STUN as well
const [a, b] = [alice, bob].map((host) => ({ host, stunServers }))
const alone = pathBetween(world, a, b)
const helped = pathBetween(world, { ...a, turnServers }, b)
console.log(`the oracle: ${alone} by themselves, ${helped} with a TURN server`)

const restore = world.installGlobals()
const report = await world.clock.run(call())
restore()
console.log(formatReport(report))
process.exitCode = report.verdict.ok ? 0 : 1

async function call() {
  const listen = [{ protocol: 'udp', address: PBX, port: 5060 }]
  const server = await startServer({ runtime: pbx, listen, users: { alice: 'one', bob: 'two' } })
  const turn = await serveTurn(relay, {
    users: { floe: 'secret' },
    listen: [{ protocol: 'udp', address: TURN, port: 3478 }],
  })
  const iceServers = [`turn:floe:secret@${TURN}`]
  const first = await Phone.start({
    runtime: alice,
    account: `sip:alice@${PBX}`,
    password: 'one',
    iceServers,
  })
  const second = await Phone.start({ runtime: bob, account: `sip:bob@${PBX}`, password: 'two', iceServers })
  second.onCall = (incoming) => incoming.answer({ play: 'tone:440' })
  const outgoing = await first.call('bob', { play: 'tone:1000' })
  await outgoing.waitToHear('tone:440', 10_000)
  const told = await outgoing.hangUp()
  await Promise.all([first.stop(), second.stop()])
  server.stop()
  turn.stop()
  return told
}
