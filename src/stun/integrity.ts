// MESSAGE-INTEGRITY of received messages (RFC 8489 9, 14.5, 14.6) and the keys for it. Passwords are taken as prepared:
// OpaqueString preparation (RFC 8265) changes nothing in ICE passwords, which are ASCII.
import { createHash, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import { hmac } from './hmac.ts'
import { headerLengthBytes, type StunMessage } from './message.ts'

/** RFC 8489 9.1.1: the password itself. */
export const shortTermKey = (password: string): KeyObject => createSecretKey(password, 'utf8')

/** RFC 8489 9.2.2; `md5` is what RFC 5389 servers and those without PASSWORD-ALGORITHMS use. */
export const longTermKey = (
  username: string,
  realm: string,
  password: string,
  algorithm: 'md5' | 'sha256' = 'md5',
): KeyObject =>
  createSecretKey(createHash(algorithm).update(`${username}:${realm}:${password}`, 'utf8').digest())

/** Whether MESSAGE-INTEGRITY is there and right. */
export function integrityMatches(message: StunMessage, key: KeyObject): boolean {
  return (
    message.integrityOffset !== undefined && sealMatches(message, message.integrityOffset, 'sha1', 20, key)
  )
}

/** Whether MESSAGE-INTEGRITY-SHA256 is there and right; a truncated one is accepted from 16 octets up (RFC 8489 14.6). */
export function integritySha256Matches(message: StunMessage, key: KeyObject): boolean {
  const offset = message.integritySha256Offset
  if (offset === undefined) return false
  const length = (message.bytes[offset + 2]! << 8) | message.bytes[offset + 3]!
  return (
    length >= 16 && length <= 32 && length % 4 === 0 && sealMatches(message, offset, 'sha256', length, key)
  )
}

function sealMatches(
  message: StunMessage,
  offset: number,
  algorithm: 'sha1' | 'sha256',
  lengthBytes: number,
  key: KeyObject,
): boolean {
  const { bytes } = message
  if (((bytes[offset + 2]! << 8) | bytes[offset + 3]!) !== lengthBytes) return false
  const received = bytes.subarray(offset + 4, offset + 4 + lengthBytes)
  // The length field counts as if this attribute were the last (RFC 8489 14.5).
  const header = bytes.slice(0, headerLengthBytes)
  const length = offset + 4 + lengthBytes - headerLengthBytes
  header[2] = length >> 8
  header[3] = length & 0xff
  const expected = hmac(algorithm, key, header, bytes.subarray(headerLengthBytes, offset))
  return timingSafeEqual(expected.subarray(0, lengthBytes), received)
}
