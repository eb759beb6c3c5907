// Every codec floe speaks, best first. A new codec is one more line here; which are offered, and in what order, is the phone's to say.
import type { Codec } from './codec.ts'
import { pcma, pcmu } from './g711.ts'
import { g722 } from './g722.ts'
import { l16Codecs } from './l16.ts'
import { opus, opusWith } from './opus.ts'
import { parseOpusOptions } from './opus-parameters.ts'

export const codecs: readonly Codec[] = [opus, g722, pcmu, pcma, ...l16Codecs]

/** Encoding names are case-insensitive (RFC 4855 3); "L16/8000" tells the RTP clock rate too, "opus:bitrate=24000:dtx" how it is to be
 *  used. Undefined where floe has no such codec. @throws UsageError where it has no such setting */
export function codecByName(name: string): Codec | undefined {
  const [format = '', ...settings] = name.toLowerCase().split(':')
  if (settings.length > 0) return format === 'opus' ? opusWith(parseOpusOptions(settings)) : undefined
  const [encoding = '', rate] = format.split('/')
  return codecs.find(
    (codec) =>
      codec.name.toLowerCase() === encoding && (rate === undefined || Number(rate) === codec.clockRateHz),
  )
}

/** All of them, as `codecByName` takes them. */
export const codecNames: readonly string[] = codecs.map((codec) =>
  codecs.filter(({ name }) => name === codec.name).length > 1
    ? `${codec.name}/${codec.clockRateHz}`
    : codec.name,
)
