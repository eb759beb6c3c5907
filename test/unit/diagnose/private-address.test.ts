import { expect, test } from 'vitest'
import { isPrivate } from '../../../src/diagnose/private-address.ts'

test.each([
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '169.254.1.1',
  '127.0.0.1',
  '::1',
  'fd00::1',
  'fe80::1',
])('%s means nothing beyond its network', (address) => expect(isPrivate(address)).toBe(true))

test.each(['8.8.8.8', '172.32.0.1', '172.15.0.1', '192.169.0.1', '100.128.0.1', '2001:db8::1', '::1234'])(
  '%s is routable',
  (address) => expect(isPrivate(address)).toBe(false),
)
