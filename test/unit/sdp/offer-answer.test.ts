// The rules of RFC 3264 one by one: directions, hold, payload types, m-lines, versions, refusals.
import { describe, expect, test } from 'vitest'
import { RemoteError } from '../../../src/errors.ts'
import type { Direction } from '../../../src/sdp/description.ts'
import { createAnswer, createOffer, readAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { g711, lines, local, pcma, pcmu, peerAudio, sdp } from './audio.ts'

const answer = (offer: string, over = {}) => createAnswer(readOffer(offer, g711), local(over))
const refusal = (run: () => unknown): RemoteError => {
  try {
    run()
  } catch (error) {
    if (error instanceof RemoteError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

test('an offer says what it must and no more', () => {
  expect(lines(createOffer(local()).text)).toEqual([
    'v=0',
    'o=- 4711 1 IN IP4 192.0.2.1',
    's=-',
    'c=IN IP4 192.0.2.1',
    't=0 0',
    'a=group:BUNDLE 0',
    'm=audio 40000 RTP/AVP 0 8 101',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=mid:0',
    'a=ptime:20',
    'a=sendrecv',
    'a=rtcp-mux',
  ])
})

test('IPv6 addresses are written with their family', () => {
  const { text } = createOffer(
    local({
      origin: { sessionId: '1', version: 1, address: '2001:db8::1' },
      rtp: { address: '2001:db8::1', port: 4000 },
      rtcp: { address: '2001:db8::2', port: 4001 },
    }),
  )
  expect(lines(text)).toContain('c=IN IP6 2001:db8::1')
  expect(lines(text)).toContain('o=- 1 1 IN IP6 2001:db8::1')
  expect(lines(text)).toContain('a=rtcp:4001 IN IP6 2001:db8::2')
})

describe('directions', () => {
  const table: [offered: string, ours: Direction, result: Direction][] = [
    ['sendrecv', 'sendrecv', 'sendrecv'],
    ['sendonly', 'sendrecv', 'recvonly'],
    ['recvonly', 'sendrecv', 'sendonly'],
    ['inactive', 'sendrecv', 'inactive'],
    ['sendrecv', 'sendonly', 'sendonly'],
    ['sendonly', 'sendonly', 'inactive'],
    ['sendrecv', 'inactive', 'inactive'],
  ]
  test.each(table)('offered %s, ours %s: %s', (offered, ours, result) => {
    const { text, negotiated } = answer(peerAudio(`a=${offered}`), { direction: ours })
    expect(negotiated.direction).toBe(result)
    expect(lines(text)).toContain(`a=${result}`)
  })

  test('the session level is inherited, the media level wins', () => {
    const at = (session: string[], media: string[]) =>
      readOffer(sdp('c=IN IP4 1.2.3.4', ...session, 'm=audio 4 RTP/AVP 0', ...media), g711).direction
    expect(at(['a=sendonly'], [])).toBe('recvonly')
    expect(at(['a=sendonly'], ['a=inactive'])).toBe('inactive')
    expect(at([], [])).toBe('sendrecv')
  })

  test('c=0.0.0.0 is hold as of old: nothing is sent, and it is answered with recvonly', () => {
    const offer = peerAudio().replace('c=IN IP4 198.51.100.9', 'c=IN IP4 0.0.0.0')
    const { text, negotiated } = answer(offer)
    expect(negotiated.direction).toBe('recvonly')
    expect(negotiated.remoteRtp).toBeUndefined()
    expect(lines(text)).toContain('a=recvonly')
  })

  test('the answer to ours is seen from our side', () => {
    const { text } = createOffer(local())
    expect(readAnswer(text, peerAudio('a=recvonly')).direction).toBe('sendonly')
    const held = createOffer(local({ direction: 'sendonly' })).text
    expect(readAnswer(held, peerAudio('a=recvonly')).direction).toBe('sendonly')
    expect(readAnswer(held, peerAudio()).direction).toBe('sendonly')
  })
})

describe('payload types', () => {
  test('static numbers need no rtpmap, names are compared without case', () => {
    const { negotiated } = answer(sdp('c=IN IP4 1.2.3.4', 'm=audio 4 RTP/AVP 97 0', 'a=rtpmap:97 pcma/8000'))
    expect(negotiated.codec).toMatchObject({ name: 'pcma', sendPayloadType: 97, receivePayloadType: 97 })
  })

  test('an rtpmap overrides a static number', () => {
    const offer = sdp('c=IN IP4 1.2.3.4', 'm=audio 4 RTP/AVP 0', 'a=rtpmap:0 PCMA/8000')
    expect(answer(offer).negotiated.codec).toMatchObject({ name: 'PCMA', sendPayloadType: 0 })
  })

  test("the offer's order decides, unknown codecs are passed over, and one is answered", () => {
    const offer = sdp(
      'c=IN IP4 1.2.3.4',
      'm=audio 4 RTP/AVP 107 8 0',
      'a=rtpmap:107 opus/48000/2',
      'a=rtpmap:300 X/1',
    )
    const { text, negotiated } = answer(offer)
    expect(negotiated.codec.name).toBe('PCMA')
    expect(lines(text)).toContain('m=audio 40000 RTP/AVP 8')
    expect(negotiated.alsoReceive).toEqual([])
  })

  test('another clock rate or channel count is another codec', () => {
    const offer = sdp(
      'c=IN IP4 1.2.3.4',
      'm=audio 4 RTP/AVP 96 97',
      'a=rtpmap:96 PCMU/16000',
      'a=rtpmap:97 PCMU/8000/2',
    )
    expect(refusal(() => answer(offer))).toMatchObject({ statusHint: 488 })
  })

  test("we send with the peer's numbers and receive with ours", () => {
    const offer = createOffer(local({ codecs: [{ ...pcma, payloadType: 96 }] })).text
    const theirs = sdp(
      'c=IN IP4 1.2.3.4',
      'm=audio 4 RTP/AVP 100 110',
      'a=rtpmap:100 PCMA/8000',
      'a=rtpmap:110 telephone-event/8000',
    )
    const negotiated = readAnswer(offer, theirs)
    expect(negotiated.codec).toMatchObject({ sendPayloadType: 100, receivePayloadType: 96 })
    expect(negotiated.telephoneEvent).toEqual({ sendPayloadType: 110, receivePayloadType: 101 })
  })

  test('telephone-event follows the clock of the codec', () => {
    const offer = sdp(
      'c=IN IP4 1.2.3.4',
      'm=audio 4 RTP/AVP 0 101 102',
      'a=rtpmap:101 telephone-event/48000',
      'a=rtpmap:102 telephone-event/8000',
      'a=fmtp:102 0-16',
    )
    const { text, negotiated } = answer(offer)
    expect(negotiated.telephoneEvent).toEqual({ sendPayloadType: 102, receivePayloadType: 102 })
    expect(lines(text)).toContain('a=fmtp:102 0-15')
    expect(text).not.toContain('48000')
    expect(answer(offer, { telephoneEvent: false }).negotiated.telephoneEvent).toBeUndefined()
  })

  test('one telephone-event for each clock rate, on numbers that are free', () => {
    const wide = { name: 'opus', clockRateHz: 48000, channels: 2, payloadType: 101 }
    const { text } = createOffer(local({ codecs: [wide, pcmu, pcma] }))
    expect(lines(text)).toContain('m=audio 40000 RTP/AVP 101 0 8 102 103')
    expect(lines(text)).toContain('a=rtpmap:102 telephone-event/48000')
    expect(lines(text)).toContain('a=rtpmap:103 telephone-event/8000')
  })

  test('a telephone-event alone is no codec', () => {
    const offer = sdp('c=IN IP4 1.2.3.4', 'm=audio 4 RTP/AVP 101', 'a=rtpmap:101 telephone-event/8000')
    expect(refusal(() => answer(offer)).message).toContain('no common codec')
  })

  test('what an answer keeps besides the first codec may be received too', () => {
    const negotiated = readAnswer(
      createOffer(local()).text,
      peerAudio().replace('RTP/AVP 0 8', 'RTP/AVP 8 0'),
    )
    expect(negotiated.codec.name).toBe('PCMA')
    expect(negotiated.alsoReceive).toEqual([
      { name: 'PCMU', clockRateHz: 8000, channels: 1, receivePayloadType: 0 },
    ])
  })

  test('so may the digits that go with it, by the number that was offered', () => {
    const opus = { name: 'opus', clockRateHz: 48_000, channels: 2, payloadType: 111 }
    const { text } = createOffer(local({ codecs: [opus, pcmu] }))
    const kept = sdp(
      'c=IN IP4 1.2.3.4',
      'm=audio 4 RTP/AVP 107 0 110 101',
      'a=rtpmap:107 opus/48000/2',
      'a=rtpmap:110 telephone-event/48000',
      'a=rtpmap:101 telephone-event/8000',
    )
    expect(readAnswer(text, kept)).toMatchObject({
      codec: { sendPayloadType: 107, receivePayloadType: 111 },
      telephoneEvent: { sendPayloadType: 110, receivePayloadType: 101 },
      alsoReceive: [{ name: 'PCMU', receivePayloadType: 0 }],
      alsoReceiveEvents: [{ payloadType: 102, clockRateHz: 8000 }],
    })
    const without = kept.replace('a=rtpmap:101 telephone-event/8000\r\n', '')
    expect(readAnswer(text, without).alsoReceiveEvents).toEqual([])
  })
})

describe('ptime', () => {
  const ptime = (...attributes: string[]) => answer(peerAudio(...attributes)).negotiated.ptimeMs
  test('is what the peer wants, within reason', () => {
    expect(ptime()).toBe(20)
    expect(ptime('a=ptime:30')).toBe(30)
    expect(ptime('a=ptime:60', 'a=maxptime:40')).toBe(40)
    expect(ptime('a=maxptime:10')).toBe(10)
    expect(ptime('a=ptime:25')).toBe(20)
    expect(ptime('a=ptime:1000000000')).toBe(120)
    expect(ptime('a=ptime:0')).toBe(20)
    expect(ptime('a=ptime:1')).toBe(10)
    expect(ptime('a=ptime:soon')).toBe(20)
  })

  test('each way has its own where we want another', () => {
    const { text, negotiated } = answer(peerAudio('a=ptime:30'), local({ ptimeMs: 60 }))
    expect(negotiated.ptimeMs).toBe(30)
    expect(text).toContain('a=ptime:60\r\n')
    const offer = createOffer(local({ ptimeMs: 40 })).text
    expect(offer).toContain('a=ptime:40\r\n')
    expect(readAnswer(offer, peerAudio('a=ptime:10')).ptimeMs).toBe(10)
    expect(readAnswer(offer, peerAudio()).ptimeMs).toBe(40)
    expect(readAnswer(offer, peerAudio('a=maxptime:30')).ptimeMs).toBe(30)
  })
})

describe('comfort noise (RFC 3389)', () => {
  const cn = { name: 'CN', clockRateHz: 8000, channels: 1, payloadType: 13 }
  const wide = { name: 'L16', clockRateHz: 16_000, channels: 1, payloadType: 96 }
  const wideNoise = { ...cn, clockRateHz: 16_000, payloadType: 97 }
  const comfortNoise = { formats: [cn, wideNoise], offered: true }
  const taken = { formats: [cn], offered: false }

  test('is offered where we want it, one for each clock, before the digits', () => {
    expect(createOffer(local({ comfortNoise: taken })).text).not.toContain('CN')
    const { text } = createOffer(local({ codecs: [pcmu, wide], comfortNoise }))
    expect(lines(text).find((line) => line.startsWith('m='))).toBe('m=audio 40000 RTP/AVP 0 96 13 97 101 102')
    expect(lines(text)).toContain('a=rtpmap:97 CN/16000')
  })

  test('is agreed on where both name it for the clock of the codec', () => {
    const offer = createOffer(local({ codecs: [pcmu, wide], comfortNoise })).text
    const answered = createAnswer(readOffer(offer, g711), local({ comfortNoise: taken }))
    expect(lines(answered.text).find((line) => line.startsWith('m='))).toMatch(/ 0 13 101$/)
    const agreed = { sendPayloadType: 13, receivePayloadType: 13 }
    expect(answered.negotiated).toMatchObject({ codec: { name: 'PCMU' }, comfortNoise: agreed })
    expect(readAnswer(offer, answered.text)).toMatchObject({ comfortNoise: agreed, alsoReceiveNoise: [] })

    const kept = answered.text
      .replace(/RTP\/AVP .*/, 'RTP/AVP 96 0 13 120')
      .concat('a=rtpmap:96 L16/16000\r\n')
    expect(readAnswer(offer, kept.concat('a=rtpmap:120 CN/16000\r\n'))).toMatchObject({
      codec: { name: 'L16' },
      comfortNoise: { sendPayloadType: 120, receivePayloadType: 97 },
      alsoReceiveNoise: [{ payloadType: 13, clockRateHz: 8000 }],
    })
    expect(readAnswer(offer, kept)).not.toHaveProperty('comfortNoise')
  })

  test('is no codec, and is not answered where it was not offered or has another clock', () => {
    expect(answer(peerAudio(), { comfortNoise: taken }).text).not.toContain('CN')
    const only = sdp('c=IN IP4 198.51.100.9', 'm=audio 27110 RTP/AVP 13')
    expect(refusal(() => answer(only, { comfortNoise: taken })).message).toMatch(/no common codec/)
    const offer = createOffer(local({ comfortNoise })).text
    expect(refusal(() => readAnswer(offer, only)).message).toMatch(/no common codec/)
    const other = sdp('c=IN IP4 198.51.100.9', 'm=audio 27110 RTP/AVP 0 97', 'a=rtpmap:97 CN/16000')
    expect(answer(other, { comfortNoise: taken }).negotiated.comfortNoise).toBeUndefined()
  })
})

describe('m-lines', () => {
  const many = sdp(
    'c=IN IP4 1.2.3.4',
    'm=video 5000 RTP/AVP 31 32',
    'm=audio 4000 RTP/AVP 18',
    'm=audio 4002 RTP/AVP 8',
    'm=audio 4004 RTP/AVP 0',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    'm=image 6000 udptl t38',
    'm=x-new/thing 0 TCP/MSRP *',
  )

  test('the first acceptable audio is answered, everything else keeps its place with port 0', () => {
    const { text, negotiated } = answer(many)
    expect(lines(text).filter((line) => line.startsWith('m='))).toEqual([
      'm=video 0 RTP/AVP 31',
      'm=audio 0 RTP/AVP 18',
      'm=audio 40000 RTP/AVP 8',
      'm=audio 0 RTP/AVP 0',
      'm=application 0 UDP/DTLS/SCTP webrtc-datachannel',
      'm=image 0 udptl t38',
      'm=x-new/thing 0 TCP/MSRP *',
    ])
    expect(negotiated.remoteRtp).toEqual({ address: '1.2.3.4', port: 4002 })
  })

  test('a later offer of ours keeps the places, and the numbers of telephone-event', () => {
    const first = answer(many.replace('RTP/AVP 8', 'RTP/AVP 8 126\r\na=rtpmap:126 telephone-event/8000'))
    const { text } = createOffer(local({ direction: 'sendonly' }), first.text)
    const media = lines(text).filter((line) => line.startsWith('m='))
    expect(media).toHaveLength(7)
    expect(media[2]).toBe('m=audio 40000 RTP/AVP 0 8 126')
    expect(lines(text)).toContain('a=sendonly')
  })

  test('a port count is read past', () => {
    expect(readOffer(sdp('c=IN IP4 1.2.3.4', 'm=audio 4000/2 RTP/AVP 0'), g711).remoteRtp?.port).toBe(4000)
  })

  test('the address of the media level wins over that of the session', () => {
    const offer = sdp('c=IN IP4 1.2.3.4', 'm=audio 4000 RTP/AVP 0', 'c=IN IP4 5.6.7.8/127')
    expect(readOffer(offer, g711).remoteRtp).toEqual({ address: '5.6.7.8', port: 4000 })
  })
})

describe('versions (RFC 3264 8)', () => {
  test('the same description keeps its version, another has the next', () => {
    const first = createOffer(local()).text
    const refresh = createOffer(local(), first).text
    expect(refresh).toBe(first)
    const hold = createOffer(local({ direction: 'sendonly' }), refresh).text
    expect(lines(hold)[1]).toBe('o=- 4711 2 IN IP4 192.0.2.1')
    const resumed = createOffer(local(), hold).text
    expect(lines(resumed)[1]).toBe('o=- 4711 3 IN IP4 192.0.2.1')
  })

  test('answers count on too', () => {
    const first = createAnswer(readOffer(peerAudio(), g711), local()).text
    expect(createAnswer(readOffer(peerAudio(), g711), local(), first).text).toBe(first)
    const held = createAnswer(readOffer(peerAudio('a=sendonly'), g711), local(), first).text
    expect(lines(held)[1]).toBe('o=- 4711 2 IN IP4 192.0.2.1')
  })
})

describe('rtcp', () => {
  const rtcp = { address: '192.0.2.1', port: 40001 }
  test('rtcp-mux is used where both want it', () => {
    const both = answer(peerAudio('a=rtcp-mux'), { rtcp })
    expect(both.negotiated).toMatchObject({ rtcpMux: true })
    expect(both.negotiated.remoteRtcp).toBeUndefined()
    expect(both.text).not.toContain('a=rtcp:')
    const unwanted = answer(peerAudio('a=rtcp-mux'), { rtcp, rtcpMux: false })
    expect(unwanted.negotiated.rtcpMux).toBe(false)
    expect(unwanted.text).not.toContain('rtcp-mux')
  })

  test('without it RTCP has the next port, or that of a=rtcp', () => {
    const { negotiated, text } = answer(peerAudio(), { rtcp })
    expect(negotiated.rtcpMux).toBe(false)
    expect(negotiated.remoteRtcp).toEqual({ address: '198.51.100.9', port: 27111 })
    expect(lines(text)).toContain('a=rtcp:40001')
    expect(answer(peerAudio('a=rtcp:53020')).negotiated.remoteRtcp).toEqual({
      address: '198.51.100.9',
      port: 53020,
    })
    expect(answer(peerAudio('a=rtcp:53020 IN IP4 126.16.64.4')).negotiated.remoteRtcp).toEqual({
      address: '126.16.64.4',
      port: 53020,
    })
    expect(answer(peerAudio('a=rtcp:99999')).negotiated.remoteRtcp?.port).toBe(27111)
  })

  test('an offer of rtcp-mux keeps the second component until it is accepted', () => {
    const offer = createOffer(local({ rtcp })).text
    expect(lines(offer)).toContain('a=rtcp:40001')
    expect(readAnswer(offer, peerAudio()).rtcpMux).toBe(false)
    expect(readAnswer(offer, peerAudio('a=rtcp-mux')).rtcpMux).toBe(true)
  })
})

describe('refusals say why, with section and status', () => {
  const offers: [string, string, RegExp, number][] = [
    ['no audio', sdp('c=IN IP4 1.2.3.4', 'm=video 5000 RTP/AVP 31'), /holds no audio/, 488],
    ['no m-line', sdp('c=IN IP4 1.2.3.4'), /holds no audio/, 488],
    [
      'no common codec',
      sdp('c=IN IP4 1.2.3.4', 'm=audio 4 RTP/AVP 18'),
      /the peer names G729, we PCMU, PCMA/,
      488,
    ],
    ['SRTP', sdp('c=IN IP4 1.2.3.4', 'm=audio 4 RTP/SAVP 0'), /RTP\/SAVP/, 488],
    ['DTLS-SRTP', sdp('c=IN IP4 1.2.3.4', 'm=audio 4 UDP/TLS/RTP/SAVPF 0'), /UDP\/TLS\/RTP\/SAVPF/, 488],
    ['audio switched off', sdp('c=IN IP4 1.2.3.4', 'm=audio 0 RTP/AVP 0'), /port 0/, 488],
    ['no c=', sdp('m=audio 4000 RTP/AVP 0'), /c=/, 488],
    ['a malformed m-line', sdp('c=IN IP4 1.2.3.4', 'm=audio'), /m-line/, 400],
    ['a port beyond 65535', sdp('c=IN IP4 1.2.3.4', 'm=audio 70000 RTP/AVP 0'), /m-line/, 400],
    ['no SDP', 'hello', /v=0/, 400],
    ['nothing', '', /v=0/, 400],
    ['too long', `v=0\r\n${'a=x\r\n'.repeat(20_000)}`, /characters long/, 400],
    ['too many m-lines', `v=0\r\n${'m=audio 0 RTP/AVP 0\r\n'.repeat(65)}`, /65 m-lines/, 400],
  ]
  test.each(offers)('%s', (_name, offer, message, status) => {
    const error = refusal(() => readOffer(offer, g711))
    expect(error.message).toMatch(message)
    expect(error.statusHint).toBe(status)
    expect(error.section).toMatch(/^RFC \d+ \d/)
  })

  const answers: [string, string, RegExp][] = [
    ['no m-line at all', sdp('c=IN IP4 1.2.3.4'), /0 m-line\(s\) where the offer had 1/],
    ['one m-line too many', peerAudio('m=video 0 RTP/AVP 31'), /2 m-line/],
    ['another media type', sdp('c=IN IP4 1.2.3.4', 'm=video 4 RTP/AVP 31'), /another media type/],
    ['audio refused', sdp('c=IN IP4 1.2.3.4', 'm=audio 0 RTP/AVP 0'), /refused/],
    ['a codec that was not offered', sdp('c=IN IP4 1.2.3.4', 'm=audio 4 RTP/AVP 18'), /no common codec/],
    ['SRTP that was not offered', sdp('c=IN IP4 1.2.3.4', 'm=audio 4 RTP/SAVP 0'), /SAVP/],
  ]
  test.each(answers)('an answer with %s', (_name, text, message) => {
    const error = refusal(() => readAnswer(createOffer(local()).text, text))
    expect(error.message).toMatch(message)
    expect(error.section).toMatch(/^RFC 3264/)
  })
})

test('RTP/AVPF is answered as offered, optional SDES is passed over', () => {
  const { text } = answer(
    peerAudio('a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x').replace('RTP/AVP', 'RTP/AVPF'),
  )
  expect(lines(text)).toContain('m=audio 40000 RTP/AVPF 0 101')
  expect(text).not.toContain('crypto')
})

test('line ends of all sorts are read', () => {
  for (const end of ['\n', '\r'])
    expect(readOffer(peerAudio().replaceAll('\r\n', end), g711).remoteRtp?.port).toBe(27110)
})

test('a host name in c= is told of and not used', () => {
  const offer = readOffer(peerAudio().replace('c=IN IP4 198.51.100.9', 'c=IN IP4 pbx.example.com'), g711)
  expect(offer.remoteRtp).toBeUndefined()
  expect(offer.direction).toBe('sendrecv')
  expect(offer.problems).toMatchObject([{ section: 'RFC 8866 5.7' }])
})
