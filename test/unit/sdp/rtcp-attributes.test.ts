// What descriptions say of RTCP: extended reports (RFC 3611 5), reduced size (RFC 5506), exclusive multiplexing (RFC 8858), bandwidth
// (RFC 3556), and the port (RFC 3605).
import { expect, test } from 'vitest'
import { createAnswer, createOffer, readAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { g711, lines, local, peerAudio, sdp } from './audio.ts'

const asks = local({ extendedReports: true })
const own = 'a=rtcp-xr:rcvr-rtt=all voip-metrics'
const answering = (offer: string, ours = asks) => createAnswer(readOffer(offer, g711), ours)
const agreedOn = (...attributes: string[]) => answering(peerAudio(...attributes)).negotiated

test('an offer asks for extended reports, and an answer only who knows of them', () => {
  expect(lines(createOffer(asks).text)).toContain(own)
  expect(lines(createOffer(local()).text)).not.toContain(own)
  expect(lines(answering(peerAudio('a=rtcp-xr:voip-metrics')).text)).toContain(own)
  expect(lines(answering(peerAudio()).text)).not.toContain(own)
  expect(lines(answering(peerAudio('a=rtcp-xr:voip-metrics'), local()).text)).not.toContain(own)
})

test.each([
  ['a=rtcp-xr:voip-metrics', { roundTrip: false, voipMetrics: true }],
  [own, { roundTrip: true, voipMetrics: true }],
  [
    'a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics',
    { roundTrip: true, voipMetrics: true, summary: { lost: true, duplicates: true, jitter: true } },
  ],
  [
    'a=rtcp-xr:stat-summary=loss,HL',
    { roundTrip: false, voipMetrics: false, summary: { lost: true, duplicates: false, jitter: false } },
  ],
  [
    'a=rtcp-xr:stat-summary pkt-loss-rle=40',
    { roundTrip: false, voipMetrics: false, summary: { lost: true, duplicates: true, jitter: true } },
  ],
  ['a=rtcp-xr:pkt-loss-rle pkt-rcpt-times=20', undefined],
  ['a=rtcp-xr:', undefined],
  ['a=rtcp-xr', undefined],
])('%s is what the peer wants', (line, wanted) => {
  expect(agreedOn(line).extendedReports).toEqual(wanted)
})

test('what the session says counts for an m-line that says nothing', () => {
  const offer = (own: string[]) =>
    sdp('c=IN IP4 198.51.100.9', 'a=rtcp-xr:voip-metrics', 'm=audio 27110 RTP/AVP 0', ...own)
  expect(answering(offer([])).negotiated.extendedReports).toMatchObject({ voipMetrics: true })
  expect(answering(offer(['a=rtcp-xr'])).negotiated.extendedReports).toBeUndefined()
})

test('our offer and the answer to it: each says what it wants itself', () => {
  const offer = createOffer(asks).text
  expect(readAnswer(offer, peerAudio()).extendedReports).toBeUndefined()
  expect(readAnswer(offer, peerAudio('a=rtcp-xr:rcvr-rtt=sender')).extendedReports).toEqual({
    roundTrip: true,
    voipMetrics: false,
  })
})

test('reduced size is agreed to, never asked for: nothing of ours is urgent', () => {
  expect(lines(createOffer(asks).text)).not.toContain('a=rtcp-rsize')
  expect(lines(answering(peerAudio('a=rtcp-rsize')).text)).toContain('a=rtcp-rsize')
  expect(lines(answering(peerAudio()).text)).not.toContain('a=rtcp-rsize')
})

test('exclusive multiplexing is multiplexing, and answered as such', () => {
  const { text, negotiated } = answering(peerAudio('a=rtcp-mux', 'a=rtcp-mux-only', 'a=rtcp:27111'))
  expect(negotiated).toMatchObject({ rtcpMux: true })
  expect(negotiated.remoteRtcp).toBeUndefined()
  expect(lines(text)).toContain('a=rtcp-mux')
  expect(lines(text)).not.toContain('a=rtcp-mux-only')
  expect(agreedOn('a=rtcp-mux-only').rtcpMux).toBe(true)
})

test.each([
  [['a=rtcp:27333'], { address: '198.51.100.9', port: 27333 }],
  [['a=rtcp:27333 IN IP4 198.51.100.10'], { address: '198.51.100.10', port: 27333 }],
  [['a=rtcp:27333 IN IP6 2001:db8::9'], { address: '2001:db8::9', port: 27333 }],
  [[], { address: '198.51.100.9', port: 27111 }],
  [['a=rtcp:99999'], { address: '198.51.100.9', port: 27111 }],
])('RFC 3605: after %j its RTCP is sent to its place', (attributes, remoteRtcp) => {
  expect(agreedOn(...attributes)).toMatchObject({ rtcpMux: false, remoteRtcp })
})

test('RFC 3556: bandwidth is taken and repeated in the answer', () => {
  const { text, negotiated } = answering(peerAudio('b=AS:64', 'b=RS:0', 'b=RR:2000'))
  expect(negotiated.rtcpBandwidth).toEqual({ senders: 0, receivers: 2000 })
  expect(lines(text).filter((line) => line.startsWith('b='))).toEqual(['b=RS:0', 'b=RR:2000'])
  expect(agreedOn('b=RS:800').rtcpBandwidth).toBeUndefined()
  expect(agreedOn('b=RS:x', 'b=RR:-1').rtcpBandwidth).toBeUndefined()
  // Where b= stands before the attributes, as the grammar has it.
  const at = lines(text).findIndex((line) => line.startsWith('b='))
  expect(at).toBeLessThan(lines(text).findIndex((line) => line.startsWith('a=rtpmap')))
})
