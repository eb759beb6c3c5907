import { describe, expect, it } from 'vitest'
import { toneShare } from '../../../src/audio/goertzel.ts'
import { audibleDbfs, isAudible, levelDbfs } from '../../../src/audio/level.ts'
import { parseTone, playedTone } from '../../../src/audio/named-tones.ts'
import { hasHeard } from '../../../src/audio/recognise.ts'
import { limited, readAll, repeated, samplesSource, sequence } from '../../../src/audio/sources.ts'
import {
  dtmfSource,
  dtmfTone,
  markerTones,
  silenceFor,
  silenceSource,
  toneBurst,
  toneSource,
} from '../../../src/audio/tones.ts'
import { UsageError } from '../../../src/errors.ts'
import { openSource } from '../../../src/files/open-sound.ts'
import { diskFiles, load } from './memory-file.ts'

const counting = (length: number, rateHz = 8000) =>
  samplesSource(
    Int16Array.from({ length }, (_, i) => i + 1),
    rateHz,
  )

describe('sources of sources', () => {
  it('limits a source that has no end, and one that ends earlier', () => {
    expect(readAll(limited(silenceSource(8000), 25), 1000).length).toBe(200)
    expect(readAll(limited(counting(50), 25), 1000).length).toBe(50)
  })

  it('plays one after the other without a gap, closing each', () => {
    const closed: number[] = []
    const piece = (length: number) => () => ({ ...counting(length), close: () => closed.push(length) })
    const source = sequence(8000, [piece(3), piece(0), piece(2)])
    const frame = new Int16Array(10)
    expect(source.read(frame)).toBe(5)
    expect([...frame.subarray(0, 5)]).toEqual([1, 2, 3, 1, 2])
    expect(closed).toEqual([3, 0, 2])
    expect(source.read(frame)).toBe(0)
  })

  it('plays nothing of a sequence after it is closed', () => {
    const source = sequence(8000, [() => counting(3), () => counting(3)])
    source.read(new Int16Array(1))
    source.close()
    expect(source.read(new Int16Array(10))).toBe(0)
  })

  it('repeats without end, in one read too, and stops when closed', () => {
    const source = repeated(() => counting(3))
    const frame = new Int16Array(8)
    expect(source.read(frame)).toBe(8)
    expect([...frame]).toEqual([1, 2, 3, 1, 2, 3, 1, 2])
    expect(source.read(frame)).toBe(8)
    expect(frame[0]).toBe(3)
    source.close()
    expect(source.read(frame)).toBe(0)
  })

  it('does not repeat nothing for ever', () => {
    expect(repeated(() => counting(0)).read(new Int16Array(8))).toBe(0)
  })

  it('reads all of a source, but no more than is asked for', () => {
    expect(readAll(counting(20_000), 60_000).length).toBe(20_000)
    expect(readAll(silenceSource(8000), 3000).length).toBe(24_000)
  })
})

describe('tones', () => {
  it.each([8000, 16_000, 48_000])('have their frequency and level at %i Hz', (rateHz) => {
    for (const levelDbfs_ of [-40, -16, -6]) {
      const pcm = new Int16Array(rateHz)
      toneSource({ frequenciesHz: [440], levelDbfs: levelDbfs_ }, rateHz).read(pcm)
      expect(toneShare(pcm, rateHz, 440)).toBeGreaterThan(0.99)
      expect(levelDbfs(pcm)).toBeCloseTo(levelDbfs_, 0)
    }
  })

  it('go on from read to read without a jump of phase', () => {
    const whole = new Int16Array(800)
    toneSource(markerTones.caller, 8000).read(whole)
    const source = toneSource(markerTones.caller, 8000)
    const pieces = [160, 1, 639].flatMap((size) => {
      const piece = new Int16Array(size)
      source.read(piece)
      return [...piece]
    })
    expect(pieces).toEqual([...whole])
  })

  it('of two frequencies share their level evenly', () => {
    const pcm = new Int16Array(8000)
    toneSource(dtmfTone('1'), 8000).read(pcm)
    expect(toneShare(pcm, 8000, 697)).toBeCloseTo(0.5, 1)
    expect(toneShare(pcm, 8000, 1209)).toBeCloseTo(0.5, 1)
  })

  it('begin and end softly', () => {
    const pcm = readAll(toneBurst({ frequenciesHz: [1000], levelDbfs: -6 }, 100, 8000), 1000)
    expect(pcm.length).toBe(800)
    expect(Math.max(...pcm.subarray(0, 8).map(Math.abs))).toBeLessThan(4000)
    expect(Math.max(...pcm.subarray(-8).map(Math.abs))).toBeLessThan(4000)
  })

  it('clip where their level asks for more than there is', () => {
    const pcm = new Int16Array(800)
    toneSource({ frequenciesHz: [1000], levelDbfs: 6 }, 8000).read(pcm)
    expect(Math.max(...pcm)).toBe(32_767)
    expect(Math.min(...pcm)).toBe(-32_768)
  })

  it('mark each direction by a tone that is whole in a 20 ms window and absent from the other', () => {
    const [caller, callee] = [markerTones.caller.frequenciesHz[0], markerTones.callee.frequenciesHz[0]]
    expect([caller % 50, callee % 50, callee % caller === 0]).toEqual([0, 0, false])
    const pcm = new Int16Array(480)
    toneSource(markerTones.caller, 8000).read(pcm)
    expect(toneShare(pcm, 8000, caller, 160, 160)).toBeGreaterThan(0.9999)
    expect(toneShare(pcm, 8000, callee, 160, 160)).toBeLessThan(0.0001)
  })
})

describe('DTMF and ring-back', () => {
  it('gives every digit its row and column (ITU-T Q.23)', () => {
    expect(dtmfTone('5').frequenciesHz).toEqual([770, 1336])
    expect(dtmfTone('*').frequenciesHz).toEqual([941, 1209])
    expect(dtmfTone('d').frequenciesHz).toEqual([941, 1633])
    for (const bad of ['', 'x', '12', ' ']) expect(() => dtmfTone(bad)).toThrow(UsageError)
  })

  it('plays digits 100 ms on, 100 ms off', () => {
    const pcm = readAll(dtmfSource('7#', 8000), 10_000)
    expect(pcm.length).toBe(3200)
    expect(toneShare(pcm, 8000, 852, 100, 600) + toneShare(pcm, 8000, 1209, 100, 600)).toBeGreaterThan(0.95)
    expect(levelDbfs(pcm.subarray(800, 1600))).toBe(-Infinity)
    expect(toneShare(pcm, 8000, 941, 1700, 600) + toneShare(pcm, 8000, 1477, 1700, 600)).toBeGreaterThan(0.95)
  })

  it('rings for two seconds of six', () => {
    const pcm = readAll(playedTone(parseTone('ring-back')!, 8000), 6_000)
    expect(pcm.length).toBe(48_000)
    expect(levelDbfs(pcm.subarray(8000, 16_000))).toBeGreaterThan(audibleDbfs)
    expect(levelDbfs(pcm.subarray(16_000))).toBe(-Infinity)
  })
})

describe('level', () => {
  it('is the RMS relative to full scale', () => {
    expect(levelDbfs(new Int16Array(160).fill(-32_768))).toBeCloseTo(0)
    expect(levelDbfs(new Int16Array(160).fill(3277))).toBeCloseTo(-20, 2)
    expect(levelDbfs(new Int16Array(160))).toBe(-Infinity)
    expect(levelDbfs(new Int16Array(0))).toBe(-Infinity)
  })

  it('is audible above -50 dBFS', () => {
    const at = (dbfs: number) => new Int16Array(160).fill(Math.round(32_768 * 10 ** (dbfs / 20)))
    expect([-49, -51].map((dbfs) => isAudible(at(dbfs)))).toEqual([true, false])
    expect(isAudible(new Int16Array(0))).toBe(false)
  })

  it('is audible for the speech that comes with floe, not for the idle noise of A-law', () => {
    expect(levelDbfs(Int16Array.from({ length: 160 }, (_, i) => (i % 2 ? 8 : -8)))).toBeLessThan(
      audibleDbfs - 20,
    )
    for (const name of ['hello-8k', 'reply-8k', 'prompt-8k']) {
      expect(levelDbfs(load(`media/${name}.wav`).samples)).toBeGreaterThan(audibleDbfs + 20)
    }
  })
})

describe('what a person writes for a source', () => {
  it('opens tones, silence and files, at the rate that is asked for', () => {
    const read = (spec: string): Int16Array => readAll(openSource(spec, diskFiles, 8000), 1000)
    expect(toneShare(read('tone:440'), 8000, 440)).toBeGreaterThan(0.99)
    expect(toneShare(read('tone:697+1209'), 8000, 1209)).toBeCloseTo(0.5, 1)
    expect(levelDbfs(read('silence'))).toBe(-Infinity)
    expect(toneShare(read('marker:callee'), 8000, 1850)).toBeGreaterThan(0.99)
    expect(read('dtmf:12#').length).toBe(4800)
    const ringing = readAll(openSource('ring-back', diskFiles, 8000), 20_000)
    expect(ringing.length).toBe(160_000)
    expect(levelDbfs(ringing.subarray(20_000, 44_000))).toBe(-Infinity)
    expect(toneShare(ringing, 8000, 480, 100_000, 8000)).toBeCloseTo(0.5, 1)
    const source = openSource('media/hello-48k.wav', diskFiles, 8000)
    expect(source.sampleRateHz).toBe(8000)
    expect(readAll(source, 60_000).length).toBeCloseTo(4.797 * 8000, -2)
    expect(readAll(silenceFor(20, 16_000), 1000).length).toBe(320)
  })

  it('knows the tone by which to recognise what is played', () => {
    expect(parseTone('tone:697+1209.5')).toEqual({ frequenciesHz: [697, 1209.5] })
    expect(parseTone('marker:caller')).toEqual(markerTones.caller)
    expect(parseTone('ring-back')).toEqual({ frequenciesHz: [440, 480], onOffMs: [2000, 4000] })
    expect(parseTone('busy:de')).toEqual({ frequenciesHz: [425], onOffMs: [480, 480] })
    expect(parseTone('tone:425,0.5s,250ms')).toEqual({ frequenciesHz: [425], onOffMs: [500, 250] })
    for (const spec of ['a.wav', 'silence', 'dtmf:1']) expect(parseTone(spec)).toBeUndefined()
  })

  it.each(['marker:', 'marker:me', 'dtmf:', 'dtmf:x', 'dtmf:1,2'])('refuses "%s" in one sentence', (spec) => {
    expect(() => openSource(spec, diskFiles, 8000)).toThrow(UsageError)
    expect(() => openSource(spec, diskFiles, 8000)).toThrow(/^[^\n]*\.$/)
  })

  it.each(['busy', 'ring-back', 'congestion', 'dial-tone'])(
    'plays and recognises %s of each country',
    (name) => {
      for (const country of ['us', 'uk', 'de', 'fr', 'it', 'es', 'nl']) {
        const spec = `${name}:${country}`
        const tone = parseTone(spec)!
        const samples = readAll(openSource(spec, diskFiles, 8000), 14_000)
        expect(hasHeard({ samples, sampleRateHz: 8000 }, tone).heard, spec).toBe(true)
        expect(hasHeard({ samples, sampleRateHz: 8000 }, { frequenciesHz: [1000] }).heard).toBe(false)
        // On and off to the millisecond: the middle of each.
        let at = 0
        for (const [i, ms] of (tone.onOffMs ?? [1000]).entries()) {
          const middle = samples.subarray(8 * at + 80, 8 * (at + ms) - 80)
          expect(levelDbfs(middle) > -20, `${spec} ${i}`).toBe(i % 2 === 0)
          at += ms
        }
      }
    },
  )

  it.each(['busy:', 'busy:xx', 'dial-tone:toString', 'ring-back:DE'])('knows no country in "%s"', (spec) => {
    expect(() => openSource(spec, diskFiles, 8000)).toThrow(
      /is no tone: of [a-z-]+ there are those of us, uk, de/,
    )
  })

  it.each(['tone:425,0.5s', 'tone:425,', 'tone:425,1,1', 'tone:425,0s,1s', 'tone:425,2m,1s'])(
    'knows no cadence in "%s"',
    (spec) => {
      expect(() => openSource(spec, diskFiles, 8000)).toThrow(UsageError)
      expect(() => openSource(spec, diskFiles, 8000)).toThrow(/on and off in turn, .*\.$/)
    },
  )

  it.each(['tone:', 'tone:high', 'tone:440+', 'tone:5', 'tone:4000', 'tone:1e3', 'tone:100+200+300+400+500'])(
    'refuses "%s" in one sentence',
    (spec) => {
      expect(() => openSource(spec, diskFiles, 8000)).toThrow(UsageError)
      expect(() => openSource(spec, diskFiles, 8000)).toThrow(/is no tone: .*\.$/)
    },
  )
})
