// The examples of RFC 3264 section 10, RFC 4317, RFC 8839 (4.2.6, appendix A), RFC 8838 17 and RFC 6544, with us in the part of either side.
import { describe, expect, test } from 'vitest'
import { readFragment, writeFragment } from '../../../src/sdp/fragment.ts'
import { createAnswer, createOffer, readAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { g711, ice, lines, local, pcmu } from '../../unit/sdp/audio.ts'

const mediaLines = (text: string) => lines(text).filter((line) => line.startsWith('m='))
const text = (...rows: string[]) => `${rows.join('\r\n')}\r\n`
const bob = local({ rtp: { address: '5.6.7.8', port: 49174 }, telephoneEvent: false })

describe('RFC 3264', () => {
  const offer = text(
    'v=0',
    'o=alice 2890844526 2890844526 IN IP4 host.anywhere.com',
    's=',
    'c=IN IP4 host.anywhere.com',
    't=0 0',
    'm=audio 49170 RTP/AVP 0',
    'a=rtpmap:0 PCMU/8000',
    'm=video 51372 RTP/AVP 31',
    'a=rtpmap:31 H261/90000',
    'm=video 53000 RTP/AVP 32',
    'a=rtpmap:32 MPV/90000',
  )

  test('10.1: audio is taken, both videos are refused in their places', () => {
    const answer = createAnswer(readOffer(offer, g711), bob)
    expect(mediaLines(answer.text)).toEqual([
      'm=audio 49174 RTP/AVP 0',
      'm=video 0 RTP/AVP 31',
      'm=video 0 RTP/AVP 32',
    ])
  })

  test('10.1: the answer that refuses one video gives us its audio', () => {
    const answer = text(
      'v=0',
      'o=bob 2890844730 2890844730 IN IP4 host.example.com',
      's=',
      'c=IN IP4 192.0.2.9',
      't=0 0',
      'm=audio 49920 RTP/AVP 0',
      'a=rtpmap:0 PCMU/8000',
      'm=video 0 RTP/AVP 31',
      'm=video 53000 RTP/AVP 32',
      'a=rtpmap:32 MPV/90000',
    )
    expect(readAnswer(offer, answer)).toMatchObject({
      codec: { name: 'PCMU', sendPayloadType: 0 },
      remoteRtp: { address: '192.0.2.9', port: 49920 },
      direction: 'sendrecv',
    })
  })

  test('10.2: one of several codecs is selected, and the others are not answered', () => {
    const many = text(
      'v=0',
      'o=alice 2890844526 2890844526 IN IP4 1.2.3.4',
      's=',
      'c=IN IP4 1.2.3.4',
      't=0 0',
      'm=audio 62986 RTP/AVP 4 18 0',
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:4 G723/8000',
      'a=rtpmap:18 G729/8000',
      'a=inactive',
    )
    const answer = createAnswer(readOffer(many, g711), bob)
    expect(mediaLines(answer.text)).toEqual(['m=audio 49174 RTP/AVP 0'])
    expect(answer.negotiated.direction).toBe('inactive')
  })
})

describe('RFC 4317', () => {
  const alice = (...media: string[]) =>
    text('v=0', 'o=alice 2890844526 2890844526 IN IP4 1.2.3.4', 's=', 'c=IN IP4 1.2.3.4', 't=0 0', ...media)
  const audioAndVideo = alice(
    'm=audio 49170 RTP/AVP 0 8 97',
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:8 PCMA/8000',
    'a=rtpmap:97 iLBC/8000',
    'm=video 51372 RTP/AVP 31 32',
    'a=rtpmap:31 H261/90000',
    'a=rtpmap:32 MPV/90000',
  )
  const bobSays = (...media: string[]) =>
    text('v=0', 'o=bob 2808844564 2808844564 IN IP4 5.6.7.8', 's=', 'c=IN IP4 5.6.7.8', 't=0 0', ...media)

  test('2.1 and 2.2: audio and video, of which we take the audio', () => {
    const answer = createAnswer(readOffer(audioAndVideo, g711), bob)
    expect(mediaLines(answer.text)).toEqual(['m=audio 49174 RTP/AVP 0', 'm=video 0 RTP/AVP 31'])
    expect(answer.negotiated).toMatchObject({
      codec: { name: 'PCMU', sendPayloadType: 0, receivePayloadType: 0 },
      remoteRtp: { address: '1.2.3.4', port: 49170 },
      remoteRtcp: { address: '1.2.3.4', port: 49171 },
    })
  })

  test('2.2: two codecs are kept by the answer, the first is sent', () => {
    const answer = bobSays(
      'm=audio 49172 RTP/AVP 0 8',
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:8 PCMA/8000',
      'm=video 0 RTP/AVP 31',
      'a=rtpmap:31 H261/90000',
    )
    expect(readAnswer(audioAndVideo, answer)).toMatchObject({
      codec: { name: 'PCMU' },
      alsoReceive: [{ name: 'PCMA', receivePayloadType: 8 }],
    })
  })

  test('2.4: of two audio streams the one for DTMF alone is refused', () => {
    const offer = alice(
      'm=audio 49170 RTP/AVP 0 97',
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:97 iLBC/8000',
      'm=audio 49172 RTP/AVP 98',
      'a=rtpmap:98 telephone-event/8000',
      'a=sendonly',
    )
    const answer = createAnswer(readOffer(offer, g711), bob)
    expect(mediaLines(answer.text)).toEqual(['m=audio 49174 RTP/AVP 0', 'm=audio 0 RTP/AVP 98'])
  })

  test('3.1: hold and resume keep the session and raise the version', () => {
    const offer = alice('m=audio 49170 RTP/AVP 0 97', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:97 iLBC/8000')
    const first = createAnswer(readOffer(offer, g711), bob)
    const hold = createOffer({ ...bob, codecs: [pcmu], direction: 'sendonly' }, first.text)
    expect(lines(hold.text)).toContain('a=sendonly')
    expect(lines(hold.text)[1]).toBe('o=- 4711 2 IN IP4 192.0.2.1')
    const held = alice('m=audio 49170 RTP/AVP 0', 'a=rtpmap:0 PCMU/8000', 'a=recvonly')
    expect(readAnswer(hold.text, held).direction).toBe('sendonly')
    const resume = createOffer({ ...bob, codecs: [pcmu] }, hold.text)
    expect(lines(resume.text)).toContain('a=sendrecv')
    expect(lines(resume.text)[1]).toBe('o=- 4711 3 IN IP4 192.0.2.1')
  })

  test('5.1: an offer without media is refused with 488', () => {
    expect(() => readOffer(alice(), g711)).toThrow(
      expect.objectContaining({ code: 'REMOTE', statusHint: 488, section: 'RFC 3264 6' }),
    )
  })
})

describe('RFC 8839', () => {
  const offer = text(
    'v=0',
    'o=jdoe 2890844526 2890842807 IN IP4 203.0.113.141',
    's=',
    'c=IN IP4 192.0.2.3',
    't=0 0',
    'a=ice-options:ice2',
    'a=ice-pacing:50',
    'a=ice-pwd:asd88fgpdd777uzjYhagZg',
    'a=ice-ufrag:8hhY',
    'm=audio 45664 RTP/AVP 0',
    'b=RS:0',
    'b=RR:0',
    'a=rtpmap:0 PCMU/8000',
    'a=candidate:1 1 UDP 2130706431 203.0.113.141 8998 typ host',
    'a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998',
  )

  test('4.2.6: the example is read field for field', () => {
    const { negotiated } = createAnswer(readOffer(offer, g711), local({ ice: ice() }))
    expect(negotiated).toMatchObject({
      remoteRtp: { address: '192.0.2.3', port: 45664 },
      iceMismatch: false,
      problems: [],
    })
    expect(negotiated.ice).toEqual({
      ufrag: '8hhY',
      pwd: 'asd88fgpdd777uzjYhagZg',
      lite: false,
      options: ['ice2'],
      pacingMs: 50,
      candidates: [
        {
          foundation: '1',
          component: 1,
          transport: 'udp',
          priority: 2130706431,
          address: '203.0.113.141',
          port: 8998,
          type: 'host',
        },
        {
          foundation: '2',
          component: 1,
          transport: 'udp',
          priority: 1694498815,
          address: '192.0.2.3',
          port: 45664,
          type: 'srflx',
          related: { address: '203.0.113.141', port: 8998 },
        },
      ],
    })
  })

  const offer6 = text(
    'v=0',
    'o=jdoe 2890844526 2890842807 IN IP6 fe80::6676:baff:fe9c:ee4a',
    's=',
    'c=IN IP6 2001:db8:8101:3a55:4858:a2a9:22ff:99b9',
    't=0 0',
    'a=ice-options:ice2',
    'a=ice-pacing:50',
    'a=ice-pwd:asd88fgpdd777uzjYhagZg',
    'a=ice-ufrag:8hhY',
    'm=audio 45664 RTP/AVP 0',
    'b=RS:0',
    'b=RR:0',
    'a=rtpmap:0 PCMU/8000',
    'a=candidate:1 1 UDP 2130706431 fe80::6676:baff:fe9c:ee4a 8998 typ host',
    'a=candidate:2 1 UDP 1694498815 2001:db8:8101:3a55:4858:a2a9:22ff:99b9 45664 typ srflx raddr fe80::6676:baff:fe9c:ee4a rport 8998',
  )

  test('appendix A: the offer in IPv6', () => {
    const { negotiated } = createAnswer(readOffer(offer6, g711), local({ ice: ice() }))
    const address = '2001:db8:8101:3a55:4858:a2a9:22ff:99b9'
    expect(negotiated).toMatchObject({
      remoteRtp: { address, port: 45664 },
      iceMismatch: false,
      problems: [],
      ice: { ufrag: '8hhY', pwd: 'asd88fgpdd777uzjYhagZg', options: ['ice2'], pacingMs: 50 },
    })
    expect(negotiated.ice?.candidates).toMatchObject([
      { type: 'host', address: 'fe80::6676:baff:fe9c:ee4a', port: 8998 },
      { type: 'srflx', address, related: { address: 'fe80::6676:baff:fe9c:ee4a', port: 8998 } },
    ])
  })

  test('appendix A: the answer', () => {
    const answer = text(
      'v=0',
      'o=bob 2808844564 2808844564 IN IP4 192.0.2.1',
      's=',
      'c=IN IP4 192.0.2.1',
      't=0 0',
      'a=ice-options:ice2',
      'a=ice-pacing:50',
      'a=ice-pwd:YH75Fviy6338Vbrhrlp8Yh',
      'a=ice-ufrag:9uB6',
      'm=audio 3478 RTP/AVP 0',
      'b=RS:0',
      'b=RR:0',
      'a=rtpmap:0 PCMU/8000',
      'a=candidate:1 1 UDP 2130706431 192.0.2.1 3478 typ host',
    )
    const sent = createOffer(local({ ice: ice() })).text
    expect(readAnswer(sent, answer)).toMatchObject({
      remoteRtp: { address: '192.0.2.1', port: 3478 },
      iceMismatch: false,
      ice: {
        ufrag: '9uB6',
        pwd: 'YH75Fviy6338Vbrhrlp8Yh',
        pacingMs: 50,
        candidates: [{ type: 'host', address: '192.0.2.1', port: 3478, priority: 2130706431 }],
      },
    })
  })

  test('5.2: remote-candidates', () => {
    const again = `${offer}a=remote-candidates:1 192.0.2.3 45664 2 192.0.2.3 45665\r\n`
    expect(readOffer(again, g711).ice?.remoteCandidates).toEqual([
      { component: 1, address: '192.0.2.3', port: 45664 },
      { component: 2, address: '192.0.2.3', port: 45665 },
    ])
  })
})

/** An audio description with these lines of ICE. */
const withIce = (port: number, ...lines: string[]) =>
  text(
    'v=0',
    'o=jdoe 2890844526 2890842807 IN IP4 10.0.1.1',
    's=',
    'c=IN IP4 10.0.1.1',
    't=0 0',
    'a=ice-pwd:asd88fgpdd777uzjYhagZg',
    'a=ice-ufrag:8hhY',
    `m=audio ${port} RTP/AVP 0`,
    'a=rtpmap:0 PCMU/8000',
    ...lines,
  )

test('RFC 8838 17: two components and two foundations, in the order in which they may be trickled', () => {
  const lines = [
    'a=candidate:1 1 UDP 2130706431 10.0.1.1 5000 typ host',
    'a=candidate:1 2 UDP 2130706431 10.0.1.1 5001 typ host',
    'a=candidate:2 1 UDP 1694498815 192.0.2.3 5000 typ srflx raddr 10.0.1.1 rport 8998',
    'a=candidate:2 2 UDP 1694498815 192.0.2.3 5001 typ srflx raddr 10.0.1.1 rport 8998',
  ]
  const candidates = readOffer(withIce(5000, ...lines), g711).ice!.candidates
  expect(candidates.map((c) => `${c.foundation} ${c.component}`)).toEqual(['1 1', '1 2', '2 1', '2 2'])
  const fragment = {
    ufrag: '8hhY',
    pwd: 'asd88fgpdd777uzjYhagZg',
    mid: '1',
    candidates,
    endOfCandidates: true,
  }
  const written = writeFragment(fragment)
  expect(written.split('\r\n').filter((line) => line.startsWith('a=candidate'))).toEqual(lines)
  expect(readFragment(written).sections).toMatchObject([
    { ufrag: '8hhY', mid: '1', media: 'audio', candidates, endOfCandidates: true },
  ])
})

test('RFC 6544: the six kinds of TCP candidates', () => {
  const lines = [
    'a=candidate:1 1 TCP 2128609279 10.0.1.1 9 typ host tcptype active',
    'a=candidate:2 1 TCP 2124414975 10.0.1.1 8998 typ host tcptype passive',
    'a=candidate:3 1 TCP 2120220671 10.0.1.1 8999 typ host tcptype so',
    'a=candidate:4 1 TCP 1688207359 192.0.2.3 9 typ srflx raddr 10.0.1.1 rport 9 tcptype active',
    'a=candidate:5 1 TCP 1684013055 192.0.2.3 45664 typ srflx raddr 10.0.1.1 rport 8998 tcptype passive',
    'a=candidate:6 1 TCP 1692401663 192.0.2.3 45687 typ srflx raddr 10.0.1.1 rport 8999 tcptype so',
  ]
  const candidates = readOffer(withIce(8998, ...lines), g711).ice!.candidates
  expect(candidates.map(({ transport, type, tcpType }) => `${transport} ${type} ${tcpType}`)).toEqual([
    'tcp host active',
    'tcp host passive',
    'tcp host so',
    'tcp srflx active',
    'tcp srflx passive',
    'tcp srflx so',
  ])
  const fragment = {
    ufrag: '8hhY',
    pwd: 'asd88fgpdd777uzjYhagZg',
    mid: '1',
    candidates,
    endOfCandidates: false,
  }
  expect(
    writeFragment(fragment)
      .split('\r\n')
      .filter((line) => line.startsWith('a=candidate')),
  ).toEqual(lines)
})

test('extensions of a candidate are passed over (RFC 8839 5.1), whatever stands in them', () => {
  const line =
    'a=candidate:1 1 UDP 2130706431 10.0.1.1 5000 typ host generation 0 ufrag 8hhY network-id 1 network-cost 10'
  const { ice: read } = readOffer(withIce(5000, line), g711)
  expect(read?.candidates).toEqual([
    {
      foundation: '1',
      component: 1,
      transport: 'udp',
      priority: 2130706431,
      address: '10.0.1.1',
      port: 5000,
      type: 'host',
    },
  ])
})
