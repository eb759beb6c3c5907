// What was negotiated, as the codecs and numbers that a stream runs with.
import { codecByName } from '../codec/registry.ts'
import { InvariantError } from '../errors.ts'
import type { CodecDescription, NegotiatedAudio } from '../sdp/description.ts'
import type { StreamParameters } from '../stream/parameters.ts'

export function streamParameters(negotiated: NegotiatedAudio): StreamParameters {
  const { codec, alsoReceive, telephoneEvent, ptimeMs, direction } = negotiated
  return {
    codec: codecOf(codec.name),
    sendPayloadType: codec.sendPayloadType,
    receivePayloadType: codec.receivePayloadType,
    alsoReceive: alsoReceive.flatMap(({ name, receivePayloadType }) => {
      const other = codecByName(name)
      return other ? [{ codec: other, payloadType: receivePayloadType }] : []
    }),
    ...(telephoneEvent && { telephoneEvent }),
    ptimeMs,
    direction,
  }
}

export function codecDescription(name: string): CodecDescription {
  const codec = codecOf(name)
  return {
    name: codec.name,
    clockRateHz: codec.clockRateHz,
    channels: codec.channels,
    payloadType: codec.staticPayloadType ?? 96,
  }
}

function codecOf(name: string) {
  const codec = codecByName(name)
  if (!codec) throw new InvariantError(`codec ${name} does not exist`)
  return codec
}
