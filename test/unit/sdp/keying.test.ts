import { describe, expect, it } from 'vitest'
import { RemoteError } from '../../../src/errors.ts'
import type { CryptoAttribute, LocalKeying } from '../../../src/sdp/description.ts'
import { readKeying, writeKeying } from '../../../src/sdp/keying.ts'
import { createAnswer, createOffer, readAnswer, readOffer } from '../../../src/sdp/negotiation.ts'
import { local as localAudio } from './audio.ts'

const key = (fill: number, length: number): Uint8Array => new Uint8Array(length).fill(fill)
const cryptos = (fill: number): CryptoAttribute[] => [
  { tag: 1, suite: 'AES_CM_128_HMAC_SHA1_80', key: key(fill, 30) },
  { tag: 2, suite: 'AEAD_AES_256_GCM', key: key(fill + 1, 44) },
]
const fingerprint = (digit: string) => ({ algorithm: 'sha-256', value: Array(32).fill(digit).join(':') })
const keying = (fill: number, more: Partial<LocalKeying> = {}): LocalKeying => ({
  required: false,
  cryptos: cryptos(fill),
  offered: 0,
  offersDtls: false,
  dtls: { fingerprint: fingerprint(fill === 1 ? 'AA' : 'BB') },
  ...more,
})
const codecs = localAudio().codecs

/** Alice offers, Bob answers; what both understand. */
function agree(alice: LocalKeying | undefined, bob: LocalKeying | undefined) {
  const offer = createOffer(localAudio({ ...(alice && { keying: alice }) })).text
  const answer = createAnswer(readOffer(offer, codecs, bob), localAudio({ ...(bob && { keying: bob }) }))
  return {
    offer,
    answer: answer.text,
    theirs: answer.negotiated.keying,
    ours: readAnswer(offer, answer.text, alice).keying,
  }
}

describe('a=crypto', () => {
  const read = (value: string) => {
    const problems: { message: string }[] = []
    const {
      cryptos: [first],
    } = readKeying([`a=crypto:${value}`], [], problems as never)
    return first ?? problems[0]?.message
  }
  const inline = `inline:${Buffer.alloc(30, 7).toString('base64')}`
  it('is read with lifetime and key identifier', () => {
    expect(read(`1 AES_CM_128_HMAC_SHA1_80 ${inline}`)).toEqual({
      tag: 1,
      suite: 'AES_CM_128_HMAC_SHA1_80',
      key: Buffer.alloc(30, 7),
    })
    expect(read(`7 AES_CM_128_HMAC_SHA1_32 ${inline}|2^20|1:4 KDR=0 WSH=64`)).toMatchObject({
      tag: 7,
      mki: Buffer.from([0, 0, 0, 1]),
    })
    for (const lifetime of ['2^20', '2^48', '1048576'])
      expect(read(`1 AES_CM_128_HMAC_SHA1_80 ${inline}|${lifetime}`)).toMatchObject({
        tag: 1,
        key: Buffer.alloc(30, 7),
      })
    expect(read(`7 AES_CM_128_HMAC_SHA1_32 ${inline}|258:8`)).toMatchObject({
      mki: Buffer.from([0, 0, 0, 0, 0, 0, 1, 2]),
    })
    expect(read(`7 AES_CM_128_HMAC_SHA1_32 ${inline}|255:1 -NOVELTY=1`)).toMatchObject({
      mki: Buffer.from([255]),
    })
    expect(read(`7 AES_CM_128_HMAC_SHA1_32 ${inline}|18446744073709551615:128`)).toMatchObject({
      mki: Buffer.from([...Array(120).fill(0), ...Array(8).fill(255)]),
    })
  })
  it.each([
    [`x AES_CM_128_HMAC_SHA1_80 ${inline}`, /malformed/],
    ['1 AES_CM_128_HMAC_SHA1_80', /no inline key/],
    ['1 AES_CM_128_HMAC_SHA1_80 inline:***', /no inline key/],
    [`1 AES_CM_128_HMAC_SHA1_80 ${inline} UNENCRYPTED_SRTP`, /UNENCRYPTED_SRTP/],
    [`1 AES_CM_128_HMAC_SHA1_80 ${inline} KDR=3`, /KDR=3/],
    [`1 AES_CM_128_HMAC_SHA1_80 ${inline};${inline}`, /several keys/],
    [`1 AES_CM_128_HMAC_SHA1_80 ${inline}|1:200`, /too long/],
    [`1 AES_CM_128_HMAC_SHA1_80 ${inline}|256:1`, /longer than it says/],
    [`1 AES_CM_128_HMAC_SHA1_80 ${inline}|999999999999999:4`, /longer than it says/],
    [`1 AES_CM_128_HMAC_SHA1_80 ${inline} UNENCRYPTED_SRTCP`, /UNENCRYPTED_SRTCP/],
    [`1 AES_CM_128_HMAC_SHA1_80 ${inline} UNAUTHENTICATED_SRTP`, /UNAUTHENTICATED_SRTP/],
    [`1 AES_CM_128_HMAC_SHA1_80 ${inline} FEC_ORDER=FEC_SRTP`, /FEC_ORDER/],
    [`1 AES_CM_128_HMAC_SHA1_80 ${inline} NOVELTY=1`, /NOVELTY/],
  ])('is passed over: %s', (value, why) => {
    expect(read(value)).toMatch(why)
  })
  it('is written as it is read', () => {
    const description = { cryptos: cryptos(3), fingerprints: [fingerprint('0F')], setup: 'active' as const }
    const lines = writeKeying(description).map(({ value }) => `a=${value}`)
    expect(readKeying(lines, [], [])).toEqual({
      ...description,
      cryptos: description.cryptos.map((one) => ({ ...one, key: Buffer.from(one.key) })),
    })
  })
  it('a fingerprint and a setup of the session level count for the audio', () => {
    const head = ['a=setup:passive', 'a=fingerprint:SHA-256 aa:bb', 'a=fingerprint:sha-1 nonsense']
    const problems: unknown[] = []
    expect(readKeying([], head, problems as never)).toEqual({
      cryptos: [],
      fingerprints: [{ algorithm: 'sha-256', value: 'AA:BB' }],
      setup: 'passive',
    })
    expect(problems).toHaveLength(1)
  })
  it('a fingerprint by a hash that can be forged is none', () => {
    const problems: { message: string }[] = []
    const lines = ['a=fingerprint:SHA-1 aa:bb', 'a=fingerprint:sha-512 cc:dd', 'a=fingerprint:md5 ee:ff']
    expect(readKeying(lines, [], problems as never).fingerprints).toEqual([
      { algorithm: 'sha-512', value: 'CC:DD' },
    ])
    expect(problems.map(({ message }) => message)).toEqual([
      'a=fingerprint is by SHA-1, which vouches for nothing',
      'a=fingerprint is by md5, which vouches for nothing',
    ])
  })
})

describe('offer and answer', () => {
  it('by DTLS, required: the answerer begins the handshake', () => {
    const { offer, answer, ours, theirs } = agree(keying(1, { required: true, offersDtls: true }), keying(5))
    expect(offer).toMatch(/^m=audio \d+ UDP\/TLS\/RTP\/SAVP /m)
    expect(offer).toContain('a=setup:actpass')
    expect(offer).not.toContain('a=crypto')
    expect(answer).toContain('a=setup:active')
    expect(ours).toEqual({ type: 'dtls', role: 'server', fingerprints: [fingerprint('BB')] })
    expect(theirs).toEqual({ type: 'dtls', role: 'client', fingerprints: [fingerprint('AA')] })
  })
  it('with keys in the SDP: each end sends with its own', () => {
    const { offer, answer, ours, theirs } = agree(keying(1, { required: true, offered: 2 }), keying(5))
    expect(offer).toMatch(/^m=audio \d+ RTP\/SAVP /m)
    expect(offer.match(/a=crypto/g)).toHaveLength(2)
    expect(answer.match(/a=crypto/g)).toHaveLength(1)
    expect(answer).not.toContain('fingerprint')
    expect(ours).toMatchObject({
      type: 'sdes',
      suite: 'AES_CM_128_HMAC_SHA1_80',
      local: { tag: 1 },
      remote: { tag: 1 },
    })
    if (ours?.type !== 'sdes' || theirs?.type !== 'sdes') throw new Error('no keys')
    expect([ours.local.key[0], ours.remote.key[0]]).toEqual([1, 5])
    expect([theirs.local.key[0], theirs.remote.key[0]]).toEqual([5, 1])
  })
  it('the answer takes the first suite that it has, under the tag of the offer', () => {
    const bob = keying(5, { cryptos: cryptos(5).slice(1) })
    const { ours, theirs } = agree(keying(1, { required: true, offered: 2 }), bob)
    expect(ours).toMatchObject({ suite: 'AEAD_AES_256_GCM', local: { tag: 2 }, remote: { tag: 2 } })
    expect(theirs).toMatchObject({ suite: 'AEAD_AES_256_GCM' })
  })
  it('preferred: a plain profile, and plain RTP where the answer has nothing of it', () => {
    const alice = keying(1, { offersDtls: true, offered: 1 })
    const secured = agree(alice, keying(5))
    expect(secured.offer).toMatch(/^m=audio \d+ RTP\/AVP /m)
    expect(secured.ours?.type).toBe('dtls')
    const plain = agree(alice, undefined)
    expect([plain.ours, plain.theirs]).toEqual([undefined, undefined])
    expect(plain.answer).not.toMatch(/crypto|fingerprint|setup/)
  })
  it('a tls-id (RFC 8842) and a lifetime with a key identifier do not stand in the way', () => {
    const alice = keying(1, { required: true, offersDtls: true })
    const bob = keying(5)
    const named = createOffer(localAudio({ keying: alice })).text.concat('a=tls-id:abc3de65cddef001be82\r\n')
    const answered = createAnswer(readOffer(named, codecs, bob), localAudio({ keying: bob }))
    expect(answered.negotiated.keying).toMatchObject({ type: 'dtls', role: 'client' })
    const offer = createOffer(localAudio({ keying: keying(1, { required: true, offered: 1 }) })).text
    const limited = offer.replace(/(inline:\S+)/, '$1|2^20|1:4')
    expect(limited).not.toBe(offer)
    const { text, negotiated } = createAnswer(readOffer(limited, codecs, bob), localAudio({ keying: bob }))
    expect(negotiated.keying).toMatchObject({ type: 'sdes', remote: { mki: Buffer.from([0, 0, 0, 1]) } })
    // Our own key needs neither: RFC 4568 6.1 leaves both to who sends with it.
    expect(text).toMatch(/a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:[^|\s]+\r\n/)
  })
  it('keeps the role of a handshake in later descriptions', () => {
    const offer = createOffer(localAudio({ keying: keying(1, { offersDtls: true }) })).text
    const bob = keying(5, { dtls: { fingerprint: fingerprint('BB'), role: 'server' } })
    const { text, negotiated } = createAnswer(readOffer(offer, codecs, bob), localAudio({ keying: bob }))
    expect(text).toContain('a=setup:passive')
    expect(negotiated.keying).toMatchObject({ role: 'server' })
  })
  it.each<[string, LocalKeying | undefined, LocalKeying | undefined, RegExp]>([
    [
      'required, and switched off there',
      keying(1, { required: true, offersDtls: true }),
      undefined,
      /SRTP is switched off/,
    ],
    ['not offered, and required there', keying(1), keying(5, { required: true }), /not encrypted/],
    [
      'a suite that is not spoken',
      keying(1, { required: true, offered: 1, cryptos: [{ tag: 1, suite: 'SEED_128', key: key(1, 30) }] }),
      keying(5),
      /encrypted with SEED_128/,
    ],
  ])('is refused with 488: %s', (_, alice, bob, why) => {
    let refusal: unknown
    try {
      agree(alice, bob)
    } catch (error) {
      refusal = error
    }
    expect(refusal).toBeInstanceOf(RemoteError)
    expect(refusal).toMatchObject({ statusHint: 488, message: expect.stringMatching(why) })
  })
  it('an answer in the clear is no answer to who requires SRTP', () => {
    const alice = keying(1, { required: true, offersDtls: true })
    const offer = createOffer(localAudio({ keying: alice })).text
    const answer = offer.replace(/a=(fingerprint|setup).*\r\n/g, '').replace('UDP/TLS/RTP/SAVP', 'RTP/AVP')
    expect(() => readAnswer(offer, answer, alice)).toThrow(/not encrypted/)
  })
})
