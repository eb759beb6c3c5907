// Whether a recording holds a tone of exactly these frequencies, by the share of the energy that they make up in windows long
// enough to tell 440 from 450 Hz; and whether given audio is nothing but a tone.
import { toneShare } from './goertzel.ts'
import { type Hearing, nothingAudible, type Pcm, seconds } from './hearing.ts'
import { levelDbfs } from './level.ts'
import type { Steps } from './steps.ts'
import type { Tone } from './tones.ts'

const windowMs = 100
const hopMs = 20
/** Of a window's energy, in all frequencies of the tone together. A lost packet in the window leaves 0.8, two leave 0.6. */
const energyShare = 0.55
/** Of the even part of that, in each frequency: ten decibels between two of them are still a pair. */
const smallestPart = 0.2
const audibleDbfs = -55
/** A shorter gap, made by lost packets, does not end a run. */
const gapMs = 100

interface Runs {
  /** Where the tone is there without a break, and its share of each window's energy. */
  runs: { fromMs: number; toMs: number; shares: number[] }[]
  audibleWindows: number
  /** The highest share of any window. */
  highest: number
}

function* findRuns({ samples, sampleRateHz }: Pcm, { frequenciesHz }: Tone): Steps<Runs> {
  const windowSamples = Math.round((sampleRateHz * windowMs) / 1000)
  const least = (energyShare * smallestPart) / frequenciesHz.length
  const found: Runs = { runs: [], audibleWindows: 0, highest: 0 }
  for (let atMs = 0; ; atMs += hopMs) {
    yield
    const start = Math.round((sampleRateHz * atMs) / 1000)
    if (start + windowSamples > samples.length) return found
    if (levelDbfs(samples.subarray(start, start + windowSamples)) < audibleDbfs) continue
    found.audibleWindows++
    const shares = frequenciesHz.map((hz) => toneShare(samples, sampleRateHz, hz, start, windowSamples))
    if (shares.some((share) => share < least)) continue
    const share = Math.min(1, sum(shares))
    found.highest = Math.max(found.highest, share)
    if (share < energyShare) continue
    const run = found.runs.at(-1)
    if (run && atMs - run.toMs <= gapMs) {
      run.toMs = atMs + windowMs
      run.shares.push(share)
    } else found.runs.push({ fromMs: atMs, toMs: atMs + windowMs, shares: [share] })
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const longestOf = ({ runs }: Runs): number =>
  runs.reduce((longest, run) => Math.max(longest, run.toMs - run.fromMs), 0)

/** @param neededMs how long the tone must last in all
 *  @param continuousMs runs shorter than this do not count: a note of music or a vowel may have the frequency for a moment */
export function* recogniseTone(
  recording: Pcm,
  tone: Tone,
  neededMs: number,
  continuousMs = neededMs,
): Steps<Hearing> {
  const found = yield* findRuns(recording, tone)
  if (found.audibleWindows === 0) return nothingAudible
  const counted = found.runs.filter((run) => run.toMs - run.fromMs >= continuousMs)
  const coveredMs = sum(counted.map((run) => run.toMs - run.fromMs))
  const heard = counted.length > 0 && coveredMs >= neededMs
  const offsetMs = (counted[0] ?? found.runs[0])?.fromMs ?? 0
  const shares = counted.flatMap((run) => run.shares)
  const score = shares.length > 0 ? sum(shares) / shares.length : found.highest
  const name = `${tone.frequenciesHz.join(' + ')} Hz`
  const lastedMs = Math.max(coveredMs, longestOf(found))
  const detail = heard
    ? `the tone of ${name} for ${seconds(coveredMs)}, from ${seconds(offsetMs)} on`
    : lastedMs >= continuousMs / 2
      ? `the tone of ${name} lasted only ${seconds(lastedMs)} where ${seconds(neededMs)} are needed`
      : `audio was received, but not the tone of ${name}`
  return { heard, score, offsetMs, coveredMs, detail }
}

/** In so many of its windows audio must hold nothing else to be a tone; those on the edge of a burst never do. */
const pureShare = 0.9
const pureWindows = 0.5
const lowestHz = 50
/** The frequencies are looked for in the loudest piece of this length; two closer than `apartHz` are one. */
const searchMs = 200
const apartHz = 15
/** Less than the 5 Hz in which a piece of 200 ms sees a tone, so that none is stepped over. */
const coarseHz = 4

/** The tone, of one or two frequencies in whole hertz, that audio consists of, and the longest time it lasts without a break;
 *  undefined where there is more to it. */
export function* steadyTone(audio: Pcm): Steps<{ tone: Tone; longestMs: number } | undefined> {
  const { samples, sampleRateHz } = audio
  const searchSamples = Math.min(samples.length, Math.round((sampleRateHz * searchMs) / 1000))
  let start = 0
  let loudest = audibleDbfs
  for (let at = 0; at + searchSamples <= samples.length; at += searchSamples) {
    yield
    const level = levelDbfs(samples.subarray(at, at + searchSamples))
    if (level > loudest) [start, loudest] = [at, level]
  }
  const frequenciesHz: number[] = []
  while (frequenciesHz.length < 2) {
    const strongest = function* (fromHz: number, toHz: number, stepHz: number): Steps<number> {
      let [best, bestShare] = [0, 0]
      for (let hz = fromHz; hz < toHz; hz += stepHz) {
        yield
        if (frequenciesHz.some((other) => Math.abs(hz - other) < apartHz)) continue
        const share = toneShare(samples, sampleRateHz, hz, start, searchSamples)
        if (share > bestShare) [best, bestShare] = [hz, share]
      }
      return best
    }
    const about = yield* strongest(lowestHz, sampleRateHz / 2, coarseHz)
    frequenciesHz.push(yield* strongest(about - coarseHz, about + coarseHz, 1))
    const found = yield* findRuns(audio, { frequenciesHz })
    const pure = found.runs.flatMap((run) => run.shares).filter((share) => share >= pureShare).length
    if (pure > 0 && pure >= pureWindows * found.audibleWindows) {
      return { tone: { frequenciesHz }, longestMs: longestOf(found) }
    }
  }
  return undefined
}
