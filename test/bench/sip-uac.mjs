// Places calls at a steady rate, each INVITE, ACK and BYE at once (no media): floe's end against `sipp -sn uas`.
import { nodeRuntime } from '../../dist/runtime/node.js'
import { UserAgent } from '../../dist/sip/user-agent.js'
import { serveParent } from './processes.mjs'
import { body } from './sip-body.mjs'
import { atRate } from './sip-rate.mjs'

const agent = await UserAgent.start({
  runtime: nodeRuntime,
  listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }],
})

function placeCall(port, { accepted, over }) {
  const session = agent.invite(
    `sip:service@127.0.0.1:${port}`,
    {
      onAccepted(_, acknowledge) {
        acknowledge()
        accepted()
        session.hangUp()
      },
      onEnded({ by }) {
        if (by === 'local') over()
      },
    },
    { offer: body },
  )
}

serveParent(({ port, callsPerSecond, count }) =>
  atRate(callsPerSecond, count, (call) => placeCall(port, call)),
)
process.send('ready')
