// Whether somebody speaks, frame by frame: what is louder than the noise that was there before, by a margin, and for a moment
// longer (hangover). What is steady and not tonal counts as noise; speech is never steady for long, tones and music are tonal
// and count as voice: neither must be taken for comfort noise. For barge-in, and for encoders that pause (DTX, RFC 3389).
// Leaves out who speaks, and telling speech from music.
import { levelDbfs } from './level.ts'
import { autocorrelate, reflect } from './linear-prediction.ts'

export interface VoiceActivityOptions {
  /** What is shorter is a click. Default 0: an encoder must not lose the beginning of a word. */
  onsetMs?: number
  /** Pauses within a sentence. Default 200. */
  hangoverMs?: number
}

/** Voice is louder than the noise by so much, and than this at all: the softest speech one can follow is about -45 dBFS. */
const marginDb = 8
const leastDbfs = -55
/** A line is never taken to be quieter, or noise that comes after digital silence would be voice for long. */
const quietestDbfs = -75
/** What is believed of a line before it has been heard. */
const firstDbfs = -50
/** How fast the noise is taken to be louder where a frame is steady, and where it is not. */
const steadyRiseDbPerSecond = 40
const slowRiseDbPerSecond = 1.5
/** Steady: for so long no frame was further from the mean level than that. */
const steadyMs = 300
const steadyDb = 4
const meanMs = 150
const fallMs = 60
/** Where linear prediction explains that much of a frame it is a tone; noise of a motor or a room stays below. */
const tonalDb = 14
const predictionOrder = 8

/** All is looked at near this rate, above this frequency: hum, rumble and what telephones do not carry say nothing of a voice. */
const analysisRateHz = 8000
const lowestHz = 150

export class VoiceActivity {
  private noiseDbfs = firstDbfs
  private meanDbfs = quietestDbfs
  private evenMs = 0
  private loudMs = 0
  private hangoverLeftMs = 0
  private readonly onsetMs: number
  private readonly hangoverMs: number
  /** So many samples become one. */
  private readonly step: number
  private readonly feedback: number
  private lastSample = 0
  private lastOutput = 0
  private seen = new Int16Array(0)

  constructor(
    private readonly sampleRateHz: number,
    { onsetMs = 0, hangoverMs = 200 }: VoiceActivityOptions = {},
  ) {
    this.onsetMs = onsetMs
    this.hangoverMs = hangoverMs
    this.step = Math.max(1, Math.floor(sampleRateHz / analysisRateHz))
    this.feedback = Math.exp((-2 * Math.PI * lowestHz * this.step) / sampleRateHz)
  }

  /** @param frame the next 10 to 60 ms */
  hear(frame: Int16Array): boolean {
    const durationMs = (frame.length / this.sampleRateHz) * 1000
    this.look(frame)
    const level = Math.max(quietestDbfs, levelDbfs(this.seen))
    this.followNoise(level, durationMs)
    const isLoud = level > Math.max(leastDbfs, this.noiseDbfs + marginDb)
    this.loudMs = isLoud ? this.loudMs + durationMs : 0
    if (isLoud && this.loudMs > this.onsetMs) this.hangoverLeftMs = this.hangoverMs + durationMs
    else this.hangoverLeftMs = Math.max(0, this.hangoverLeftMs - durationMs)
    return this.hangoverLeftMs > 0
  }

  /** Fills `seen` with what counts of a frame. */
  private look(frame: Int16Array): void {
    const { step, feedback } = this
    const length = Math.floor(frame.length / step)
    if (this.seen.length !== length) this.seen = new Int16Array(length)
    for (let i = 0; i < length; i++) {
      let sample = 0
      for (let j = 0; j < step; j++) sample += frame[i * step + j]!
      sample /= step
      this.lastOutput = feedback * (this.lastOutput + sample - this.lastSample)
      this.lastSample = sample
      this.seen[i] = Math.max(-32_768, Math.min(32_767, this.lastOutput))
    }
  }

  private followNoise(level: number, durationMs: number): void {
    this.evenMs = Math.abs(level - this.meanDbfs) < steadyDb ? this.evenMs + durationMs : 0
    this.meanDbfs += (level - this.meanDbfs) * Math.min(1, durationMs / meanMs)
    if (level <= this.noiseDbfs) {
      this.noiseDbfs += (level - this.noiseDbfs) * Math.min(1, durationMs / fallMs)
      return
    }
    const isSteady = this.evenMs >= steadyMs
    if (isSteady && predictionGainDb(this.seen) > tonalDb) return
    const rise = isSteady ? steadyRiseDbPerSecond : slowRiseDbPerSecond
    this.noiseDbfs = Math.min(level, this.noiseDbfs + (rise * durationMs) / 1000)
  }
}

const autocorrelation = new Float64Array(predictionOrder + 1)
const reflections = new Float64Array(predictionOrder)

/** How much of the frame's energy a linear predictor explains: 0 dB of white noise, 20 and more of a tone. */
export function predictionGainDb(frame: Int16Array): number {
  autocorrelate(frame, autocorrelation)
  const energy = autocorrelation[0]!
  return energy === 0 ? 0 : 10 * Math.log10(energy / reflect(autocorrelation, reflections))
}
