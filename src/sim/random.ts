// Seeded randomness (xoshiro128**, seeded by splitmix32): the same seed gives the same run on every machine.
// Not for secrets outside a simulation.
import type { Random } from '../runtime/runtime.ts'

const TWO_32 = 2 ** 32

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))

const splitmix32 = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let z = state ^ (state >>> 16)
    z = Math.imul(z, 0x21f0aaad)
    z ^= z >>> 15
    z = Math.imul(z, 0x735a2d97)
    return z ^ (z >>> 15)
  }
}

/** FNV-1a. */
const hash = (text: string): number => {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value
}

export class SeededRandom implements Random {
  private a: number
  private b: number
  private c: number
  private d: number

  constructor(readonly seed: number) {
    const next = splitmix32(seed)
    this.a = next()
    this.b = next()
    this.c = next()
    this.d = next()
  }

  bytes(lengthBytes: number): Uint8Array {
    const bytes = new Uint8Array(lengthBytes)
    for (let i = 0; i < lengthBytes; i++) bytes[i] = this.word() >>> 24
    return bytes
  }

  integer(exclusiveMax: number): number {
    return Math.floor(this.fraction() * exclusiveMax)
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.word() / TWO_32
  }

  /** True with the given probability; draws nothing where the answer is certain. */
  chance(probability: number): boolean {
    return probability > 0 && (probability >= 1 || this.fraction() < probability)
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.integer(choices.length)]!
  }

  /** An independent sequence for a named part of the run: what one part draws never shifts another's. */
  fork(name: string): SeededRandom {
    return new SeededRandom(hash(name) ^ Math.imul(this.seed, 0x9e3779b1))
  }

  private word(): number {
    const result = Math.imul(rotate(Math.imul(this.b, 5), 7), 9) >>> 0
    const t = this.b << 9
    this.c ^= this.a
    this.d ^= this.b
    this.b ^= this.c
    this.a ^= this.d
    this.c ^= t
    this.d = rotate(this.d, 11)
    return result
  }
}
