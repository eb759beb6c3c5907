// What a phone of floe brings to a description, for tests.
import type { CandidateAttribute, IceDescription, LocalAudio } from '../../../src/sdp/description.ts'

export const pcmu = { name: 'PCMU', clockRateHz: 8000, channels: 1, payloadType: 0 }
export const pcma = { name: 'PCMA', clockRateHz: 8000, channels: 1, payloadType: 8 }
export const g711 = [pcmu, pcma]

export const local = (over: Partial<LocalAudio> = {}): LocalAudio => ({
  origin: { sessionId: '4711', version: 1, address: '192.0.2.1' },
  codecs: g711,
  telephoneEvent: true,
  ptimeMs: 20,
  direction: 'sendrecv',
  rtp: { address: '192.0.2.1', port: 40000 },
  rtcpMux: true,
  ...over,
})

export const host = (address: string, port: number, component = 1): CandidateAttribute => ({
  foundation: '1',
  component,
  transport: 'udp',
  priority: 2130706432 - component,
  address,
  port,
  type: 'host',
})

export const ice = (over: Partial<IceDescription> = {}): IceDescription => ({
  ufrag: '8hhY',
  pwd: 'asd88fgpdd777uzjYhagZg',
  lite: false,
  options: ['ice2'],
  candidates: [host('192.0.2.1', 40000), host('192.0.2.1', 40001, 2)],
  ...over,
})

/** An offer as a peer might write it: the lines, with o=, s= and t= filled in. */
export const sdp = (...lines: string[]): string =>
  ['v=0', 'o=- 1 1 IN IP4 198.51.100.9', 's=-', 't=0 0', ...lines, ''].join('\r\n')

export const peerAudio = (...attributes: string[]): string =>
  sdp(
    'c=IN IP4 198.51.100.9',
    'm=audio 27110 RTP/AVP 0 8 101',
    'a=rtpmap:101 telephone-event/8000',
    ...attributes,
  )

/** The lines of a text, without its end. */
export const lines = (text: string): string[] => text.trimEnd().split('\r\n')
