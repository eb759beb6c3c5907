// Play-out delays as they were published, to compare with. All set the delay anew where a talk-spurt begins, as their authors do,
// and their packets are played with the next frame of a play-out that takes one every 20 ms, as floe's is.
// - fixed: so long after the first packet.
// - Ramjee, Kurose, Towsley, Schulzrinne 1994, "Adaptive playout mechanisms for packetized audio applications in wide-area
//   networks": algorithm 4, with its spike detection; thresholds of the paper's code, in units of 1/8 ms.
// - Moon, Kurose, Towsley 1998, "Packet audio playout delay adjustment: performance bounds and algorithms": algorithm 3, a quantile
//   of the last 10,000 delays, with spikes.
import { packetMs } from './jitter-traces.mjs'

/** @returns a function of a packet's delay in ms, called in the order of arrival, and the delay for a talk-spurt that begins */
const policies = {
  'fixed 60 ms': () => {
    let first
    return { observe: (delay) => (first ??= delay), playoutDelay: () => first + 60 }
  },
  'Ramjee et al., algorithm 4': () => {
    let mean
    let variation = 0
    let slope = 0
    let isSpike = false
    let [previous, before] = [0, 0]
    const observe = (delayMs) => {
      const delay = 8 * delayMs
      if (mean === undefined) {
        ;[mean, previous, before] = [delay, delay, delay]
        return
      }
      if (!isSpike) {
        if (Math.abs(delay - previous) > 2 * Math.abs(variation) + 800) {
          slope = 0
          isSpike = true
        }
      } else {
        slope = slope / 2 + Math.abs((2 * delay - previous - before) / 8)
        if (slope <= 63) {
          isSpike = false
          ;[before, previous] = [previous, delay]
          return
        }
      }
      mean = isSpike ? mean + delay - previous : 0.125 * delay + 0.875 * mean
      variation = 0.125 * Math.abs(delay - mean) + 0.875 * variation
      ;[before, previous] = [previous, delay]
    }
    return { observe, playoutDelay: () => (mean + 4 * variation) / 8 }
  },
  'Moon et al., 99 % quantile': () => {
    const window = 10_000
    const [head, tail, quantile] = [4, 2, 0.99]
    const delays = []
    const counts = new Map()
    let current = 0
    let isSpike = false
    let [before, latest] = [0, 0]
    const count = (delay, by) => counts.set(Math.round(delay), (counts.get(Math.round(delay)) ?? 0) + by)
    const observe = (delay) => {
      latest = delay
      if (isSpike) {
        if (delay <= tail * before) isSpike = false
      } else if (current > 0 && delay > head * current) {
        isSpike = true
        before = current
      }
      delays.push(delay)
      count(delay, 1)
      if (delays.length > window) count(delays[delays.length - 1 - window], -1)
    }
    const playoutDelay = () => {
      if (isSpike) return latest
      const all = Math.min(window, delays.length)
      let within = 0
      for (const delay of [...counts.keys()].sort((a, b) => a - b)) {
        within += counts.get(delay)
        current = delay
        if (within >= quantile * all) break
      }
      return current
    }
    return { observe, playoutDelay }
  },
}

export const publishedBuffers = Object.keys(policies)

/** @param beginsSpurt whether a packet is the first of a talk-spurt
 *  @returns mean delay from sending to the frame it is played with, and the share of packets that are not */
export function playPublished(name, trace, beginsSpurt) {
  const { observe, playoutDelay } = policies[name]()
  const arrivals = trace
    .filter(({ arrivedMs }) => arrivedMs !== undefined)
    .sort((a, b) => a.arrivedMs - b.arrivedMs)
  let seen = 0
  let delayMs
  let [sum, played] = [0, 0]
  trace.forEach(({ sentMs, realMs, arrivedMs }, index) => {
    if (delayMs === undefined || beginsSpurt(index)) {
      // What is known when the first packet of the spurt has come, or should have.
      const until = arrivedMs ?? sentMs + (delayMs ?? 0)
      while (seen < arrivals.length && (arrivals[seen].arrivedMs <= until || delayMs === undefined)) {
        observe(arrivals[seen].arrivedMs - arrivals[seen].sentMs)
        seen++
        delayMs ??= 0
      }
      delayMs = playoutDelay()
    }
    const frameAt = Math.ceil((sentMs + delayMs) / packetMs) * packetMs
    if (arrivedMs === undefined || arrivedMs > frameAt) return
    played++
    sum += frameAt - realMs
  })
  return { delayMs: sum / played, unplayedPercent: 100 * (1 - played / trace.length) }
}
