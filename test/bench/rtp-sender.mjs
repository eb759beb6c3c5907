// Sends G.711 streams to a port of this machine until its parent is gone: rtp-sender.mjs floe|bare STREAMS PORT
// floe: whole audio streams as in a call, each with its socket, encoder, receive path and reports; the far end sends nothing.
// bare: what Node costs by itself: one timer, ready packets with new numbers, connected sockets, no encoder, all at once.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readAll, repeated, samplesSource } from '../../dist/audio/sources.js'
import { toneBurst } from '../../dist/audio/tones.js'
import { pcmu } from '../../dist/codec/g711.js'
import { nodeRuntime } from '../../dist/runtime/node.js'
import { AudioStream } from '../../dist/stream/audio-stream.js'
import { WheelPacer } from '../../dist/stream/pacer.js'
import { serveParent } from './processes.mjs'

const ptimeMs = 20
const [sender, countText, portText] = process.argv.slice(2)
const count = Number(countText)
const to = { address: '127.0.0.1', port: Number(portText) }

async function sendWithFloe() {
  const { clock, random, network } = nodeRuntime
  const sound = readAll(toneBurst({ frequenciesHz: [440] }, 1000, 8000), 1000)
  const pacer = new WheelPacer(clock)
  for (let i = 0; i < count; i++) {
    const socket = await network.openUdp({ address: '127.0.0.1', port: 0 })
    const send = (packet) => {
      socket.send(packet, to)
      return true
    }
    const stream = new AudioStream({
      clock,
      random,
      transport: { sendRtp: send, sendRtcp: send, onRtp: undefined, onRtcp: undefined },
      pacer,
      codec: pcmu,
      sendPayloadType: 0,
      receivePayloadType: 0,
      ptimeMs,
      direction: 'sendrecv',
      cname: `bench-${i}`,
      record: () => {},
    })
    stream.start()
    stream.play(
      repeated(() => samplesSource(sound, 8000)),
      'tone',
    )
  }
}

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

await (sender === 'floe' ? sendWithFloe() : sendBare())
serveParent(() => {})
process.send('ready')
