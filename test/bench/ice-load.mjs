// ice-load floe|werift: a given number of ICE agents in one process, each two of them connected to each other over the
// loopback, one component: how long until all are connected, the CPU and memory of an agent, and what it costs to keep them.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { nodeRuntime } from '../../dist/runtime/node.js'
import { openSession } from './ice-session.mjs'
import { serveParent, wait } from './processes.mjs'

const [implementation] = process.argv.slice(2)
const inPeers = (path) => pathToFileURL(join(process.env.FLOE_PEERS, path))

/** Each opens two agents with all their candidates, and returns what connects them and resolves when both have nominated. */
const implementations = {
  floe() {
    const end = { runtime: nodeRuntime, addresses: ['127.0.0.1'] }
    return async () => {
      const session = await openSession([end, end])
      return () => session.connect()
    }
  },

  async werift() {
    const { Candidate, Connection } = (
      await import(inPeers('werift/node_modules/werift/lib/ice/src/index.js'))
    ).default
    return async () => {
      const ends = [true, false].map((controlling) => {
        const connection = new Connection(controlling, { useIpv6: false, useTcp: false })
        connection.stunServer = undefined
        return connection
      })
      await Promise.all(ends.map((end) => end.gatherCandidates()))
      return async () => {
        for (const [end, other] of [ends, [...ends].reverse()]) {
          end.setRemoteParams({
            iceLite: false,
            usernameFragment: other.localUsername,
            password: other.localPassword,
          })
          for (const candidate of other.localCandidates)
            await end.addRemoteCandidate(Candidate.fromSdp(candidate.toSdp()))
          await end.addRemoteCandidate(undefined)
        }
        await Promise.all(ends.map((end) => end.connect()))
      }
    }
  },
}

const open = await implementations[implementation]()

async function load({ agents, keepMs }) {
  // What is compiled and loaded once is no agent's.
  await (await open())()
  globalThis.gc?.()
  const memory = process.memoryUsage.rss()
  const cpuMs = () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  }
  const cpuAtStart = cpuMs()
  const sessions = []
  for (let i = 0; i < agents / 2; i++) sessions.push(await open())
  const startedAt = performance.now()
  await Promise.all(sessions.map((connect) => connect()))
  const connectedMs = performance.now() - startedAt
  const cpuConnected = cpuMs()
  globalThis.gc?.()
  const memoryConnected = process.memoryUsage.rss()
  await wait(keepMs)
  return {
    connectedMs,
    cpuMsPerAgent: (cpuConnected - cpuAtStart) / agents,
    memoryKibPerAgent: (memoryConnected - memory) / 1024 / agents,
    keepingCpuPercent: (100 * (cpuMs() - cpuConnected)) / keepMs,
  }
}

serveParent(load)
process.send('ready')
