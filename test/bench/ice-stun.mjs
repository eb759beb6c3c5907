// ice-stun ADDRESS: a STUN server on real sockets until its stdin ends.
import { nodeRuntime } from '../../dist/runtime/node.js'
import { serveStun } from '../../dist/sim/stun-server.js'

await serveStun(nodeRuntime.network, { address: process.argv[2], port: 3478 })
process.stdin.on('end', () => process.exit(0)).resume()
process.stdout.write('ready\n')
