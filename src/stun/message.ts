// STUN messages on the wire (RFC 8489 5 and 14): decoding, and a writer that builds one attribute after the other.
// Attribute values stay octets here; attributes.ts reads them. RFC 3489 messages without the magic cookie are not STUN to us.
import type { KeyObject } from 'node:crypto'
import { InvariantError } from '../errors.ts'
import type { TransportAddress } from '../runtime/address.ts'
import { crc32 } from './crc32.ts'
import { hmac } from './hmac.ts'
import { parseIp } from './ip-address.ts'
import { attribute } from './numbers.ts'

/** RFC 8489 5. */
const magicCookie = 0x2112a442
export const headerLengthBytes = 20
export const transactionIdLengthBytes = 12
/** RFC 8489 14.7: FINGERPRINT is the CRC-32 XORed with "STUN". */
const fingerprintMask = 0x5354554e

const utf8 = new TextEncoder()

/** In the order of the two class bits (RFC 8489 5). */
const classes = ['request', 'indication', 'success', 'error'] as const
export type StunClass = (typeof classes)[number]

export interface StunMessage {
  class: StunClass
  method: number
  /** 12 octets. */
  transactionId: Uint8Array
  /** Type to value, in order of appearance; the first of a type counts, and what integrity does not cover is left out (RFC 8489 14.5). */
  attributes: Map<number, Uint8Array>
  /** Where MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 start in `bytes`. */
  integrityOffset?: number
  integritySha256Offset?: number
  /** The whole message as received. */
  bytes: Uint8Array
}

/** RFC 7983: whether a datagram that shares its port with RTP, RTCP and DTLS is STUN. */
export function isStun(bytes: Uint8Array): boolean {
  return (
    bytes.length >= headerLengthBytes &&
    bytes[0]! < 4 &&
    bytes[4] === 0x21 &&
    bytes[5] === 0x12 &&
    bytes[6] === 0xa4 &&
    bytes[7] === 0x42
  )
}

/** The text under which tables hold a transaction. */
export const transactionKey = (transactionId: Uint8Array): string =>
  String.fromCharCode.apply(undefined, transactionId as unknown as number[])

/** Returns the message, or in words why it is none. Never throws. A wrong FINGERPRINT is a reason; integrity is the caller's to check. */
export function decode(bytes: Uint8Array): StunMessage | string {
  if (!isStun(bytes)) return 'not STUN'
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint16(2) !== bytes.length - headerLengthBytes)
    return 'length field disagrees with the datagram'
  if (bytes.length % 4 !== 0) return 'length is no multiple of 4'
  const type = view.getUint16(0)
  const message: StunMessage = {
    class: classes[((type >> 4) & 1) | ((type >> 7) & 2)]!,
    method: (type & 0xf) | ((type >> 1) & 0x70) | ((type >> 2) & 0xf80),
    transactionId: bytes.subarray(8, headerLengthBytes),
    attributes: new Map(),
    bytes,
  }
  for (let at = headerLengthBytes; at < bytes.length; ) {
    const attributeType = view.getUint16(at)
    const length = view.getUint16(at + 2)
    const next = at + 4 + ((length + 3) & ~3)
    if (next > bytes.length) return 'attribute reaches beyond the message'
    const value = bytes.subarray(at + 4, at + 4 + length)
    if (attributeType === attribute.fingerprint) {
      if (length !== 4 || next !== bytes.length) return 'FINGERPRINT is not last'
      if (view.getUint32(at + 4) !== (crc32(bytes, at) ^ fingerprintMask) >>> 0) return 'wrong FINGERPRINT'
    }
    if (isCovered(message, attributeType) && !message.attributes.has(attributeType)) {
      message.attributes.set(attributeType, value)
      if (attributeType === attribute.messageIntegrity) message.integrityOffset = at
      if (attributeType === attribute.messageIntegritySha256) message.integritySha256Offset = at
    }
    at = next
  }
  return message
}

/** RFC 8489 14.5, 14.6: after integrity only stronger integrity and FINGERPRINT count. */
function isCovered(message: StunMessage, type: number): boolean {
  if (type === attribute.fingerprint) return true
  if (message.integritySha256Offset !== undefined) return false
  return message.integrityOffset === undefined || type === attribute.messageIntegritySha256
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

/** Builds one message. Order is the caller's: integrity after everything it shall cover, then fingerprint. */
export class MessageWriter {
  private bytes = new Uint8Array(192)
  private view = new DataView(this.bytes.buffer)
  private length = headerLengthBytes

  constructor(messageClass: StunClass, messageMethod: number, transactionId: Uint8Array) {
    const bits = classes.indexOf(messageClass)
    const type =
      (messageMethod & 0xf) |
      ((messageMethod & 0x70) << 1) |
      ((messageMethod & 0xf80) << 2) |
      ((bits & 1) << 4) |
      ((bits & 2) << 7)
    this.view.setUint16(0, type)
    this.view.setUint32(4, magicCookie)
    if (transactionId.length !== transactionIdLengthBytes)
      throw new InvariantError('A transaction ID has 12 octets.')
    this.bytes.set(transactionId, 8)
  }

  /** An attribute with this value; without one, a flag such as USE-CANDIDATE. */
  octets(type: number, value?: Uint8Array): this {
    const length = value?.length ?? 0
    const at = this.reserve(type, length)
    if (value) this.bytes.set(value, at)
    return this
  }

  text(type: number, value: string): this {
    // What ICE writes is ASCII, and for a few characters the encoder's call costs more than the rest of the message.
    if (!isAscii(value)) return this.octets(type, utf8.encode(value))
    const at = this.reserve(type, value.length)
    for (let i = 0; i < value.length; i++) this.bytes[at + i] = value.charCodeAt(i)
    return this
  }

  uint32(type: number, value: number): this {
    this.view.setUint32(this.reserve(type, 4), value)
    return this
  }

  uint64(type: number, value: bigint): this {
    this.view.setBigUint64(this.reserve(type, 8), value)
    return this
  }

  /** MAPPED-ADDRESS, ALTERNATE-SERVER. */
  address(type: number, value: TransportAddress): this {
    const octets = parseIp(value.address)
    if (!octets) throw new InvariantError(`${value.address} is no IP address.`)
    const at = this.reserve(type, 4 + octets.length)
    this.view.setUint16(at, octets.length === 4 ? 0x01 : 0x02)
    this.view.setUint16(at + 2, value.port)
    this.bytes.set(octets, at + 4)
    return this
  }

  /** XOR-MAPPED-ADDRESS and its kin: as `address`, masked with cookie and transaction ID. */
  xorAddress(type: number, value: TransportAddress): this {
    this.address(type, value)
    const octetCount = parseIp(value.address)!.length
    const at = this.length - octetCount - 2
    for (let i = 0; i < 2; i++) this.bytes[at + i]! ^= this.bytes[4 + i]!
    for (let i = 0; i < octetCount; i++) this.bytes[at + 2 + i]! ^= this.bytes[4 + i]!
    return this
  }

  errorCode(code: number, reason = ''): this {
    const text = utf8.encode(reason)
    const at = this.reserve(attribute.errorCode, 4 + text.length)
    this.bytes[at + 2] = Math.floor(code / 100)
    this.bytes[at + 3] = code % 100
    this.bytes.set(text, at + 4)
    return this
  }

  unknownAttributes(types: readonly number[]): this {
    const at = this.reserve(attribute.unknownAttributes, 2 * types.length)
    for (const [i, type] of types.entries()) this.view.setUint16(at + 2 * i, type)
    return this
  }

  /** MESSAGE-INTEGRITY: HMAC-SHA1 over all before it, the length field counting it in (RFC 8489 14.5). */
  integrity(key: KeyObject): this {
    return this.seal(attribute.messageIntegrity, 'sha1', 20, key)
  }

  /** MESSAGE-INTEGRITY-SHA256, untruncated (RFC 8489 14.6). */
  integritySha256(key: KeyObject): this {
    return this.seal(attribute.messageIntegritySha256, 'sha256', 32, key)
  }

  fingerprint(): this {
    const at = this.reserve(attribute.fingerprint, 4)
    this.view.setUint32(at, crc32(this.bytes, at - 4) ^ fingerprintMask)
    return this
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  private seal(type: number, algorithm: 'sha1' | 'sha256', lengthBytes: number, key: KeyObject): this {
    const at = this.reserve(type, lengthBytes)
    this.bytes.set(hmac(algorithm, key, this.bytes.subarray(0, at - 4)), at)
    return this
  }

  /** Writes type and length, keeps the header's length true, and returns where the value goes; padding is zero. */
  private reserve(type: number, lengthBytes: number): number {
    const at = this.length + 4
    this.length = at + ((lengthBytes + 3) & ~3)
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(2 * this.length)
      larger.set(this.bytes)
      this.bytes = larger
      this.view = new DataView(larger.buffer)
    }
    this.view.setUint16(at - 4, type)
    this.view.setUint16(at - 2, lengthBytes)
    this.view.setUint16(2, this.length - headerLengthBytes)
    return at
  }
}
