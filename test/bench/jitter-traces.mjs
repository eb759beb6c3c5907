// Networks for packets that are sent every 20 ms, by seeded models: the same on every machine. A trace is
// [{ sentMs, realMs, arrivedMs }] in the order of sending: when by the sender's clock, and by ours; arrivedMs is undefined where the
// packet is lost.
import { readFileSync } from 'node:fs'
import { SeededRandom } from '../../dist/sim/random.js'

export const packetMs = 20
const basicMs = 30

const randomOf = (seed) => {
  const random = new SeededRandom(seed)
  const uniform = () => 1 - random.fraction()
  return {
    uniform,
    chance: (probability) => random.chance(probability),
    exponential: (mean) => -mean * Math.log(uniform()),
    gaussian: () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
    pareto: (shape, least) => least / uniform() ** (1 / shape),
  }
}

/** Packets do not overtake each other: what one waits for, those behind it wait for as well. */
function inOrder(packets, delayOf, clockPpm = 0) {
  let last = 0
  return Array.from({ length: packets }, (_, index) => {
    const sentMs = index * packetMs
    const realMs = sentMs * (1 - clockPpm / 1e6)
    last = Math.max(last, realMs + delayOf(realMs, index))
    return { sentMs, realMs, arrivedMs: last }
  })
}

/** Gilbert's model: how likely a packet is lost after one that came, and after one that was lost. */
export function gilbert(share, meanRun, seed) {
  const random = randomOf(seed)
  const leave = 1 / meanRun
  const enter = (share * leave) / (1 - share)
  let isLost = false
  return () => {
    isLost = isLost ? !random.chance(leave) : random.chance(enter)
    return isLost
  }
}

export const losing = (trace, isLost) =>
  trace.map((packet) => (isLost() ? { ...packet, arrivedMs: undefined } : packet))

const models = {
  constant: (packets) => inOrder(packets, () => basicMs),
  'Gaussian, 10 ms': (packets) => {
    const { gaussian } = randomOf(1)
    return inOrder(packets, () => Math.max(0, basicMs + 10 * gaussian()))
  },
  'Gaussian, 30 ms': (packets) => {
    const { gaussian } = randomOf(2)
    return inOrder(packets, () => Math.max(0, 3 * basicMs + 30 * gaussian()))
  },
  'Wi-Fi: heavy-tailed spikes': (packets) => {
    const { exponential, pareto } = randomOf(3)
    let next = exponential(4_000)
    let until = 0
    return inOrder(packets, (now) => {
      if (now > next) {
        until = now + Math.min(500, pareto(1.3, 40))
        next = now + exponential(4_000)
      }
      return Math.max(0, until - now) + 5 + exponential(3)
    })
  },
  'LTE: delay steps': (packets) => {
    const { uniform, exponential } = randomOf(4)
    let next = 0
    let level = 0
    return inOrder(packets, (now) => {
      if (now >= next) {
        level = 30 + 120 * uniform()
        next = now + 5_000 + exponential(20_000)
      }
      return level + 5 * Math.round(exponential(8) / 5)
    })
  },
  'bursty: 5 % lost in runs of 3': (packets) => {
    const { exponential } = randomOf(5)
    return losing(
      inOrder(packets, () => basicMs + exponential(8)),
      gilbert(0.05, 3, 6),
    )
  },
  'sender 200 ppm fast': (packets) => {
    const { exponential } = randomOf(7)
    return inOrder(packets, () => basicMs + exponential(5), 200)
  },
  'sender 200 ppm slow': (packets) => {
    const { exponential } = randomOf(8)
    return inOrder(packets, () => basicMs + exponential(5), -200)
  },
  'reordering: 3 % overtaken': (packets) => {
    const { exponential, uniform, chance } = randomOf(9)
    return inOrder(packets, () => basicMs + exponential(3)).map((packet) => ({
      ...packet,
      arrivedMs: packet.arrivedMs + (chance(0.03) ? 25 + 50 * uniform() : 0),
    }))
  },
}

/** @returns {Record<string, { sentMs: number, realMs: number, arrivedMs: number | undefined }[]>} */
export function jitterTraces(packets) {
  const traces = Object.fromEntries(Object.entries(models).map(([name, model]) => [name, model(packets)]))
  return { ...traces, ...recordedTraces() }
}

/** Of `node test/bench/record-trace.mjs`: arrivals of packets sent every 20 ms, in tenths of ms after the one before; null: lost. */
function recordedTraces() {
  const file = new URL('results/recorded-traces.json', import.meta.url)
  return Object.fromEntries(
    Object.entries(JSON.parse(readFileSync(file, 'utf8'))).map(([name, differences]) => {
      let at = basicMs
      return [
        name,
        differences.map((tenths, index) => {
          at += (tenths ?? 0) / 10
          const sentMs = index * packetMs
          return { sentMs, realMs: sentMs, arrivedMs: tenths === null ? undefined : at }
        }),
      ]
    }),
  )
}

/** Each packet is delayed by itself, so that they overtake each other. */
export const uniformJitter = (packets, upToMs, seed) => {
  const { uniform } = randomOf(seed)
  return inOrder(packets, () => basicMs).map((packet) => ({
    ...packet,
    arrivedMs: packet.arrivedMs + upToMs * uniform(),
  }))
}
