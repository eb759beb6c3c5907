// What is left of the candidates when the description must be small.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { withinBudget } from '../../../src/sdp/candidate-budget.ts'
import { lineLengthBytes } from '../../../src/sdp/candidate-line.ts'
import type { CandidateAttribute } from '../../../src/sdp/description.ts'
import { createOffer } from '../../../src/sdp/negotiation.ts'
import { ice, local } from './audio.ts'

const candidate = (over: Partial<CandidateAttribute>): CandidateAttribute => ({
  foundation: '1',
  component: 1,
  transport: 'udp',
  priority: 100,
  address: '192.0.2.1',
  port: 40000,
  type: 'host',
  ...over,
})
/** Both components of an address. */
const both = (over: Partial<CandidateAttribute>): CandidateAttribute[] => [
  candidate(over),
  candidate({ ...over, component: 2, port: 40001, priority: (over.priority ?? 100) - 1 }),
]
const sizeOf = (list: readonly CandidateAttribute[]) =>
  list.reduce((sum, one) => sum + lineLengthBytes(one), 0)

test('the size of a line is what it takes in the text', () => {
  const withNone = createOffer(local({ ice: ice({ candidates: [] }) })).text
  const list = both({ related: { address: '10.0.0.1', port: 9 }, type: 'srflx' })
  expect(createOffer(local({ ice: ice({ candidates: list }) })).text.length - withNone.length).toBe(
    sizeOf(list),
  )
})

test('everything where there is room, in the old order', () => {
  const list = [...both({ priority: 1 }), ...both({ address: '2001:db8::1', foundation: '2', priority: 9 })]
  expect(withinBudget(list, 10_000)).toEqual(list)
})

test('the best of each type and family before the second best, UDP before TCP', () => {
  const bridges = Array.from({ length: 8 }, (_, i) =>
    candidate({ foundation: `b${i}`, address: `172.17.${i}.1`, priority: 90 - i }),
  )
  const best = [
    candidate({ priority: 100 }),
    candidate({ foundation: '2', address: '2001:db8::1', priority: 99 }),
    candidate({ foundation: '3', type: 'srflx', address: '203.0.113.1', priority: 50 }),
    candidate({ foundation: '4', type: 'relay', address: '203.0.113.9', priority: 1 }),
  ]
  const tcp = candidate({ foundation: '5', transport: 'tcp', tcpType: 'active', port: 9, priority: 95 })
  const list = [...bridges, tcp, ...best]
  expect(withinBudget(list, sizeOf(best))).toEqual(best)
  expect(withinBudget(list, sizeOf([...best, bridges[0]!]))).toEqual([bridges[0], ...best])
  expect(withinBudget(list, sizeOf(list) - 1)).not.toContain(tcp)
})

test('components are kept or left out together', () => {
  const list = [
    ...both({}),
    ...both({ foundation: '2', address: '203.0.113.1', type: 'srflx', priority: 50 }),
  ]
  expect(withinBudget(list, sizeOf(list) - 1)).toEqual(list.slice(0, 2))
  expect(withinBudget(list, sizeOf(list.slice(0, 2)) - 1)).toEqual([])
})

test('the default destination is named whatever it takes', () => {
  const list = [...both({}), ...both({ foundation: '2', address: '203.0.113.1', port: 50000, type: 'srflx' })]
  const required = { address: '203.0.113.1', port: 50000 }
  expect(withinBudget(list, 0, required)).toEqual(list.slice(2))
  expect(withinBudget(list, 0, { address: '203.0.113.1', port: 1 })).toEqual([])
})

test('names are a family of their own, and any list stays within its budget', () => {
  const some = fc.record({
    foundation: fc.constantFrom('1', '2', '3'),
    component: fc.constantFrom(1, 2),
    transport: fc.constantFrom('udp', 'tcp'),
    priority: fc.nat(1000),
    address: fc.constantFrom('192.0.2.1', '10.0.0.1', '2001:db8::1', 'x.local'),
    port: fc.constantFrom(1, 40000),
    type: fc.constantFrom('host', 'srflx', 'relay') as fc.Arbitrary<CandidateAttribute['type']>,
  })
  fc.assert(
    fc.property(fc.array(some, { maxLength: 60 }), fc.nat(2000), (list, budgetBytes) => {
      const kept = withinBudget(list, budgetBytes)
      expect(sizeOf(kept)).toBeLessThanOrEqual(budgetBytes)
      expect(list.filter((one) => kept.includes(one))).toEqual(kept)
    }),
  )
})
