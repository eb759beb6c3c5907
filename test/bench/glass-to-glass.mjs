// Glass to glass: from the moment when a frame is read from what plays at one end to the moment when its sound is written to the
// recording at the other, over UDP on the loopback, in one process. A click goes out once a second; the packet time that its frame
// lasts is counted, the network's time is next to nothing.
import { pcmu } from '../../dist/codec/g711.js'
import { g722 } from '../../dist/codec/g722.js'
import { opus } from '../../dist/codec/opus.js'
import { quantile } from './figures.mjs'
import { startCalls } from './media-streams.mjs'
import { wait } from './processes.mjs'

const codecs = { PCMU: pcmu, G722: g722, opus }
const settlingMs = 3_000
const clickEveryMs = 1_000
const loud = 8_000

/** @returns {Promise<Record<string, { p50: number, max: number, clicks: number }>>} ms */
export async function measureGlassToGlass({ measureMs = 20_000 }) {
  const results = {}
  for (const [name, codec] of Object.entries(codecs)) {
    await codec.load?.()
    const { streams, stop } = await startCalls(2, { codec })
    const [one, other] = streams
    const { sampleRateHz } = codec
    const spoken = []
    const delays = []
    let frames = 0
    const everyFrames = clickEveryMs / 20
    one.play(
      {
        sampleRateHz,
        read(into) {
          into.fill(0)
          if (frames++ % everyFrames === 0) {
            for (let i = 0; i < into.length; i++)
              into[i] = Math.round(16_000 * Math.sin((2 * Math.PI * 1_000 * i) / sampleRateHz))
            spoken.push(performance.now())
          }
          return into.length
        },
        close() {},
      },
      'clicks',
    )
    let quiet = true
    other.addSink({
      sampleRateHz,
      write(samples) {
        const at = samples.findIndex((sample) => Math.abs(sample) > loud)
        // The frame is written when its first sample is due: what follows is due later by as much.
        if (at >= 0 && quiet) delays.push(performance.now() + (1_000 * at) / sampleRateHz - spoken.at(-1))
        quiet = at < 0
      },
      close() {},
    })
    await wait(settlingMs)
    delays.length = 0
    await wait(measureMs)
    results[name] = {
      p50: round(quantile(delays, 0.5)),
      max: round(quantile(delays, 1)),
      clicks: delays.length,
    }
    stop()
  }
  return results
}

const round = (value) => Math.round(value * 10) / 10
