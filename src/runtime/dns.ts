// Names, as Node has them: addresses through the system (hosts file, mDNS, whatever the system is set up with), SRV and NAPTR
// through the name servers it is set up with (c-ares); or everything through servers that the user names.
// Left out: lifetimes of SRV and NAPTR, which Node does not tell, and DNSSEC, which it does not check.
import { lookup, Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { NetworkError } from '../errors.ts'
import { formatAddress, plainAddress, type TransportAddress } from './address.ts'
import type { AddressRecord, Millis, Network } from './runtime.ts'

type Names = Pick<Network, 'resolve' | 'resolveAddresses' | 'resolveSrv' | 'resolveNaptr'>

/** A person waits: a server is asked once more after this long, then the next one. */
const QUERY_TIMEOUT_MS: Millis = 1_000
const QUERY_TRIES = 2

/** Names that no name server knows: RFC 6761 6.3, RFC 6762 3, and what stands in a hosts file. */
const isLocalName = (name: string): boolean => !name.includes('.') || /\.(local|localhost)\.?$/i.test(name)

const sentences: Record<string, string> = {
  ENOTFOUND: 'check the name, no name server knows it',
  ENODATA: 'check the name, it has no address',
  ESERVFAIL: 'the name server failed: check it, or name another',
  EREFUSED: 'the name server refused to tell: name another',
  ETIMEOUT: 'the name server did not answer: check it, or name another',
  ECONNREFUSED: 'there is no name server: check its address',
  EAI_AGAIN: 'the name server did not answer: check the network',
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unknown error'

const unresolved = (name: string, error: unknown): NetworkError => {
  const code = codeOf(error)
  const advice = sentences[code] ?? 'check the name or the DNS server'
  return new NetworkError(`could not resolve ${name} (${code}): ${advice}`, name, { cause: error })
}

/** Nothing of that kind, where the server says so. */
async function orNone<T>(name: string, answer: Promise<T[]>): Promise<T[]> {
  try {
    return await answer
  } catch (error) {
    if (['ENOTFOUND', 'ENODATA'].includes(codeOf(error))) return []
    throw unresolved(name, error)
  }
}

/** @param servers absent: the system's */
export function nodeNames(servers?: readonly TransportAddress[]): Names {
  /** One for each question: it reads anew which servers the system has now, and asks from another port. */
  const resolver = (): Resolver => {
    const fresh = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES })
    if (servers) fresh.setServers(servers.map(formatAddress))
    return fresh
  }

  const systemAddresses = async (host: string): Promise<AddressRecord[]> => {
    try {
      const found = await lookup(host, { all: true })
      return [...new Set(found.map((entry) => plainAddress(entry.address)))].map((address) => ({ address }))
    } catch (error) {
      throw unresolved(host, error)
    }
  }

  const askedAddresses = async (host: string): Promise<AddressRecord[]> => {
    const [six, four] = await Promise.allSettled([
      orNone(host, resolver().resolve6(host, { ttl: true })),
      orNone(host, resolver().resolve4(host, { ttl: true })),
    ])
    const found = [six, four].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (found.length > 0)
      return found.map(({ address, ttl }) => ({ address: plainAddress(address), ttlSeconds: ttl }))
    for (const answer of [four, six]) if (answer.status === 'rejected') throw answer.reason
    throw unresolved(host, Object.assign(new Error(host), { code: 'ENOTFOUND' }))
  }

  const resolveAddresses = async (host: string): Promise<AddressRecord[]> => {
    const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
    if (isIP(bare)) return [{ address: plainAddress(bare) }]
    return servers && !isLocalName(bare) ? askedAddresses(bare) : systemAddresses(bare)
  }

  return {
    resolveAddresses,
    resolve: async (host) => (await resolveAddresses(host)).map(({ address }) => address),
    resolveSrv: async (name) => {
      const records = await orNone(name, resolver().resolveSrv(name))
      return records.map(({ priority, weight, port, name: target }) => ({ priority, weight, port, target }))
    },
    resolveNaptr: (name) => orNone(name, resolver().resolveNaptr(name)),
  }
}
