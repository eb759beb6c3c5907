import { expect, test } from 'vitest'
import { dialable } from '../../../src/phone/call-transfers.ts'
import { completeTarget } from '../../../src/phone/target.ts'
import type { IncomingRefer } from '../../../src/sip/session.ts'

test.each([
  ['sip:bob@pbx.example', undefined, 'sip:bob@pbx.example'],
  ['sips:bob@pbx.example', 'sip:alice@pbx.example', 'sips:bob@pbx.example'],
  ['bob@pbx.example', undefined, 'sip:bob@pbx.example'],
  ['192.0.2.1:5080', 'sip:alice@pbx.example', 'sip:192.0.2.1:5080'],
  ['bob', undefined, 'sip:bob'],
  ['bob', 'sip:alice@pbx.example:5080;x=y', 'sip:bob@pbx.example:5080'],
  // What is called from an account of sips: is sips: as well.
  ['bob', 'sips:alice@pbx.example', 'sips:bob@pbx.example'],
  // RFC 3261 19.1.6, the example of RFC 3966.
  ['tel:+1-201-555-0123', 'sip:alice@pbx.example', 'sip:+12015550123@pbx.example;user=phone'],
  [
    'tel:7042;phone-context=example.com',
    'sip:alice@pbx.example',
    'sip:7042;phone-context=example.com@pbx.example;user=phone',
  ],
  ['tel:+1-201-555-0123', undefined, 'tel:+1-201-555-0123'],
  ['mailto:bob@pbx.example', 'sip:alice@pbx.example', 'mailto:bob@pbx.example'],
])('%s dialled by %s', (target, aor, uri) => {
  expect(completeTarget(target, aor)).toBe(uri)
})

test('a number that a REFER names is dialled by an account, and refused without one', () => {
  const refused: (number | undefined)[] = []
  const refer = (target: string): IncomingRefer => ({
    target,
    accept: () => ({ tell: () => {} }),
    reject: (status) => refused.push(status),
  })
  const by = (aor: string | undefined) => (target: string) => completeTarget(target, aor)
  const withAccount = by('sip:alice@pbx.example')
  expect(dialable(refer('tel:+1-555'), withAccount)?.target).toBe('sip:+1555@pbx.example;user=phone')
  expect(dialable(refer('sip:bob@pbx.example'), withAccount)?.target).toBe('sip:bob@pbx.example')
  expect(refused).toEqual([])
  for (const complete of [by(undefined), withAccount])
    expect(dialable(refer('tel:x'), complete)).toBeUndefined()
  expect(refused).toEqual([416, 416])
})
