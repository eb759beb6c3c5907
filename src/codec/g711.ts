// PCMU and PCMA (ITU-T G.711; RFC 3551 4.5.14): one octet a sample, 8 kHz, no state between frames.
import { aLaw, type CompandingLaw, muLaw } from '../audio/companding.ts'
import type { Codec, Decoder, Encoder } from './codec.ts'

function g711(name: string, staticPayloadType: number, law: CompandingLaw): Codec {
  const { octetOf, sampleOf } = law
  const encoder: Encoder = {
    encode(pcm, out) {
      const length = Math.min(pcm.length, out.length)
      for (let i = 0; i < length; i++) out[i] = octetOf[pcm[i]! & 0xffff]!
      return length
    },
  }
  const decoder: Decoder = {
    decode(payload, out) {
      const length = Math.min(payload.length, out.length)
      for (let i = 0; i < length; i++) out[i] = sampleOf[payload[i]!]!
      return length
    },
  }
  return {
    name,
    sampleRateHz: 8000,
    clockRateHz: 8000,
    channels: 1,
    concealment: 'waveform',
    staticPayloadType,
    createEncoder: () => encoder,
    createDecoder: () => decoder,
  }
}

/** Payload type 0 (RFC 3551 table 4). */
export const pcmu = g711('PCMU', 0, muLaw)
/** Payload type 8 (RFC 3551 table 4). */
export const pcma = g711('PCMA', 8, aLaw)
