// What a stream costs without sockets: packets a second through the send path and the receive path on one core, for each codec.
import { readAll, repeated, samplesSource } from '../../dist/audio/sources.js'
import { toneBurst } from '../../dist/audio/tones.js'
import { pcmu } from '../../dist/codec/g711.js'
import { g722 } from '../../dist/codec/g722.js'
import { opus } from '../../dist/codec/opus.js'
import { nodeRuntime } from '../../dist/runtime/node.js'
import { AudioStream } from '../../dist/stream/audio-stream.js'
import { median } from './figures.mjs'
import { wait } from './processes.mjs'

const codecs = { PCMU: pcmu, G722: g722, opus }
const ptimeMs = 20
export const warmUpPackets = 3_000
const codecReadyMs = 50

/** @returns {Promise<Record<string, { send: number, receive: number, callsPerCore: number }>>} µs a packet */
export async function measureStreamCost({ rounds = 5, packets = 20_000 }) {
  const results = {}
  for (const [name, codec] of Object.entries(codecs)) {
    await codec.load?.()
    const count = name === 'opus' ? packets / 10 : packets
    const runs = []
    for (let round = 0; round < rounds; round++) runs.push(await measureOnce(codec, count))
    const [send, receive] = ['send', 'receive'].map((way) => round2(median(runs.map((run) => run[way]))))
    results[name] = { send, receive, callsPerCore: Math.floor((ptimeMs * 1_000) / (send + receive)) }
  }
  return results
}

const round2 = (value) => Math.round(value * 100) / 100

async function measureOnce(codec, count) {
  const sent = []
  const sender = new Bench(codec, 'sendonly', (packet) => sent.push(Buffer.from(packet)))
  const receiver = new Bench(codec, 'recvonly', () => {})
  // libopus makes its encoders and decoders in a moment of its own.
  await wait(codecReadyMs)
  sender.run(Math.min(count, warmUpPackets))
  sent.length = 0
  const sendUs = sender.run(count)
  const receiveUs = receiver.run(sent.length, sent)
  const { packets, lost } = receiver.stream.statistics().received
  if (packets !== count || lost > 0)
    throw new Error(`${packets} of ${count} packets were received, ${lost} lost`)
  sender.stream.stop()
  receiver.stream.stop()
  return { send: sendUs / count, receive: receiveUs / count }
}

let benches = 0

/** A stream whose time is turned by hand, and whose packets go nowhere. */
export class Bench {
  constructor(codec, direction, onSent) {
    this.now = performance.now()
    this.transport = {
      sendRtp: (packet) => {
        onSent(packet)
        return true
      },
      sendRtcp: () => true,
      onRtp: undefined,
      onRtcp: undefined,
    }
    const payloadType = codec.staticPayloadType ?? 96
    this.stream = new AudioStream({
      clock: { now: () => this.now, wallTime: () => this.now, setTimer: () => ({ cancel() {} }) },
      random: { ...nodeRuntime.random, integer: (below) => below - 1 },
      transport: this.transport,
      pacer: {
        add: (_periodMs, onDue) => {
          this.onDue = onDue
          return { cancel() {} }
        },
      },
      ...{ codec, sendPayloadType: payloadType, receivePayloadType: payloadType, ptimeMs, direction },
      // Numbers that take all their 32 bits, as most do.
      ...{ ssrc: 2 ** 32 - ++benches, cname: 'bench', record: () => {} },
    })
    this.stream.start()
    const sound = readAll(toneBurst({ frequenciesHz: [440] }, 1000, codec.sampleRateHz), 1000)
    this.stream.play(
      repeated(() => samplesSource(sound, codec.sampleRateHz)),
      'tone',
    )
    if (direction !== 'sendonly')
      this.stream.addSink({ sampleRateHz: codec.sampleRateHz, write() {}, close() {} })
  }

  /** Packet times; @returns what they took, in µs */
  run(count, received) {
    const from = performance.now()
    for (let i = 0; i < count; i++) this.take(received?.[i])
    return 1_000 * (performance.now() - from)
  }

  /** One packet time, in which a packet comes or none. */
  take(packet) {
    this.now += ptimeMs
    if (packet) this.transport.onRtp(packet, this.now)
    this.onDue(0)
  }
}
