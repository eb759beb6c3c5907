// What the trace keeps of a description, and how large ours are.
import { expect, test } from 'vitest'
import { describe, describeNegotiated } from '../../../src/sdp/describe.ts'
import { createAnswer, createOffer, readOffer } from '../../../src/sdp/negotiation.ts'
import { g711, host, ice, local, peerAudio, sdp } from './audio.ts'

test('an offer of ours', () => {
  const { text } = createOffer(local({ ice: ice() }))
  expect(describe(text, 'sent', 'offer')).toEqual({
    layer: 'sdp',
    type: 'description',
    direction: 'sent',
    kind: 'offer',
    lengthBytes: text.length,
    audio: { address: '192.0.2.1', port: 40000 },
    mediaDirection: 'sendrecv',
    codecs: ['PCMU/8000', 'PCMA/8000', 'telephone-event/8000'],
    ice: 'full',
    candidates: 2,
    rtcpMux: true,
  })
})

test('never a credential', () => {
  const fact = JSON.stringify(describe(createOffer(local({ ice: ice() })).text, 'sent', 'offer'))
  expect(fact).not.toContain(ice().pwd)
  expect(fact).not.toContain(ice().ufrag)
})

test('refused audio, no audio, hold, lite and mismatch', () => {
  const at = (text: string) => describe(text, 'received', 'answer')
  const credentials = ['a=ice-ufrag:abcd', 'a=ice-pwd:0123456789012345678901']
  const candidate = 'a=candidate:1 1 UDP 1 198.51.100.9 27110 typ host'
  expect(at(sdp('c=IN IP4 1.2.3.4', 'm=audio 0 RTP/AVP 0'))).not.toHaveProperty('audio')
  expect(at(sdp('c=IN IP4 1.2.3.4'))).toMatchObject({ mediaDirection: 'inactive', codecs: [], ice: 'none' })
  expect(at(sdp('c=IN IP4 0.0.0.0', 'm=audio 4 RTP/AVP 0'))).not.toHaveProperty('audio')
  expect(at(peerAudio(...credentials, candidate, 'a=ice-lite'))).toMatchObject({ ice: 'lite' })
  expect(at(peerAudio(...credentials, candidate.replace('27110', '1')))).toMatchObject({ ice: 'mismatch' })
  expect(at(peerAudio('a=ice-mismatch'))).toMatchObject({ ice: 'mismatch' })
})

test('text that is no description is a problem, not an exception', () => {
  expect(describe('nonsense', 'received', 'offer')).toEqual({
    layer: 'sdp',
    type: 'problem',
    message: 'The session description does not begin with v=0',
    section: 'RFC 8866 5.1',
  })
})

test('what was agreed', () => {
  const { negotiated } = createAnswer(readOffer(peerAudio('a=sendonly'), g711), local())
  expect(describeNegotiated(negotiated)).toEqual({
    layer: 'sdp',
    type: 'negotiated',
    codec: 'PCMU',
    payloadType: 0,
    receivePayloadType: 0,
    ptimeMs: 20,
    telephoneEvent: true,
    mediaDirection: 'recvonly',
    remoteRtp: { address: '198.51.100.9', port: 27110 },
    rtcpMux: false,
    ice: false,
  })
})

test('an offer with host and reflexive candidates for both components leaves room in 1300 bytes for SIP', () => {
  const reflexive = (component: number) => ({
    ...host('203.0.113.101', 50000 + component, component),
    foundation: '2',
    type: 'srflx' as const,
    related: { address: '192.168.101.2', port: 40000 + component },
  })
  const sixth = (component: number) => ({
    ...host('2001:db8:1234:5678:9abc:def0:1234:5678', 40000 + component, component),
    foundation: '3',
  })
  const candidates = [1, 2].flatMap((c) => [host('192.168.101.2', 40000 + c, c), reflexive(c), sixth(c)])
  const { text } = createOffer(
    local({ ice: ice({ candidates }), rtcp: { address: '192.0.2.1', port: 40001 } }),
  )
  expect(text.length).toBeLessThan(830)
})
