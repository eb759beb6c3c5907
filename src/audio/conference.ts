// A conference: everybody hears the sum of all others, and not themselves ("mix-minus"). Each seat is a sink for what its holder
// says and a source of what its holder hears, as an EchoLine is: call.addSink(seat), call.play(seat).
//
// All seats share one time line, a ring that holds the sum of what everybody says; who listens gets it less what they said
// themselves. So a frame costs the same however many there are, and nothing is allocated for it. Writers come at moments of
// their own within a packet time; readers keep a little more than the longest packet time behind the foremost, so that all have
// written by then.
// Leaves out the loudest-speakers rule of large bridges, and stereo.
import type { AudioSink, AudioSource } from './frames.ts'
import { amplitudeOf } from './level.ts'
import { Limiter } from './limiter.ts'

export interface ConferenceOptions {
  /** Seats speak and hear at this rate. Default 16,000; 8,000 suffices where all are on G.711. */
  sampleRateHz?: number
}

const ringMs = 1_000
/** Of one who reads, beside the longest packet time: the clocks of streams are not quite even. */
const marginMs = 10
/** Who writes or reads so far off the others has stalled, and goes on at their place. */
const strayMs = 80

export class Conference {
  readonly sampleRateHz: number
  private readonly line: TimeLine
  private readonly seats = new Set<Seat>()

  constructor({ sampleRateHz = 16_000 }: ConferenceOptions = {}) {
    this.sampleRateHz = sampleRateHz
    const samples = (ms: number): number => Math.round((ms * sampleRateHz) / 1000)
    this.line = {
      sampleRateHz,
      sum: new Float64Array(samples(ringMs)),
      head: 0,
      longestSamples: 0,
      marginSamples: samples(marginMs),
      straySamples: samples(strayMs),
    }
  }

  /** A place for one more. It is given back by `close`, which the call does that plays it. */
  join(): Seat {
    const seat = new Seat(this.line, () => this.seats.delete(seat))
    this.seats.add(seat)
    return seat
  }

  /** How many are in it. */
  get size(): number {
    return this.seats.size
  }
}

interface TimeLine {
  sampleRateHz: number
  /** What all say together: a ring. */
  sum: Float64Array
  /** Up to where somebody has said something, in samples since the beginning. */
  head: number
  /** The longest piece that was written. */
  longestSamples: number
  marginSamples: number
  straySamples: number
}

export class Seat implements AudioSink, AudioSource {
  readonly sampleRateHz: number
  /** How loud the others hear this one. */
  gainDb = 0
  /** The others do not hear this one. */
  muted = false
  private readonly own: Float64Array
  private readonly heard: Float64Array
  private readonly limiter: Limiter
  private writeAt = Number.NEGATIVE_INFINITY
  private readAt = Number.NEGATIVE_INFINITY
  private delaySamples = 0
  private closed = false

  constructor(
    private readonly line: TimeLine,
    private readonly onClose: () => void,
  ) {
    this.sampleRateHz = line.sampleRateHz
    this.own = new Float64Array(line.sum.length)
    this.heard = new Float64Array(line.sum.length)
    this.limiter = new Limiter(line.sampleRateHz)
  }

  /** What this one says; at most a second. */
  write(samples: Int16Array): void {
    if (this.closed) return
    const { line, own } = this
    const { length } = line.sum
    if (samples.length > line.longestSamples) line.longestSamples = samples.length
    if (line.head - (this.writeAt + samples.length) > line.straySamples)
      this.moveTo(Math.max(0, line.head - samples.length))
    const end = this.writeAt + samples.length
    if (end > line.head) {
      clear(line.sum, line.head, end)
      line.head = end
    }
    const gain = this.muted ? 0 : amplitudeOf(this.gainDb)
    for (let i = 0, at = this.writeAt % length; i < samples.length; i++) {
      const value = samples[i]! * gain
      own[at] = value
      line.sum[at]! += value
      if (++at === length) at = 0
    }
    this.writeAt = end
  }

  /** What the others say. */
  read(into: Int16Array): number {
    const { line, own, heard } = this
    const { length } = line.sum
    const lag = line.head - (this.readAt + into.length)
    const delaySamples = line.longestSamples + line.marginSamples
    if (delaySamples !== this.delaySamples || lag < 0 || lag > delaySamples + line.straySamples)
      this.readAt = line.head - into.length - delaySamples
    this.delaySamples = delaySamples
    // What this one has said ends where it writes; before the beginning there is nothing.
    for (let i = 0, at = this.readAt; i < into.length; i++, at++) {
      const index = at < 0 ? 0 : at % length
      heard[i] = at < 0 ? 0 : line.sum[index]! - (at < this.writeAt ? own[index]! : 0)
    }
    this.readAt += into.length
    this.limiter.write(heard, into, into.length)
    return into.length
  }

  close(): void {
    this.closed = true
    this.onClose()
  }

  /** It begins, or has stalled: what it has not said is silence. */
  private moveTo(position: number): void {
    clear(this.own, Math.max(this.writeAt, position - this.own.length), position)
    this.writeAt = position
  }
}

/** Forgets what stood in a ring from `from` to `to`. */
function clear(ring: Float64Array, from: number, to: number): void {
  for (let at = Math.max(from, to - ring.length); at < to; at++) if (at >= 0) ring[at % ring.length] = 0
}
