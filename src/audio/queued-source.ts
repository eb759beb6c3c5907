// Samples that somebody writes ahead of what is being sent, for one who reads in time. Whoever writes is made to wait while more
// than a moment lies ahead; a queue that runs dry is silence.
import type { AudioSource } from './frames.ts'

/** What may lie ahead; `push` waits beyond it. */
const aheadSeconds = 0.2

export class QueuedSource implements AudioSource {
  /** Samples that have been read, without the silence between them. */
  takenSamples = 0
  /** Samples that wait. */
  waitingSamples = 0
  private queue: Int16Array[] = []
  private readonly aheadSamples: number
  private ended = false
  private failure: unknown
  private oddOctet: number | undefined
  private room: { resolve: () => void; reject: (error: unknown) => void } | undefined

  constructor(readonly sampleRateHz: number) {
    this.aheadSamples = aheadSeconds * sampleRateHz
  }

  /** Resolves when there is room for more; rejects where it is not read any more.
   *  @param octets 16-bit PCM, little-endian; any number of them */
  push(octets: Uint8Array): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    const whole = this.oddOctet === undefined ? octets : Buffer.concat([Buffer.of(this.oddOctet), octets])
    this.oddOctet = whole.length % 2 === 1 ? whole.at(-1) : undefined
    const samples = samplesOf(whole)
    if (samples.length > 0) this.queue.push(samples)
    this.waitingSamples += samples.length
    if (this.waitingSamples <= this.aheadSamples) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.room = { resolve, reject }
    })
  }

  read(into: Int16Array): number {
    let filled = 0
    for (let first = this.queue[0]; first && filled < into.length; first = this.queue[0]) {
      const piece = first.subarray(0, into.length - filled)
      into.set(piece, filled)
      filled += piece.length
      if (piece.length === first.length) this.queue.shift()
      else this.queue[0] = first.subarray(piece.length)
    }
    this.waitingSamples -= filled
    this.takenSamples += filled
    if (this.waitingSamples <= this.aheadSamples) this.makeRoom()
    if (this.ended && this.waitingSamples === 0) return filled
    into.fill(0, filled)
    return into.length
  }

  /** Forgets what waits; returns how many samples that were. */
  clear(): number {
    const forgotten = this.waitingSamples
    this.queue = []
    this.waitingSamples = 0
    this.oddOctet = undefined
    this.makeRoom()
    return forgotten
  }

  /** No more will be written: it ends when the last sample has been read. */
  end(): void {
    this.ended = true
  }

  /** It is not read any more, and why. */
  fail(error: unknown): void {
    this.failure = error
    this.room?.reject(error)
    this.room = undefined
  }

  close(): void {}

  private makeRoom(): void {
    this.room?.resolve()
    this.room = undefined
  }
}

function samplesOf(octets: Uint8Array): Int16Array {
  const samples = new Int16Array(octets.length >> 1)
  for (let i = 0; i < samples.length; i++) samples[i] = octets[2 * i]! | (octets[2 * i + 1]! << 8)
  return samples
}

/** 16-bit PCM, little-endian. */
export function octetsOf(samples: Int16Array): Uint8Array {
  const octets = new Uint8Array(2 * samples.length)
  for (let i = 0; i < samples.length; i++) {
    octets[2 * i] = samples[i]!
    octets[2 * i + 1] = samples[i]! >> 8
  }
  return octets
}
