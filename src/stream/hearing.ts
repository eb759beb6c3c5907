// Whether there is something to hear in what was received, how loud and for how long. Looks at audio, not at packets.
import { audibleDbfs, levelDbfs } from '../audio/level.ts'
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

  hear(frame: Int16Array, durationMs: Millis): void {
    const level = levelDbfs(frame)
    if (level <= audibleDbfs) {
      this.inARowMs = 0
      this.noiseMs += durationMs
      this.noisePower += durationMs * 10 ** (level / 10)
      return
    }
    this.heardMs += durationMs
    this.inARowMs += durationMs
    this.power += durationMs * 10 ** (level / 10)
    if (!this.reported && this.inARowMs >= heardAfterMs) {
      this.reported = true
      this.onFirstHeard(level)
    }
  }

  /** Mean level of what was received and not audible, undefined where there was no such thing. */
  get noiseDbfs(): number | undefined {
    return this.noiseMs === 0 ? undefined : 10 * Math.log10(this.noisePower / this.noiseMs)
  }

  /** Mean level of what was audible; -Infinity where nothing was. */
  get levelDbfs(): number {
    return this.heardMs === 0 ? Number.NEGATIVE_INFINITY : 10 * Math.log10(this.power / this.heardMs)
  }
}
