// What is expected to be heard, named as people name it, and the comparison of whole files.
import { isAudible } from '../audio/level.ts'
import { parseTone } from '../audio/named-tones.ts'
import { type Hearing, hasHeard, type Pcm } from '../audio/recognise.ts'
import { resampled } from '../audio/resample.ts'
import { readAllInSteps } from '../audio/sources.ts'
import { gently, inOneGo, type Steps } from '../audio/steps.ts'
import type { Tone } from '../audio/tones.ts'
import { type OpenedSound, openSound } from '../files/open-sound.ts'
import type { Files, Runtime } from '../runtime/runtime.ts'

const comparedRateHz = 8_000
/** Longer files are compared by their first minutes. */
const comparedMs = 300_000

/** The tone or audio that a spec ("tone:440", a path) stands for. Rejects with UsageError in one sentence. */
export async function readExpected(spec: string, { files, clock }: Runtime): Promise<Pcm | Tone> {
  const tone = parseTone(spec)
  if (tone) return tone
  const sound = openSound(spec, files)
  await sound.ready
  return gently(readPcm(sound), clock)
}

/**
 * Whether a recording contains the expected audio, proved by content; WAV files both.
 * @param expected WAV path or "tone:440"
 */
export function hearFile(recording: string, expected: string, files: Files): Hearing {
  const read = (path: string): Pcm => inOneGo(readPcm(openSound(path, files)))
  return hasHeard(read(recording), parseTone(expected) ?? read(expected))
}

function* readPcm(sound: OpenedSound): Steps<Pcm> {
  const source = resampled(sound.at(comparedRateHz), comparedRateHz)
  return { samples: yield* readAllInSteps(source, comparedMs), sampleRateHz: comparedRateHz }
}

const frameSamples = comparedRateHz / 50
/** Of a tone one second is enough (see `hasHeard`). */
const toneMs = 1_000

/** How much sound there is in what is expected, frame by frame as a stream counts it. */
export function audibleMs(expected: Pcm | Tone): number {
  if ('frequenciesHz' in expected) return toneMs
  let frames = 0
  for (let at = 0; at < expected.samples.length; at += frameSamples)
    if (isAudible(expected.samples.subarray(at, at + frameSamples))) frames++
  return frames * 20
}

/**
 * When comparing is worth its while. It costs a tenth of a second of CPU for a minute of sound: so not before as much has come
 * as is expected, or before the far end has fallen silent.
 */
export class HearingSchedule {
  private next: number
  private lookedAt = 0
  private before = 0

  constructor(private readonly expectedMs: number) {
    this.next = expectedMs
  }

  /** @param soundMs milliseconds of sound received so far */
  isTimeToLook(soundMs: number): boolean {
    const fellSilent = soundMs === this.before && soundMs > this.lookedAt && soundMs >= this.expectedMs / 2
    this.before = soundMs
    if (soundMs < this.next && !fellSilent) return false
    this.lookedAt = soundMs
    this.next = soundMs + Math.max(1_000, this.expectedMs / 4)
    return true
  }
}
