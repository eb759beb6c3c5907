// Sends G.711 streams to a port of this machine until its parent is gone: rtp-sender.mjs KIND STREAMS PORT
// floe, floe-srtp: whole audio streams as in a call, each with its socket, encoder, receive path and reports; nobody answers.
// calls, calls-srtp: the same, to each other. With "-thread" the sockets are in a thread of their own.
// bare: what Node costs by itself: one timer, ready packets with new numbers, connected sockets, no encoder, all at once.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { startCalls, startStreams } from './media-streams.mjs'
import { serveParent } from './processes.mjs'

const ptimeMs = 20
const [kind, countText, portText] = process.argv.slice(2)
const count = Number(countText)
const to = { address: '127.0.0.1', port: Number(portText) }

async function sendBare() {
  const streams = []
  for (let i = 0; i < count; i++) {
    const socket = createSocket('udp4')
    socket.connect(to.port, to.address)
    await once(socket, 'connect')
    const packet = Buffer.alloc(172, 0xff)
    packet.writeUInt16BE(0x8000, 0)
    packet.writeUInt32BE(i + 1, 8)
    streams.push({ socket, packet, sequence: 0, timestamp: 0 })
  }
  const start = performance.now()
  let frame = 0
  const tick = () => {
    for (const stream of streams) {
      stream.packet.writeUInt16BE(stream.sequence++ & 0xffff, 2)
      stream.packet.writeUInt32BE(stream.timestamp >>> 0, 4)
      stream.timestamp += 160
      stream.socket.send(stream.packet)
    }
    frame++
    setTimeout(tick, Math.max(0, start + frame * ptimeMs - performance.now()))
  }
  tick()
}

const options = { srtp: kind.includes('-srtp'), threads: kind.endsWith('-thread') ? 1 : 0 }
let calls = []
if (kind === 'bare') await sendBare()
else if (kind.startsWith('calls')) calls = (await startCalls(count, options)).streams
else await startStreams(count, to, options)
serveParent(() => ({ lossPercent: Math.max(...calls.map((call) => call.statistics().received.lossPercent)) }))
process.send('ready')
