import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Concealment } from '../../../src/audio/concealment.ts'
import { hasHeard } from '../../../src/audio/recognise.ts'

/** A voice as simple as can be: harmonics of its pitch. */
const voice = (pitchHz: number, rateHz: number, samples: number): Int16Array =>
  Int16Array.from({ length: samples }, (_, i) => {
    const phase = (2 * Math.PI * pitchHz * i) / rateHz
    return Math.round(
      4_000 * (Math.sin(phase) + 0.5 * Math.sin(2 * phase + 1) + 0.3 * Math.sin(3 * phase + 2)),
    )
  })

/** Plays in frames of 20 ms; those that `isLost` names are filled. */
function play(pcm: Int16Array, rateHz: number, isLost: (frame: number) => boolean): Int16Array {
  const concealment = new Concealment(rateHz)
  const frameSamples = rateHz / 50
  const out = Int16Array.from(pcm)
  for (let at = 0; at + frameSamples <= out.length; at += frameSamples) {
    const frame = out.subarray(at, at + frameSamples)
    if (isLost(at / frameSamples)) concealment.fill(frame)
    else concealment.heard(frame)
  }
  return out
}

/** In dB: how much stronger the sound is than what is wrong with it. */
function signalToNoise(pcm: Int16Array, out: Int16Array): number {
  let signal = 0
  let noise = 1
  pcm.forEach((value, i) => {
    signal += value * value
    noise += (out[i]! - value) ** 2
  })
  return 10 * Math.log10(signal / noise)
}
const largestStep = (pcm: Int16Array): number =>
  pcm.reduce((most, value, i) => (i === 0 ? 0 : Math.max(most, Math.abs(value - pcm[i - 1]!))), 0)

describe.each([8_000, 16_000])('at %i Hz', (rateHz) => {
  it.each([80, 120, 190])('a lost frame of a voice of %i Hz is hardly missed', (pitchHz) => {
    const pcm = voice(pitchHz, rateHz, rateHz)
    const out = play(pcm, rateHz, (frame) => frame === 25)
    const at = 25 * (rateHz / 50)
    const part = (all: Int16Array) => all.subarray(at, at + rateHz / 50)
    expect(signalToNoise(part(pcm), part(out))).toBeGreaterThan(8)
    expect(largestStep(out)).toBeLessThan(1.6 * largestStep(pcm))
  })

  it('fades, and is silent after 60 ms', () => {
    const pcm = voice(120, rateHz, rateHz)
    const out = play(pcm, rateHz, (frame) => frame >= 25)
    const frame = (n: number) => out.subarray((25 + n) * (rateHz / 50), (26 + n) * (rateHz / 50))
    const loudest = [0, 1, 2, 3].map((n) =>
      frame(n).reduce((most, value) => Math.max(most, Math.abs(value)), 0),
    )
    expect(loudest[0]).toBeGreaterThan(loudest[1]!)
    expect(loudest[1]).toBeGreaterThan(loudest[2]!)
    expect(loudest[3]).toBe(0)
  })

  it('has nothing to say before anything was heard, or after another source began', () => {
    const concealment = new Concealment(rateHz)
    const gap = new Int16Array(rateHz / 50).fill(7)
    expect(concealment.fill(gap)).toBe(false)
    expect(gap.every((value) => value === 0)).toBe(true)
    concealment.heard(voice(120, rateHz, rateHz))
    concealment.reset()
    expect(concealment.fill(gap)).toBe(false)
  })
})

it('speech with losses is more like the original, band by band, than with holes', () => {
  const wav = readFileSync(new URL('../../../media/hello-8k.wav', import.meta.url))
  const pcm = new Int16Array(
    wav.buffer.slice(wav.byteOffset + 44, wav.byteOffset + wav.length - (wav.length % 2)),
  )
  const likeness = (samples: Int16Array) =>
    hasHeard({ samples, sampleRateHz: 8_000 }, { samples: pcm, sampleRateHz: 8_000 }).score
  for (const every of [20, 10, 5]) {
    const isLost = (frame: number) => frame % every === 3
    const concealed = likeness(play(pcm, 8_000, isLost))
    const holes = likeness(Int16Array.from(pcm, (value, i) => (isLost(Math.floor(i / 160)) ? 0 : value)))
    expect(concealed).toBeGreaterThan(holes)
  }
})
