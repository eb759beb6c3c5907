// What a seat of a conference costs: to say a frame and to hear what all others say, without streams and codecs.
import { Conference } from '../../dist/audio/conference.js'
import { median } from './figures.mjs'

const rates = [8_000, 16_000]
const sizes = [10, 100, 1_000]
const ptimeMs = 20
/** Frames of all seats together. */
const warmUpFrames = 20_000

/** @returns {Promise<{ sampleRateHz: number, seats: number, frameUs: number, seatsPerCore: number }[]>} */
export async function measureConference({ rounds = 5, packets = 100_000 }) {
  return rates.flatMap((sampleRateHz) =>
    sizes.map((seats) => {
      const runs = Array.from({ length: rounds }, () => measureOnce(sampleRateHz, seats, packets))
      const frameUs = Math.round(100 * median(runs)) / 100
      return { sampleRateHz, seats, frameUs, seatsPerCore: Math.floor((1_000 * ptimeMs) / frameUs) }
    }),
  )
}

/** Of a frame of one seat, in µs. */
function measureOnce(sampleRateHz, count, frames) {
  const conference = new Conference({ sampleRateHz })
  const seats = Array.from({ length: count }, () => conference.join())
  const said = Int16Array.from({ length: (sampleRateHz * ptimeMs) / 1_000 }, (_, i) => 200 * Math.sin(i / 3))
  const heard = new Int16Array(said.length)
  const run = (packetTimes) => {
    for (let i = 0; i < packetTimes; i++)
      for (const seat of seats) {
        seat.write(said)
        seat.read(heard)
      }
  }
  run(Math.ceil(warmUpFrames / count))
  const packetTimes = Math.ceil(frames / count)
  const before = process.cpuUsage()
  run(packetTimes)
  const { user, system } = process.cpuUsage(before)
  if (!heard.some((sample) => sample !== 0)) throw new Error('nobody heard anything')
  return (user + system) / (packetTimes * count)
}
