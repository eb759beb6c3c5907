// One ICE session between two of floe's agents on any two runtimes, real or simulated: how long after both hold the other's
// description the first pair works and the nominated one is known at both ends, and how many STUN packets that takes.
import { IceAgent } from '../../dist/ice/agent.js'
import { formatAddress } from '../../dist/runtime/address.js'
import { CoreDriver } from '../../dist/runtime/core.js'

/** @param ends two of { runtime, addresses }, the controlling one first */
export async function runSession(ends, stunServers = []) {
  const session = await openSession(ends, stunServers)
  const result = await session.connect()
  session.close()
  return result
}

/** Both ends with all their candidates. */
export async function openSession(ends, stunServers = []) {
  const counter = { packets: 0 }
  const [a, b] = await Promise.all(ends.map((end, index) => openEnd(end, index === 0, stunServers, counter)))
  await Promise.all([a.gathered, b.gathered])
  const { clock } = ends[0].runtime
  return {
    async connect() {
      const start = clock.now()
      counter.packets = 0
      setRemote(a, b)
      setRemote(b, a)
      await Promise.all([a.selected, b.selected])
      return { firstMs: a.firstAt - start, nominatedMs: clock.now() - start, packets: counter.packets }
    },
    close() {
      for (const { driver, sockets } of [a, b]) {
        driver.stop()
        for (const socket of sockets) socket.close()
      }
    },
  }
}

async function openEnd({ runtime, addresses }, controlling, stunServers, counter) {
  const { clock, network, random } = runtime
  const agent = new IceAgent({ controlling, random, stunServers })
  agent.addStream(1)
  const sockets = await Promise.all(addresses.map((address) => network.openUdp({ address, port: 0 })))
  const byAddress = new Map(sockets.map((socket) => [formatAddress(socket.local), socket]))
  const end = { agent, sockets }
  const told = {}
  end.gathered = new Promise((resolve) => Object.assign(told, { gathered: resolve }))
  end.selected = new Promise((resolve) => Object.assign(told, { selected: resolve }))
  end.driver = new CoreDriver(
    agent,
    clock,
    ({ data, local, remote }) => {
      counter.packets++
      byAddress.get(formatAddress(local)).send(data, remote)
    },
    ({ type }) => {
      if (type === 'valid') end.firstAt ??= clock.now()
      told[type]?.()
    },
  )
  for (const socket of sockets)
    socket.onDatagram = (data, remote) =>
      end.driver.drive((now) => agent.handleDatagram(now, { data, local: socket.local, remote }))
  end.driver.drive((now) => {
    for (const { local } of sockets) agent.addSocket(now, { stream: 0, component: 1, base: local })
    agent.closeGathering(now)
  })
  return end
}

function setRemote(end, { agent }) {
  const description = { ...agent.parameters, lite: false, options: [], candidates: agent.localCandidates(0) }
  end.driver.drive((now) => end.agent.setRemote(now, 0, description))
}
