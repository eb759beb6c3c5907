// What was negotiated, as the codecs and numbers that a stream runs with.
import { codecByName } from '../codec/registry.ts'
import { InvariantError } from '../errors.ts'
import type { CodecDescription, NegotiatedAudio } from '../sdp/description.ts'
import type { StreamParameters } from '../stream/parameters.ts'

export function streamParameters(negotiated: NegotiatedAudio): StreamParameters {
  const own = codecOf(negotiated.codec.name)
  const { codec, alsoReceive, telephoneEvent, ptimeMs, direction, extendedReports, rtcpBandwidth } =
    negotiated
  return {
    codec: own,
    ...(codec.fmtp !== undefined && { sendFmtp: codec.fmtp }),
    sendPayloadType: codec.sendPayloadType,
    receivePayloadType: codec.receivePayloadType,
    alsoReceive: alsoReceive.flatMap(({ name, receivePayloadType }) => {
      const other = codecByName(name)
      return other ? [{ codec: other, payloadType: receivePayloadType }] : []
    }),
    ...(telephoneEvent && { telephoneEvent }),
    ...(extendedReports && { extendedReports }),
    ...(rtcpBandwidth && { rtcpBandwidth }),
    ptimeMs: own.packetTimesMs?.findLast((possible) => possible <= ptimeMs) ?? ptimeMs,
    direction,
  }
}

/** RFC 3551 6; 111 is what everybody gives to Opus. */
const firstDynamicType = 111

export function codecDescription(name: string): CodecDescription {
  const codec = codecOf(name)
  return {
    name: codec.name,
    clockRateHz: codec.clockRateHz,
    channels: codec.channels,
    payloadType: codec.staticPayloadType ?? firstDynamicType,
    ...(codec.fmtp !== undefined && { fmtp: codec.fmtp }),
  }
}

function codecOf(name: string) {
  const codec = codecByName(name)
  if (!codec) throw new InvariantError(`codec ${name} does not exist`)
  return codec
}
