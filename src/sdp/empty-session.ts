// Descriptions without a single m-line: a controller calls that way first and brings the media later (RFC 3725 flow IV,
// RFC 3264 5).
import type { LocalAudio } from './description.ts'
import { readSession } from './session-description.ts'
import { customaryPtimeMs, writeSession } from './writing.ts'

/** Throws RemoteError where the text is malformed. */
export const isWithoutMedia = (offer: string): boolean => readSession(offer).sections.length === 0

export const answerWithoutMedia = (local: LocalAudio): string =>
  writeSession(
    local,
    [],
    {
      protocol: 'RTP/AVP',
      codecs: [],
      direction: 'inactive',
      ptimeMs: local.ptimeMs ?? customaryPtimeMs,
      rtcpMux: false,
      extendedReports: false,
      offer: false,
      onlyComponent1: false,
      ice: false,
      iceMismatch: false,
      keying: { cryptos: [], fingerprints: [] },
    },
    false,
  )
