/** mulberry32: whole numbers below a bound, the same ones for the same seed. */
export function seeded(seed: number): (exclusiveMax: number) => number {
  let state = seed
  return (exclusiveMax) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * exclusiveMax)
  }
}
