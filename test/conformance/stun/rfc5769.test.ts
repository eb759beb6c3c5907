// The test vectors of RFC 5769 (2.1 to 2.4) and of RFC 8489 B.1 as corrected by its erratum (password algorithm SHA-256).
import { describe, expect, it } from 'vitest'
import { readText, readUint32, readUint64, readXorAddress } from '../../../src/stun/attributes.ts'
import {
  integrityMatches,
  integritySha256Matches,
  longTermKey,
  shortTermKey,
} from '../../../src/stun/integrity.ts'
import { decode, MessageWriter, type StunMessage } from '../../../src/stun/message.ts'
import { attribute, method } from '../../../src/stun/numbers.ts'

const octets = (hex: string) => Uint8Array.from(Buffer.from(hex.replace(/\s/g, ''), 'hex'))
const key = shortTermKey('VOkJxbRl1RmTxUk/WvJxBt')
const matrix = '\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9'

function decoded(bytes: Uint8Array): StunMessage {
  const message = decode(bytes)
  if (typeof message === 'string') throw new Error(message)
  return message
}

const request = octets(`
  00 01 00 58 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
  80 22 00 10 53 54 55 4e 20 74 65 73 74 20 63 6c 69 65 6e 74
  00 24 00 04 6e 00 01 ff
  80 29 00 08 93 2f f9 b1 51 26 3b 36
  00 06 00 09 65 76 74 6a 3a 68 36 76 59 20 20 20
  00 08 00 14 9a ea a7 0c bf d8 cb 56 78 1e f2 b5 b2 d3 f2 49 c1 b5 71 a2
  80 28 00 04 e5 7a 3b cf`)
const ipv4Response = octets(`
  01 01 00 3c 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
  80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
  00 20 00 08 00 01 a1 47 e1 12 a6 43
  00 08 00 14 2b 91 f5 99 fd 9e 90 c3 8c 74 89 f9 2a f9 ba 53 f0 6b e7 d7
  80 28 00 04 c0 7d 4c 96`)
const ipv6Response = octets(`
  01 01 00 48 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
  80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
  00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9
  00 08 00 14 a3 82 95 4e 4b e6 7b f1 17 84 c9 7c 82 92 c2 75 bf e3 ed 41
  80 28 00 04 c8 fb 0b 4c`)
const longTermRequest = octets(`
  00 01 00 60 21 12 a4 42 78 ad 34 33 c6 ad 72 c0 29 da 41 2e
  00 06 00 12 e3 83 9e e3 83 88 e3 83 aa e3 83 83 e3 82 af e3 82 b9 00 00
  00 15 00 1c 66 2f 2f 34 39 39 6b 39 35 34 64 36 4f 4c 33 34 6f 4c 39 46 53 54 76 79 36 34 73 41
  00 14 00 0b 65 78 61 6d 70 6c 65 2e 6f 72 67 00
  00 08 00 14 f6 70 24 65 6d d6 4a 3e 02 b8 e0 71 2e 85 c9 a2 8c a8 96 66`)
const sha256Request = octets(`
  00 01 00 90 21 12 a4 42 78 ad 34 33 c6 ad 72 c0 29 da 41 2e
  00 1e 00 20 4a 3c f3 8f ef 69 92 bd a9 52 c6 78 04 17 da 0f 24 81 94 15 56 9e 60 b2 05 c4 6e 41 40 7f 17 04
  00 15 00 29 6f 62 4d 61 74 4a 6f 73 32 41 41 41 43 66 2f 2f 34 39 39 6b 39 35 34 64 36 4f 4c 33 34 6f 4c 39
              46 53 54 76 79 36 34 73 41 00 00 00
  00 14 00 0b 65 78 61 6d 70 6c 65 2e 6f 72 67 00
  00 1d 00 04 00 02 00 00
  00 1c 00 20 b5 c7 bf 00 5b 6c 52 a2 1c 51 c5 e8 92 f8 19 24 13 62 96 cb 92 7c 43 14 93 09 27 8c c6 51 8e 65`)

describe('RFC 5769', () => {
  it('2.1 sample request', () => {
    const message = decoded(request)
    expect(message).toMatchObject({ class: 'request', method: method.binding })
    expect(readText(message, attribute.software)).toBe('STUN test client')
    expect(readUint32(message, attribute.priority)).toBe(0x6e0001ff)
    expect(readUint64(message, attribute.iceControlled)).toBe(0x932ff9b151263b36n)
    expect(readText(message, attribute.username)).toBe('evtj:h6vY')
    expect(integrityMatches(message, key)).toBe(true)
    expect(integrityMatches(message, shortTermKey('VOkJxbRl1RmTxUk/WvJxBT'))).toBe(false)
  })

  it.each([
    ['2.2 sample IPv4 response', ipv4Response, '192.0.2.1'],
    ['2.3 sample IPv6 response', ipv6Response, '2001:db8:1234:5678:11:2233:4455:6677'],
  ])('%s', (_name, bytes, address) => {
    const message = decoded(bytes)
    expect(message.class).toBe('success')
    expect(readText(message, attribute.software)).toBe('test vector')
    expect(readXorAddress(message, attribute.xorMappedAddress)).toEqual({ address, port: 32_853 })
    expect(integrityMatches(message, key)).toBe(true)
  })

  it('2.4 sample request with long-term authentication', () => {
    const message = decoded(longTermRequest)
    expect(readText(message, attribute.username)).toBe(matrix)
    expect(readText(message, attribute.nonce)).toBe('f//499k954d6OL34oL9FSTvy64sA')
    expect(readText(message, attribute.realm)).toBe('example.org')
    expect(integrityMatches(message, longTermKey(matrix, 'example.org', 'TheMatrIX'))).toBe(true)
  })

  it('2.4 is what the writer writes, octet for octet', () => {
    const written = new MessageWriter('request', method.binding, longTermRequest.subarray(8, 20))
      .text(attribute.username, matrix)
      .text(attribute.nonce, 'f//499k954d6OL34oL9FSTvy64sA')
      .text(attribute.realm, 'example.org')
      .integrity(longTermKey(matrix, 'example.org', 'TheMatrIX'))
      .finish()
    expect(written).toEqual(longTermRequest)
  })

  it('is refused with any one bit flipped, by FINGERPRINT or by integrity', () => {
    for (const bytes of [request, ipv4Response, ipv6Response]) {
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = bytes.slice()
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        const message = decode(flipped)
        if (typeof message === 'string') continue
        // A flip in a type or a length can make FINGERPRINT itself disappear; then integrity must not hold, unless the
        // flip is behind it.
        expect(message.attributes.has(attribute.fingerprint), `bit ${bit}`).toBe(false)
        expect(integrityMatches(message, key), `bit ${bit}`).toBe(bit >> 3 >= bytes.length - 8)
      }
    }
  })
})

describe('RFC 8489 B.1', () => {
  it('sample request with long-term authentication, MESSAGE-INTEGRITY-SHA256 and USERHASH', () => {
    const message = decoded(sha256Request)
    const sha256Key = longTermKey(matrix, 'example.org', 'TheMatrIX', 'sha256')
    expect(integritySha256Matches(message, sha256Key)).toBe(true)
    expect(integritySha256Matches(message, longTermKey(matrix, 'example.org', 'TheMatrIX'))).toBe(false)
    expect(integrityMatches(message, sha256Key)).toBe(false)
  })
})
