// Audio streams as calls have them, each with its own socket, without signalling and ICE: for the benchmarks of media.
import { readAll, repeated, samplesSource } from '../../dist/audio/sources.js'
import { toneBurst } from '../../dist/audio/tones.js'
import { pcmu } from '../../dist/codec/g711.js'
import { nodeRuntime } from '../../dist/runtime/node.js'
import { withMediaThreads } from '../../dist/runtime/node-media-network.js'
import { AudioStream } from '../../dist/stream/audio-stream.js'
import { WheelPacer } from '../../dist/stream/pacer.js'
import { srtpEnds } from './srtp-ends.mjs'

const suite = 'AES_CM_128_HMAC_SHA1_80'

const own = '127.0.0.1'

/** The network and the wheel of streams: sockets in the main thread, or in threads of their own. */
async function ground(threads) {
  const { clock } = nodeRuntime
  const network = threads > 0 ? await withMediaThreads(nodeRuntime.network, threads) : nodeRuntime.network
  return { network, pacer: new WheelPacer(clock, network.departureLeadMs ?? 0) }
}

/** Streams that send a tone to `to`, and hear nothing. */
export async function startStreams(count, to, { srtp = false, threads = 0 } = {}) {
  const { network, pacer } = await ground(threads)
  for (let i = 0; i < count; i++) {
    const socket = await network.openUdp({ address: own, port: 0 }, { media: true })
    startStream(pacer, socket, to, { srtp })
  }
}

/** Ends of calls, two and two: each sends a tone to the other, and plays out what comes from there.
 *  @returns the streams, and what ends them and closes their sockets */
export async function startCalls(count, { srtp = false, codec = pcmu, threads = 0 } = {}) {
  const { network, pacer } = await ground(threads)
  const streams = []
  const open = []
  while (streams.length < count) {
    const sockets = [0, 1].map(() => network.openUdp({ address: own, port: 0 }, { media: true }))
    const [one, other] = await Promise.all(sockets)
    open.push(one, other)
    streams.push(startStream(pacer, one, other.local, { srtp, codec }))
    streams.push(startStream(pacer, other, one.local, { srtp, codec }))
  }
  const stop = () => {
    for (const stream of streams) stream.stop()
    for (const socket of open) socket.close()
  }
  return { streams, stop }
}

function startStream(pacer, socket, to, { srtp, codec = pcmu }) {
  const { clock, random } = nodeRuntime
  const { sampleRateHz, staticPayloadType: payloadType = 96 } = codec
  const stream = new AudioStream({
    ...{ clock, random, pacer, cname: 'bench', record: () => {} },
    transport: overSocket(socket, to, srtp),
    ...{
      codec,
      sendPayloadType: payloadType,
      receivePayloadType: payloadType,
      ptimeMs: 20,
      direction: 'sendrecv',
    },
  })
  stream.start()
  const sound = readAll(toneBurst({ frequenciesHz: [440] }, 1000, sampleRateHz), 1000)
  stream.play(
    repeated(() => samplesSource(sound, sampleRateHz)),
    'tone',
  )
  return stream
}

/** The least of a MediaTransport: one socket, one peer; SRTP with a key that both ends know. */
function overSocket(socket, to, srtp) {
  const { sender, receiver } = srtp ? srtpEnds(suite) : {}
  const transport = {
    sendRtp(packet, departAt) {
      socket.send(sender ? sender.protectRtp(packet) : packet, to, departAt)
      return true
    },
    sendRtcp(packet, departAt) {
      socket.send(sender ? sender.protectRtcp(packet) : packet, to, departAt)
      return true
    },
    onRtp: undefined,
    onRtcp: undefined,
  }
  socket.onDatagram = (packet) => {
    // RFC 5761 4.
    const isRtcp = packet[1] >= 192 && packet[1] <= 223
    const opened = !receiver
      ? packet
      : isRtcp
        ? receiver.unprotectRtcp(packet)
        : receiver.unprotectRtp(packet)
    if (typeof opened !== 'string') (isRtcp ? transport.onRtcp : transport.onRtp)?.(opened)
  }
  return transport
}
