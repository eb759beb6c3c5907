// STUN messages: what is written is what is read, for every attribute; what is malformed has a reason.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvariantError } from '../../../src/errors.ts'
import {
  readAddress,
  readErrorCode,
  readMappedAddress,
  readText,
  readUint32,
  readUint64,
  readUnknownAttributes,
  readXorAddress,
  unknownRequiredAttributes,
} from '../../../src/stun/attributes.ts'
import { answerBinding } from '../../../src/stun/binding-responder.ts'
import { crc32 } from '../../../src/stun/crc32.ts'
import { integrityMatches, integritySha256Matches, shortTermKey } from '../../../src/stun/integrity.ts'
import { canonicalIp, formatIp, parseIp } from '../../../src/stun/ip-address.ts'
import { decode, isStun, MessageWriter, type StunMessage } from '../../../src/stun/message.ts'
import { attribute, method } from '../../../src/stun/numbers.ts'

const id = Uint8Array.from({ length: 12 }, (_, i) => i + 1)
const key = shortTermKey('a password of some length')

function decoded(bytes: Uint8Array): StunMessage {
  const message = decode(bytes)
  if (typeof message === 'string') throw new Error(message)
  return message
}

const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const ipAddress = fc.oneof(octets(4), octets(16)).map(formatIp)
const transportAddress = fc.record({ address: ipAddress, port: fc.integer({ min: 0, max: 65_535 }) })

describe('round trips', () => {
  // Methods above 0xff are not assigned, and RFC 7983 takes their first octet for other protocols.
  it('class, method and transaction ID', () => {
    const classes = fc.constantFrom('request', 'indication', 'success', 'error' as const)
    fc.assert(
      fc.property(
        classes,
        fc.integer({ min: 0, max: 0xff }),
        octets(12),
        (messageClass, messageMethod, transactionId) => {
          const bytes = new MessageWriter(messageClass, messageMethod, transactionId).finish()
          expect(isStun(bytes)).toBe(true)
          expect(decoded(bytes)).toMatchObject({ class: messageClass, method: messageMethod, transactionId })
        },
      ),
    )
  })

  it('addresses, plain and XORed, IPv4 and IPv6', () => {
    fc.assert(
      fc.property(transportAddress, octets(12), (address, transactionId) => {
        const message = decoded(
          new MessageWriter('success', method.binding, transactionId)
            .address(attribute.alternateServer, address)
            .xorAddress(attribute.xorMappedAddress, address)
            .finish(),
        )
        expect(readAddress(message, attribute.alternateServer)).toEqual(address)
        expect(readXorAddress(message, attribute.xorMappedAddress)).toEqual(address)
        expect(readMappedAddress(message)).toEqual(address)
      }),
    )
  })

  it('text, numbers, errors, under both integrities and fingerprint', () => {
    const reason = fc.string({ maxLength: 40 })
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 300 }),
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.integer({ min: 300, max: 699 }),
        reason,
        fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }),
        (text, number, tieBreaker, code, why, unknown) => {
          const message = decoded(
            new MessageWriter('error', method.binding, id)
              .text(attribute.username, text)
              .uint32(attribute.priority, number)
              .uint64(attribute.iceControlling, tieBreaker)
              .octets(attribute.useCandidate)
              .errorCode(code, why)
              .unknownAttributes(unknown)
              .integrity(key)
              .integritySha256(key)
              .fingerprint()
              .finish(),
          )
          expect(readText(message, attribute.username)).toBe(text)
          expect(readUint32(message, attribute.priority)).toBe(number)
          expect(readUint64(message, attribute.iceControlling)).toBe(tieBreaker)
          expect(message.attributes.get(attribute.useCandidate)).toHaveLength(0)
          expect(readErrorCode(message)).toEqual({ code, reason: why })
          expect(readUnknownAttributes(message)).toEqual(unknown)
          expect(integrityMatches(message, key)).toBe(true)
          expect(integritySha256Matches(message, key)).toBe(true)
          expect(integrityMatches(message, shortTermKey('another'))).toBe(false)
        },
      ),
    )
  })
})

describe('what counts', () => {
  it('is the first attribute of a type', () => {
    const message = decoded(
      new MessageWriter('request', method.binding, id)
        .uint32(attribute.priority, 1)
        .uint32(attribute.priority, 2)
        .finish(),
    )
    expect(readUint32(message, attribute.priority)).toBe(1)
  })

  it('is only what stands before MESSAGE-INTEGRITY (RFC 8489 14.5)', () => {
    const message = decoded(
      new MessageWriter('request', method.binding, id)
        .integrity(key)
        .octets(attribute.useCandidate)
        .fingerprint()
        .finish(),
    )
    expect(message.attributes.has(attribute.useCandidate)).toBe(false)
    expect(integrityMatches(message, key)).toBe(true)
  })

  it('is told apart from what a receiver need not understand', () => {
    const message = decoded(
      new MessageWriter('request', method.binding, id)
        .octets(0x7fff)
        .octets(0x8fff)
        .octets(attribute.useCandidate)
        .finish(),
    )
    expect(unknownRequiredAttributes(message)).toEqual([0x7fff])
  })
})

describe('malformed messages', () => {
  const good = new MessageWriter('request', method.binding, id)
    .text(attribute.username, 'abc')
    .fingerprint()
    .finish()
  const changed = (change: (bytes: Uint8Array) => void) => {
    const bytes = good.slice()
    change(bytes)
    return bytes
  }

  it.each([
    ['empty', new Uint8Array(0), 'not STUN'],
    ['RTP', Uint8Array.of(0x80, 0, ...new Array<number>(30).fill(0)), 'not STUN'],
    ['no magic cookie', changed((b) => b.set([0, 0, 0, 0], 4)), 'not STUN'],
    ['truncated', good.subarray(0, good.length - 4), 'length field disagrees with the datagram'],
    [
      'odd length',
      Uint8Array.of(...changed((b) => b.set([0, good.length - 19], 2)), 0),
      'length is no multiple of 4',
    ],
    ['attribute too long', changed((b) => b.set([0x7f, 0xff], 22)), 'attribute reaches beyond the message'],
    ['wrong fingerprint', changed((b) => b.set([0], good.length - 1)), 'wrong FINGERPRINT'],
    [
      'fingerprint first',
      new MessageWriter('request', 1, id).fingerprint().octets(attribute.useCandidate).finish(),
      'FINGERPRINT is not last',
    ],
  ])('%s', (_name, bytes, reason) => {
    expect(decode(bytes)).toBe(reason)
  })

  it('read as absent attributes where a value has the wrong shape', () => {
    const message = decoded(
      new MessageWriter('error', method.binding, id)
        .octets(attribute.xorMappedAddress, Uint8Array.of(0, 1, 0, 0, 1, 2, 3))
        .octets(attribute.mappedAddress, Uint8Array.of(0, 3, 0, 0, 1, 2, 3, 4))
        .octets(attribute.priority, Uint8Array.of(1))
        .octets(attribute.iceControlled, Uint8Array.of(1))
        .octets(attribute.errorCode, Uint8Array.of(0, 0, 2, 0))
        .octets(attribute.unknownAttributes, Uint8Array.of(1))
        .finish(),
    )
    expect(readMappedAddress(message)).toBeUndefined()
    expect(readUint32(message, attribute.priority)).toBeUndefined()
    expect(readUint64(message, attribute.iceControlled)).toBeUndefined()
    expect(readErrorCode(message)).toBeUndefined()
    expect(readUnknownAttributes(message)).toBeUndefined()
    expect(integrityMatches(message, key)).toBe(false)
  })

  it('cannot be written: a short transaction ID or a host name are our bugs', () => {
    expect(() => new MessageWriter('request', 1, new Uint8Array(8))).toThrow(InvariantError)
    expect(() =>
      new MessageWriter('request', 1, id).address(1, { address: 'host.example', port: 1 }),
    ).toThrow(InvariantError)
  })
})

describe('the Binding responder', () => {
  const source = { address: '2001:db8::7', port: 4_711 }

  it('says where the request came from, with a fingerprint to those who sent one', () => {
    const plain = decoded(answerBinding(new MessageWriter('request', 1, id).finish(), source)!)
    expect(readXorAddress(plain, attribute.xorMappedAddress)).toEqual(source)
    expect(plain.transactionId).toEqual(id)
    expect(plain.attributes.has(attribute.fingerprint)).toBe(false)
    const sealed = decoded(answerBinding(new MessageWriter('request', 1, id).fingerprint().finish(), source)!)
    expect(sealed.attributes.has(attribute.fingerprint)).toBe(true)
  })

  it('answers 420 to attributes that it must understand and does not', () => {
    const response = decoded(
      answerBinding(new MessageWriter('request', 1, id).octets(0x0003).finish(), source)!,
    )
    expect(readErrorCode(response)?.code).toBe(420)
    expect(readUnknownAttributes(response)).toEqual([3])
  })

  it('keeps silent on everything else', () => {
    for (const bytes of [
      new MessageWriter('indication', 1, id).finish(),
      new MessageWriter('success', 1, id).finish(),
      new MessageWriter('request', 3, id).finish(),
      Uint8Array.of(1, 2, 3),
    ]) {
      expect(answerBinding(bytes, source)).toBeUndefined()
    }
  })
})

describe('parts', () => {
  it('CRC-32 of "123456789" is the check value of ITU-T V.42', () => {
    expect(crc32(new TextEncoder().encode('123456789'), 9)).toBe(0xcbf43926)
  })

  it('addresses print as RFC 5952 says', () => {
    for (const [text, canonical] of [
      ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['::', '::'],
      ['::1', '::1'],
      ['fe80::', 'fe80::'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
      ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
      ['192.0.2.1', '192.0.2.1'],
    ]) {
      expect(canonicalIp(text!), text).toBe(canonical)
    }
  })

  it('texts that are no addresses are refused', () => {
    for (const text of [
      '',
      'host',
      'x.local',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '01.2.3.4',
      '1.2.3.-4',
      ':',
      ':::',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4:5:6:7::8',
      '12345::',
      'g::',
      '::1.2.3',
      '1.2.3.4::',
      'fe80::1%eth0',
      '::1:',
    ]) {
      expect(canonicalIp(text), text).toBeUndefined()
    }
  })

  it('every address survives its text', () => {
    fc.assert(fc.property(ipAddress, (text) => formatIp(parseIp(text)!) === text))
  })
})
