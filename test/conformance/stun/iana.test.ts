// Our numbers beside IANA's registry "Session Traversal Utilities for NAT (STUN) Parameters", and requests that browsers sent.
import { describe, expect, it } from 'vitest'
import { turnAttribute as relayAttribute, turnErrorCode, turnMethod } from '../../../src/sim/turn-numbers.ts'
import { decode } from '../../../src/stun/message.ts'
import {
  attribute,
  discoveryAttribute,
  errorCode,
  method,
  passwordAlgorithm,
  turnAttribute,
} from '../../../src/stun/numbers.ts'
import { firstChannel, lastChannel } from '../../../src/turn/channel-data.ts'

const registeredAttributes: Record<string, number> = {
  'MAPPED-ADDRESS': 0x0001,
  USERNAME: 0x0006,
  'MESSAGE-INTEGRITY': 0x0008,
  'ERROR-CODE': 0x0009,
  'UNKNOWN-ATTRIBUTES': 0x000a,
  REALM: 0x0014,
  NONCE: 0x0015,
  'MESSAGE-INTEGRITY-SHA256': 0x001c,
  'PASSWORD-ALGORITHM': 0x001d,
  USERHASH: 0x001e,
  'XOR-MAPPED-ADDRESS': 0x0020,
  PRIORITY: 0x0024,
  'USE-CANDIDATE': 0x0025,
  'PASSWORD-ALGORITHMS': 0x8002,
  'ALTERNATE-DOMAIN': 0x8003,
  SOFTWARE: 0x8022,
  'ALTERNATE-SERVER': 0x8023,
  FINGERPRINT: 0x8028,
  'ICE-CONTROLLED': 0x8029,
  'ICE-CONTROLLING': 0x802a,
}
/** "STUN Attributes" of TURN: RFC 8656 18.5, RFC 8016 left out. */
const registeredTurnAttributes: Record<string, number> = {
  'CHANNEL-NUMBER': 0x000c,
  LIFETIME: 0x000d,
  'XOR-PEER-ADDRESS': 0x0012,
  DATA: 0x0013,
  'XOR-RELAYED-ADDRESS': 0x0016,
  'REQUESTED-ADDRESS-FAMILY': 0x0017,
  'EVEN-PORT': 0x0018,
  'REQUESTED-TRANSPORT': 0x0019,
  'DONT-FRAGMENT': 0x001a,
  'RESERVATION-TOKEN': 0x0022,
  'ADDITIONAL-ADDRESS-FAMILY': 0x8000,
  'ADDRESS-ERROR-CODE': 0x8001,
  ICMP: 0x8004,
}
/** RFC 5780 9.1. */
const registeredDiscoveryAttributes: Record<string, number> = {
  'CHANGE-REQUEST': 0x0003,
  PADDING: 0x0026,
  'RESPONSE-PORT': 0x0027,
  'RESPONSE-ORIGIN': 0x802b,
  'OTHER-ADDRESS': 0x802c,
}
/** "STUN Methods": RFC 8489 18.2, RFC 8656 18.4. */
const registeredMethods: Record<string, number> = {
  binding: 0x001,
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  'create-permission': 0x008,
  'channel-bind': 0x009,
}
const registeredErrors: Record<string, number> = {
  'try-alternate': 300,
  'bad-request': 400,
  unauthenticated: 401,
  forbidden: 403,
  'unknown-attribute': 420,
  'allocation-mismatch': 437,
  'stale-nonce': 438,
  'address-family-not-supported': 440,
  'wrong-credentials': 441,
  'unsupported-transport-protocol': 442,
  'peer-address-family-mismatch': 443,
  'allocation-quota-reached': 486,
  'role-conflict': 487,
  'server-error': 500,
  'insufficient-capacity': 508,
}
const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

const upper = (numbers: Record<string, number>) =>
  Object.fromEntries(Object.entries(numbers).map(([name, value]) => [kebab(name).toUpperCase(), value]))
const lower = (numbers: Record<string, number>) =>
  Object.fromEntries(Object.entries(numbers).map(([name, value]) => [kebab(name), value]))

describe('IANA numbers', () => {
  it('of attributes of STUN and ICE', () => {
    expect(upper(attribute)).toEqual(registeredAttributes)
  })

  it('of attributes of TURN, as the client and as the relay have them', () => {
    expect(upper(turnAttribute)).toEqual(registeredTurnAttributes)
    expect(registeredTurnAttributes).toMatchObject(upper(relayAttribute))
  })

  it('of attributes of NAT behaviour discovery', () => {
    expect(upper(discoveryAttribute)).toEqual(registeredDiscoveryAttributes)
  })

  it('of methods', () => {
    expect(lower(method)).toEqual(registeredMethods)
    expect(registeredMethods).toMatchObject(lower(turnMethod))
  })

  it('of errors', () => {
    expect(lower(errorCode)).toEqual(registeredErrors)
    expect(Object.values(registeredErrors)).toEqual(expect.arrayContaining(Object.values(turnErrorCode)))
  })

  it('of password algorithms (RFC 8489 18.5) and channels (RFC 8656 12)', () => {
    expect(passwordAlgorithm).toEqual({ md5: 1, sha256: 2 })
    expect([firstChannel, lastChannel]).toEqual([0x4000, 0x4fff])
  })
})

describe('requests that browsers sent', () => {
  it.each([
    ['Chrome 55, Android', 'AAEAACESpEJaU3lNekUycUIveEc='],
    ['Firefox 50, Android', 'AAEACCESpEL/qLJHuDKc5PsGghOAKAAEqgN+GQ=='],
    ['Firefox 51, Ubuntu', 'AAEACCESpEL8J+y5nwi+zNxNyuGAKAAEriExcw=='],
    ['Chrome 55, Linux, with ORIGIN', 'AAEAGCESpEJraER2VEl6aWJ1ZGiALwARaHR0cHM6Ly9jeWRldi5ydS8AAAA='],
  ])('%s', (_name, base64) => {
    expect(decode(Buffer.from(base64, 'base64'))).toMatchObject({ class: 'request', method: 1 })
  })
})
