// ICE on the simulated network in virtual time: what the algorithm alone takes, without machine and kernel; and whole calls
// there, from the answer to the first media.
import { readFileSync } from 'node:fs'
import { Phone } from '../../dist/phone/phone.js'
import { startServer } from '../../dist/serve/server.js'
import { natKinds } from '../../dist/sim/nat.js'
import { simulate } from '../../dist/sim/simulate.js'
import { serveStun } from '../../dist/sim/stun-server.js'
import { runSession } from './ice-session.mjs'

const server = { address: '203.0.113.9', port: 3478 }
const outside = ['203.0.113.1', '203.0.113.2']
const inside = ['192.168.0.2', '192.168.1.2']

/** Both ends straight on the internet, half of the way each. */
const direct =
  (roundTripMs, lostOneWay = 0) =>
  (world) => ({
    ends: outside.map((address, side) => {
      const link = { latencyMs: roundTripMs / 4, loss: lostOneWay / 2 }
      return { runtime: world.host(`host ${side}`, world.internet.at(address, link)), addresses: [address] }
    }),
  })

const home = (world, side, roundTripMs) =>
  world.nat(`home ${side}`, outside[side], natKinds.portRestricted, {
    link: { latencyMs: roundTripMs / 4 },
  })

const behindNats = (roundTripMs) => async (world) => {
  await serveStun(world.host('server', world.internet.at(server.address)), server)
  const ends = inside.map((address, side) => {
    const { inside: realm } = home(world, side, roundTripMs)
    return { runtime: world.host(`host ${side}`, realm.at(address)), addresses: [address] }
  })
  return { ends, stunServers: [server] }
}

/** Of a side's addresses one leads anywhere; the seed says which. */
const manyAddresses = (count, roundTripMs) => (world) => {
  const ends = [0, 1].map((side) => {
    const working = world.random.integer(count)
    const addresses = Array.from({ length: count }, (_, index) => `203.0.${113 + side}.${index + 1}`)
    const interfaces = addresses.map((address, index) =>
      world.internet.at(address, { latencyMs: roundTripMs / 4, loss: index === working ? 0 : 1 }),
    )
    return { runtime: world.host(`host ${side}`, ...interfaces), addresses }
  })
  return { ends }
}

const networks = {
  direct: [50, direct(50)],
  'direct, 200 ms': [200, direct(200)],
  'both behind port-restricted NATs': [50, behindNats(50)],
  'both behind port-restricted NATs, 200 ms': [200, behindNats(200)],
  '10 addresses a side, one pair works, nothing tells which': [50, manyAddresses(10, 50)],
  '20 addresses a side, one pair works, nothing tells which': [50, manyAddresses(20, 50)],
  '5 % lost': [50, direct(50, 0.05)],
  '10 % lost': [50, direct(50, 0.1)],
}

/** { network: { roundTripMs, sessions: [{ firstMs, nominatedMs, packets }] } } */
export async function inVirtualTime(sessions) {
  const results = {}
  for (const [name, [roundTripMs, lay]] of Object.entries(networks)) {
    results[name] = { roundTripMs, sessions: [] }
    for (let seed = 1; seed <= sessions; seed++) {
      const world = simulate(seed)
      const { ends, stunServers } = await lay(world)
      results[name].sessions.push(await world.clock.run(runSession(ends, stunServers)))
    }
  }
  return results
}

/** { roundTripMs: ms from the 200 OK to the first RTP packet, the later of the two ends }; both behind port-restricted NATs. */
export async function callsInVirtualTime() {
  const results = {}
  for (const roundTripMs of [50, 200]) {
    const world = simulate(1)
    const restore = world.installGlobals()
    try {
      results[roundTripMs] = await world.clock.run(callBetween(world, roundTripMs))
    } finally {
      restore()
    }
  }
  return results
}

async function callBetween(world, roundTripMs) {
  const [signalling] = [{ protocol: 'udp', address: server.address, port: 5060 }]
  const running = await startServer({
    runtime: world.host('server', world.internet.at(server.address)),
    listen: [signalling],
    stun: server,
    users: { alice: 'one', bob: 'two' },
  })
  const phones = []
  for (const [side, [user, password]] of [
    ['alice', 'one'],
    ['bob', 'two'],
  ].entries()) {
    const host = world.host(user, home(world, side, roundTripMs).inside.at(inside[side]))
    host.files.put('hello.wav', readFileSync(new URL('../../media/hello-8k.wav', import.meta.url)))
    const account = `sip:${user}@${server.address}`
    phones.push(
      await Phone.start({ runtime: host, account, password, iceServers: [`stun:${server.address}`] }),
    )
  }
  const [alice, bob] = phones
  const ringing = bob.nextCall()
  const call = await alice.call('bob', { play: 'hello.wav' })
  const answered = await ringing
  await answered.answer({ play: 'hello.wav' })
  await Promise.all([call.played, answered.played])
  const afterAnswer = [call, answered].map((end) => {
    const { answered: from, firstRtpReceived } = end.report().timings
    return firstRtpReceived - from
  })
  await call.hangUp()
  for (const phone of phones) await phone.stop()
  running.stop()
  return Math.max(...afterAnswer)
}
