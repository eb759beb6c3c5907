// RFC 5922 7.1: whose certificate it is.
import { describe, expect, test } from 'vitest'
import type { CertificateNames } from '../../../src/runtime/runtime.ts'
import { certificateCovers } from '../../../src/sip/domain-certificate.ts'

const names = (some: Partial<CertificateNames>): CertificateNames => ({
  uris: [],
  dnsNames: [],
  addresses: [],
  ...some,
})

describe('a certificate covers a domain', () => {
  test.each<[string, Partial<CertificateNames>, string, boolean]>([
    ['its SIP URI', { uris: ['sip:example.com'] }, 'example.com', true],
    ['in any case, with the dot of the root', { uris: ['sip:Example.COM'] }, 'example.com.', true],
    ['its DNS name', { dnsNames: ['sip.example.com'] }, 'sip.example.com', true],
    ['its common name, where there is nothing else', { commonName: 'example.com' }, 'example.com', true],
    ['its address', { addresses: ['192.0.2.1'] }, '192.0.2.1', true],
    ['its address, IPv6', { addresses: ['2001:db8::1'] }, '2001:db8::1', true],
    ['a wildcard of one label', { dnsNames: ['*.example.com'] }, 'pbx.example.com', true],
    // What RFC 5922 7.1 forbids.
    ['a DNS name beside a SIP URI', { uris: ['sip:a.example'], dnsNames: ['b.example'] }, 'b.example', false],
    ['the URI of a user', { uris: ['sip:alice@example.com'] }, 'example.com', false],
    ['a sips: URI', { uris: ['sips:example.com'] }, 'example.com', false],
    ['a URI of another kind', { uris: ['https://example.com'] }, 'example.com', false],
    [
      'a common name beside DNS names',
      { dnsNames: ['a.example'], commonName: 'b.example' },
      'b.example',
      false,
    ],
    ['a subdomain', { dnsNames: ['example.com'] }, 'sip.example.com', false],
    ['a parent', { dnsNames: ['sip.example.com'] }, 'example.com', false],
    ['a wildcard for two labels', { dnsNames: ['*.example.com'] }, 'a.b.example.com', false],
    ['a wildcard for none', { dnsNames: ['*.example.com'] }, 'example.com', false],
    ['a wildcard within a label', { dnsNames: ['p*.example.com'] }, 'pbx.example.com', false],
    ['a wildcard for a whole registry', { dnsNames: ['*.com'] }, 'example.com', false],
    ['a wildcard in a SIP URI', { uris: ['sip:*.example.com'] }, 'pbx.example.com', false],
    ['an address as a DNS name', { dnsNames: ['192.0.2.1'] }, '192.0.2.1', false],
    ['nothing', {}, 'example.com', false],
  ])('%s', (_, some, domain, covers) => {
    expect(certificateCovers(names(some), domain)).toBe(covers)
  })
})
