// CPU and pacing of 1, 100 and 500 G.711 streams in one process, over real UDP sockets on the loopback, beside a bare Node
// sender (one timer, ready packets, no encoding) as the machine's floor. Pacing is what a second process sees arrive: the
// deviation of the time between two packets of a stream from 20 ms. The streams send a sound and play out silence: nothing
// is sent back to them. Run: npm run build && node test/bench/rtp-streams.mjs
import { fork } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

const ptimeMs = 20
const warmUpMs = 2_000
const measureMs = Number(process.env.BENCH_MS ?? 8_000)
const counts = (process.env.BENCH_STREAMS ?? '1,100,500').split(',').map(Number)

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const quantile = (sorted, q) =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN

/** Counts arrivals of each SSRC; answers "measure" by starting afresh and "report" with the figures. */
function receive() {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
  const last = new Map()
  let deviations = []
  let missing = 0
  socket.on('message', (packet) => {
    const now = performance.now()
    // SR and RR are not media (RFC 5761).
    if (packet[1] >= 192 && packet[1] <= 223) return
    const ssrc = packet.readUInt32BE(8)
    const sequence = packet.readUInt16BE(2)
    const before = last.get(ssrc)
    if (before) {
      const gap = (sequence - before.sequence) & 0xffff
      missing += gap - 1
      deviations.push(Math.abs(now - before.at - ptimeMs * gap))
      before.at = now
      before.sequence = sequence
    } else last.set(ssrc, { at: now, sequence })
  })
  socket.bind(0, '127.0.0.1', () => process.send({ port: socket.address().port }))
  process.on('message', (message) => {
    if (message === 'measure') {
      deviations = []
      missing = 0
      return
    }
    const sorted = Float64Array.from(deviations).sort()
    process.send({
      streams: last.size,
      packets: sorted.length,
      missing,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      max: sorted.at(-1) ?? Number.NaN,
    })
  })
}

/** Tells the CPU time between "measure" and "report". */
function reportCpu(more = () => ({})) {
  let before
  process.on('message', (message) => {
    if (message === 'measure') {
      before = process.cpuUsage()
      return
    }
    const { user, system } = process.cpuUsage(before)
    process.send({ cpuMs: (user + system) / 1000, ...more() })
  })
  process.send('ready')
}

async function sendWithFloe(count, port) {
  const [{ nodeRuntime }, { AudioStream }, { WheelPacer }, { pcmu }, tones, sources] = await Promise.all([
    import('../../dist/runtime/node.js'),
    import('../../dist/stream/audio-stream.js'),
    import('../../dist/stream/pacer.js'),
    import('../../dist/codec/g711.js'),
    import('../../dist/audio/tones.js'),
    import('../../dist/audio/sources.js'),
  ])
  const { clock, random, network } = nodeRuntime
  const sound = sources.readAll(tones.toneBurst({ frequenciesHz: [440] }, 1000, 8000), 1000)
  const pacer = new WheelPacer(clock)
  const to = { address: '127.0.0.1', port }
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
      sources.repeated(() => sources.samplesSource(sound, 8000)),
      'tone',
    )
  }
  process.on('message', (message) => message === 'measure' && pacer.error.reset())
  reportCpu(() => ({ late: pacer.error.quantileMs(0.99), skipped: pacer.error.skipped }))
}

async function sendBare(count, port) {
  const streams = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const socket = createSocket('udp4')
      await new Promise((resolve) => socket.connect(port, '127.0.0.1', resolve))
      const packet = Buffer.alloc(172, 0xff)
      packet.writeUInt16BE(0x8000, 0)
      packet.writeUInt32BE(index + 1, 8)
      return { socket, packet, sequence: 0, timestamp: 0 }
    }),
  )
  const start = performance.now()
  let frame = 0
  const tick = () => {
    for (const stream of streams) {
      stream.packet.writeUInt16BE(stream.sequence++ & 0xffff, 2)
      stream.timestamp += 160
      stream.packet.writeUInt32BE(stream.timestamp >>> 0, 4)
      stream.socket.send(stream.packet)
    }
    frame++
    setTimeout(tick, Math.max(0, start + frame * ptimeMs - performance.now()))
  }
  tick()
  reportCpu()
}

const roles = { receive, floe: sendWithFloe, bare: sendBare }

async function measure(role, count) {
  const self = fileURLToPath(import.meta.url)
  const next = (child) => new Promise((resolve) => child.once('message', resolve))
  const receiver = fork(self, ['receive'])
  const { port } = await next(receiver)
  const sender = fork(self, [role, String(count), String(port)])
  await next(sender)
  await wait(warmUpMs)
  for (const child of [receiver, sender]) child.send('measure')
  await wait(measureMs)
  const answers = [next(sender), next(receiver)]
  for (const child of [sender, receiver]) child.send('report')
  const [sent, received] = await Promise.all(answers)
  for (const child of [sender, receiver]) child.kill()
  return { role, count, ...received, ...sent }
}

async function main() {
  console.log(
    `Node ${process.version}, ${cpus().length} cores, ${measureMs / 1000} s a row, G.711 at ${ptimeMs} ms`,
  )
  console.log('sender  streams  packets  missing  CPU/stream  p50 ms  p99 ms   max ms  pacer p99 ms  skipped')
  for (const count of counts)
    for (const role of ['bare', 'floe']) {
      const row = await measure(role, count)
      const cells = [
        role.padEnd(6),
        String(row.streams).padStart(7),
        String(row.packets).padStart(7),
        String(row.missing).padStart(7),
        `${((row.cpuMs / measureMs / count) * 100).toFixed(3)} %`.padStart(10),
        row.p50.toFixed(3).padStart(6),
        row.p99.toFixed(2).padStart(6),
        row.max.toFixed(2).padStart(7),
        (row.late?.toFixed(2) ?? '-').padStart(12),
        String(row.skipped ?? '-').padStart(7),
      ]
      console.log(cells.join('  '))
    }
}

const [role, count, port] = process.argv.slice(2)
if (role) await roles[role](Number(count), Number(port))
else await main()
