// Offer and answer (RFC 3264) for one audio stream: what we write, what we make of the peer's, what both then agree on.
// ICE: RFC 8839; rtcp-mux: RFC 5761; BUNDLE: RFC 9143; keys: keying.ts. Streams other than the first acceptable audio are refused.
import { InvariantError, RemoteError } from '../errors.ts'
import type { TransportAddress } from '../runtime/address.ts'
import { isHostName, isUnspecified } from './addresses.ts'
import type {
  CodecDescription,
  Direction,
  IceDescription,
  LocalAudio,
  LocalKeying,
  NegotiatedAudio,
  SdpProblem,
} from './description.ts'
import { both, deaf, reversed } from './direction.ts'
import {
  asComfortNoise,
  asTelephoneEvent,
  comfortNoiseFor,
  isSound,
  isTelephoneEvent,
  sameCodec,
  telephoneEventFor,
  telephoneEventsFor,
} from './formats.ts'
import { iceSupport } from './ice-support.ts'
import {
  agreedKeying,
  answerKeying,
  offeredKeying,
  offeredProfile,
  secureProfiles,
  whyUnkeyed,
} from './keying.ts'
import {
  type MediaSection,
  readSession,
  rtcpDestination,
  rtpDestination,
  type SessionText,
} from './session-description.ts'
import { customaryPtimeMs, writeSession } from './writing.ts'

const profiles: readonly string[] = ['RTP/AVP', 'RTP/AVPF', ...secureProfiles]

/** The mid of our own offers, which have one m-line. */
const ownMid = '0'

/** Frames that every codec here can be cut into; anything else a peer asks for is brought into this range. */
export const ptimeRangeMs = { from: 10, to: 120, step: 10 }

/** The peer's half of the audio, seen from ours. */
export interface RemoteAudio {
  /** Codecs in the peer's order that we can do too; the first is the one that will be used. */
  codecs: CodecDescription[]
  /** The most that we may do: "recvonly" where the peer offered sendonly. */
  direction: Direction
  remoteRtp?: TransportAddress
  remoteRtcp?: TransportAddress
  rtcpMux: boolean
  /** Present where ICE can be used with this peer. */
  ice?: IceDescription
  iceMismatch: boolean
}

export interface RemoteOffer extends RemoteAudio {
  /** What was passed over in it. */
  readonly problems: readonly SdpProblem[]
  /** For createAnswer: the m-lines, and which of them is answered. */
  readonly session: SessionText
  readonly index: number
}

/** An offer of our audio. `previous` is the description we sent last in this session: its m-lines keep their places and
 *  payload types, and its version is kept where nothing has changed, else counted on. `mid` is what trickled candidates name. */
export const createOffer = (local: LocalAudio, previous?: string): { text: string; mid?: string } => {
  const session = previous === undefined ? undefined : readSession(previous)
  const before = session?.sections ?? []
  const live = before.findIndex((section) => section.media === 'audio' && section.port !== 0)
  const at = live >= 0 ? live : before.findIndex((section) => section.media === 'audio')
  const slot = before[at]
  const codecs = [...local.codecs, ...(local.comfortNoise?.offered ? local.comfortNoise.formats : [])]
  const events = local.telephoneEvent ? telephoneEventsFor(codecs, slot?.codecs ?? []) : []
  const sections: (MediaSection | 'audio')[] = before.map((section, i) => (i === at ? 'audio' : section))
  if (!slot) sections.push('audio')
  const mid = slot ? slot.mid : ownMid
  const bundled = session ? isBundled(session, mid) : true
  const text = writeSession(
    local,
    sections,
    {
      protocol: slot?.protocol ?? offeredProfile(local.keying),
      ...(mid === undefined ? {} : { mid }),
      codecs: [...codecs, ...events],
      direction: local.direction,
      ptimeMs: local.ptimeMs ?? customaryPtimeMs,
      rtcpMux: local.rtcpMux,
      extendedReports: local.extendedReports ?? false,
      offer: true,
      onlyComponent1: false,
      ice: true,
      iceMismatch: false,
      keying: offeredKeying(local.keying),
    },
    // RFC 9143 9.3.1.1: bundled RTP has its RTCP with it.
    bundled && local.rtcpMux,
    previous,
  )
  return { text, ...(mid === undefined ? {} : { mid }) }
}

/** Reads a peer's offer before any address of ours is chosen. `codecs` are those we can do. Throws RemoteError, with
 *  status hint 400 where the text is malformed and 488 where it holds no audio that we can take. */
export const readOffer = (
  text: string,
  codecs: readonly CodecDescription[],
  keying?: LocalKeying,
): RemoteOffer => {
  const session = readSession(text)
  const reasons: string[] = []
  for (const [index, section] of session.sections.entries()) {
    const agreed = answerKeying(section, keying)?.negotiated
    const reason =
      section.media === 'audio' ? (whyNot(section, codecs) ?? whyUnkeyed(section, keying, agreed)) : undefined
    if (reason !== undefined) reasons.push(reason)
    if (section.media !== 'audio' || reason !== undefined) continue
    const problems = [...session.problems]
    return { ...readRemote(section, codecs, problems), problems, session, index }
  }
  throw new RemoteError(
    `The offer cannot be taken: ${reasons.length > 0 ? reasons.join('; ') : 'it holds no audio'}`,
    'RFC 3264 6',
    488,
  )
}

/** Answers what readOffer returned. `previous` is the description we sent last in this session, if there was one. */
export const createAnswer = (
  offer: RemoteOffer,
  local: LocalAudio,
  previous?: string,
): { text: string; mid?: string; negotiated: NegotiatedAudio } => {
  const { session, index } = offer
  const section = session.sections[index]
  const codec = offer.codecs[0]
  const own = codec && local.codecs.find((c) => sameCodec(c, codec))
  if (!section || !own) throw new InvariantError('createAnswer got an offer that has no codec of ours')
  const event = local.telephoneEvent ? telephoneEventFor(codec, section.codecs) : undefined
  const noise =
    comfortNoiseFor(codec, local.comfortNoise?.formats ?? []) && comfortNoiseFor(codec, section.codecs)
  const direction = both(local.direction, offer.direction)
  const rtcpMux = offer.rtcpMux && local.rtcpMux
  const ptimeMs = agreedPtime(section, local.ptimeMs ?? customaryPtimeMs)
  const keyed = answerKeying(section, local.keying)
  const text = writeSession(
    local,
    session.sections.map((other, i) => (i === index ? 'audio' : other)),
    {
      protocol: section.protocol,
      ...(section.mid === undefined ? {} : { mid: section.mid }),
      // The offer's numbers, as RFC 3264 6.1 recommends; one codec, so that no side may switch in the middle (10.2).
      codecs: [
        { ...own, name: codec.name, payloadType: codec.payloadType },
        ...(noise ? [asComfortNoise(noise.clockRateHz, noise.payloadType)] : []),
        ...(event ? [asTelephoneEvent(event.clockRateHz, event.payloadType)] : []),
      ],
      direction,
      // What we want to be sent need not be what we send (RFC 8866 6.4).
      ptimeMs: local.ptimeMs ?? ptimeMs,
      rtcpMux,
      // Who has not heard of them is not asked for them.
      extendedReports: local.extendedReports === true && section.control.extendedReports !== undefined,
      control: section.control,
      offer: false,
      onlyComponent1: rtcpMux,
      ice: offer.ice !== undefined,
      iceMismatch: offer.iceMismatch,
      keying: keyed?.text ?? { cryptos: [], fingerprints: [] },
    },
    rtcpMux && isBundled(session, section.mid),
    previous,
  )
  const negotiated: NegotiatedAudio = {
    codec: agreedCodec(codec, codec.payloadType),
    alsoReceive: [],
    alsoReceiveEvents: [],
    alsoReceiveNoise: [],
    ...(noise && {
      comfortNoise: { sendPayloadType: noise.payloadType, receivePayloadType: noise.payloadType },
    }),
    ...(event
      ? { telephoneEvent: { sendPayloadType: event.payloadType, receivePayloadType: event.payloadType } }
      : {}),
    ptimeMs,
    direction,
    ...agreedTransport(offer, rtcpMux, local.ice !== undefined),
    ...agreedControl(section),
    ...(keyed && { keying: keyed.negotiated }),
    problems: [...offer.problems],
  }
  return { text, ...(section.mid === undefined ? {} : { mid: section.mid }), negotiated }
}

/** What our offer and the peer's answer add up to. Throws RemoteError where the answer does not fit or refuses the audio. */
export const readAnswer = (
  offerText: string,
  answerText: string,
  localKeying?: LocalKeying,
): NegotiatedAudio => {
  const offered = readSession(offerText).sections
  const session = readSession(answerText)
  const answered = session.sections
  if (answered.length !== offered.length)
    throw new RemoteError(
      `The answer has ${answered.length} m-line(s) where the offer had ${offered.length}`,
      'RFC 3264 6',
    )
  const strange = answered.findIndex((section, i) => section.media !== offered[i]!.media)
  if (strange >= 0)
    throw new RemoteError(`The answer's m-line ${strange + 1} is of another media type`, 'RFC 3264 6')
  const live = [...offered.keys()].filter((i) => offered[i]!.media === 'audio' && offered[i]!.port !== 0)
  const index = live.find((i) => answered[i]!.port !== 0) ?? live[0] ?? -1
  const ours = offered[index]
  const theirs = answered[index]
  if (!ours || !theirs) throw new InvariantError('readAnswer was called with an offer that holds no audio')
  const keying = agreedKeying(ours, theirs)
  const reason = whyNot(theirs, ours.codecs) ?? whyUnkeyed(theirs, localKeying, keying)
  if (reason !== undefined) throw new RemoteError(`The answer cannot be used: ${reason}`, 'RFC 3264 6.1', 488)

  const problems = [...session.problems]
  const audio = readRemote(theirs, ours.codecs, problems)
  const receiveTypeOf = (codec: CodecDescription): number =>
    ours.codecs.find((c) => sameCodec(c, codec))!.payloadType
  const [codec, ...others] = audio.codecs
  const ourEvent = telephoneEventFor(codec!, ours.codecs)
  const theirEvent = telephoneEventFor(codec!, theirs.codecs)
  const ourNoise = comfortNoiseFor(codec!, ours.codecs)
  const theirNoise = comfortNoiseFor(codec!, theirs.codecs)
  return {
    codec: agreedCodec(codec!, receiveTypeOf(codec!)),
    alsoReceive: others.map((other) => ({
      name: other.name,
      clockRateHz: other.clockRateHz,
      channels: other.channels,
      receivePayloadType: receiveTypeOf(other),
    })),
    alsoReceiveEvents: ours.codecs
      .filter((event) => isTelephoneEvent(event) && event !== ourEvent)
      .filter((event) => telephoneEventFor(event, theirs.codecs))
      .map(({ payloadType, clockRateHz }) => ({ payloadType, clockRateHz })),
    ...(ourNoise &&
      theirNoise && {
        comfortNoise: {
          sendPayloadType: theirNoise.payloadType,
          receivePayloadType: ourNoise.payloadType,
        },
      }),
    alsoReceiveNoise: others.flatMap((other) => {
      const noise = comfortNoiseFor(other, ours.codecs)
      const isTaken = noise && noise !== ourNoise && comfortNoiseFor(other, theirs.codecs)
      return isTaken ? [{ payloadType: noise.payloadType, clockRateHz: noise.clockRateHz }] : []
    }),
    ...(ourEvent && theirEvent
      ? {
          telephoneEvent: {
            sendPayloadType: theirEvent.payloadType,
            receivePayloadType: ourEvent.payloadType,
          },
        }
      : {}),
    ptimeMs: agreedPtime(theirs, ours.ptimeMs ?? customaryPtimeMs),
    direction: both(ours.direction, audio.direction),
    ...agreedTransport(audio, ours.rtcpMux && audio.rtcpMux, ours.ice !== undefined),
    ...agreedControl(theirs),
    ...(keying && { keying }),
    problems,
  }
}

const isBundled = (session: SessionText, mid: string | undefined): boolean =>
  mid !== undefined && session.bundles.some((mids) => mids.includes(mid))

/** Why an audio section cannot be used, in words for the person who reads the refusal; undefined where it can. */
const whyNot = (section: MediaSection, codecs: readonly CodecDescription[]): string | undefined => {
  // RFC 9143 7.3.1: without an address of its own it stands or falls with the m-line it is bundled with.
  if (section.bundleOnly) return 'the audio is bundle-only, and nothing that it is bundled with is taken here'
  if (section.port === 0) return 'the audio is refused (port 0)'
  if (!profiles.includes(section.protocol))
    return `the audio uses ${section.protocol.slice(0, 40)} and only ${profiles.join(', ')} are spoken here`
  if (commonCodecs(section, codecs).length === 0)
    return `no common codec: the peer names ${names(section.codecs)}, we ${names(codecs)}`
  if (section.address === undefined) return 'the audio has no usable connection address (c=)'
  return undefined
}

const names = (codecs: readonly CodecDescription[]): string =>
  codecs
    .slice(0, 12)
    .map((codec) => codec.name.slice(0, 32))
    .join(', ') || 'none'

const commonCodecs = (section: MediaSection, codecs: readonly CodecDescription[]): CodecDescription[] =>
  section.codecs.filter((codec) => isSound(codec) && codecs.some((c) => sameCodec(c, codec)))

const readRemote = (
  section: MediaSection,
  codecs: readonly CodecDescription[],
  problems: SdpProblem[],
): RemoteAudio => {
  const support = iceSupport(section, problems)
  const hold = support.ice === undefined && section.address !== undefined && isUnspecified(section.address)
  if (section.address !== undefined && isHostName(section.address) && !support.ice)
    problems.push({
      message: `the connection address is the name ${section.address}, which is not looked up`,
      section: 'RFC 8866 5.7',
    })
  const remoteRtp = rtpDestination(section)
  const remoteRtcp = rtcpDestination(section)
  return {
    codecs: commonCodecs(section, codecs),
    direction: reversed(hold ? deaf(section.direction) : section.direction),
    ...(remoteRtp ? { remoteRtp } : {}),
    ...(remoteRtcp ? { remoteRtcp } : {}),
    rtcpMux: section.rtcpMux,
    ...support,
  }
}

const agreedCodec = (codec: CodecDescription, receivePayloadType: number): NegotiatedAudio['codec'] => ({
  name: codec.name,
  clockRateHz: codec.clockRateHz,
  channels: codec.channels,
  sendPayloadType: codec.payloadType,
  receivePayloadType,
  ...(codec.fmtp === undefined ? {} : { fmtp: codec.fmtp }),
})

const agreedPtime = (section: MediaSection, oursMs: number): number => {
  const { from, to, step } = ptimeRangeMs
  const wanted = Math.min(section.ptimeMs ?? oursMs, section.maxptimeMs ?? to, to)
  return Math.max(from, Math.floor(wanted / step) * step)
}

/** Each says what it wants to be sent (RFC 3611 5.2). */
const agreedControl = ({
  control,
}: MediaSection): Pick<NegotiatedAudio, 'extendedReports' | 'rtcpBandwidth'> => ({
  ...(control.extendedReports && { extendedReports: control.extendedReports }),
  ...(control.bandwidth && { rtcpBandwidth: control.bandwidth }),
})

const agreedTransport = (
  audio: RemoteAudio,
  rtcpMux: boolean,
  weUseIce: boolean,
): Pick<NegotiatedAudio, 'remoteRtp' | 'remoteRtcp' | 'rtcpMux' | 'ice' | 'iceMismatch'> => ({
  ...(audio.remoteRtp ? { remoteRtp: audio.remoteRtp } : {}),
  ...(audio.remoteRtcp && !rtcpMux ? { remoteRtcp: audio.remoteRtcp } : {}),
  rtcpMux,
  ...(audio.ice && weUseIce ? { ice: audio.ice } : {}),
  iceMismatch: audio.iceMismatch,
})
