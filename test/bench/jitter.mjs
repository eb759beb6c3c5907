// The jitter buffer: delay against loss on traces of packet delays, beside a fixed buffer and published adaptive ones; and how like
// the original speech is after losses and jitter. In virtual time: the same figures on every machine. --only=delay|quality for one
// of them; --save writes results/jitter.json.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isAudible } from '../../dist/audio/level.js'
import { pcmu } from '../../dist/codec/g711.js'
import { playFloe } from './jitter-floe.mjs'
import { jitterTables } from './jitter-tables.mjs'
import { jitterTraces, packetMs } from './jitter-traces.mjs'
import { playPublished, publishedBuffers } from './published-buffers.mjs'
import { measureQuality } from './quality.mjs'
import { speechSamples } from './speech.mjs'

const minutes = 10
/** A pause of the speaker at least; a talk-spurt begins after it. */
const pauseFrames = 10
const file = fileURLToPath(new URL('results/jitter.json', import.meta.url))

export async function benchJitter({ only, save }) {
  const known = only ? JSON.parse(readFileSync(file, 'utf8')) : {}
  const results = {
    delay: only === 'quality' ? known.delay : compareBuffers(),
    quality: only === 'delay' ? known.quality : await measureQuality(),
  }
  for (const [table, lines] of Object.entries(jitterTables(results)))
    console.log(`\n${table}\n${lines.join('\n')}`)
  if (save) writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
}

function compareBuffers() {
  const { packets, beginsSpurt } = speech()
  const traces = jitterTraces((minutes * 60_000) / packetMs)
  return Object.fromEntries(
    Object.entries(traces).map(([name, trace]) => {
      const { recording: _, ...floe } = playFloe(trace, pcmu, packets)
      const published = publishedBuffers.map((buffer) => [buffer, playPublished(buffer, trace, beginsSpurt)])
      return [name, rounded({ floe, ...Object.fromEntries(published) })]
    }),
  )
}

const rounded = (figures) =>
  JSON.parse(JSON.stringify(figures), (_, value) =>
    typeof value === 'number' ? Number(value.toFixed(3)) : value,
  )

/** Three speakers in turn, as packets of PCMU, and where they begin to speak after a pause. */
function speech() {
  const samples = speechSamples(['hello', 'reply', 'prompt'], pcmu.sampleRateHz)
  const frameSamples = (pcmu.sampleRateHz * packetMs) / 1000
  const encoder = pcmu.createEncoder()
  const packets = []
  const begins = []
  let pause = pauseFrames
  for (let at = 0; at + frameSamples <= samples.length; at += frameSamples) {
    const frame = samples.subarray(at, at + frameSamples)
    const payload = new Uint8Array(frameSamples)
    encoder.encode(frame, payload)
    packets.push(payload)
    const audible = isAudible(frame)
    begins.push(audible && pause >= pauseFrames)
    pause = audible ? 0 : pause + 1
  }
  return { packets, beginsSpurt: (index) => begins[index % begins.length] }
}
