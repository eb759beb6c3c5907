// Address literals: what is one, and the one spelling that each has.
import { expect, test } from 'vitest'
import { canonicalAddress, isHostName } from '../../../src/sdp/addresses.ts'

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['255.255.255.255', '255.255.255.255'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['::', '::'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::ffff:c000:201', '192.0.2.1'],
  ['fe80::1', 'fe80::1'],
])('%s is %s', (text, canonical) => {
  expect(canonicalAddress(text)).toBe(canonical)
})

test.each([
  '',
  '1.2.3',
  '1.2.3.4.5',
  '256.1.1.1',
  '01.2.3.4',
  '1.2.3.4.',
  ':',
  ':::',
  '1::2::3',
  'fe80::1%eth0',
  '[::1]',
  'g::1',
  'x',
])('"%s" is no address', (text) => {
  expect(canonicalAddress(text)).toBeUndefined()
})

test('names are told from addresses', () => {
  expect(['pbx.example.com', 'a-b.local', 'x', 'x.'].map(isHostName)).toEqual([true, true, true, true])
  expect(['', '1.2.3.4', '-a', 'a..b', 'a b', '::1', `${'a'.repeat(254)}`].map(isHostName)).toEqual(
    Array(7).fill(false),
  )
})
