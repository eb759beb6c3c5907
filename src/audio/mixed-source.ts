// Several sources as one, each with its gain: speech over music, a prompt over a tone.
import { UsageError } from '../errors.ts'
import type { AudioSource } from './frames.ts'
import { amplitudeOf } from './level.ts'
import { Limiter } from './limiter.ts'
import { resampled } from './resample.ts'

export interface MixedInput {
  source: AudioSource
  /** Default 0. */
  gainDb?: number
  /** The mix does not go on for this one: music ends with the speech that is over it. */
  background?: boolean
}

interface Input {
  source: AudioSource
  gain: number
  background: boolean
  ended: boolean
}

/** The sum of `inputs`, at the highest of their rates unless another is named; too much of it is turned down, never torn. Ends when all have
 *  ended that are not in the background; closing it closes them all.
 *  @throws UsageError where there is nothing in the foreground */
export function mixed(inputs: readonly (AudioSource | MixedInput)[], sampleRateHz?: number): AudioSource {
  return new MixedSource(
    inputs.map((input) => ('source' in input ? input : { source: input })),
    sampleRateHz,
  )
}

class MixedSource implements AudioSource {
  readonly sampleRateHz: number
  private readonly inputs: Input[]
  private readonly limiter: Limiter
  private sum = new Float64Array(0)
  private piece = new Int16Array(0)

  constructor(inputs: readonly MixedInput[], sampleRateHz: number | undefined) {
    if (!inputs.some(({ background }) => !background))
      throw new UsageError('There is nothing to mix: give one source at least that is not in the background.')
    this.sampleRateHz = sampleRateHz ?? Math.max(...inputs.map(({ source }) => source.sampleRateHz))
    this.inputs = inputs.map(({ source, gainDb = 0, background = false }) => ({
      source: resampled(source, this.sampleRateHz),
      gain: amplitudeOf(gainDb),
      background,
      ended: false,
    }))
    this.limiter = new Limiter(this.sampleRateHz)
  }

  read(into: Int16Array): number {
    const { length } = into
    if (this.sum.length < length) this.sum = new Float64Array(length)
    if (this.piece.length !== length) this.piece = new Int16Array(length)
    this.sum.fill(0, 0, length)
    let filled = 0
    for (const input of this.inputs) {
      const read = input.ended ? 0 : this.add(input, length)
      if (!input.background && read > filled) filled = read
    }
    this.limiter.write(this.sum, into, filled)
    return filled
  }

  close(): void {
    for (const { source } of this.inputs) source.close()
  }

  private add(input: Input, length: number): number {
    const { piece, sum } = this
    const read = input.source.read(piece)
    input.ended = read < length
    for (let i = 0; i < read; i++) sum[i]! += piece[i]! * input.gain
    return read
  }
}
