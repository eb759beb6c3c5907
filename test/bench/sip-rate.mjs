// Places calls at a steady rate and takes the time of each from its INVITE to its 200.
import { median, quantile } from './figures.mjs'
import { wait } from './processes.mjs'

/** How long calls may take to end after the last was placed. */
const graceMs = 3_000

/** @param place begins one call; it says when the call is accepted, and when it is over at both ends */
export async function atRate(callsPerSecond, count, place) {
  const setUpMs = []
  let placed = 0
  let ended = 0
  const startedAt = performance.now()
  while (placed < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - startedAt) / 1000) * callsPerSecond))
    while (placed < due) {
      const from = performance.now()
      place({ accepted: () => setUpMs.push(performance.now() - from), over: () => ended++ })
      placed++
    }
    await wait(1)
  }
  const seconds = (performance.now() - startedAt) / 1000
  for (let waited = 0; ended < count && waited < graceMs; waited += 50) await wait(50)
  return {
    successful: Math.min(ended, setUpMs.length),
    achieved: placed / seconds,
    p50: median(setUpMs),
    p99: quantile(setUpMs, 0.99),
  }
}
