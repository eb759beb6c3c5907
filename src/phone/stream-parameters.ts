// What was negotiated, as the codecs and numbers that a stream runs with; and our codecs as a description names them.
import type { Codec } from '../codec/codec.ts'
import { codecByName, codecNames } from '../codec/registry.ts'
import { encodedInThreads } from '../codec/threaded-encoder.ts'
import { InvariantError, UsageError } from '../errors.ts'
import type { Millis, Runtime } from '../runtime/runtime.ts'
import type { CodecDescription, NegotiatedAudio } from '../sdp/description.ts'
import { asComfortNoise, sameCodec } from '../sdp/formats.ts'
import type { StreamParameters } from '../stream/parameters.ts'
import { defaults, type PhoneOptions, threadsOf } from './options.ts'

/** @param codecs those that were offered, or that could be answered with
 *  @param how.suppressesSilence where the peer takes comfort noise for it */
export function streamParameters(
  negotiated: NegotiatedAudio,
  codecs: readonly Codec[],
  how: { suppressesSilence: boolean },
): StreamParameters {
  const { codec, alsoReceive, telephoneEvent, ptimeMs, direction, extendedReports, rtcpBandwidth } =
    negotiated
  const own = codecs.find((candidate) => sameCodec(candidate, codec))
  if (!own) throw new InvariantError(`codec ${codec.name} was neither offered nor asked for`)
  const { comfortNoise } = negotiated
  return {
    codec: own,
    ...(codec.fmtp !== undefined && { sendFmtp: codec.fmtp }),
    sendPayloadType: codec.sendPayloadType,
    receivePayloadType: codec.receivePayloadType,
    alsoReceive: alsoReceive.flatMap((also) => {
      const other = codecs.find((candidate) => sameCodec(candidate, also))
      return other ? [{ codec: other, payloadType: also.receivePayloadType }] : []
    }),
    ...(telephoneEvent && { telephoneEvent }),
    alsoReceiveEvents: negotiated.alsoReceiveEvents,
    receiveComfortNoise: receivedNoise(negotiated),
    ...(how.suppressesSilence &&
      !own.discontinuous &&
      comfortNoise && { sendComfortNoise: { payloadType: comfortNoise.sendPayloadType } }),
    ...(extendedReports && { extendedReports }),
    ...(rtcpBandwidth && { rtcpBandwidth }),
    ptimeMs: packetTimeMs(own, ptimeMs),
    direction,
  }
}

/** RFC 3551 table 4. */
const staticNoise = { payloadType: 13, clockRateHz: 8_000 }

/** What was agreed, and the static type where nothing else has its number: exchanges and gateways send it unasked. */
function receivedNoise({ codec, comfortNoise, ...negotiated }: NegotiatedAudio) {
  const { alsoReceive, alsoReceiveNoise, alsoReceiveEvents, telephoneEvent } = negotiated
  const noise = [
    ...(comfortNoise
      ? [{ payloadType: comfortNoise.receivePayloadType, clockRateHz: codec.clockRateHz }]
      : []),
    ...alsoReceiveNoise,
  ]
  const taken = [
    ...[codec, telephoneEvent, ...alsoReceive].map((format) => format?.receivePayloadType),
    ...[...noise, ...alsoReceiveEvents].map((format) => format.payloadType),
  ]
  return taken.includes(staticNoise.payloadType) ? noise : [...noise, staticNoise]
}

/** The longest that the codec has within what was agreed; its shortest, where that is longer: no codec is asked for what it has not. */
const packetTimeMs = ({ packetTimesMs }: Codec, agreedMs: Millis): Millis =>
  packetTimesMs?.findLast((possible) => possible <= agreedMs) ?? packetTimesMs?.[0] ?? agreedMs

/** What everybody gives to Opus; and telephone-event's by custom, which are left to it. */
const customaryTypes: Readonly<Record<string, number>> = { opus: 111 }
const reservedTypes = [101, 102]
/** RFC 3551 6. */
const dynamicTypes = { from: 96, to: 127 }

/** Each with a payload type of its own, in the order given; and comfort noise for each clock of those that have no pauses of their own. */
export function describeCodecs(codecs: readonly Codec[]): {
  codecs: CodecDescription[]
  comfortNoise: CodecDescription[]
} {
  const typeOf = (codec: Codec): number | undefined =>
    codec.staticPayloadType ?? customaryTypes[codec.name.toLowerCase()]
  const taken = new Set([...reservedTypes, ...codecs.flatMap((codec) => typeOf(codec) ?? [])])
  const free = (): number => {
    for (let type = dynamicTypes.from; type <= dynamicTypes.to; type++)
      if (!taken.has(type)) {
        taken.add(type)
        return type
      }
    throw new InvariantError('more codecs than payload types')
  }
  const descriptions = codecs.map((codec) => ({
    name: codec.name,
    clockRateHz: codec.clockRateHz,
    channels: codec.channels,
    payloadType: typeOf(codec) ?? free(),
    ...(codec.fmtp !== undefined && { fmtp: codec.fmtp }),
  }))
  const clocks = new Set(codecs.filter((codec) => !codec.discontinuous).map((codec) => codec.clockRateHz))
  const { clockRateHz: staticClockRateHz, payloadType } = staticNoise
  const comfortNoise = [...clocks].map((clockRateHz) =>
    asComfortNoise(clockRateHz, clockRateHz === staticClockRateHz ? payloadType : free()),
  )
  return { codecs: descriptions, comfortNoise }
}

const endedThread =
  'a codec thread has ended: its calls go on in the main thread, and the next phone starts another one'

/** With encoders in threads, where that is asked for. Throws UsageError where one is named that nobody knows. */
export function chosenCodecs(
  options: PhoneOptions,
  runtime: Runtime,
  warn: (message: string) => void,
): Codec[] {
  const threads = threadsOf(options, 'codecThreads')
  return (options.codecs ?? defaults.codecs).map((codec) => {
    const found = typeof codec === 'string' ? codecByName(codec) : codec
    if (!found) throw new UsageError(`codec ${codec} is unknown: use ${codecNames.join(', ')}`)
    return encodedInThreads(found, threads, runtime, () => warn(endedThread))
  })
}

/** Loads what they need once, when that is asked for first: whoever only registers or sends a message does without. */
export function loadingOnce(codecs: readonly Codec[]): () => Promise<unknown> {
  let loaded: Promise<unknown> | undefined
  return () => {
    loaded ??= Promise.all(codecs.map((codec) => codec.load?.()))
    return loaded
  }
}
