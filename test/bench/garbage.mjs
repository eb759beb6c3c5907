// What is left to the garbage collector for each packet on the steady path, and which functions leave it, by the heap's sampling
// profiler: PCMU through the send path and the receive path, through SRTP, and through media paths over UDP sockets. What Node's own
// sockets allocate is told apart.
import { Session } from 'node:inspector/promises'
import { setImmediate } from 'node:timers/promises'
import { pcmu } from '../../dist/codec/g711.js'
import { MediaPath } from '../../dist/phone/media-path.js'
import { nodeRuntime } from '../../dist/runtime/node.js'
import { srtpEnds } from './srtp-ends.mjs'
import { Bench, warmUpPackets } from './stream-cost.mjs'

/** Of the heap's samples; finer ones slow down what they look at. */
const samplingIntervalBytes = 512
/** Named of each way. */
const mostPlaces = 3
/** On their way between two sockets at a time. */
const batchPackets = 64
/** What the measurement itself allocates. */
const ofBench = /garbage\.mjs|stream-cost\.mjs|node:inspector|node:internal\/util|promises/
const own = '127.0.0.1'
const mode = { 'SRTP, counter mode': 'AES_CM_128_HMAC_SHA1_80', 'SRTP, GCM': 'AEAD_AES_128_GCM' }

/** @returns {Promise<Record<string, { bytesPerPacket: number, most: object[], nodeBytesPerPacket?: number }>>} by what is done */
export async function measureGarbage({ packets = 50_000 }) {
  const results = {}
  const measure = async (name, run) => {
    await run(warmUpPackets)
    results[name] = perPacket(await allocations(() => run(packets)), packets)
  }
  const sent = []
  const count = warmUpPackets + packets
  const teacher = new Bench(pcmu, 'sendonly', (packet) => sent.push(Buffer.from(packet)))
  teacher.run(count)
  const sender = new Bench(pcmu, 'sendonly', () => {})
  await measure('send', (count) => sender.run(count))
  const receiver = new Bench(pcmu, 'recvonly', () => {})
  await measure(
    'receive',
    fromEach(sent, (packet) => receiver.take(packet)),
  )
  for (const [name, suite] of Object.entries(mode)) {
    const ends = srtpEnds(suite)
    const sealed = sent.map((packet) => Buffer.from(ends.sender.protectRtp(packet)))
    const again = srtpEnds(suite)
    await measure(
      `${name}, protect`,
      fromEach(sent, (packet) => again.sender.protectRtp(packet)),
    )
    await measure(
      `${name}, unprotect`,
      fromEach(sealed, (packet) => ends.receiver.unprotectRtp(packet)),
    )
  }
  const paths = await openPaths()
  await measure('over UDP sockets, both ways', (count) => paths.exchange(sent[0], count))
  for (const { stream } of [teacher, sender, receiver]) stream.stop()
  paths.close()
  return results
}

/** Goes on where the run before has ended. */
const fromEach = (packets, take) => {
  let next = 0
  return (count) => {
    for (const end = next + count; next < end; next++) take(packets[next])
  }
}

/** @returns {Promise<Map<string, { bytes: number, isNode: boolean }>>} by function */
async function allocations(run) {
  const session = new Session()
  session.connect()
  const options = { includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true }
  await session.post('HeapProfiler.startSampling', { samplingInterval: samplingIntervalBytes, ...options })
  await run()
  const { profile } = await session.post('HeapProfiler.stopSampling')
  session.disconnect()
  const places = new Map()
  const walk = ({ callFrame, selfSize, children }, caller) => {
    const file = callFrame.url.split('/').at(-1)
    const place = `${callFrame.functionName || '(anonymous)'} ${file || caller}`
    // What has no file is the engine's, called by one that has.
    const isNode = (callFrame.url || caller).startsWith('node:')
    if (selfSize && !ofBench.test(place))
      places.set(place, { bytes: (places.get(place)?.bytes ?? 0) + selfSize, isNode })
    for (const child of children)
      walk(child, callFrame.url.startsWith('node:') ? callFrame.url : file || caller)
  }
  walk(profile.head, 'node:')
  return places
}

function perPacket(places, packets) {
  const sum = (places) => round2(places.reduce((total, [, { bytes }]) => total + bytes, 0) / packets)
  const all = [...places].sort(([, one], [, other]) => other.bytes - one.bytes)
  const floe = all.filter(([, { isNode }]) => !isNode)
  return {
    bytesPerPacket: sum(floe),
    nodeBytesPerPacket: sum(all.filter(([, { isNode }]) => isNode)),
    most: floe
      .filter(([, { bytes }]) => bytes >= packets)
      .slice(0, mostPlaces)
      .map(([place, { bytes }]) => ({ place, bytesPerPacket: round2(bytes / packets) })),
  }
}

const round2 = (value) => Math.round(value * 100) / 100

/** Two media paths without ICE, each with a socket of its own, towards each other. */
async function openPaths() {
  const { clock, network, random } = nodeRuntime
  const options = {
    clock,
    network,
    random,
    addresses: [own],
    components: 1,
    connections: {},
    record: () => {},
  }
  const paths = [await MediaPath.open(options), await MediaPath.open(options)]
  let received = 0
  paths.forEach((path, i) => {
    path.onRtp = () => {
      received++
    }
    path.usePlain({ rtp: paths[1 - i].defaultAddress(1), rtcpMux: true })
  })
  return {
    async exchange(packet, count) {
      const until = received + count
      while (received < until) {
        const batchEnd = Math.min(received + batchPackets, until)
        for (let i = received; i < batchEnd; i++) paths[i % 2].sendRtp(packet)
        while (received < batchEnd) await setImmediate()
      }
    },
    close() {
      for (const path of paths) path.close()
    },
  }
}
