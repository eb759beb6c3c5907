// Where a request for a SIP URI goes (RFC 3263 4): transport, port and address. Today: the transport parameter, the port or
// 5060, and A/AAAA through the system. NAPTR and SRV fit in here, between URI and host, without anyone noticing.
import { NetworkError } from '../errors.ts'
import { addressFamily } from '../runtime/address.ts'
import type { Millis, Network } from '../runtime/runtime.ts'
import type { Hop, Protocol } from './flow.ts'
import { isIpLiteral } from './grammar.ts'
import type { SipUri } from './uri.ts'
import { defaultPort } from './via.ts'

/** The system's lookup does not tell a record's lifetime; this is short enough to follow a change. */
const nameLifetimeMs = 30_000
const maximumNames = 1_024

export class DestinationResolver {
  private readonly names = new Map<string, { addresses: string[]; until: Millis }>()

  /** @param reaches whether there is a listening point from which that protocol and family can be sent */
  constructor(
    private readonly network: Network,
    private readonly now: () => Millis,
    private readonly reaches: (protocol: Protocol, family: 4 | 6) => boolean,
  ) {}

  /** Throws, or rejects with, NetworkError. A promise only where a name must be looked up. */
  resolveUri(uri: SipUri): Hop | Promise<Hop> {
    if (uri.scheme === 'sips') throw new NetworkError(`sips:${uri.host} needs TLS: use a sip: URI`, uri.host)
    const transport = (uri.params.get('transport') ?? this.defaultProtocol()).toLowerCase()
    if (transport !== 'udp' && transport !== 'tcp')
      throw new NetworkError(`cannot reach ${uri.host} over ${transport}: use udp or tcp`, uri.host)
    return this.resolveHost(transport, uri.params.get('maddr') ?? uri.host, uri.port ?? defaultPort)
  }

  /** RFC 3263 4.1 without NAPTR and SRV: UDP, where there is a UDP listening point at all. */
  private defaultProtocol(): Protocol {
    return this.reaches('udp', 4) || this.reaches('udp', 6) ? 'udp' : 'tcp'
  }

  resolveHost(protocol: Protocol, host: string, port: number): Hop | Promise<Hop> {
    if (isIpLiteral(host)) return { protocol, address: host, port }
    const known = this.names.get(host)
    if (known && known.until > this.now()) return this.choose(protocol, host, port, known.addresses)
    return this.network.resolve(host).then((addresses) => {
      if (this.names.size >= maximumNames) this.names.delete(this.names.keys().next().value!)
      this.names.set(host, { addresses, until: this.now() + nameLifetimeMs })
      return this.choose(protocol, host, port, addresses)
    })
  }

  private choose(protocol: Protocol, host: string, port: number, addresses: string[]): Hop {
    const fitting = addresses.find((candidate) => this.reaches(protocol, addressFamily(candidate)))
    // A connection can be tried without a listening point of its family.
    const address = fitting ?? (protocol === 'tcp' ? addresses[0] : undefined)
    if (address === undefined)
      throw new NetworkError(
        `${host} has no address that the ${protocol.toUpperCase()} listening points can reach: listen on the other IP version too`,
        host,
      )
    return { protocol, address, port }
  }
}
