// Whether a certificate is that of a SIP domain (RFC 5922 7.1): a "sip:domain" URI in subjectAltName decides where there is one, then
// the DNS names, and the common name only where there is neither. A name that is an IP address is looked for among the addresses.
// Deviation: "*.example.com" stands for one label (RFC 5922 7.2 forbids wildcards; providers use them all the same).
import type { CertificateNames } from '../runtime/runtime.ts'
import { isIpLiteral } from './grammar.ts'
import { sipUri } from './uri.ts'

export function certificateCovers(names: CertificateNames, domain: string): boolean {
  const wanted = plain(domain)
  if (isIpLiteral(wanted)) return names.addresses.includes(wanted) || uriDomains(names).includes(wanted)
  const domains = uriDomains(names)
  if (domains.length > 0) return domains.includes(wanted)
  if (names.dnsNames.length > 0) return names.dnsNames.some((name) => matches(plain(name), wanted))
  return names.commonName !== undefined && matches(plain(names.commonName), wanted)
}

/** A URI with a user part is that of a user and not of a domain. */
function uriDomains({ uris }: CertificateNames): string[] {
  return uris.flatMap((text) => {
    const uri = sipUri(text)
    return uri?.scheme === 'sip' && uri.user === undefined ? [plain(uri.host)] : []
  })
}

const plain = (name: string): string => name.toLowerCase().replace(/\.$/, '')

function matches(pattern: string, name: string): boolean {
  if (!pattern.startsWith('*.')) return pattern === name
  const dot = name.indexOf('.')
  // Not "*.com": a whole registry is nobody's.
  return dot > 0 && name.slice(dot) === pattern.slice(1) && pattern.split('.').length > 2
}
