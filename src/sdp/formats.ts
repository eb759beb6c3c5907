// Payload types and the codecs behind them: static numbers (RFC 3551 table 4), rtpmap, fmtp, telephone-event (RFC 4733).
import type { CodecDescription } from './description.ts'

/** RFC 3551 table 4, audio; an rtpmap overrides it. */
const staticAudio: Readonly<Record<number, readonly [name: string, clockRateHz: number, channels: number]>> =
  {
    0: ['PCMU', 8000, 1],
    3: ['GSM', 8000, 1],
    4: ['G723', 8000, 1],
    7: ['LPC', 8000, 1],
    8: ['PCMA', 8000, 1],
    9: ['G722', 8000, 1],
    10: ['L16', 44100, 2],
    11: ['L16', 44100, 1],
    13: ['CN', 8000, 1],
    15: ['G728', 8000, 1],
    18: ['G729', 8000, 1],
  }

/** Whether everybody knows the type without an rtpmap. */
export const isStatic = ({ payloadType, ...codec }: CodecDescription): boolean => {
  const [name, clockRateHz, channels] = staticAudio[payloadType] ?? []
  return name !== undefined && sameCodec(codec, { name, clockRateHz: clockRateHz!, channels: channels! })
}

/** RFC 3389. */
const comfortNoise = 'CN'

const telephoneEvent = 'telephone-event'
/** The digits, star, pound and A-D (RFC 4733 2.4.1, 3.2). */
const dtmfEvents = '0-15'
/** By custom of the field; any dynamic number does. */
const firstTelephoneEventType = 101
/** RFC 3551 6: the dynamic range. */
const dynamicTypes = { from: 96, to: 127 }

export interface RtpMap {
  name: string
  clockRateHz: number
  channels: number
}

/** The codecs of a fmt list, in its order; numbers that nothing explains are left out. */
export const codecsOf = (
  formats: readonly string[],
  rtpmaps: ReadonlyMap<number, RtpMap>,
  fmtps: ReadonlyMap<number, string>,
): CodecDescription[] => {
  const codecs: CodecDescription[] = []
  const seen = new Set<number>()
  for (const format of formats) {
    if (!/^\d{1,3}$/.test(format)) continue
    const payloadType = Number(format)
    if (payloadType > 127 || seen.has(payloadType)) continue
    seen.add(payloadType)
    const fallback = staticAudio[payloadType]
    const map =
      rtpmaps.get(payloadType) ??
      (fallback && { name: fallback[0], clockRateHz: fallback[1], channels: fallback[2] })
    if (!map) continue
    const fmtp = fmtps.get(payloadType)
    codecs.push({ ...map, payloadType, ...(fmtp === undefined ? {} : { fmtp }) })
  }
  return codecs
}

export const sameCodec = (a: RtpMap, b: RtpMap): boolean =>
  a.clockRateHz === b.clockRateHz &&
  a.channels === b.channels &&
  a.name.toLowerCase() === b.name.toLowerCase()

export const isTelephoneEvent = (codec: RtpMap): boolean => codec.name.toLowerCase() === telephoneEvent

const isComfortNoise = (codec: RtpMap): boolean => codec.name.toUpperCase() === comfortNoise

/** Whether it carries sound: what the others say goes beside it. */
export const isSound = (codec: RtpMap): boolean => !isTelephoneEvent(codec) && !isComfortNoise(codec)

/** The comfort noise that shares the codec's RTP clock (RFC 3389 4), if the list has one. */
export const comfortNoiseFor = (
  codec: RtpMap,
  list: readonly CodecDescription[],
): CodecDescription | undefined => list.find((c) => isComfortNoise(c) && c.clockRateHz === codec.clockRateHz)

/** The telephone-event that shares the codec's RTP clock (RFC 4733 2.1), if the list has one. */
export const telephoneEventFor = (
  codec: RtpMap,
  list: readonly CodecDescription[],
): CodecDescription | undefined =>
  list.find((c) => isTelephoneEvent(c) && c.clockRateHz === codec.clockRateHz)

/** A telephone-event for each clock rate among `codecs`. Numbers of `previous` are kept: a mapping never changes
 *  during a session (RFC 3264 8.3.2). */
export const telephoneEventsFor = (
  codecs: readonly CodecDescription[],
  previous: readonly CodecDescription[],
): CodecDescription[] => {
  const taken = new Set([...codecs, ...previous].map((c) => c.payloadType))
  const free = (): number => {
    for (let type = firstTelephoneEventType; type <= dynamicTypes.to; type++)
      if (!taken.has(type)) return type
    for (let type = dynamicTypes.from; type < firstTelephoneEventType; type++)
      if (!taken.has(type)) return type
    return firstTelephoneEventType
  }
  const events: CodecDescription[] = []
  for (const codec of codecs) {
    if (events.some((e) => e.clockRateHz === codec.clockRateHz)) continue
    const payloadType = telephoneEventFor(codec, previous)?.payloadType ?? free()
    taken.add(payloadType)
    events.push(asTelephoneEvent(codec.clockRateHz, payloadType))
  }
  return events
}

export const asTelephoneEvent = (clockRateHz: number, payloadType: number): CodecDescription => ({
  name: telephoneEvent,
  clockRateHz,
  channels: 1,
  payloadType,
  fmtp: dtmfEvents,
})

export const asComfortNoise = (clockRateHz: number, payloadType: number): CodecDescription => ({
  name: comfortNoise,
  clockRateHz,
  channels: 1,
  payloadType,
})
