// Answers every INVITE with 180 and 200 (no media) until the caller hangs up: floe's end under `sipp -sn uac`.
import { nodeRuntime } from '../../dist/runtime/node.js'
import { UserAgent } from '../../dist/sip/user-agent.js'
import { serveParent } from './processes.mjs'
import { body } from './sip-body.mjs'

let calls = 0
let hungUp = 0

const agent = await UserAgent.start({
  runtime: nodeRuntime,
  listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }],
})
agent.onInvite = (session) => {
  calls++
  session.handler = {
    onEnded({ by, status }) {
      if (by === 'remote' && status === 200) hungUp++
    },
  }
  session.progress(180)
  session.accept(body)
}

serveParent(() => {
  global.gc?.()
  const counted = {
    calls,
    hungUp,
    open: agent.calls.total,
    transactions: agent.transactions,
    timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
    heapBytes: process.memoryUsage().heapUsed,
  }
  calls = 0
  hungUp = 0
  return counted
})
process.send({ port: agent.addresses[0].port })
