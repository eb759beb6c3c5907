// Descriptions as real peers write them: Asterisk 22 (as sent by nine endpoint configurations), and the manners of
// browsers, FreeSWITCH and linphone.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { RemoteError } from '../../../src/errors.ts'
import { describe as describeText } from '../../../src/sdp/describe.ts'
import { createAnswer, createOffer, readAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { g711, ice, lines, local } from '../../unit/sdp/audio.ts'

const asterisk = (endpoint: number): string =>
  readFileSync(new URL(`../../fixtures/sdp/asterisk22-${endpoint}.sdp`, import.meta.url), 'utf8')
/** The same description over plain RTP, as far as this version of floe speaks it. */
const plain = (text: string): string => text.replace(/ (?:UDP\/TLS\/)?RTP\/SAVPF? /, ' RTP/AVP ')

describe('Asterisk 22', () => {
  const readable: [endpoint: number, ice: boolean, mux: boolean, candidates: number, port: number][] = [
    [1000, false, false, 0, 27156],
    [1001, true, false, 2, 27110],
    [1004, true, true, 1, 27104],
    [1009, true, false, 2, 27182],
  ]
  test.each(readable)('endpoint %i is answered', (endpoint, withIce, mux, candidates, port) => {
    const offer = readOffer(asterisk(endpoint), g711)
    expect(offer.problems).toEqual([])
    const { text, negotiated } = createAnswer(offer, local({ ice: ice() }))
    expect(negotiated).toMatchObject({
      codec: { name: 'PCMU', sendPayloadType: 0 },
      // The one for 8000 Hz; 101 is that of Opus.
      telephoneEvent: { sendPayloadType: 102, receivePayloadType: 102 },
      ptimeMs: 20,
      direction: 'sendrecv',
      remoteRtp: { address: '127.0.0.1', port },
      rtcpMux: mux,
      iceMismatch: false,
    })
    expect(negotiated.ice?.candidates.length ?? 0).toBe(candidates)
    expect(text.includes('a=ice-ufrag')).toBe(withIce)
    expect(negotiated.remoteRtcp).toEqual(mux ? undefined : { address: '127.0.0.1', port: port + 1 })
  })

  test.each([1002, 1003, 1005, 1006, 1007])(
    'endpoint %i insists on SRTP and is refused with 488',
    (endpoint) => {
      const read = () => readOffer(asterisk(endpoint), g711)
      expect(read).toThrow(RemoteError)
      expect(read).toThrow(/SAVP/)
      expect(read).toThrow(expect.objectContaining({ statusHint: 488 }))
    },
  )

  test.each([
    [1002, 2],
    [1003, 1],
    [1005, 1],
    [1007, 1],
  ])('endpoint %i but for SRTP is read whole', (endpoint, candidates) => {
    const offer = readOffer(plain(asterisk(endpoint)), g711)
    expect(offer.problems).toEqual([])
    expect(offer.ice?.candidates).toHaveLength(candidates)
    const answer = createAnswer(offer, local({ ice: ice() }))
    expect(lines(answer.text).filter((line) => /^a=(group|mid)/.test(line))).toEqual(
      endpoint === 1003 ? ['a=group:BUNDLE audio-0', 'a=mid:audio-0'] : [],
    )
  })

  test('what the trace says of it', () => {
    expect(describeText(asterisk(1001), 'received', 'offer')).toMatchObject({
      type: 'description',
      audio: { address: '127.0.0.1', port: 27110 },
      mediaDirection: 'sendrecv',
      codecs: [
        'opus/48000',
        'G722/8000',
        'PCMU/8000',
        'PCMA/8000',
        'telephone-event/48000',
        'telephone-event/8000',
      ],
      ice: 'full',
      candidates: 2,
      rtcpMux: false,
    })
  })
})

const browser = [
  'v=0',
  'o=- 863426017819471768 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0',
  'a=extmap-allow-mixed',
  'a=msid-semantic: WMS stream',
  'm=audio 45076 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126',
  'c=IN IP4 192.168.99.58',
  'a=rtcp:9 IN IP4 0.0.0.0',
  'a=candidate:2665802302 1 udp 2122262783 2a02:a03f:3eb0:e000:b0aa:d60a:cff2:933c 38475 typ host generation 0 network-id 2 network-cost 10',
  'a=candidate:1039001212 1 udp 2122194687 192.168.99.58 45076 typ host generation 0 network-id 1 network-cost 10',
  'a=candidate:3496416974 1 tcp 1518283007 192.168.99.58 9 typ host tcptype active generation 0 network-id 2 network-cost 10',
  'a=ice-ufrag:5+Ix',
  'a=ice-pwd:uK8IlylxzDMUhrkVzdmj0M+v',
  'a=ice-options:trickle',
  'a=fingerprint:sha-256 6B:8B:5D:EA:59:04:20:23:29:C8:87:1C:CC:87:32:BE:DD:8C:66:A5:8E:50:55:EA:8C:D3:B6:5C:09:5E:D6:BC',
  'a=setup:actpass',
  'a=mid:0',
  'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'a=sendrecv',
  'a=rtcp-mux',
  'a=rtpmap:111 opus/48000/2',
  'a=rtcp-fb:111 transport-cc',
  'a=fmtp:111 minptime=10;useinbandfec=1',
  'a=rtpmap:63 red/48000/2',
  'a=fmtp:63 111/111',
  'a=rtpmap:9 G722/8000',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:13 CN/8000',
  'a=rtpmap:110 telephone-event/48000',
  'a=rtpmap:126 telephone-event/8000',
  'a=ssrc:1944796561 cname:x',
  '',
].join('\r\n')

describe('a browser', () => {
  test('is refused as long as SRTP is not spoken', () => {
    expect(() => readOffer(browser, g711)).toThrow(/UDP\/TLS\/RTP\/SAVPF/)
  })

  test('but for SRTP is read whole', () => {
    const offer = readOffer(plain(browser), g711)
    const { text, negotiated } = createAnswer(offer, local({ ice: ice() }))
    expect(negotiated).toMatchObject({
      codec: { name: 'PCMU' },
      telephoneEvent: { sendPayloadType: 126 },
      rtcpMux: true,
      ice: { options: ['trickle'] },
      problems: [],
    })
    expect(negotiated.ice?.candidates.map((c) => c.transport)).toEqual(['udp', 'udp', 'tcp'])
    expect(lines(text)).toContain('a=group:BUNDLE 0')
    expect(lines(text)).toContain('a=mid:0')
  })

  test('with mDNS candidates and an unspecified default uses ICE', () => {
    const hidden = plain(browser)
      .replace('c=IN IP4 192.168.99.58', 'c=IN IP4 0.0.0.0')
      .replace('m=audio 45076', 'm=audio 9')
      .replaceAll('192.168.99.58', '7a1c2c1e-4b4e-4b1c-9d0e-1d2f8f0f8a11.local')
    const offer = readOffer(hidden, g711)
    expect(offer).toMatchObject({ iceMismatch: false, direction: 'sendrecv' })
    expect(offer.remoteRtp).toBeUndefined()
    expect(offer.ice?.candidates[1]?.address).toMatch(/\.local$/)
  })
})

test('FreeSWITCH: credentials after the candidates, odd priorities, a=rtcp with the same port', () => {
  const answer = [
    'v=0',
    'o=FreeSWITCH 1538380016 1538380017 IN IP4 1.2.3.4',
    's=FreeSWITCH',
    'c=IN IP4 1.2.3.4',
    't=0 0',
    'a=msid-semantic: WMS x',
    'm=audio 16628 RTP/AVP 8 101',
    'a=rtpmap:8 PCMA/8000',
    'a=rtpmap:101 telephone-event/8000',
    'a=ptime:20',
    'a=candidate:0560693492 1 udp 659136 1.2.3.4 16628 typ host generation 0',
    'a=end-of-candidates',
    'a=rtcp-mux',
    'a=rtcp:16628 IN IP4 1.2.3.4',
    'a=ice-ufrag:75EDuLTEOkEUd3cu',
    'a=ice-pwd:5dvb9SbfooWc49814CupdeTS',
    '',
  ].join('\r\n')
  const negotiated = readAnswer(createOffer(local({ ice: ice() })).text, answer)
  expect(negotiated).toMatchObject({
    codec: { name: 'PCMA' },
    rtcpMux: true,
    ice: { candidates: [{ foundation: '0560693492', priority: 659136 }] },
    problems: [],
  })
})

test('linphone: RTP/AVPF, two components with a=rtcp elsewhere, feedback and XR attributes', () => {
  const offer = [
    'v=0',
    'o=alice 3542 1820 IN IP4 192.168.1.5',
    's=Talk',
    'c=IN IP4 203.0.113.30',
    't=0 0',
    'a=ice-pwd:6d5ff8dc1a0f5b6c1a0f5b6c',
    'a=ice-ufrag:f1a4b2c8',
    'a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics',
    'm=audio 51244 RTP/AVPF 96 97 0 8 101',
    'a=rtpmap:96 opus/48000/2',
    'a=fmtp:96 useinbandfec=1',
    'a=rtpmap:97 speex/16000',
    'a=fmtp:97 vbr=on',
    'a=rtpmap:101 telephone-event/8000',
    'a=rtcp:60012',
    'a=candidate:1 1 UDP 2130706303 192.168.1.5 7078 typ host',
    'a=candidate:1 2 UDP 2130706302 192.168.1.5 7079 typ host',
    'a=candidate:2 1 UDP 1694498687 203.0.113.30 51244 typ srflx raddr 192.168.1.5 rport 7078',
    'a=candidate:2 2 UDP 1694498686 203.0.113.30 60012 typ srflx raddr 192.168.1.5 rport 7079',
    'a=rtcp-fb:* trr-int 5000',
    'a=rtcp-fb:* ccm tmmbr',
    '',
  ].join('\r\n')
  const { text, negotiated } = createAnswer(
    readOffer(offer, g711),
    local({ ice: ice(), rtcp: { address: '192.0.2.1', port: 40001 } }),
  )
  expect(negotiated).toMatchObject({
    rtcpMux: false,
    remoteRtcp: { address: '203.0.113.30', port: 60012 },
    ice: { ufrag: 'f1a4b2c8' },
    problems: [],
  })
  expect(negotiated.ice?.candidates).toHaveLength(4)
  expect(lines(text)).toContain('m=audio 40000 RTP/AVPF 0 101')
  expect(lines(text).filter((line) => line.startsWith('a=candidate'))).toHaveLength(2)
})
