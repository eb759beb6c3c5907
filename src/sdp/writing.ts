// A session description written from our words: one live audio m-line, others refused with port 0, nothing more than a peer needs.
import { type MediaDescription, type SessionDescription, write } from 'sdp-transform'
import { addressFamily } from '../runtime/address.ts'
import type { CodecDescription, Direction, LocalAudio, RtcpDescription } from './description.ts'
import { isStatic, isTelephoneEvent, telephoneEventsFor } from './formats.ts'
import { writeIce, writeSessionIce } from './ice-attributes.ts'
import { type KeyingDescription, writeKeying } from './keying.ts'
import { writeRtcpAttributes, writeRtcpBandwidth } from './rtcp-attributes.ts'
import { type MediaSection, readSession } from './session-description.ts'

/** The audio m-line as it will stand in the text. */
export interface AudioText {
  protocol: string
  mid?: string
  /** In order of preference, telephone-event last. */
  codecs: CodecDescription[]
  direction: Direction
  ptimeMs: number
  rtcpMux: boolean
  /** Whether extended reports are asked for. */
  extendedReports: boolean
  /** What the offer says that an answer repeats. */
  control?: RtcpDescription
  /** Whether this is an offer: it may name remote-candidates, an answer may not (RFC 8839 4.4.1.2.2). */
  offer: boolean
  /** Whether component 2 is given up: RTCP shares component 1 (an answer that accepts rtcp-mux). */
  onlyComponent1: boolean
  /** Whether our ICE attributes are written at all. */
  ice: boolean
  iceMismatch: boolean
  keying: KeyingDescription
}

/** Lines in m-line order: 'audio' is ours, the others are refused. */
export const writeSession = (
  local: LocalAudio,
  sections: readonly (MediaSection | 'audio')[],
  audio: AudioText,
  bundle: boolean,
  previous?: string,
): string => {
  const ice = audio.ice ? local.ice : undefined
  const withVersion = (version: number): string => {
    const session: SessionDescription = {
      version: 0,
      origin: {
        username: '-',
        sessionId: local.origin.sessionId,
        sessionVersion: version,
        netType: 'IN',
        ipVer: addressFamily(local.origin.address),
        address: local.origin.address,
      },
      name: '-',
      connection: connection(local.rtp.address),
      timing: { start: 0, stop: 0 },
      ...(bundle && audio.mid !== undefined ? { groups: [{ type: 'BUNDLE', mids: audio.mid }] } : {}),
      ...(ice ? writeSessionIce(ice) : {}),
      media: sections.map((section) => (section === 'audio' ? audioLine(local, audio) : refused(section))),
    }
    return write(session)
  }
  if (previous === undefined) return withVersion(local.origin.version)
  // RFC 3264 8: an unchanged description keeps its version, a changed one has the next.
  const version = readSession(previous).origin?.version ?? local.origin.version
  const unchanged = withVersion(version)
  return unchanged === previous ? unchanged : withVersion(version + 1)
}

const connection = (address: string): { version: number; ip: string } => ({
  version: addressFamily(address),
  ip: address,
})

function audioLine(local: LocalAudio, audio: AudioText): MediaDescription {
  const terse = isTerse(local, audio)
  return {
    type: 'audio',
    port: local.rtp.port,
    protocol: audio.protocol,
    payloads: audio.codecs.map((codec) => codec.payloadType).join(' '),
    ...(audio.mid === undefined ? {} : { mid: audio.mid }),
    ...formatLines(audio.codecs, { offer: audio.offer, terse }),
    ...(audio.control?.bandwidth && { bandwidth: writeRtcpBandwidth(audio.control) }),
    ...(terse && local.ptimeMs === undefined ? {} : { ptime: audio.ptimeMs }),
    ...(terse && audio.direction === 'sendrecv' ? {} : { direction: audio.direction }),
    ...(audio.rtcpMux ? { rtcpMux: 'rtcp-mux' as const } : {}),
    ...(local.rtcp && !audio.onlyComponent1 ? { rtcp: rtcpAttribute(local) } : {}),
    ...withOwnLines(audio.ice && local.ice ? writeIce(local.ice, audio) : {}, [
      ...(audio.iceMismatch ? [{ value: 'ice-mismatch' }] : []),
      ...writeRtcpAttributes(audio.extendedReports, audio.control?.reducedSize ?? false),
      ...writeKeying(audio.keying),
    ]),
  }
}

/** RFC 3551 4.5. */
export const customaryPtimeMs = 20

/** An offer should leave in one datagram (RFC 3261 18.1.1), so it goes without the rtpmap of static types, which RFC 3264 5.1
 *  recommends and nobody needs. One with candidates must: without what is the default anyhow, and as those of browsers without the
 *  fmtp of telephone-event, which peers without ICE may still look for. */
const isTerse = (local: LocalAudio, audio: AudioText): boolean =>
  audio.offer && audio.ice && local.ice !== undefined

const formatLines = (
  codecs: readonly CodecDescription[],
  { offer, terse }: { offer: boolean; terse: boolean },
): Pick<MediaDescription, 'rtp' | 'fmtp'> => ({
  rtp: codecs
    .filter((codec) => !(offer && isStatic(codec)))
    .map((codec) => ({
      payload: codec.payloadType,
      codec: codec.name,
      rate: codec.clockRateHz,
      ...(codec.channels === 1 ? {} : { encoding: codec.channels }),
    })),
  fmtp: codecs.flatMap((codec) =>
    codec.fmtp === undefined || (terse && isTelephoneEvent(codec))
      ? []
      : [{ payload: codec.payloadType, config: codec.fmtp }],
  ),
})

/** What the codecs take of an offer with candidates, telephone-event included. */
export const codecsLengthBytes = (codecs: readonly CodecDescription[]): number => {
  const all = [...codecs, ...telephoneEventsFor(codecs, [])]
  const { rtp, fmtp } = formatLines(all, { offer: true, terse: true })
  const lines = [
    ...rtp.map(({ payload, codec, rate, encoding }) =>
      ['a=rtpmap:', payload, ' ', codec, '/', rate, ...(encoding ? ['/', encoding] : [])].join(''),
    ),
    ...fmtp.map(({ payload, config }) => `a=fmtp:${payload} ${config}`),
  ]
  const numbers = all.map(({ payloadType }) => ` ${payloadType}`)
  return numbers.join('').length + lines.reduce((sum, line) => sum + line.length + '\r\n'.length, 0)
}

/** Under this name sdp-transform writes attributes as they are given. */
const withOwnLines = (
  attributes: Partial<MediaDescription>,
  lines: { value: string }[],
): Partial<MediaDescription> => ({ ...attributes, invalid: [...(attributes.invalid ?? []), ...lines] })

/** RFC 3605: the address only where it differs from c=. */
const rtcpAttribute = (local: LocalAudio): NonNullable<MediaDescription['rtcp']> => {
  const { address, port } = local.rtcp!
  if (address === local.rtp.address) return { port }
  return { port, netType: 'IN', ipVer: addressFamily(address), address }
}

/** RFC 3264 6: port 0, the same media and transport, and one format, which is ignored. */
const refused = (section: MediaSection): MediaDescription => ({
  type: section.media,
  port: 0,
  protocol: section.protocol,
  payloads: section.formats[0] ?? '0',
  rtp: [],
  fmtp: [],
  ...(section.mid === undefined ? {} : { mid: section.mid }),
})
