// Where a request for a SIP URI goes (RFC 3263 4), and a response whose request cannot be answered where it came from (5): every
// server in the order in which they are to be tried. NAPTR names transports, SRV servers, A and AAAA addresses; what a URI says
// itself is not asked. All that could be needed is asked at once, since a person waits.
// Left out: the mixture of both families by time (RFC 8305): a family that leads nowhere is passed over by fail-over.
import { NetworkError } from '../errors.ts'
import { addressFamily } from '../runtime/address.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { chain, together } from './chain.ts'
import {
  defaultPorts,
  type Hop,
  isProtocol,
  isReliable,
  isSecure,
  isUnreachableName,
  isWebSocket,
  type Protocol,
} from './flow.ts'
import { isIpLiteral } from './grammar.ts'
import { Names } from './names.ts'
import { drawnFrom, hasNoServices, orderSrv, type Service, servicesOf, srvService } from './service-order.ts'
import { type SipUri, webSocketPath } from './uri.ts'

/** More than anybody waits for. */
const maximumHops = 16

interface Place {
  protocol: Protocol
  host: string
  port: number
}

export class DestinationResolver {
  private readonly names: Names
  private readonly salt: string

  /** @param reaches whether there is a listening point from which that protocol and family can be sent */
  constructor(
    runtime: Pick<Runtime, 'clock' | 'network' | 'random'>,
    private readonly reaches: (protocol: Protocol, family: 4 | 6) => boolean,
  ) {
    this.names = new Names(runtime.network, runtime.clock)
    this.salt = Buffer.from(runtime.random.bytes(8)).toString('hex')
  }

  /** Never empty, best first. Throws, or rejects with, NetworkError. A promise only where a name must be looked up.
   *  @param callId requests of one call choose alike among servers of one priority */
  resolveUri(uri: SipUri, callId: string): Hop[] | Promise<Hop[]> {
    // The certificate is that of the domain which was asked for, wherever its server stands (RFC 5922 7.1).
    const path = webSocketPath(uri)
    const complete = (hop: Hop): Hop => ({
      ...hop,
      ...((isSecure(hop.protocol) || isWebSocket(hop.protocol)) && { serverName: uri.host }),
      ...(isWebSocket(hop.protocol) && path !== undefined && { path }),
    })
    return chain(this.resolveTarget(uri, callId), (hops) => hops.map(complete))
  }

  private resolveTarget(uri: SipUri, callId: string): Hop[] | Promise<Hop[]> {
    const host = uri.params.get('maddr') ?? uri.host
    const named = this.namedProtocol(uri)
    const usual = named ?? this.defaultProtocol(uri)
    if (uri.port !== undefined || isIpLiteral(host) || hasNoServices(host))
      return this.resolveHost(usual, host, uri.port)
    const services = named ? [srvService(named, host)] : this.services(host, uri.scheme === 'sips')
    return this.resolveServices(host, usual, services, callId)
  }

  /** RFC 3263 5: where the top Via says, without what its `received` says. */
  resolveSentBy(protocol: Protocol, host: string, port: number | undefined): Hop[] | Promise<Hop[]> {
    if (port !== undefined || isIpLiteral(host) || hasNoServices(host))
      return this.resolveHost(protocol, host, port)
    return this.resolveServices(host, protocol, [srvService(protocol, host)], '')
  }

  resolveHost(protocol: Protocol, host: string, port = defaultPorts[protocol]): Hop[] | Promise<Hop[]> {
    // The name of a WebSocket's client (RFC 7118 5.2): the transport knows its connection.
    if (isIpLiteral(host) || isUnreachableName(host)) return [{ protocol, address: host, port }]
    return chain(this.names.addresses(host), (found) => {
      const addresses = found.map(({ address }) => address)
      const hops = this.reachable(protocol, addresses).map((address) => ({ protocol, address, port }))
      if (hops.length > 0) return hops.slice(0, maximumHops)
      throw new NetworkError(
        `${host} has no address that the ${protocol.toUpperCase()} listening points can reach: listen on the other IP version too`,
        host,
      )
    })
  }

  /** The transport that the URI demands; undefined where it leaves the choice to us. */
  private namedProtocol({ scheme, host, params }: SipUri): Protocol | undefined {
    const said = params.get('transport')?.toLowerCase()
    if (said !== undefined && !isProtocol(said))
      throw new NetworkError(`cannot reach ${host} over ${said}: use udp, tcp, tls, ws or wss`, host)
    if (scheme === 'sip') return said
    // RFC 3261 26.2.2: the transport is what TLS runs over.
    if (said === undefined) return undefined
    if (said === 'tcp') return 'tls'
    if (said === 'ws') return 'wss'
    if (isSecure(said)) return said
    throw new NetworkError(
      `sips:${host} cannot be reached over ${said}: leave ;transport=${said} out, or write sip:`,
      host,
    )
  }

  /** RFC 3263 4.1: TLS for sips; UDP, where there is a UDP listening point at all. */
  private defaultProtocol({ scheme }: SipUri): Protocol {
    if (scheme === 'sips') return 'tls'
    return this.usable('udp') ? 'udp' : 'tcp'
  }

  private readonly usable = (protocol: Protocol): boolean =>
    protocol === 'udp' ? this.reaches('udp', 4) || this.reaches('udp', 6) : true

  /** What NAPTR names; without it the transports that we have, in our order. */
  private services(host: string, sips: boolean): Service[] | Promise<Service[]> {
    const mayUse = (protocol: Protocol): boolean => this.usable(protocol) && (!sips || isSecure(protocol))
    const own = (['udp', 'tcp', 'tls'] as const)
      .filter((protocol) => mayUse(protocol) && isSecure(protocol) === sips)
      .map((protocol) => srvService(protocol, host))
    const naptr = this.names.naptr(host)
    if (naptr instanceof Promise) {
      // Their answers are there when it turns out that they are needed.
      for (const { owner } of own) this.askAhead(() => this.names.srv(owner))
      this.askAhead(() => this.names.addresses(host))
    }
    return chain(naptr, (records) => {
      const named = servicesOf(records, mayUse)
      return named.length > 0 ? named : own
    })
  }

  private askAhead(ask: () => unknown): void {
    try {
      Promise.resolve(ask()).catch(() => undefined)
    } catch {
      // Whoever needs it is told.
    }
  }

  private resolveServices(
    host: string,
    usual: Protocol,
    services: Service[] | Promise<Service[]>,
    callId: string,
  ): Hop[] | Promise<Hop[]> {
    const found = chain(services, (known) =>
      together(
        known.map((service) =>
          chain(this.names.srv(service.owner), (records) => ({
            offered: records.length > 0,
            places: orderSrv(records, drawnFrom(`${this.salt} ${callId} ${service.owner}`)).map(
              ({ target, port }): Place => ({ protocol: service.protocol, host: bare(target), port }),
            ),
          })),
        ),
      ),
    )
    return chain(found, (answers) => {
      const places = answers.flatMap((answer) => answer.places).slice(0, maximumHops)
      if (places.length > 0) return this.resolvePlaces(places)
      const refused = answers.length > 0 && answers.every(({ offered }) => offered)
      if (refused)
        throw new NetworkError(
          `${host} says that it offers no SIP (its SRV record is "."): name another server`,
          host,
        )
      return this.resolveHost(usual, host)
    })
  }

  /** A server without an address is passed over where there is another. */
  private resolvePlaces(places: readonly Place[]): Hop[] | Promise<Hop[]> {
    let failure: unknown
    const failed = (error: unknown): Hop[] => {
      failure ??= error
      return []
    }
    const each = places.map(({ protocol, host, port }) => {
      try {
        const hops = this.resolveHost(protocol, host, port)
        return hops instanceof Promise ? hops.catch(failed) : hops
      } catch (error) {
        return failed(error)
      }
    })
    return chain(together(each), (found) => {
      const hops = found.flat().slice(0, maximumHops)
      if (hops.length === 0) throw failure
      return hops
    })
  }

  /** Those that can be sent to, in the order given, one family after the other in turn (RFC 8305 4); of a connection also those
   *  without a listening point of their family, last. */
  private reachable(protocol: Protocol, addresses: readonly string[]): string[] {
    const fits = (address: string): boolean => this.reaches(protocol, addressFamily(address))
    const fitting = alternate(addresses.filter(fits))
    return isReliable(protocol) ? [...fitting, ...addresses.filter((address) => !fits(address))] : fitting
  }
}

/** Without the dot of the root. */
const bare = (name: string): string => (name.endsWith('.') ? name.slice(0, -1) : name)

function alternate(addresses: readonly string[]): string[] {
  const first = addresses.filter((address) => addressFamily(address) === addressFamily(addresses[0] ?? ''))
  const second = addresses.filter((address) => !first.includes(address))
  return addresses.flatMap((_, i) => [first[i], second[i]].filter((address) => address !== undefined))
}
