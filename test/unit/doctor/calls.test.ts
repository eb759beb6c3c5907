// What findings mean for calls, and sentences taken apart into fact and fix.
import { describe, expect, test } from 'vitest'
import { type Circumstances, callsFinding, reachOf } from '../../../src/doctor/calls.ts'
import { problem, problemOf } from '../../../src/doctor/finding.ts'
import type { Filtering, Mapping } from '../../../src/doctor/nat-behaviour.ts'
import { InvariantError, NetworkError } from '../../../src/errors.ts'

describe('with whom a direct path exists (RFC 5128)', () => {
  test.each<[Mapping, Filtering, string]>([
    ['none', 'endpoint-independent', 'all'],
    ['none', 'address-and-port-dependent', 'most'],
    ['endpoint-independent', 'address-dependent', 'all'],
    ['endpoint-independent', 'address-and-port-dependent', 'most'],
    ['endpoint-independent', 'unknown', 'most'],
    ['address-dependent', 'endpoint-independent', 'few'],
    ['address-dependent or stricter', 'unknown', 'few'],
    ['address-and-port-dependent', 'address-and-port-dependent', 'few'],
    ['unknown', 'endpoint-independent', 'unknown'],
  ])('%s, %s: %s', (mapping, filtering, reach) => {
    expect(reachOf(mapping, filtering)).toBe(reach)
  })
})

describe('calls', () => {
  const healthy: Circumstances = {
    hasAddress: true,
    mediaServers: 2,
    udpAnswers: 2,
    reach: 'most',
    hasTurn: true,
    relays: ['udp', 'tls'],
  }
  const sip = { name: 'pbx.example', isKnown: true, protocol: 'udp', answers: ['udp', 'tcp'] as const }

  test.each<[string, Partial<Circumstances>, string, string | undefined]>([
    ['a relay for the rest', {}, 'ok', undefined],
    ['no relay for the rest', { relays: [] }, 'warning', undefined],
    ['none is needed', { relays: [], reach: 'all' }, 'ok', undefined],
    ['few directly', { relays: [], reach: 'few' }, 'warning', undefined],
    ['only the relay', { udpAnswers: 0, relays: ['tls'] }, 'ok', undefined],
    ['nothing', { udpAnswers: 0, relays: [] }, 'problem', 'media'],
    ['nobody asked', { mediaServers: 0, udpAnswers: 0, relays: [] }, 'unknown', undefined],
    ['no network', { hasAddress: false, sip }, 'problem', 'network'],
    ['SIP answers', { sip }, 'ok', undefined],
    ['SIP answers over TCP alone', { sip: { ...sip, answers: ['tcp'] } }, 'problem', 'signalling'],
    ['SIP over TLS', { sip: { ...sip, protocol: 'tls' } }, 'problem', 'signalling'],
    ['no such name', { sip: { ...sip, isKnown: false, answers: [] } }, 'problem', 'signalling'],
  ])('%s', (_, change, mark, prevented) => {
    const finding = callsFinding({ ...healthy, ...change })
    expect(finding.mark).toBe(mark)
    expect(finding.data?.['prevented']).toBe(prevented)
    if (mark !== 'ok') expect(finding.fix).toBeTruthy()
  })

  test('a TURN server that gave no relay is not asked for again', () => {
    const fixOf = (hasTurn: boolean) => callsFinding({ ...healthy, relays: [], hasTurn }).fix
    expect(fixOf(true)).toBe('see the lines about TURN above')
    expect(fixOf(false)).toContain('--turn')
  })
})

describe('sentences', () => {
  test('what comes after the last colon is the fix', () => {
    expect(problem('TURN/TCP', 'no connection to [::1]:3478: it refused: check the port')).toEqual({
      about: 'TURN/TCP',
      mark: 'problem',
      fact: 'no connection to [::1]:3478: it refused',
      fix: 'check the port',
    })
    expect(problem('TURN/TCP', 'given up')).toEqual({ about: 'TURN/TCP', mark: 'problem', fact: 'given up' })
  })

  test('what the network refuses is a finding, a bug of ours is none', () => {
    expect(problemOf('STUN', new NetworkError('no route: check it', 'x'))).toMatchObject({ fact: 'no route' })
    expect(() => problemOf('STUN', new InvariantError('bug'))).toThrow(InvariantError)
    expect(() => problemOf('STUN', new TypeError('bug'))).toThrow(TypeError)
  })
})
