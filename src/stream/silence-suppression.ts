// When to send nothing: while nobody speaks, and then comfort noise (RFC 3389) at the beginning, where the noise has become louder or
// softer, and now and then, since a packet may be lost, and NATs and peers must see that we are there.
import { NoiseMeasure } from '../audio/comfort-noise.ts'
import { VoiceActivity } from '../audio/voice-activity.ts'
import type { Millis } from '../runtime/runtime.ts'

/** So long sound goes on after the last voice (RFC 3389 5): the ends of words are soft. The noise is measured meanwhile. */
const hangoverMs: Millis = 200
/** Noise is described again where it differs by so much, and not at every packet time; and so often in any case. */
const differenceDb = 2
const leastMs: Millis = 100
const refreshMs: Millis = 1_000

export class SilenceSuppression {
  private readonly voice: VoiceActivity
  private readonly noise = new NoiseMeasure()
  private quietMs: Millis = 0
  /** Undefined: not yet of this pause. */
  private describedDbov: number | undefined
  private sinceDescribedMs: Millis = 0

  constructor(
    sampleRateHz: number,
    private readonly ptimeMs: Millis,
  ) {
    this.voice = new VoiceActivity(sampleRateHz, { hangoverMs: 0 })
  }

  /** Whether the next frame need not be sent. */
  pauses(frame: Int16Array): boolean {
    if (this.voice.hear(frame)) {
      this.noise.reset()
      this.quietMs = 0
      this.describedDbov = undefined
      return false
    }
    this.noise.hear(frame, this.ptimeMs)
    this.quietMs += this.ptimeMs
    return this.quietMs > hangoverMs
  }

  /** In the place of a frame: writes a payload, and returns its octets; 0 where nothing need be sent. */
  describe(out: Uint8Array): number {
    this.sinceDescribedMs += this.ptimeMs
    const { describedDbov, sinceDescribedMs } = this
    const { dbov } = this.noise
    const isDue =
      describedDbov === undefined ||
      sinceDescribedMs >= refreshMs ||
      (sinceDescribedMs >= leastMs && Math.abs(dbov - describedDbov) >= differenceDb)
    if (!isDue) return 0
    this.describedDbov = dbov
    this.sinceDescribedMs = 0
    return this.noise.write(out)
  }

  /** What was described last could not be sent. */
  repeat(): void {
    this.describedDbov = undefined
  }
}
