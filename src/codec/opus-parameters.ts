// What one end asks of the other's Opus encoder (RFC 7587 6.1), what a user wants of ours, and the settings of libopus that follow
// from both. Rates and hints that bind nobody (sprop-*) are passed over.
import { Application, Bandwidth, type EncoderOptions } from 'libopus-wasm'
import { UsageError } from '../errors.ts'

/** Of both directions: what is set here is done, and asked of the peer. */
export interface OpusOptions {
  /** 6,000 to 510,000 bits a second, and no more than the peer takes. Default 32,000, which is speech in full band (RFC 7587 3.1.1),
   *  and 64,000 for the application "audio". */
  bitrateBps?: number
  /** Send hardly anything while nothing is said. Default: where the peer asks for it. */
  dtx?: boolean
  /** Packets say again what the one before said, where the peer uses that and loses some. Default true. */
  fec?: boolean
  /** The same length for every packet, so that lengths tell nothing of what is said (RFC 6562). Default: where the peer asks for it. */
  constantBitrate?: boolean
  /** Effort of the encoder, 0 to 10. Default 5, hardly to be told from 10 in speech. */
  complexity?: number
  /** Tuned to speech, or to music and whatever there is. Default "voip". */
  application?: 'voip' | 'audio'
}

/** What a receiver asks of its sender. */
export interface OpusParameters {
  readonly maxPlaybackRateHz: number
  readonly maxAverageBitrateBps: number
  readonly stereo: boolean
  readonly fec: boolean
  readonly dtx: boolean
  readonly constantBitrate: boolean
}

/** RFC 7587 6.1, in bits a second. */
const bitrateRange = { from: 6_000, to: 510_000 }
const mostComplexity = 10
const defaultComplexity = 5
/** Where less is lost, the past is not worth the bits that it takes from the present. */
const leastLossPercent = 1
/** Up to 5 % libopus arms itself only where it need not narrow the band for that, and deems 32 kbit/s too little; above that it does,
 *  and at 32 kbit/s the full band remains, as measured. */
const armed = { percent: 6, fromBps: 32_000 }
const fullBandHz = 48_000
const defaultBitrateBps = { voip: 32_000, audio: 64_000 }

/** RFC 7587 6.1. What is missing or no number is as if it had not been said. */
export function readOpusParameters(fmtp = ''): OpusParameters {
  const values = new Map(
    fmtp.split(';').map((part) => {
      const [name = '', value = ''] = part.split('=')
      return [name.trim().toLowerCase(), value.trim()]
    }),
  )
  const number = (name: string): number | undefined => {
    const value = Number(values.get(name) || Number.NaN)
    return Number.isFinite(value) ? value : undefined
  }
  const isSet = (name: string): boolean => values.get(name) === '1'
  const stereo = isSet('stereo')
  const maxPlaybackRateHz = number('maxplaybackrate') ?? fullBandHz
  const asked = number('maxaveragebitrate') ?? usualMost(maxPlaybackRateHz, stereo)
  return {
    maxPlaybackRateHz,
    maxAverageBitrateBps: Math.max(bitrateRange.from, Math.min(asked, bitrateRange.to)),
    stereo,
    fec: isSet('useinbandfec'),
    dtx: isSet('usedtx'),
    constantBitrate: isSet('cbr'),
  }
}

/** Where nothing is said of it: the upper ends of RFC 7587 3.1.1. */
function usualMost(playbackRateHz: number, stereo: boolean): number {
  if (playbackRateHz >= fullBandHz) return stereo ? 128_000 : 64_000
  if (playbackRateHz >= 24_000) return 40_000
  return playbackRateHz >= 12_000 ? 20_000 : 12_000
}

/** Our fmtp. That we take and make mono is the default of RFC 7587. */
export function writeOpusParameters({ bitrateBps, fec = true, dtx, constantBitrate }: OpusOptions): string {
  return [
    ...(fec ? ['useinbandfec=1'] : []),
    ...(bitrateBps === undefined ? [] : [`maxaveragebitrate=${bitrateBps}`]),
    ...(dtx ? ['usedtx=1'] : []),
    ...(constantBitrate ? ['cbr=1'] : []),
  ].join(';')
}

export type OpusSettings = EncoderOptions & { bitrate: number }

/** Of our encoder, which is mono. */
export function encoderOptions(options: OpusOptions, asked: OpusParameters): OpusSettings {
  const { application = 'voip', fec = true } = options
  const { dtx = asked.dtx, constantBitrate = asked.constantBitrate, complexity = defaultComplexity } = options
  return {
    sampleRate: fullBandHz,
    channels: 1,
    application: application === 'voip' ? Application.Voip : Application.Audio,
    complexity,
    bitrate: Math.min(options.bitrateBps ?? defaultBitrateBps[application], asked.maxAverageBitrateBps),
    fec: fec && asked.fec,
    dtx,
    vbr: !constantBitrate,
    maxBandwidth: bandwidthFor(asked.maxPlaybackRateHz),
  }
}

/** What to tell an encoder of the loss that is expected. */
export function lossToArmAgainst(percent: number, { fec, bitrate }: OpusSettings): number {
  if (percent < leastLossPercent) return 0
  return Math.max(fec && bitrate >= armed.fromBps ? armed.percent : 0, Math.round(percent))
}

const bandwidthFor = (playbackRateHz: number): Bandwidth => {
  if (playbackRateHz >= fullBandHz) return Bandwidth.Fullband
  if (playbackRateHz >= 24_000) return Bandwidth.Superwideband
  if (playbackRateHz >= 16_000) return Bandwidth.Wideband
  return playbackRateHz >= 12_000 ? Bandwidth.Mediumband : Bandwidth.Narrowband
}

/** @throws UsageError where they cannot be */
export function checkOpusOptions(options: OpusOptions): OpusOptions {
  const { bitrateBps = bitrateRange.from, complexity = 0, application = 'voip' } = options
  const within = (value: number, from: number, to: number): boolean =>
    Number.isInteger(value) && value >= from && value <= to
  if (!within(bitrateBps, bitrateRange.from, bitrateRange.to))
    throw new UsageError(`Opus at ${bitrateBps} bit/s cannot be: use 6000 to 510000`)
  if (!within(complexity, 0, mostComplexity))
    throw new UsageError(`Opus with complexity ${complexity} cannot be: use 0 to 10`)
  if (application !== 'voip' && application !== 'audio')
    throw new UsageError(`Opus for "${application}" cannot be: use voip or audio`)
  return options
}

/** As `parseOpusOptions` reads them. */
export function writeOpusOptions({
  bitrateBps,
  complexity,
  application,
  ...switches
}: OpusOptions): string[] {
  const { dtx, fec, constantBitrate: cbr } = switches
  return Object.entries({ bitrate: bitrateBps, complexity, application, dtx, fec, cbr }).flatMap(
    ([name, value]) => {
      if (value === undefined) return []
      return `${name}=${value === true ? 'yes' : value === false ? 'no' : value}`
    },
  )
}

/** As a person writes them: "bitrate=24000", "dtx", "fec=no".
 *  @throws UsageError where one is unknown or cannot be */
export function parseOpusOptions(settings: readonly string[]): OpusOptions {
  const options: OpusOptions = {}
  for (const setting of settings) {
    const [name = '', value = 'yes'] = setting.split('=')
    const isOn = value !== 'no'
    if (name === 'bitrate') options.bitrateBps = Number(value)
    else if (name === 'complexity') options.complexity = Number(value)
    else if (name === 'application') options.application = value as 'voip' | 'audio'
    else if (name === 'dtx') options.dtx = isOn
    else if (name === 'fec') options.fec = isOn
    else if (name === 'cbr') options.constantBitrate = isOn
    else
      throw new UsageError(
        `"${setting}" is no setting of Opus: use bitrate=24000, dtx, fec=no, cbr, complexity=5, application=audio`,
      )
  }
  return checkOpusOptions(options)
}
