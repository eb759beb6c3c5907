// L16: samples as they are, 16 bits in network byte order (RFC 3551 4.5.11, RFC 2586), mono, at four rates. A packet must fit into an
// Ethernet's (1,452 octets with IPv6 and UDP off), which bounds the packet time. Leaves out stereo.
import type { Codec } from './codec.ts'

const bytesPerSample = 2

const l16 = (sampleRateHz: number, packetTimesMs: readonly number[], staticPayloadType?: number): Codec => ({
  name: 'L16',
  sampleRateHz,
  clockRateHz: sampleRateHz,
  channels: 1,
  packetTimesMs,
  concealment: 'waveform',
  ...(staticPayloadType !== undefined && { staticPayloadType }),
  createEncoder: () => ({
    encode(pcm, out) {
      const samples = Math.min(pcm.length, Math.floor(out.length / bytesPerSample))
      for (let i = 0; i < samples; i++) {
        out[bytesPerSample * i] = pcm[i]! >> 8
        out[bytesPerSample * i + 1] = pcm[i]!
      }
      return bytesPerSample * samples
    },
  }),
  createDecoder: () => ({
    /** Half a sample at the end is none. */
    decode(payload, out) {
      const samples = Math.min(Math.floor(payload.length / bytesPerSample), out.length)
      for (let i = 0; i < samples; i++)
        out[i] = (payload[bytesPerSample * i]! << 8) | payload[bytesPerSample * i + 1]!
      return samples
    },
  }),
})

/** The one that is meant where no rate is said comes first. RFC 3551 table 4: 44,100 Hz has a type of its own. */
export const l16Codecs: readonly Codec[] = [
  l16(16_000, [10, 20, 30, 40]),
  l16(8_000, [10, 20, 30, 40, 60, 80]),
  l16(44_100, [10], 11),
  l16(48_000, [10]),
]
