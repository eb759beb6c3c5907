import { describe, expect, it } from 'vitest'
import { type DetectedDigit, DtmfDetector } from '../../../src/audio/dtmf-detector.ts'
import { amplitudeOf } from '../../../src/audio/level.ts'
import { limited, readAll } from '../../../src/audio/sources.ts'
import { dtmfSource, dtmfTone, toneSource } from '../../../src/audio/tones.ts'
import { pcma, pcmu } from '../../../src/codec/g711.ts'
import { SeededRandom } from '../../../src/sim/random.ts'
import { load } from './memory-file.ts'
import { noise, over } from './noise.ts'

const digits = '0123456789ABCD*#'
/** RMS of a sine at 0 dBm0. */
const zeroDbm0 = -6.2

function heardIn(samples: Int16Array, pieceSamples = 160): DetectedDigit[] {
  const heard: DetectedDigit[] = []
  const detector = new DtmfDetector((digit) => heard.push(digit))
  for (let at = 0; at < samples.length; at += pieceSamples)
    detector.hear(samples.subarray(at, at + pieceSamples))
  detector.end()
  return heard
}
const textOf = (heard: DetectedDigit[]): string => heard.map(({ digit }) => digit).join('')

interface Pressed {
  digit: string
  durationMs?: number
  lowDbm0?: number
  highDbm0?: number
  /** In parts of the frequency. */
  lowOff?: number
  highOff?: number
  phase?: number
}

/** Hard edges, as a switch makes them. */
function press({
  digit,
  durationMs = 50,
  lowDbm0 = -12,
  highDbm0 = lowDbm0,
  lowOff = 0,
  highOff = 0,
  phase = 0,
}: Pressed): Int16Array {
  const [low, high] = dtmfTone(digit).frequenciesHz as [number, number]
  const [lowAmplitude, highAmplitude] = [lowDbm0, highDbm0].map(
    (level) => 32_768 * Math.SQRT2 * amplitudeOf(level + zeroDbm0),
  )
  const step = (hz: number, off: number) => (2 * Math.PI * hz * (1 + off)) / 8000
  return Int16Array.from({ length: 8 * durationMs }, (_, i) =>
    Math.round(
      lowAmplitude! * Math.sin(step(low, lowOff) * i + phase) +
        highAmplitude! * Math.sin(step(high, highOff) * i + 2 * phase),
    ),
  )
}

/** Each after a pause of its own length. */
function line(pressed: Pressed[], pauseMs: (i: number) => number = () => 50): Int16Array {
  const pieces = pressed.flatMap((each, i) => [new Int16Array(8 * pauseMs(i)), press(each)])
  pieces.push(new Int16Array(400))
  const pcm = new Int16Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    pcm.set(piece, at)
    at += piece.length
  }
  return pcm
}

describe('DTMF in audio', () => {
  it('is heard from our own tones and from the sound file, with durations', () => {
    const heard = heardIn(readAll(dtmfSource(digits, 8000), 60_000))
    expect(textOf(heard)).toBe(digits)
    for (const { durationMs } of heard) expect(Math.abs(durationMs - 100)).toBeLessThan(15)
    expect(textOf(heardIn(load('media/dtmf-8k.wav').samples))).toBe('123456789*0#')
  })

  it('is heard in pieces of any size', () => {
    const pcm = line([...'159D'].map((digit) => ({ digit })))
    for (const size of [1, 50, 51, 80, 240, 1000]) expect(textOf(heardIn(pcm, size))).toBe('159D')
  })

  it('is heard 800 times of 800 at any level, twist, phase, offset and length that Q.24 allows, through G.711 and noise', () => {
    const random = new SeededRandom(24)
    const between = (from: number, to: number): number => from + ((to - from) * random.integer(1_001)) / 1_000
    let heard = 0
    for (let round = 0; round < 50; round++) {
      const pressed = [...digits].map((digit) => {
        const lowDbm0 = between(-25, -3)
        return {
          digit,
          durationMs: Math.round(between(40, 120)),
          lowDbm0,
          highDbm0: Math.max(-25, Math.min(-3, lowDbm0 + between(-8, 4))),
          lowOff: between(-0.015, 0.015),
          highOff: between(-0.015, 0.015),
          phase: between(0, 6),
        }
      })
      const clean = line(pressed, () => Math.round(between(40, 100)))
      // 15 dB below the softest digit there may be.
      const noisy = over(noise('white', clean.length / 8, -25 + zeroDbm0 - 15, 8000, round + 1), clean)
      const codec = round % 2 ? pcmu : pcma
      const octets = new Uint8Array(noisy.length)
      codec.createEncoder().encode(noisy, octets)
      const decoded = new Int16Array(noisy.length)
      codec.createDecoder().decode(octets, decoded)
      const text = textOf(heardIn(decoded))
      if (text === digits) heard += digits.length
      else expect.soft(text, `round ${round}`).toBe(digits)
    }
    expect(heard).toBe(800)
  })

  it('is heard in white noise 12 dB below it, in pink noise 15 dB', () => {
    for (const [colour, ratioDb] of [
      ['white', 12],
      ['pink', 15],
    ] as const) {
      for (let seed = 1; seed <= 10; seed++) {
        const clean = line([...digits].map((digit) => ({ digit, durationMs: 60 })))
        const noisy = over(noise(colour, clean.length / 8, -12 + zeroDbm0 + 3 - ratioDb, 8000, seed), clean)
        expect(textOf(heardIn(noisy)), `${colour} ${seed}`).toBe(digits)
      }
    }
  })

  it('is none where it is too short, too soft, too twisted or too far beside its frequencies', () => {
    const all = (change: Omit<Pressed, 'digit'>) =>
      textOf(heardIn(line([...digits].map((digit, i) => ({ digit, phase: i, ...change })))))
    expect(all({})).toBe(digits)
    expect(all({ durationMs: 25 })).toBe('')
    expect(all({ lowDbm0: -31 })).toBe('')
    expect(all({ lowDbm0: -8, highDbm0: 0 })).toBe('')
    expect(all({ lowDbm0: -3, highDbm0: -14 })).toBe('')
    for (const off of [0.018, -0.018]) {
      expect(all({ lowOff: off })).toBe(digits)
      expect(all({ highOff: off })).toBe(digits)
    }
    for (const off of [0.035, -0.035]) {
      expect(all({ lowOff: off })).toBe('')
      expect(all({ highOff: off })).toBe('')
    }
  })

  it('is one digit through a break of 10 ms, two through one of 40 ms', () => {
    const twice = (pauseMs: number) =>
      textOf(heardIn(line([{ digit: '5' }, { digit: '5', phase: 1 }], (i) => (i === 0 ? 50 : pauseMs))))
    expect(twice(10)).toBe('5')
    expect(twice(40)).toBe('55')
    const held = heardIn(line([{ digit: '8', durationMs: 2_000 }]))
    expect(held).toHaveLength(1)
    expect(Math.abs(held[0]!.durationMs - 2_000)).toBeLessThan(15)
    expect(textOf(heardIn(line([{ digit: '1' }, { digit: '2' }], () => 0)))).toBe('12')
  })

  it.each(['hello-8k', 'reply-8k', 'prompt-8k', 'music-8k', 'ring-back-8k', 'tone-440-8k'])(
    'is not heard in %s, at any level and speed',
    (name) => {
      const { samples } = load(`media/${name}.wav`)
      for (const gain of [0.2, 1, 3]) {
        for (let speed = 0.5; speed <= 2; speed *= 1.08) {
          const changed = Int16Array.from({ length: Math.floor(samples.length / speed) }, (_, i) =>
            Math.max(-32_768, Math.min(32_767, samples[Math.floor(i * speed)]! * gain)),
          )
          expect(textOf(heardIn(changed)), `${gain} ${speed}`).toBe('')
        }
      }
    },
  )

  it('is not heard in 5,000 voiced sounds: harmonics of any pitch, each a quarter of the strongest at least', () => {
    const random = new SeededRandom(7)
    let hits = ''
    for (let round = 0; round < 5_000; round++) {
      const pitchHz = 60 + random.integer(540)
      const count = 2 + random.integer(12)
      const amplitudes = Array.from({ length: count }, () => 0.25 + random.integer(750) / 1_000)
      const scale =
        12_000 /
        Math.max(
          1,
          amplitudes.reduce((sum, a) => sum + a, 0),
        )
      const pcm = Int16Array.from({ length: 480 }, (_, i) => {
        let value = 0
        for (let k = 0; k < count; k++)
          value += amplitudes[k]! * Math.sin((2 * Math.PI * pitchHz * (k + 1) * i) / 8000 + k * round)
        return value * scale
      })
      hits += textOf(heardIn(pcm))
    }
    expect(hits).toBe('')
  })

  it('is not heard in noise, nor in the tones of exchanges', () => {
    for (const colour of ['white', 'pink', 'brown'] as const)
      expect(textOf(heardIn(noise(colour, 60_000, -15)))).toBe('')
    for (const frequenciesHz of [
      [350, 440],
      [440, 480],
      [480, 620],
      [400, 450],
      [425],
      [941],
      [1336],
      [697, 770],
    ])
      expect(textOf(heardIn(readAll(limited(toneSource({ frequenciesHz }, 8000), 2_000), 3_000)))).toBe('')
  })
})
