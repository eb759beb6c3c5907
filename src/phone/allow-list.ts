// Who may call, as people write it: "sip:alice@example.com", "example.com", "192.0.2.0/24", "server", "authenticated". A name is
// what the caller says of itself (From), and what our server asserts where it does (RFC 3325); an address or a password is proof.
import { UsageError } from '../errors.ts'
import type { SipRequest } from '../sip/message.ts'
import { decodedUser, parseUri, type SipUri, sipUri } from '../sip/uri.ts'
import { parseIp } from '../stun/ip-address.ts'

export interface AllowList {
  /** Calls from the registrar or outbound proxy. */
  readonly server: boolean
  /** Calls that bring one of the passwords. */
  readonly authenticated: boolean
  readonly networks: readonly Network[]
  /** Domains, in lower case. */
  readonly domains: readonly string[]
  readonly uris: readonly SipUri[]
}

interface Network {
  readonly octets: Uint8Array
  readonly prefixBits: number
}

/** Throws UsageError for an entry that is none of these. */
export function parseAllowList(entries: readonly string[]): AllowList {
  const networks: Network[] = []
  const domains: string[] = []
  const uris: SipUri[] = []
  for (const entry of entries) {
    if (entry === 'server' || entry === 'authenticated') continue
    const network = parseNetwork(entry)
    const uri = parseUri(/^sips?:/i.test(entry) ? entry : `sip:${entry}`)
    if (network) networks.push(network)
    else if (uri?.kind !== 'sip' || entry.includes('/'))
      throw new UsageError(
        `"${entry}" is nobody who could be allowed: write sip:alice@example.com, example.com, 192.0.2.0/24, server or authenticated`,
      )
    else if (uri.user === undefined) domains.push(uri.host)
    else uris.push(uri)
  }
  return {
    server: entries.includes('server'),
    authenticated: entries.includes('authenticated'),
    networks,
    domains,
    uris,
  }
}

/** @param trusted the request comes from our server, whose P-Asserted-Identity counts more than From */
export function isAllowed(list: AllowList, request: SipRequest, source: string, trusted: boolean): boolean {
  if (list.server && trusted) return true
  if (list.networks.length > 0) {
    const octets = parseIp(source)
    if (octets && list.networks.some((network) => contains(network, octets))) return true
  }
  const asserted = trusted ? request.nameAddrs('P-Asserted-Identity') : []
  const identities = asserted.length > 0 ? asserted : [request.from]
  return identities.some(({ uriText }) => {
    const uri = sipUri(uriText)
    return uri !== undefined && (list.domains.includes(uri.host) || list.uris.some((one) => isSame(one, uri)))
  })
}

/** As far as it tells a person: the user part counts case (RFC 3261 19.1.4), parameters and the scheme do not matter. */
const isSame = (a: SipUri, b: SipUri): boolean => a.host === b.host && decodedUser(a) === decodedUser(b)

/** "192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "[2001:db8::1]"; undefined where it is no address. */
function parseNetwork(text: string): Network | undefined {
  const [address = '', prefix, ...more] = text.split('/')
  const octets = parseIp(address.replace(/^\[(.*)\]$/, '$1'))
  if (!octets || more.length > 0) return undefined
  const prefixBits = prefix === undefined ? octets.length * 8 : Number(prefix)
  if (prefix !== undefined && (!/^\d+$/.test(prefix) || prefixBits > octets.length * 8)) return undefined
  return { octets, prefixBits }
}

function contains({ octets, prefixBits }: Network, other: Uint8Array): boolean {
  if (other.length !== octets.length) return false
  const whole = prefixBits >> 3
  for (let i = 0; i < whole; i++) if (octets[i] !== other[i]) return false
  const rest = prefixBits & 7
  return rest === 0 || ((octets[whole]! ^ other[whole]!) & (0xff << (8 - rest)) & 0xff) === 0
}
