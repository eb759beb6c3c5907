// What a browser offers, taken from Chromium 156 as it stands: more codecs than we know, extensions, addresses that are names.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { LocalKeying } from '../../../src/sdp/description.ts'
import { createAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { ice, lines, local, pcmu } from './audio.ts'

const offer = readFileSync('test/fixtures/sdp/chromium-offer.sdp', 'utf8').replaceAll('\n', '\r\n')
const opus = { name: 'opus', clockRateHz: 48_000, channels: 2, payloadType: 96, fmtp: 'useinbandfec=1' }
const fingerprint = { algorithm: 'sha-256', value: Array(32).fill('AB').join(':') }
const keying: LocalKeying = {
  required: false,
  cryptos: [],
  offered: 0,
  offersDtls: false,
  dtls: { fingerprint },
}

function answerWith(codecs: (typeof opus | typeof pcmu)[]) {
  const ours = local({ codecs, keying, ice: ice() })
  return createAnswer(readOffer(offer, codecs, keying), ours)
}

it('is answered with Opus over DTLS-SRTP, bundled, RTCP on the same port', () => {
  const { text, negotiated } = answerWith([pcmu, opus])
  expect(negotiated).toMatchObject({
    codec: { name: 'opus', sendPayloadType: 111, receivePayloadType: 111 },
    telephoneEvent: { sendPayloadType: 110 },
    keying: { type: 'dtls', role: 'client' },
    rtcpMux: true,
    iceMismatch: false,
    direction: 'sendrecv',
  })
  const answer = lines(text)
  expect(answer).toContain('m=audio 40000 UDP/TLS/RTP/SAVPF 111 110')
  expect(answer).toEqual(
    expect.arrayContaining(['a=group:BUNDLE 0', 'a=mid:0', 'a=rtcp-mux', 'a=setup:active', 'a=sendrecv']),
  )
  expect(text).not.toMatch(/a=(extmap|rtcp-fb|msid|crypto)/)
})

it('is answered with PCMU and its own telephone-event where that is all we do', () => {
  const { negotiated } = answerWith([pcmu])
  expect(negotiated).toMatchObject({
    codec: { name: 'PCMU', sendPayloadType: 0 },
    telephoneEvent: { sendPayloadType: 126 },
  })
})

it('names its addresses by ".local", to be looked up by whoever pairs them', () => {
  const { ice: theirs, problems } = readOffer(offer, [opus], keying)
  expect(theirs?.candidates.map(({ address }) => address)).toEqual([
    '35164ea4-7970-4d29-be1b-54524fbf6b7b.local',
    'c3150a2d-9c1c-4b5a-9b02-9c1647aa6218.local',
  ])
  expect(theirs?.options).toEqual(['trickle'])
  expect(problems).toEqual([])
})
