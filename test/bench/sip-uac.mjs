// Places calls at a steady rate, each INVITE, ACK and BYE at once (no media): floe's end against `sipp -sn uas`.
import { nodeRuntime } from '../../dist/runtime/node.js'
import { UserAgent } from '../../dist/sip/user-agent.js'
import { median, quantile } from './figures.mjs'
import { serveParent, wait } from './processes.mjs'
import { body } from './sip-body.mjs'

/** How long calls may take to end after the last was placed. */
const graceMs = 3_000

const agent = await UserAgent.start({
  runtime: nodeRuntime,
  listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }],
})

async function placeCalls({ port, callsPerSecond, count }) {
  const target = `sip:service@127.0.0.1:${port}`
  const setUpMs = []
  let placed = 0
  let ended = 0
  const place = () => {
    const startedAt = performance.now()
    const session = agent.invite(
      target,
      {
        onAccepted(_, acknowledge) {
          acknowledge()
          setUpMs.push(performance.now() - startedAt)
          session.hangUp()
        },
        onEnded({ by }) {
          if (by === 'local') ended++
        },
      },
      { offer: body },
    )
    placed++
  }
  const startedAt = performance.now()
  while (placed < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - startedAt) / 1000) * callsPerSecond))
    while (placed < due) place()
    await wait(1)
  }
  const seconds = (performance.now() - startedAt) / 1000
  for (let waited = 0; ended < count && waited < graceMs; waited += 50) await wait(50)
  return {
    successful: Math.min(ended, setUpMs.length),
    achieved: placed / seconds,
    p50: median(setUpMs),
    p99: quantile(setUpMs, 0.99),
  }
}

serveParent(placeCalls)
process.send('ready')
