// How like the original speech is after losses and jitter, by codec and with and without what helps: the likeness of
// src/audio/recognise.ts, a correlation of levels in 16 bands over time, 1 for the same. In virtual time.
import { hasHeard } from '../../dist/audio/recognise.js'
import { pcmu } from '../../dist/codec/g711.js'
import { g722 } from '../../dist/codec/g722.js'
import { opus } from '../../dist/codec/opus.js'
import { playFloe } from './jitter-floe.mjs'
import { gilbert, losing, packetMs, uniformJitter } from './jitter-traces.mjs'
import { wait } from './processes.mjs'
import { speechSamples } from './speech.mjs'

const { concealment: _, ...unconcealed } = pcmu
const codecs = {
  'PCMU, nothing concealed': { codec: unconcealed },
  'PCMU, 60 ms fixed': { codec: pcmu, bounds: { minimumMs: 60, maximumMs: 60 } },
  PCMU: { codec: pcmu },
  G722: { codec: g722 },
  'opus without FEC': { codec: opus, fmtp: '' },
  opus: { codec: opus, fmtp: 'useinbandfec=1' },
}
const repetitions = 4
const seeds = [1, 2, 3]
const meanRun = 3
const largestPayloadBytes = 1_200
/** libopus makes its encoders and decoders in a moment of its own. */
const codecReadyMs = 50

const steady = (packets) => uniformJitter(packets, 0, 1)
const conditions = {
  'no loss': steady,
  ...Object.fromEntries(
    [1, 5, 10, 20].flatMap((percent) => [
      [
        `${percent} % lost at random`,
        (packets, seed) => losing(steady(packets), gilbert(percent / 100, 1 / (1 - percent / 100), seed)),
      ],
      [
        `${percent} % lost in runs of ${meanRun}`,
        (packets, seed) => losing(steady(packets), gilbert(percent / 100, meanRun, seed)),
      ],
    ]),
  ),
  ...Object.fromEntries(
    [10, 30, 100, 300].map((ms) => [
      `jitter of ${ms} ms`,
      (packets, seed) => uniformJitter(packets, ms, seed),
    ]),
  ),
}

export async function measureQuality() {
  const results = Object.fromEntries(Object.keys(conditions).map((name) => [name, {}]))
  for (const [name, { codec, fmtp, bounds }] of Object.entries(codecs)) {
    const samples = speechSamples(['hello', 'reply'], codec.sampleRateHz, repetitions)
    const packets = await encode(codec, fmtp, samples)
    const expected = { samples, sampleRateHz: codec.sampleRateHz }
    for (const [condition, traceOf] of Object.entries(conditions)) {
      let sum = 0
      for (const seed of seeds) {
        const { recording } = await play(traceOf(packets.length, seed), codec, packets, bounds)
        sum += hasHeard({ samples: recording, sampleRateHz: codec.sampleRateHz }, expected).score
      }
      results[condition][name] = Math.round((100 * sum) / seeds.length) / 100
    }
  }
  return results
}

async function encode(codec, fmtp, samples) {
  await codec.load?.()
  const encoder = codec.createEncoder(fmtp)
  await wait(codecReadyMs)
  const frameSamples = (codec.sampleRateHz * packetMs) / 1000
  const out = new Uint8Array(largestPayloadBytes)
  const packets = []
  for (let at = 0; at + frameSamples <= samples.length; at += frameSamples)
    packets.push(out.slice(0, encoder.encode(samples.subarray(at, at + frameSamples), out)))
  encoder.close?.()
  return packets
}

/** With a decoder that is ready. */
async function play(trace, codec, packets, bounds) {
  const decoder = codec.createDecoder()
  if (codec === opus) await wait(codecReadyMs)
  return playFloe(trace, { ...codec, createDecoder: () => decoder }, packets, bounds && { bounds })
}
