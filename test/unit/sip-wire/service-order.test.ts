// RFC 2782's rules on its own words, and NAPTR's order.
import { expect, test } from 'vitest'
import { drawnFrom, orderSrv, servicesOf } from '../../../src/sip/service-order.ts'

const srv = (priority: number, weight: number, target: string) => ({ priority, weight, port: 5060, target })
/** The records of RFC 2782's example zone for _foobar._tcp. */
const example = [
  srv(0, 1, 'old-slow-box.example.com.'),
  srv(0, 3, 'new-fast-box.example.com.'),
  srv(1, 0, 'sysadmins-box.example.com.'),
  srv(1, 0, 'server.example.com.'),
]
const firsts = (records: typeof example, times: number): Map<string, number> => {
  const counts = new Map<string, number>()
  for (let i = 0; i < times; i++) {
    const first = orderSrv(records, drawnFrom(`call ${i}`))[0]!.target
    counts.set(first, (counts.get(first) ?? 0) + 1)
  }
  return counts
}

test('"3/4 of the queries" go to the fast box of RFC 2782, the spares come last', () => {
  const counts = firsts(example, 4_000)
  const fast = counts.get('new-fast-box.example.com.')! / 4_000
  expect(fast).toBeGreaterThan(0.72)
  expect(fast).toBeLessThan(0.78)
  expect([...counts.keys()].every((target) => target.includes('box'))).toBe(true)
  const ordered = orderSrv(example, () => 0)
  expect(ordered.map(({ priority }) => priority)).toEqual([0, 0, 1, 1])
})

test('a number at or below the running sum chooses', () => {
  const records = [srv(0, 10, 'a'), srv(0, 0, 'zero'), srv(0, 20, 'b')]
  const first = (drawn: number): string => orderSrv(records, () => drawn)[0]!.target
  expect([0, 0.01, 0.33, 0.34, 0.999].map(first)).toEqual(['zero', 'a', 'a', 'b', 'b'])
})

test('every record once, whatever is drawn; "." is no server', () => {
  const draw = drawnFrom('x')
  expect(new Set(orderSrv(example, draw)).size).toBe(4)
  expect(orderSrv([srv(0, 0, '.')], draw)).toEqual([])
})

test('NAPTR: order before preference, names of services in any case, terminal records alone', () => {
  const record = (
    order: number,
    preference: number,
    service: string,
    flags: string,
    replacement: string,
  ) => ({
    order,
    preference,
    service,
    flags,
    replacement,
  })
  const records = [
    record(50, 50, 'SIP+D2T', 's', 'c'),
    record(50, 10, 'sip+d2u', 'S', 'b'),
    record(10, 90, 'SIP+D2T', 's', 'a'),
    record(1, 1, 'SIP+D2U', 'u', 'no'),
    record(1, 1, 'E2U+sip', 's', 'no'),
  ]
  expect(servicesOf(records, () => true).map(({ owner }) => owner)).toEqual(['a', 'b', 'c'])
  expect(servicesOf(records, (protocol) => protocol === 'udp').map(({ owner }) => owner)).toEqual(['b'])
})
