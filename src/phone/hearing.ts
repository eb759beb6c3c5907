// What is expected to be heard, named as people name it, and the comparison of whole files.
import { openSource, parseTone } from '../audio/open-source.ts'
import { type Hearing, hasHeard, type Pcm } from '../audio/recognise.ts'
import { readAll } from '../audio/sources.ts'
import type { Tone } from '../audio/tones.ts'
import type { Files } from '../runtime/runtime.ts'

const comparedRateHz = 8_000
/** Longer files are compared by their first minutes. */
const comparedMs = 300_000

/** The tone or audio that a spec ("tone:440", a WAV path) stands for. Throws UsageError in one sentence. */
export function readExpected(spec: string, files: Files): Pcm | Tone {
  return parseTone(spec) ?? readPcm(spec, files)
}

/**
 * Whether a recording contains the expected audio, proved by content.
 * @param expected WAV path or "tone:440"
 */
export function hearFile(recording: string, expected: string, files: Files): Hearing {
  return hasHeard(readPcm(recording, files), readExpected(expected, files))
}

function readPcm(path: string, files: Files): Pcm {
  return {
    samples: readAll(openSource(path, files, comparedRateHz), comparedMs),
    sampleRateHz: comparedRateHz,
  }
}
