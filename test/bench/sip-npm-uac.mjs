// The npm package `sip` in the place of sip-uac.mjs: INVITE, ACK and BYE as fast as it is asked to, against `sipp -sn uas`.
import { createRequire } from 'node:module'
import { serveParent } from './processes.mjs'
import { body } from './sip-body.mjs'
import { atRate } from './sip-rate.mjs'

const [folder, ownPort] = process.argv.slice(2)
const sip = createRequire(import.meta.url)(folder)
const own = `sip:bench@127.0.0.1:${ownPort}`
let number = 0

// It takes what goes to a host of its own name for its own.
const host = { address: '127.0.0.1', publicAddress: 'bench.invalid', port: Number(ownPort) }
sip.start({ ...host, tcp: false, udp: true }, () => undefined)

function placeCall(port, { accepted, over }) {
  const target = `sip:service@127.0.0.1:${port}`
  const from = { uri: own, params: { tag: `from${++number}` } }
  const callId = `${number}@127.0.0.1`
  const invite = {
    method: 'INVITE',
    uri: target,
    headers: {
      to: { uri: target },
      from,
      'call-id': callId,
      cseq: { method: 'INVITE', seq: 1 },
      contact: [{ uri: own }],
      'content-type': body.contentType,
    },
    content: body.content,
  }
  sip.send(invite, ({ status, headers }) => {
    if (status < 200 || status >= 300) return
    const next = (method, seq) => ({
      method,
      uri: headers.contact?.[0]?.uri ?? target,
      headers: { to: headers.to, from, 'call-id': callId, cseq: { method, seq }, via: [] },
    })
    sip.send(next('ACK', 1))
    accepted()
    sip.send(next('BYE', 2), (answer) => {
      if (answer.status === 200) over()
    })
  })
}

serveParent(({ port, callsPerSecond, count }) =>
  atRate(callsPerSecond, count, (call) => placeCall(port, call)),
)
process.send('ready')
