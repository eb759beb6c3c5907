// libdatachannel with libjuice, by node-datachannel: its RTCPeerConnection speaks the lines of ../agent.ts. `install` puts it
// beside the other peers.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { options, serve, tell } from './lines.mjs'
import { webrtcPeer } from './webrtc-peer.mjs'

const packageFolder = join(process.env.FLOE_PEERS, 'node-datachannel/node_modules/node-datachannel')
const polyfill = join(packageFolder, 'dist/esm/polyfill/index.mjs')
const { RTCPeerConnection } = await import(pathToFileURL(polyfill))

serve(webrtcPeer(RTCPeerConnection, options, tell))
