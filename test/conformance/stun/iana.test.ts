// Our numbers beside IANA's registry "Session Traversal Utilities for NAT (STUN) Parameters", and requests that browsers sent.
import { describe, expect, it } from 'vitest'
import { decode } from '../../../src/stun/message.ts'
import { attribute, errorCode, method } from '../../../src/stun/numbers.ts'

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

describe('IANA numbers', () => {
  it('of attributes', () => {
    const ours = Object.fromEntries(
      Object.entries(attribute).map(([name, value]) => [kebab(name).toUpperCase(), value]),
    )
    for (const [name, value] of Object.entries(ours)) {
      expect(registeredAttributes[name], name).toBe(value)
    }
  })

  it('of errors and methods', () => {
    for (const [name, value] of Object.entries(errorCode))
      expect(registeredErrors[kebab(name)], name).toBe(value)
    expect(method.binding).toBe(1)
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
