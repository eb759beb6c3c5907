// A recording of what floe plays of a trace: its jitter buffer, decoder, concealment and time scaling, turned by a clock of our
// own, a frame every 20 ms.
import { JitterBuffer } from '../../dist/rtp/jitter-buffer.js'
import { Playout } from '../../dist/stream/playout.js'
import { packetMs } from './jitter-traces.mjs'

/** Knows where on the sender's time line the play-out is, and how many packets it was given. */
class WatchedBuffer extends JitterBuffer {
  window = 0
  endTicks = undefined
  played = 0

  advance(ticks) {
    super.advance(ticks)
    this.window = ticks
    if (this.endTicks !== undefined) this.endTicks += ticks
  }

  next() {
    const due = super.next()
    if (!due) return undefined
    this.played++
    this.endTicks = this.playedTimestamp - due.offsetTicks + this.window
    return due
  }
}

/**
 * @param packets payloads in the order of sending
 * @param {Partial<Record<string, unknown>>} codec with the decoder to use
 * @returns the recording, one frame of ours after the other; the mean delay from sending to the frame it is played with; what part of the
 *   packets was not played, and what part of the time was made up, stretched and shortened
 */
export function playFloe(
  trace,
  codec,
  packets,
  { bounds = { minimumMs: 20, maximumMs: 400 }, lastMs = 500 } = {},
) {
  const ticksPerMs = codec.clockRateHz / 1000
  const buffer = new WatchedBuffer(codec.clockRateHz, bounds)
  const playout = new Playout(codec, buffer)
  playout.use(0, codec)
  const arrivals = trace
    .map(({ arrivedMs }, sequence) => ({ arrivedMs, sequence }))
    .filter(({ arrivedMs }) => arrivedMs !== undefined)
    .sort((a, b) => a.arrivedMs - b.arrivedMs)
  const frame = new Int16Array((codec.sampleRateHz * packetMs) / 1000)
  const endMs = trace.at(-1).sentMs + lastMs
  const recording = new Int16Array(Math.ceil(endMs / packetMs) * frame.length)
  const realPerSent = trace.at(-1).realMs / trace.at(-1).sentMs
  let next = 0
  let [sum, frames] = [0, 0]
  for (let now = 0; now < endMs; now += packetMs) {
    for (; next < arrivals.length && arrivals[next].arrivedMs <= now; next++) {
      const { sequence } = arrivals[next]
      const timestamp = (sequence * packetMs * ticksPerMs) >>> 0
      buffer.insert(sequence, timestamp, false, 0, packets[sequence % packets.length])
    }
    playout.read(frame)
    recording.set(frame, (now / packetMs) * frame.length)
    if (buffer.endTicks === undefined || now > trace.at(-1).sentMs) continue
    const aheadMs = playout.delayMs - buffer.delayMs
    sum += now + packetMs - realPerSent * (buffer.endTicks / ticksPerMs - aheadMs)
    frames++
  }
  const { concealedMs, stretchedMs, shortenedMs } = playout.changes
  playout.close()
  const percent = (ms) => (100 * ms) / (frames * packetMs)
  return {
    recording,
    delayMs: sum / frames,
    unplayedPercent: 100 * (1 - buffer.played / trace.length),
    madeUpPercent: percent(concealedMs),
    stretchedPercent: percent(stretchedMs),
    shortenedPercent: percent(shortenedMs),
  }
}
