// The npm package `sip` (parser and transactions, no dialogs) in the place of sip-uas.mjs: it answers every INVITE with 180 and 200.
import { createRequire } from 'node:module'
import { serveParent } from './processes.mjs'
import { body } from './sip-body.mjs'

const [folder, port] = process.argv.slice(2)
const sip = createRequire(import.meta.url)(folder)
let hungUp = 0

sip.start({ address: '127.0.0.1', port: Number(port), tcp: false, udp: true }, (request) => {
  if (request.method === 'INVITE') {
    sip.send(sip.makeResponse(request, 180, 'Ringing'))
    const answer = sip.makeResponse(request, 200, 'OK')
    answer.headers.to.params.tag = Math.random().toString(36).slice(2)
    answer.headers.contact = [{ uri: `sip:bench@127.0.0.1:${port}` }]
    answer.headers['content-type'] = body.contentType
    answer.content = body.content
    sip.send(answer)
  } else if (request.method === 'BYE') {
    hungUp++
    sip.send(sip.makeResponse(request, 200, 'OK'))
  }
})

serveParent(() => {
  global.gc?.()
  const counted = { hungUp, heapBytes: process.memoryUsage().heapUsed }
  hungUp = 0
  return counted
})
process.send({ port: Number(port) })
