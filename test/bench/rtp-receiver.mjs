// Notes when each packet of each RTP stream arrives: "measure" begins afresh, "report" is answered with the figures.
import { createSocket } from 'node:dgram'
import { quantile } from './figures.mjs'
import { serveParent } from './processes.mjs'

const ptimeMs = 20
const streams = new Map()
let deviations = []
let missing = 0

const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
socket.on('message', (packet) => {
  const now = performance.now()
  // SR and RR are not media (RFC 5761 4).
  if (packet[1] >= 192 && packet[1] <= 223) return
  const sequence = packet.readUInt16BE(2)
  const ssrc = packet.readUInt32BE(8)
  const stream = streams.get(ssrc)
  if (!stream) {
    streams.set(ssrc, { at: now, sequence })
    return
  }
  const gap = (sequence - stream.sequence) & 0xffff
  missing += gap - 1
  deviations.push(Math.abs(now - stream.at - ptimeMs * gap))
  stream.at = now
  stream.sequence = sequence
})

serveParent((message) => {
  const at = (q) => quantile(deviations, q)
  const report = message === 'report' && {
    streams: streams.size,
    missing,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
  }
  deviations = []
  missing = 0
  return report
})
socket.bind(0, '127.0.0.1', () => process.send({ port: socket.address().port }))
