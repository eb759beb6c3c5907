// Whether there is something to hear in what was received, how loud and for how long. Looks at audio, not at packets.
import { audibleMeanSquare, dbfsOf } from '../audio/level.ts'
import type { Millis } from '../runtime/runtime.ts'

/** So much audible audio in a row is heard; a single click is not. */
const heardAfterMs = 60

export class Hearing {
  heardMs: Millis = 0
  private inARowMs: Millis = 0
  private power = 0
  private noiseMs: Millis = 0
  private noisePower = 0
  private reported = false

  /** @param onFirstHeard called once */
  constructor(private readonly onFirstHeard: (levelDbfs: number) => void) {}

  /** @param power mean square of a frame */
  hear(power: number, durationMs: Millis): void {
    if (power <= audibleMeanSquare) {
      this.inARowMs = 0
      this.noiseMs += durationMs
      this.noisePower += durationMs * power
      return
    }
    this.heardMs += durationMs
    this.inARowMs += durationMs
    this.power += durationMs * power
    if (!this.reported && this.inARowMs >= heardAfterMs) {
      this.reported = true
      this.onFirstHeard(dbfsOf(power))
    }
  }

  /** Mean level of what was received and not audible, undefined where there was no such thing. */
  get noiseDbfs(): number | undefined {
    return this.noiseMs === 0 ? undefined : dbfsOf(this.noisePower / this.noiseMs)
  }

  /** Mean level of what was audible; -Infinity where nothing was. */
  get levelDbfs(): number {
    return this.heardMs === 0 ? Number.NEGATIVE_INFINITY : dbfsOf(this.power / this.heardMs)
  }
}
