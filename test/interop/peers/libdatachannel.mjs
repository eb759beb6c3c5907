// libdatachannel (libjuice, OpenSSL, libsrtp), by node-datachannel: offers one track of audio, and sends back the packets that it has
// decrypted, encrypted anew. `install` puts it beside the other peers.
//
//   flags   CODEC ADDRESS
//   stdin   the answer, as JSON of its text
//   stdout  offer JSON | state STATE | fingerprint ALGORITHM VALUE
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const packageFolder = join(process.env.FLOE_PEERS, 'node-datachannel/node_modules/node-datachannel')
const { Audio, PeerConnection } = await import(pathToFileURL(join(packageFolder, 'dist/esm/lib/index.mjs')))

const [codec, bindAddress] = process.argv.slice(2)
const payloadTypes = { opus: 111, PCMU: 0, PCMA: 8 }
const ssrc = 0x0f10e
const rtpHeaderBytes = 12
const ssrcAt = 8
/** RTCP's (RFC 5761 4): that is for itself. */
const isRtcp = (packet) => packet[1] >= 192 && packet[1] <= 223

const tell = (...words) => process.stdout.write(`${words.join(' ')}\n`)

const connection = new PeerConnection('floe', { iceServers: [], bindAddress })
const audio = new Audio('audio', 'SendRecv')
if (codec === 'opus') audio.addOpusCodec(payloadTypes.opus)
else audio.addAudioCodec(payloadTypes[codec], codec)
audio.addSSRC(ssrc, 'echo')

connection.onStateChange((state) => {
  tell('state', state)
  const { algorithm, value } = state === 'connected' ? connection.remoteFingerprint() : {}
  if (value) tell('fingerprint', algorithm, value)
})
connection.onGatheringStateChange((state) => {
  if (state === 'complete') tell('offer', JSON.stringify(connection.localDescription().sdp))
})
const track = connection.addTrack(audio)
track.onMessage((packet) => {
  if (packet.length < rtpHeaderBytes || isRtcp(packet) || !track.isOpen()) return
  const sentBack = Buffer.from(packet)
  sentBack.writeUInt32BE(ssrc, ssrcAt)
  track.sendMessageBinary(sentBack)
})
connection.setLocalDescription('offer')

createInterface({ input: process.stdin })
  .on('line', (line) => connection.setRemoteDescription(JSON.parse(line), 'answer'))
  .on('close', () => process.exit(0))
