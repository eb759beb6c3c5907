// RFC 7587: what the peer asks for is heeded, what we want is asked for, what cannot be is refused.
import { Application, Bandwidth } from 'libopus-wasm'
import { describe, expect, it } from 'vitest'
import { opusWith } from '../../../src/codec/opus.ts'
import { encoderOptions, type OpusOptions, readOpusParameters } from '../../../src/codec/opus-parameters.ts'
import { codecByName } from '../../../src/codec/registry.ts'
import { UsageError } from '../../../src/errors.ts'

const settings = (fmtp?: string, options: OpusOptions = {}) =>
  encoderOptions(options, readOpusParameters(fmtp))

describe('the parameters of the peer (RFC 7587 6.1)', () => {
  it('are heeded', () => {
    expect(
      settings('maxaveragebitrate=16000; useinbandfec=1;maxplaybackrate=16000;cbr=1;usedtx=1;stereo=1'),
    ).toMatchObject({
      ...{ bitrate: 16_000, fec: true, vbr: false, dtx: true, channels: 1 },
      maxBandwidth: Bandwidth.Wideband,
    })
  })
  it.each([[undefined], [''], ['nonsense;;=;x'], ['maxaveragebitrate=abc;maxplaybackrate=']])(
    'may be %s',
    (fmtp) => {
      expect(settings(fmtp)).toMatchObject({
        ...{ bitrate: 32_000, fec: false, vbr: true, dtx: false },
        maxBandwidth: Bandwidth.Fullband,
      })
    },
  )
  it('cannot ask for less or more than there is', () => {
    expect(settings('maxaveragebitrate=1').bitrate).toBe(6_000)
    expect(settings('maxaveragebitrate=9999999').bitrate).toBe(32_000)
  })
  it.each([
    [8_000, 12_000],
    [12_000, 20_000],
    [16_000, 20_000],
    [24_000, 32_000],
    [48_000, 32_000],
  ])('mean, with maxplaybackrate=%i alone, %i bit/s at the most (RFC 7587 3.1.1)', (rateHz, bitrate) => {
    expect(settings(`maxplaybackrate=${rateHz}`).bitrate).toBe(bitrate)
  })
})

describe('what a user wants', () => {
  it('is asked of the peer, too', () => {
    expect(opusWith({}).fmtp).toBe('useinbandfec=1')
    expect(opusWith({ fec: false })).not.toHaveProperty('fmtp')
    expect(opusWith({ bitrateBps: 24_000, dtx: true, constantBitrate: true }).fmtp).toBe(
      'useinbandfec=1;maxaveragebitrate=24000;usedtx=1;cbr=1',
    )
  })
  it('is done, as far as the peer takes it', () => {
    expect(
      settings('', { dtx: true, constantBitrate: true, complexity: 9, bitrateBps: 20_000 }),
    ).toMatchObject({
      ...{ dtx: true, vbr: false, complexity: 9, bitrate: 20_000 },
    })
    expect(settings('maxaveragebitrate=16000', { bitrateBps: 20_000 }).bitrate).toBe(16_000)
    expect(settings('useinbandfec=1', { fec: false }).fec).toBe(false)
    expect(settings('usedtx=1', { dtx: false }).dtx).toBe(false)
    expect(settings('', { application: 'audio' })).toMatchObject({
      application: Application.Audio,
      bitrate: 64_000,
    })
  })
  it('can be written by its name', () => {
    expect(codecByName('opus:bitrate=24000:dtx:fec=no')?.fmtp).toBe('maxaveragebitrate=24000;usedtx=1')
    expect(codecByName('OPUS:CBR:COMPLEXITY=10:APPLICATION=AUDIO')?.fmtp).toBe('useinbandfec=1;cbr=1')
    expect(codecByName('PCMU:dtx')).toBeUndefined()
    for (const name of ['opus', 'opus:bitrate=24000:complexity=9:application=audio:dtx=yes:fec=no:cbr=yes'])
      expect(codecByName(name)?.threadName).toBe(name)
  })
  it.each(['bitrate=5999', 'bitrate=high', 'complexity=11', 'application=music', 'volume=11'])(
    'cannot be %s',
    (setting) => {
      expect(() => codecByName(`opus:${setting}`)).toThrow(UsageError)
    },
  )
})
