// What is said in the rows, and whether it was heard: two recordings that differ, so that nobody's own voice counts as the
// other's.
import { join } from 'node:path'
import { expect } from 'vitest'
import { parseTone } from '../../src/audio/named-tones.ts'
import { hasHeard, type Pcm } from '../../src/audio/recognise.ts'
import { readAll } from '../../src/audio/sources.ts'
import { WavReader } from '../../src/audio/wav-reader.ts'
import { WavWriter } from '../../src/audio/wav-writer.ts'
import { openSource } from '../../src/files/open-sound.ts'
import { nodeRuntime } from '../../src/runtime/node.ts'
import { repository } from './installed.ts'

/** What floe says. */
export const hello = join(repository, 'media/hello-8k.wav')
/** What the peer says: 8 kHz, 16 bit, mono, because Asterisk plays nothing else. */
export const reply = join(repository, 'media/reply-8k.wav')

const longestMs = 60_000

export function readWav(path: string): Pcm & { durationMs: number } {
  const reader = new WavReader(nodeRuntime.files.openForReading(path))
  try {
    const { sampleRateHz, durationMs } = reader
    return { samples: readAll(reader, longestMs), sampleRateHz, durationMs }
  } finally {
    reader.close()
  }
}

export const durationMs = (path: string): number => readWav(path).durationMs

export function expectHeard(recording: string, expected: string): void {
  const hearing = hasHeard(readWav(recording), readWav(expected))
  expect(hearing.heard, `${recording} should hold ${expected}: ${hearing.detail}`).toBe(true)
}

export function expectNotHeard(recording: string, unexpected: string): void {
  const hearing = hasHeard(readWav(recording), readWav(unexpected))
  expect(hearing.heard, `${recording} should not hold ${unexpected}: ${hearing.detail}`).toBe(false)
}

const telephoneHz = 8_000

/** A tone as a file, for peers that play nothing else: 16 bit, mono.
 *  @param tone "tone:440" */
export function writeTone(path: string, tone: string, lengthMs: number, sampleRateHz = telephoneHz): void {
  const { files } = nodeRuntime
  const writer = new WavWriter(files.openForWriting(path), sampleRateHz)
  writer.write(readAll(openSource(tone, files, sampleRateHz), lengthMs))
  writer.close()
}

/** For a second without a break, at its exact frequency. */
export const holdsTone = (recording: Pcm, tone: string): boolean =>
  hasHeard(recording, parseTone(tone)!).heard

export function expectTone(recording: string, tone: string): void {
  expect(holdsTone(readWav(recording), tone), `${recording} should hold ${tone}`).toBe(true)
}
