// The facts that the trace keeps of descriptions and of what was agreed. Total: text that is no description gives a fact too.
import { RemoteError } from '../errors.ts'
import type { SdpFact } from '../trace/facts.ts'
import type { NegotiatedAudio } from './description.ts'
import { iceSupport } from './ice-support.ts'
import { type MediaSection, readSession, rtpDestination } from './session-description.ts'

/** The SdpFact of a description that was sent or received; where it cannot be read, a problem. */
export const describe = (text: string, direction: 'sent' | 'received', kind: 'offer' | 'answer'): SdpFact => {
  try {
    const sections = readSession(text).sections.filter((section) => section.media === 'audio')
    const section = sections.find((candidate) => candidate.port !== 0) ?? sections[0]
    const audio = section && rtpDestination(section)
    return {
      layer: 'sdp',
      type: 'description',
      direction,
      kind,
      lengthBytes: new TextEncoder().encode(text).length,
      ...(audio ? { audio } : {}),
      mediaDirection: section?.direction ?? 'inactive',
      codecs: (section?.codecs ?? [])
        .slice(0, 16)
        .map((codec) => `${codec.name.slice(0, 32)}/${codec.clockRateHz}`),
      ice: section ? iceOf(section) : 'none',
      candidates: section?.ice?.candidates.length ?? 0,
      rtcpMux: section?.rtcpMux ?? false,
    }
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error
    return { layer: 'sdp', type: 'problem', message: error.message, section: error.section }
  }
}

const iceOf = (section: MediaSection): Extract<SdpFact, { type: 'description' }>['ice'] => {
  const { ice, iceMismatch } = iceSupport(section, [])
  if (iceMismatch) return 'mismatch'
  return ice ? (ice.lite ? 'lite' : 'full') : 'none'
}

/** @param ptimeMs as it is sent: a codec need not have packets of the length that was agreed */
export const describeNegotiated = (audio: NegotiatedAudio, ptimeMs = audio.ptimeMs): SdpFact => ({
  layer: 'sdp',
  type: 'negotiated',
  codec: audio.codec.name,
  payloadType: audio.codec.sendPayloadType,
  receivePayloadType: audio.codec.receivePayloadType,
  ptimeMs,
  telephoneEvent: audio.telephoneEvent !== undefined,
  ...(audio.comfortNoise && { comfortNoise: true }),
  mediaDirection: audio.direction,
  ...(audio.remoteRtp ? { remoteRtp: audio.remoteRtp } : {}),
  rtcpMux: audio.rtcpMux,
  ice: audio.ice !== undefined,
})
