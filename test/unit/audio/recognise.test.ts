// Recognition is calibrated here: every pair of media files, true and false, through what telephony does to audio.
import { describe, expect, it } from 'vitest'
import { hasHeard, heardScore, type Pcm, recogniser } from '../../../src/audio/recognise.ts'
import { resample } from '../../../src/audio/resample.ts'
import { readAll, sequence } from '../../../src/audio/sources.ts'
import {
  dtmfTone,
  markerTones,
  silenceFor,
  silenceSource,
  type Tone,
  toneBurst,
} from '../../../src/audio/tones.ts'
import type { Codec } from '../../../src/codec/codec.ts'
import { pcma, pcmu } from '../../../src/codec/g711.ts'
import { UsageError } from '../../../src/errors.ts'
import { load } from './memory-file.ts'

const rateHz = 8000
const frameSamples = 160

let seed = 20_260
/** Uniform in [0, 1), the same in every run. */
function random(): number {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
  return seed / 0x80000000
}

const clip = (value: number): number => Math.max(-32_768, Math.min(32_767, Math.round(value)))
const gain = (pcm: Int16Array, db: number): Int16Array => pcm.map((value) => clip(value * 10 ** (db / 20)))
const silence = (ms: number): Int16Array => new Int16Array((rateHz * ms) / 1000)
function join(...parts: Int16Array[]): Int16Array {
  const out = new Int16Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
const mix = (a: Int16Array, b: Int16Array): Int16Array => a.map((value, i) => clip(value + (b[i] ?? 0)))
const noise = (length: number, rms: number): Int16Array =>
  Int16Array.from({ length }, () => clip((random() * 2 - 1) * rms * Math.sqrt(3)))

function coded(pcm: Int16Array, codec: Codec = pcmu): Int16Array {
  const octets = new Uint8Array(pcm.length)
  const out = new Int16Array(pcm.length)
  codec.createEncoder().encode(pcm, octets)
  codec.createDecoder().decode(octets, out)
  return out
}

/** Frames that are lost are silent, or repeat the one before. */
function lossy(pcm: Int16Array, share: number, conceal: 'silence' | 'repeat'): Int16Array {
  const out = coded(pcm)
  for (let at = frameSamples; at < out.length; at += frameSamples) {
    if (random() >= share) continue
    if (conceal === 'silence') out.fill(0, at, at + frameSamples)
    else out.copyWithin(at, at - frameSamples, at)
  }
  return out
}

/** A recorder that puts what arrives end to end. */
function shortened(pcm: Int16Array, share: number): Int16Array {
  const frames: Int16Array[] = []
  for (let at = 0; at < pcm.length; at += frameSamples) {
    if (random() >= share) frames.push(pcm.subarray(at, at + frameSamples))
  }
  return coded(join(...frames))
}

/** Thinner than a telephone: what is left is from about 400 to 1500 Hz. */
function narrowed(pcm: Int16Array): Int16Array {
  let [low, lower] = [0, 0]
  return coded(
    pcm.map((value) => {
      low += 0.6 * (value - low)
      lower += 0.25 * (low - lower)
      return clip(2 * (low - lower))
    }),
  )
}

/** A jitter buffer that grows by 40 ms three times. */
function stretched(pcm: Int16Array): Int16Array {
  const quarter = pcm.length >> 2
  const parts = [0, 1, 2, 3].map((i) => pcm.subarray(i * quarter, (i + 1) * quarter))
  return coded(join(...parts.flatMap((part) => [part, silence(40)])))
}

const prompt = load('media/prompt-8k.wav').samples

const degradations: Record<string, (pcm: Int16Array) => Int16Array> = {
  PCMU: (pcm) => coded(pcm),
  'PCMA, 20 dB softer': (pcm) => coded(gain(pcm, -20), pcma),
  'PCMU, 6 dB louder, clipped': (pcm) => coded(gain(pcm, 6)),
  '20 s of silence first, not on a frame': (pcm) => coded(join(silence(20_000), new Int16Array(77), pcm)),
  '5 % loss, silence instead': (pcm) => lossy(pcm, 0.05, 'silence'),
  '5 % loss, repetition instead': (pcm) => lossy(pcm, 0.05, 'repeat'),
  '5 % loss, left out by the recorder': (pcm) => shortened(pcm, 0.05),
  'a line that passes little': narrowed,
  'the last 30 % missing': (pcm) => coded(pcm.slice(0, pcm.length * 0.7)),
  'the first 30 % missing': (pcm) => coded(pcm.slice(pcm.length * 0.3)),
  'a growing jitter buffer': stretched,
  'noise 20 dB below': (pcm) => coded(mix(pcm, noise(pcm.length, 200))),
  'an echo of another file 12 dB below': (pcm) => coded(mix(pcm, gain(prompt, -12))),
}

const speech = ['hello', 'reply', 'prompt'] as const
const rates: Record<string, string[]> = {
  hello: ['8k', '16k', '48k'],
  reply: ['8k', '16k', '48k'],
  prompt: ['8k'],
  music: ['8k', '16k'],
}
const media = Object.fromEntries(
  Object.entries(rates).map(([name, all]) => [name, all.map((rate) => load(`media/${name}-${rate}.wav`))]),
)
const at8k = (name: string): Int16Array => {
  const pcm = media[name]!.at(-1)!
  return resample(pcm.samples, pcm.sampleRateHz, rateHz)
}
const recorded = (samples: Int16Array): Pcm => ({ samples, sampleRateHz: rateHz })

describe('true pairs: a file played at its highest rate, expected at every rate', () => {
  const scores: number[] = []

  for (const name of Object.keys(media)) {
    it.each(Object.keys(degradations))(`${name} through %s`, (degradation) => {
      const recording = recorded(degradations[degradation]!(at8k(name)))
      // Every rate once, the harder degradations too; all rates would only repeat the resampler's own tests.
      const expected = media[name]![Object.keys(degradations).indexOf(degradation) % media[name]!.length]!
      const hearing = hasHeard(recording, expected)
      scores.push(hearing.score)
      expect(hearing).toMatchObject({
        heard: true,
        detail: expect.stringMatching(
          /^[\d.]+ s of [\d.]+ s recognised, from -?[\d.]+ s on, likeness [\d.]+$/,
        ),
      })
      const lead = degradation.startsWith('20 s')
        ? 20_010
        : degradation.startsWith('the first')
          ? -0.3 * 1000 * (at8k(name).length / rateHz)
          : 0
      expect(Math.abs(hearing.offsetMs - lead)).toBeLessThanOrEqual(125)
    })
  }

  it('score at least 0.75, well above the threshold', () => {
    expect(scores.length).toBe(4 * Object.keys(degradations).length)
    expect(Math.min(...scores)).toBeGreaterThan(0.75)
    expect(heardScore).toBeLessThan(0.7)
  })
})

describe('false pairs', () => {
  const scores: number[] = []
  const expectNot = (recording: Int16Array, expected: Pcm): void => {
    const hearing = hasHeard(recorded(recording), expected)
    expect(hearing.heard).toBe(false)
    expect(hearing.detail).toMatch(
      /^(audio was received, but not|nothing audible was received|only [\d.]+ s recognised)/,
    )
    scores.push(hearing.score)
  }
  const others: Record<string, Int16Array> = {
    ...Object.fromEntries(Object.keys(media).map((name) => [name, at8k(name)])),
    'the same voice with other words': load('files/same-voice-mulaw.wav').samples,
    'ring-back': load('media/ring-back-8k.wav').samples,
    digits: load('media/dtmf-8k.wav').samples,
    'a tone': load('media/tone-440-8k.wav').samples,
    noise: noise(8 * rateHz, 2000),
    'noise in bursts': join(...[1, 2, 3, 4, 5, 6].flatMap(() => [noise(4000, 2000), silence(400)])),
    'a minute of all of it': join(
      prompt,
      load('files/same-voice-mulaw.wav').samples,
      at8k('music'),
      noise(80_000, 500),
      prompt,
      at8k('music'),
    ),
  }

  for (const name of Object.keys(media)) {
    it.each(Object.keys(others).filter((other) => other !== name))(`${name} is not heard in %s`, (other) => {
      if (other.startsWith('a minute') && (name === 'prompt' || name === 'music')) return
      expectNot(coded(others[other]!), media[name]![0]!)
    })

    it(`${name} is not heard in itself played backwards`, () => {
      expectNot(coded(at8k(name).slice().reverse()), media[name]![0]!)
    })
  }

  it('score at most 0.45, well below the threshold', () => {
    expect(scores.length).toBeGreaterThan(40)
    expect(Math.max(...scores)).toBeLessThan(0.45)
    expect(heardScore).toBeGreaterThan(0.55)
  })

  it('a sentence that only begins the same is not heard', () => {
    const hearing = hasHeard(load('files/same-beginning-alaw.wav'), media['hello']![0]!)
    expect(hearing).toMatchObject({ heard: false, detail: expect.stringContaining('needed') })
    expect(hearing.score).toBeLessThan(heardScore)
  })
})

describe('hearing audio', () => {
  const hello = media['hello']![0]!

  it('is not fooled by an echo of what one sent oneself', () => {
    const echo = recorded(coded(join(silence(80), hello.samples)))
    expect(hasHeard(echo, media['reply']![0]!).heard).toBe(false)
    expect(hasHeard(echo, hello).heard).toBe(true)
  })

  it('says that nothing was received of a silent or empty recording', () => {
    for (const samples of [new Int16Array(0), silence(5000), coded(silence(5000), pcma)]) {
      expect(hasHeard(recorded(samples), hello)).toEqual({
        heard: false,
        score: 0,
        offsetMs: 0,
        coveredMs: 0,
        detail: 'nothing audible was received',
      })
    }
  })

  it('reports how much was heard of a file that the call cut short, and asks for 60 % of it', () => {
    const half = hasHeard(recorded(coded(hello.samples.slice(0, hello.samples.length / 2))), hello)
    expect(half).toMatchObject({
      heard: false,
      detail: expect.stringMatching(/^only 1\.\d s recognised where 1\.9 s are needed/),
    })
    expect(half.coveredMs).toBeGreaterThan(1200)
    expect(half.coveredMs).toBeLessThan(1900)
    expect(
      hasHeard(recorded(hello.samples.slice(0, hello.samples.length / 2)), hello, { minimumMs: 1000 }).heard,
    ).toBe(true)
  })

  it('asks for 90 % of what is shorter than a second', () => {
    const word = recorded(hello.samples.slice(1600, 1600 + 7200))
    expect(hasHeard(recorded(coded(hello.samples)), word).heard).toBe(true)
    expect(hasHeard(recorded(coded(hello.samples.slice(0, 5000))), word).heard).toBe(false)
    const syllable = recorded(hello.samples.slice(1600, 1600 + 2000))
    expect(hasHeard(recorded(coded(hello.samples)), syllable).heard).toBe(true)
    expect(hasHeard(media['reply']![0]!, syllable).heard).toBe(false)
  })

  it('finds what was repeated, once', () => {
    const twice = hasHeard(recorded(coded(join(hello.samples, hello.samples, hello.samples))), hello)
    expect(twice.heard).toBe(true)
    expect(twice.coveredMs).toBeLessThanOrEqual(1000 * (hello.samples.length / rateHz))
  })

  it('may be asked again and again as a recording grows', () => {
    const recognise = recogniser(hello)
    const line = coded(join(silence(500), hello.samples))
    const heardAfterS = [1, 2, 3, 4, 5].find((s) => recognise(recorded(line.slice(0, s * rateHz))).heard)
    expect(heardAfterS).toBe(4)
  })

  it('takes recordings at any rate', () => {
    expect(hasHeard(media['hello']![2]!, media['hello']![1]!)).toMatchObject({ heard: true, offsetMs: 0 })
  })

  it('refuses to look for silence', () => {
    expect(() => hasHeard(hello, recorded(silence(1000)))).toThrow(UsageError)
  })

  it('compares two recordings of a minute in less than a second', () => {
    const minute = recorded(join(...Array.from({ length: 7 }, () => prompt)).slice(0, 60 * rateHz))
    // Not the same minute, so that nothing is found early.
    const other = recorded(join(...Array.from({ length: 12 }, () => at8k('reply'))))
    hasHeard(hello, hello)
    const cpuBefore = process.cpuUsage()
    hasHeard(minute, other)
    const { user, system } = process.cpuUsage(cpuBefore)
    expect((user + system) / 1e6).toBeLessThan(1)
  })
})

describe('hearing tones', () => {
  const tone = (spec: Tone, ms: number): Int16Array => readAll(toneBurst(spec, ms, rateHz), 60_000)
  const played = (spec: Tone, ms: number): Pcm =>
    recorded(coded(join(silence(700), tone(spec, ms), silence(300))))

  it('knows the marker tone of one direction from that of the other', () => {
    const { caller, callee } = markerTones
    for (const [mine, theirs] of [
      [caller, callee],
      [callee, caller],
    ] as const) {
      const hearing = hasHeard(played(mine, 1500), mine)
      expect(hearing).toMatchObject({
        heard: true,
        detail: expect.stringMatching(/^the tone of \d+ Hz for 1\.\d s, from 0\.\d s on$/),
      })
      expect(hearing.score).toBeGreaterThan(0.95)
      expect(Math.abs(hearing.offsetMs - 700)).toBeLessThan(100)
      const other = hasHeard(played(mine, 1500), theirs)
      expect(other).toMatchObject({
        heard: false,
        coveredMs: 0,
        detail: expect.stringContaining('not the tone'),
      })
      expect(other.score).toBeLessThan(0.05)
    }
  })

  it('is exact about the frequency', () => {
    for (const hz of [430, 434, 446, 450, 880]) {
      expect(hasHeard(played({ frequenciesHz: [hz] }, 2000), { frequenciesHz: [440] }).heard).toBe(false)
    }
    expect(hasHeard(played({ frequenciesHz: [441] }, 2000), { frequenciesHz: [440] }).heard).toBe(true)
  })

  it('asks for the time that is required, one second where none is given', () => {
    expect(hasHeard(played({ frequenciesHz: [440] }, 800), { frequenciesHz: [440] })).toMatchObject({
      heard: false,
      detail: expect.stringMatching(/lasted only 0\.\d s where 1\.0 s are needed/),
    })
    expect(
      hasHeard(played({ frequenciesHz: [440] }, 800), { frequenciesHz: [440] }, { minimumMs: 500 }).heard,
    ).toBe(true)
  })

  it('asks for all frequencies of a pair', () => {
    expect(hasHeard(played(dtmfTone('1'), 1500), dtmfTone('1')).heard).toBe(true)
    expect(hasHeard(played(dtmfTone('1'), 1500), dtmfTone('2')).heard).toBe(false)
    expect(hasHeard(played({ frequenciesHz: [697] }, 1500), dtmfTone('1')).heard).toBe(false)
  })

  it('hears it softly, over noise and with 5 % loss', () => {
    const spec: Tone = markerTones.caller
    const soft = recorded(coded(gain(tone(spec, 1500), -20)))
    const noisy = recorded(coded(mix(tone(spec, 1500), noise(12_000, 1500))))
    const torn = recorded(lossy(tone(spec, 3000), 0.05, 'silence'))
    for (const recording of [soft, noisy, torn]) expect(hasHeard(recording, spec).heard).toBe(true)
  })

  it('does not hear a tone in speech, music, noise or silence', () => {
    for (const spec of [markerTones.caller, markerTones.callee, { frequenciesHz: [440] }]) {
      for (const name of speech) expect(hasHeard(media[name]![0]!, spec).heard).toBe(false)
      expect(hasHeard(media['music']![0]!, spec).heard).toBe(false)
      expect(hasHeard(recorded(noise(40_000, 3000)), spec).heard).toBe(false)
      expect(hasHeard(recorded(readAll(silenceSource(rateHz), 3000)), spec).detail).toBe(
        'nothing audible was received',
      )
    }
  })

  it('takes a file that is nothing but a tone for that tone', () => {
    const tone440 = load('media/tone-440-8k.wav')
    const ringBack = load('media/ring-back-8k.wav')
    expect(hasHeard(played({ frequenciesHz: [440] }, 2000), tone440).heard).toBe(true)
    expect(hasHeard(played({ frequenciesHz: [450] }, 2000), tone440).heard).toBe(false)
    expect(hasHeard(media['music']![0]!, tone440).heard).toBe(false)
    expect(hasHeard(ringBack, tone440).heard).toBe(false)
    expect(hasHeard(recorded(coded(ringBack.samples)), ringBack).heard).toBe(true)
    expect(hasHeard(tone440, ringBack).heard).toBe(false)
  })

  it('takes the bursts of a busy signal together', () => {
    const burst = (hz: number) => () => toneBurst({ frequenciesHz: [hz] }, 500, rateHz)
    const busy = (hz: number): Pcm =>
      recorded(
        readAll(
          sequence(
            rateHz,
            [1, 2, 3, 4].flatMap(() => [burst(hz), () => silenceFor(500, rateHz)]),
          ),
          10_000,
        ),
      )
    expect(hasHeard(recorded(coded(busy(425).samples)), busy(425)).heard).toBe(true)
    expect(hasHeard(busy(400), busy(425)).heard).toBe(false)
  })
})
