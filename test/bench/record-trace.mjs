// node test/bench/record-trace.mjs NAME [SECONDS]: how packets really arrive that one process sends to another every 20 ms, on the machine
// as it is now, added to results/recorded-traces.json: tenths of ms after the packet before, null for one that did not come.

import { fork } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const packetMs = 20
const [, self, name, seconds = '60'] = process.argv

if (process.send) send(Number(process.env.PORT), (Number(seconds) * 1000) / packetMs)
else await record()

function send(port, packets) {
  const socket = createSocket('udp4')
  const start = performance.now()
  let sent = 0
  const tick = () => {
    const packet = Buffer.alloc(172)
    packet.writeUInt32BE(sent++)
    socket.send(packet, port, '127.0.0.1')
    if (sent < packets) setTimeout(tick, start + sent * packetMs - performance.now())
    else setTimeout(() => process.exit(), 500)
  }
  tick()
}

async function record() {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const arrivals = []
  socket.on('message', (packet) => {
    arrivals[packet.readUInt32BE()] = performance.now()
  })
  const sender = fork(self, [name, seconds], { env: { ...process.env, PORT: socket.address().port } })
  await once(sender, 'exit')
  socket.close()
  let before = arrivals.find((at) => at !== undefined)
  const differences = Array.from(arrivals, (at) => {
    if (at === undefined) return null
    const tenths = Math.round(10 * (at - before))
    before += tenths / 10
    return tenths
  })
  const file = fileURLToPath(new URL('results/recorded-traces.json', import.meta.url))
  const traces = { ...JSON.parse(readFileSync(file, 'utf8')), [name]: differences }
  writeFileSync(file, `${JSON.stringify(traces)}\n`)
}
