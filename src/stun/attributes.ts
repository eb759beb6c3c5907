// How the value of each attribute is read from a decoded message (RFC 8489 14). Readers return undefined where the
// attribute is absent or malformed.
import type { TransportAddress } from '../runtime/address.ts'
import { formatIp } from './ip-address.ts'
import { headerLengthBytes, type StunMessage } from './message.ts'
import { attribute, turnAttribute } from './numbers.ts'

const understood = new Set<number>(Object.values(attribute))
const understoodInTurn = new Set<number>([...understood, ...Object.values(turnAttribute)])

/** Comprehension-required attributes of the message that floe does not know: a request with any is answered 420. */
export const unknownRequiredAttributes = (message: StunMessage): number[] =>
  [...message.attributes.keys()].filter((type) => type < 0x8000 && !understood.has(type))

/** The same where the message is one of TURN. */
export const unknownRequiredTurnAttributes = (message: StunMessage): number[] =>
  [...message.attributes.keys()].filter((type) => type < 0x8000 && !understoodInTurn.has(type))

const utf8 = new TextDecoder()

/** USERNAME, REALM, NONCE, SOFTWARE, ALTERNATE-DOMAIN. */
export function readText(message: StunMessage, type: number): string | undefined {
  const value = message.attributes.get(type)
  return value && utf8.decode(value)
}

/** PRIORITY. */
export function readUint32(message: StunMessage, type: number): number | undefined {
  const value = message.attributes.get(type)
  return value?.length === 4 ? viewOf(value).getUint32(0) : undefined
}

/** The tie-breaker of ICE-CONTROLLING and ICE-CONTROLLED. */
export function readUint64(message: StunMessage, type: number): bigint | undefined {
  const value = message.attributes.get(type)
  return value?.length === 8 ? viewOf(value).getBigUint64(0) : undefined
}

/** MAPPED-ADDRESS, ALTERNATE-SERVER (RFC 8489 14.1). */
export function readAddress(message: StunMessage, type: number): TransportAddress | undefined {
  const value = message.attributes.get(type)
  const length = value && addressLength(value)
  if (!length) return undefined
  return { address: formatIp(value.subarray(4, 4 + length)), port: viewOf(value).getUint16(2) }
}

/** XOR-MAPPED-ADDRESS and its kin (RFC 8489 14.2). */
export function readXorAddress(message: StunMessage, type: number): TransportAddress | undefined {
  return unmask(message, message.attributes.get(type))
}

/** All of one type that integrity covers, in order: an allocation of two families has two XOR-RELAYED-ADDRESS (RFC 8656 7.3). */
export function readXorAddresses(message: StunMessage, type: number): TransportAddress[] {
  const { bytes } = message
  const view = viewOf(bytes)
  const end = message.integrityOffset ?? message.integritySha256Offset ?? bytes.length
  const found: TransportAddress[] = []
  for (let at = headerLengthBytes; at < end; ) {
    const length = view.getUint16(at + 2)
    const address =
      view.getUint16(at) === type ? unmask(message, bytes.subarray(at + 4, at + 4 + length)) : undefined
    if (address) found.push(address)
    at += 4 + ((length + 3) & ~3)
  }
  return found
}

function unmask(message: StunMessage, value: Uint8Array | undefined): TransportAddress | undefined {
  const length = value && addressLength(value)
  if (!length) return undefined
  const octets = new Uint8Array(length)
  // The mask is the magic cookie followed by the transaction ID: octets 4 to 20 of the message.
  for (let i = 0; i < length; i++) octets[i] = value[4 + i]! ^ message.bytes[4 + i]!
  return { address: formatIp(octets), port: viewOf(value).getUint16(2) ^ viewOf(message.bytes).getUint16(4) }
}

/** Where a Binding response says that the request came from: XOR-MAPPED-ADDRESS, else the MAPPED-ADDRESS of old servers. */
export const readMappedAddress = (message: StunMessage): TransportAddress | undefined =>
  readXorAddress(message, attribute.xorMappedAddress) ?? readAddress(message, attribute.mappedAddress)

/** ERROR-CODE (RFC 8489 14.8). */
export function readErrorCode(message: StunMessage): { code: number; reason: string } | undefined {
  const value = message.attributes.get(attribute.errorCode)
  if (!value || value.length < 4) return undefined
  const code = (value[2]! & 0x07) * 100 + value[3]!
  return code >= 300 && code <= 699 ? { code, reason: utf8.decode(value.subarray(4)) } : undefined
}

/** UNKNOWN-ATTRIBUTES (RFC 8489 14.9). */
export function readUnknownAttributes(message: StunMessage): number[] | undefined {
  const value = message.attributes.get(attribute.unknownAttributes)
  if (!value || value.length % 2 !== 0) return undefined
  return Array.from({ length: value.length / 2 }, (_, i) => viewOf(value).getUint16(2 * i))
}

const viewOf = (value: Uint8Array) => new DataView(value.buffer, value.byteOffset, value.byteLength)

/** 4 or 16 where family and length of an address attribute agree, else 0. */
function addressLength(value: Uint8Array): 0 | 4 | 16 {
  if (value[1] === 0x01 && value.length === 8) return 4
  if (value[1] === 0x02 && value.length === 20) return 16
  return 0
}
