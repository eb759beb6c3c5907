// A session description (RFC 8866) read into our words, m-line by m-line, with session-level values inherited.
// sdp-transform reads most attributes; the m-line itself and those of ICE are read here, because its grammar loses parts of them.
import { type MediaDescription, parse } from 'sdp-transform'
import { RemoteError } from '../errors.ts'
import type { TransportAddress } from '../runtime/address.ts'
import { canonicalAddress, isHostName, isPort, isUnspecified } from './addresses.ts'
import type {
  CodecDescription,
  Direction,
  IceDescription,
  RtcpDescription,
  SdpProblem,
} from './description.ts'
import { codecsOf, type RtpMap } from './formats.ts'
import { hasFlag, readIce } from './ice-attributes.ts'
import { type KeyingDescription, readKeying } from './keying.ts'
import { readRtcpAttributes } from './rtcp-attributes.ts'

/** More than any phone says, less than a datagram holds. */
const maximumLengthChars = 65_535
const maximumMediaSections = 64

/** One m-line with what belongs to it. */
export interface MediaSection {
  /** "audio", "video", "application", ... */
  media: string
  port: number
  /** "RTP/AVP" */
  protocol: string
  /** The fmt list, as written. */
  formats: string[]
  mid?: string
  /** a=bundle-only (RFC 9143 6): port 0 does not refuse it. */
  bundleOnly: boolean
  direction: Direction
  /** c=, the section's own or the session's; a host name stays one. */
  address?: string
  codecs: CodecDescription[]
  ptimeMs?: number
  maxptimeMs?: number
  /** a=rtcp (RFC 3605). */
  rtcp?: { port: number; address?: string }
  rtcpMux: boolean
  control: RtcpDescription
  ice?: IceDescription
  /** a=ice-mismatch (RFC 8839 5.3). */
  iceMismatch: boolean
  keying: KeyingDescription
}

export interface SessionText {
  origin?: { sessionId: string; version: number }
  /** The mids of each a=group:BUNDLE. */
  bundles: string[][]
  sections: MediaSection[]
  problems: SdpProblem[]
}

/** Throws RemoteError (400) where the text is no session description. */
export const readSession = (text: string): SessionText => {
  if (text.length > maximumLengthChars)
    throw new RemoteError(`The session description is ${text.length} characters long`, 'RFC 8866 5', 400)
  const lines = text.split(/\r\n|\r|\n/)
  if (lines[0] !== 'v=0')
    throw new RemoteError('The session description does not begin with v=0', 'RFC 8866 5.1', 400)
  const mediaStarts = lines.flatMap((line, i) => (line.startsWith('m=') ? [i] : []))
  if (mediaStarts.length > maximumMediaSections)
    throw new RemoteError(`The session description has ${mediaStarts.length} m-lines`, 'RFC 8866 5.14', 400)
  const parsed = parse(lines.join('\n'))
  const session = { rtp: [], fmtp: [], ...parsed } as unknown as MediaDescription
  const head = lines.slice(0, mediaStarts[0])
  const problems: SdpProblem[] = []
  const sections = mediaStarts.map((start, i) => {
    const own = lines.slice(start, mediaStarts[i + 1])
    return readSection(own, head, parsed.media[i]!, session, problems)
  })
  const origin = /^o=\S+ (\S+) (\d{1,15}) /.exec(head.find((line) => line.startsWith('o=')) ?? '')
  return {
    ...(origin ? { origin: { sessionId: origin[1]!, version: Number(origin[2]) } } : {}),
    bundles: (parsed.groups ?? [])
      .filter((group) => group.type === 'BUNDLE')
      .map((group) => String(group.mids).split(' ')),
    sections,
    problems,
  }
}

const readSection = (
  lines: readonly string[],
  head: readonly string[],
  media: MediaDescription,
  session: MediaDescription,
  problems: SdpProblem[],
): MediaSection => {
  const line = /^m=(\S+) (\d{1,5})(?:\/\d+)? +(\S+) *(.*)$/.exec(lines[0]!)
  const port = Number(line?.[2])
  if (!line || !isPort(port)) throw new RemoteError('An m-line is malformed', 'RFC 8866 5.14', 400)
  const connection = media.connection ?? session.connection
  const address = connection === undefined ? undefined : readAddress(String(connection.ip))
  const ice = readIce(lines, head, problems)
  const ptimeMs = milliseconds(media.ptime)
  const maxptimeMs = milliseconds(media.maxptime)
  const rtcp = readRtcp(media)
  const control = readRtcpAttributes(lines, head)
  return {
    media: line[1]!,
    port,
    protocol: line[3]!,
    formats: line[4]!.split(' ').filter((format) => format !== ''),
    ...(media.mid === undefined ? {} : { mid: String(media.mid) }),
    bundleOnly: port === 0 && hasFlag(lines, 'bundle-only'),
    direction: media.direction ?? session.direction ?? 'sendrecv',
    ...(address === undefined ? {} : { address }),
    codecs: codecsOf(line[4]!.split(' '), rtpmapsOf(media), fmtpsOf(media)),
    ...(ptimeMs === undefined ? {} : { ptimeMs }),
    ...(maxptimeMs === undefined ? {} : { maxptimeMs }),
    ...(rtcp ? { rtcp } : {}),
    rtcpMux: media.rtcpMux !== undefined || control.muxOnly,
    control,
    ...(ice ? { ice } : {}),
    iceMismatch: hasFlag(lines, 'ice-mismatch') || hasFlag(head, 'ice-mismatch'),
    keying: readKeying(lines, head, problems),
  }
}

/** "224.2.1.1/127" is a multicast address with its TTL (RFC 8866 5.7). */
const readAddress = (text: string): string | undefined => {
  const bare = text.split('/', 1)[0]!
  return canonicalAddress(bare) ?? (isHostName(bare) ? bare : undefined)
}

const readRtcp = (media: MediaDescription): MediaSection['rtcp'] => {
  if (media.rtcp === undefined || !isPort(media.rtcp.port)) return undefined
  const address = media.rtcp.address === undefined ? undefined : canonicalAddress(String(media.rtcp.address))
  return { port: media.rtcp.port, ...(address === undefined ? {} : { address }) }
}

const milliseconds = (value: unknown): number | undefined =>
  typeof value === 'number' && value > 0 ? value : undefined

const rtpmapsOf = (media: MediaDescription): Map<number, RtpMap> =>
  new Map(
    media.rtp.map((map) => [
      Number(map.payload),
      { name: String(map.codec), clockRateHz: Number(map.rate), channels: Number(map.encoding ?? 1) },
    ]),
  )

const fmtpsOf = (media: MediaDescription): Map<number, string> =>
  new Map(media.fmtp.map((fmtp) => [Number(fmtp.payload), String(fmtp.config)]))

/** The default destination of RTP; absent where the section is refused, on old-style hold, or names a host. */
export const rtpDestination = (section: MediaSection): TransportAddress | undefined =>
  destination(section.address, section.port)

/** The default destination of RTCP where it is not multiplexed: a=rtcp, else the next port (RFC 3605 2.1). */
export const rtcpDestination = (section: MediaSection): TransportAddress | undefined =>
  section.port === 0
    ? undefined
    : destination(section.rtcp?.address ?? section.address, section.rtcp?.port ?? section.port + 1)

const destination = (address: string | undefined, port: number): TransportAddress | undefined =>
  address === undefined || !isPort(port) || port === 0 || isUnspecified(address) || isHostName(address)
    ? undefined
    : { address, port }
