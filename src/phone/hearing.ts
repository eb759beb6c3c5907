// What is expected to be heard, named as people name it, and the comparison of whole files.
import { isAudible } from '../audio/level.ts'
import { parseTone } from '../audio/named-tones.ts'
import { openSource } from '../audio/open-source.ts'
import { type Hearing, hasHeard, type Pcm } from '../audio/recognise.ts'
import { readAllInSteps } from '../audio/sources.ts'
import { inOneGo, type Steps } from '../audio/steps.ts'
import type { Tone } from '../audio/tones.ts'
import type { Files } from '../runtime/runtime.ts'

const comparedRateHz = 8_000
/** Longer files are compared by their first minutes. */
const comparedMs = 300_000

/** The tone or audio that a spec ("tone:440", a WAV path) stands for. Throws UsageError in one sentence. */
export function* readExpected(spec: string, files: Files): Steps<Pcm | Tone> {
  return parseTone(spec) ?? (yield* readPcm(spec, files))
}

/**
 * Whether a recording contains the expected audio, proved by content.
 * @param expected WAV path or "tone:440"
 */
export function hearFile(recording: string, expected: string, files: Files): Hearing {
  return hasHeard(inOneGo(readPcm(recording, files)), inOneGo(readExpected(expected, files)))
}

function* readPcm(path: string, files: Files): Steps<Pcm> {
  return {
    samples: yield* readAllInSteps(openSource(path, files, comparedRateHz), comparedMs),
    sampleRateHz: comparedRateHz,
  }
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
