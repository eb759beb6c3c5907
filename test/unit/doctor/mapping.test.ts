// What sightings of one socket say about the NAT (RFC 5780 4.3), with two servers that know nothing of each other, too.
import { describe, expect, test } from 'vitest'
import { mappingOf, type Sighting } from '../../../src/doctor/nat-behaviour.ts'

const local = { address: '192.168.1.2', port: 5000 }
const seen = (address: string, port: number, as: number, outside = '203.0.113.1'): Sighting => ({
  by: { address, port },
  as: { address: outside, port: as },
})

describe('mapping', () => {
  test.each<[string, Sighting[]]>([
    ['unknown', []],
    ['unknown', [seen('y1', 1, 7)]],
    ['unknown', [seen('y1', 1, 7), seen('y1', 2, 7)]],
    ['endpoint-independent', [seen('y1', 1, 7), seen('y2', 1, 7)]],
    ['endpoint-independent', [seen('y1', 1, 7), seen('y2', 1, 7), seen('y2', 2, 7)]],
    ['address-dependent', [seen('y1', 1, 7), seen('y2', 1, 8), seen('y2', 2, 8)]],
    ['address-and-port-dependent', [seen('y1', 1, 7), seen('y2', 1, 8), seen('y2', 2, 9)]],
    ['address-and-port-dependent', [seen('y1', 1, 7), seen('y1', 2, 8)]],
    ['address-dependent or stricter', [seen('y1', 1, 7), seen('y2', 1, 8)]],
    // One port and two outside addresses: no peer can be told where we are.
    ['address-dependent or stricter', [seen('y1', 1, 7), seen('y2', 1, 7, '203.0.113.2')]],
  ])('%s', (mapping, sightings) => {
    expect(mappingOf(local, sightings)).toBe(mapping)
  })

  test('none where the servers see the socket itself', () => {
    const own = { by: { address: 'y1', port: 1 }, as: local }
    expect(mappingOf(local, [own])).toBe('none')
    expect(mappingOf(local, [own, seen('y2', 1, 7)])).toBe('address-dependent or stricter')
  })
})
