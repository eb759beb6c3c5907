// How many ends of calls one process can encode, decode and play out in real time, with encoders in its main thread and in threads of
// their own: packet times follow each other as fast as they can be served, without sockets.
import { readFileSync } from 'node:fs'
import { readAll, repeated, samplesSource } from '../../dist/audio/sources.js'
import { toneBurst } from '../../dist/audio/tones.js'
import { codecByName } from '../../dist/codec/registry.js'
import { encodedInThreads } from '../../dist/codec/threaded-encoder.js'
import { nodeRuntime } from '../../dist/runtime/node.js'
import { AudioStream } from '../../dist/stream/audio-stream.js'
import { median } from './figures.mjs'
import { wait } from './processes.mjs'

const names = ['opus', 'G722']
const threadCounts = [0, 1, 2]
const ends = 80
/** As the pacer serves them. */
const slots = 20
const ptimeMs = 20
const warmUpPacketTimes = 25
const codecReadyMs = 100
const sleepMs = 1

/** @returns {Promise<{ codec: string, threads: number, calls: number, cpuPercent: number, mainPercent: number }[]>} CPU for one end: of
 *  all threads, and of the main thread alone */
export async function measureCodecThreads({ rounds = 5, packetTimes = 100 }) {
  const results = []
  for (const name of names)
    for (const threads of threadCounts) {
      const runs = []
      for (let round = 0; round < rounds; round++) runs.push(await measureOnce(name, threads, packetTimes))
      const [wallMs, cpuMs, mainMs] = ['wallMs', 'cpuMs', 'mainMs'].map((key) =>
        median(runs.map((run) => run[key])),
      )
      results.push({
        ...{ codec: name, threads },
        calls: Math.floor((ends * ptimeMs) / wallMs),
        cpuPercent: percentOfEnd(cpuMs),
        mainPercent: percentOfEnd(mainMs),
      })
    }
  return results
}

const percentOfEnd = (ms) => Math.round((10_000 * ms) / (ends * ptimeMs)) / 100

const mainThreadMs = () =>
  Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6

/** Of a packet time of all ends. */
async function measureOnce(name, threads, packetTimes) {
  const codec = untilReady(encodedInThreads(codecByName(name), threads, nodeRuntime, () => {}))
  await codec.load?.()
  const time = { now: 0 }
  const all = Array.from({ length: ends }, () => new End(codec, time))
  for (const [index, end] of all.entries()) end.peer = all[index ^ 1]
  for (const end of all) end.stream.start()
  await wait(codecReadyMs)
  const run = async (count) => {
    for (let i = 0; i < count; i++) {
      time.now += ptimeMs
      for (let slot = 0; slot < slots; slot++) {
        for (let index = slot; index < ends; index += slots) all[index].onDue(0, time.now)
        await undefined
      }
    }
  }
  await run(warmUpPacketTimes)
  const before = { wall: performance.now(), main: mainThreadMs(), cpu: process.cpuUsage() }
  await run(packetTimes)
  const { user, system } = process.cpuUsage(before.cpu)
  const mainMs = (mainThreadMs() - before.main) / packetTimes
  const wallMs = (performance.now() - before.wall) / packetTimes
  for (const { stream } of all) {
    const { sent, received } = stream.statistics()
    if (sent.packets < packetTimes || received.lost > 0)
      throw new Error(`${sent.packets} sent, ${received.lost} lost`)
    stream.stop()
  }
  return { wallMs, mainMs, cpuMs: (user + system) / 1_000 / packetTimes }
}

/** Where a packet time lasts 20 ms, a packet is ready when the next frame is due; here it is waited for. */
function untilReady(codec) {
  if (!codec.createPipelinedEncoder) return codec
  const sleep = new Int32Array(new SharedArrayBuffer(4))
  return {
    ...codec,
    createPipelinedEncoder: (frameSamples, fmtp) => {
      const encoder = codec.createPipelinedEncoder(frameSamples, fmtp)
      return {
        begin: (pcm) => encoder.begin(pcm),
        finish: (out) => {
          for (;;) {
            const packetBytes = encoder.finish(out)
            if (packetBytes !== undefined) return packetBytes
            Atomics.wait(sleep, 0, 0, sleepMs)
          }
        },
        close: () => encoder.close(),
      }
    },
  }
}

/** A stream whose time is turned by hand, and whose packets go to another. */
class End {
  constructor(codec, time) {
    this.transport = {
      sendRtp: (packet) => {
        this.peer.transport.onRtp(Buffer.from(packet))
        return true
      },
      sendRtcp: () => true,
      onRtp: undefined,
      onRtcp: undefined,
    }
    const payloadType = codec.staticPayloadType ?? 96
    this.stream = new AudioStream({
      clock: { now: () => time.now, wallTime: () => time.now, setTimer: () => ({ cancel() {} }) },
      random: nodeRuntime.random,
      transport: this.transport,
      pacer: {
        add: (_periodMs, onDue) => {
          this.onDue = onDue
          return { cancel() {} }
        },
      },
      ...{ codec, sendPayloadType: payloadType, receivePayloadType: payloadType, ptimeMs },
      ...{ direction: 'sendrecv', cname: 'bench', record: () => {} },
    })
    const sound = readAll(toneBurst({ frequenciesHz: [440] }, 1000, codec.sampleRateHz), 1000)
    this.stream.play(
      repeated(() => samplesSource(sound, codec.sampleRateHz)),
      'tone',
    )
    this.stream.addSink({ sampleRateHz: codec.sampleRateHz, write() {}, close() {} })
  }
}
