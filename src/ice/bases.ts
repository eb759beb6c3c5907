// The bases of an agent (RFC 8445 5.1.1): UDP sockets, TCP listeners, addresses that TCP connections are opened from
// (RFC 6544), relayed addresses. Each knows how a packet leaves from it; here they are made, and found by what a packet
// came to.
import { addressFamily, formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Datagram } from '../runtime/core.ts'
import {
  type Base,
  type Component,
  type Relay,
  relayLocalPreference,
  type TcpType,
  tcpLocalPreference,
} from './candidate.ts'

export interface SocketOptions {
  stream: number
  component: Component
  /** The bound address: a concrete one, never the wildcard. */
  base: TransportAddress
  /** RFC 8445 5.1.2.1, 0 to 65535; by default as RFC 8421 has it: the families take turns, IPv6 first, and within a family
   *  earlier IP addresses are preferred to later ones. */
  localPreference?: number
}

/** Active bases are numbered from here on, so that the shell can tell those of one IP address apart. */
const firstActiveNumber = 9

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1'
const isLinkLocal = (address: string): boolean => /^fe[89ab].:/i.test(address)

/** Whether a server can be asked from an address at all. */
export const canAsk = (from: string, server: string): boolean =>
  addressFamily(from) === addressFamily(server) &&
  (!isLoopback(from) || isLoopback(server)) &&
  isLinkLocal(from) === isLinkLocal(server)

export class Bases {
  private readonly bases = new Map<string, Base>()
  private readonly preferences = new Map<string, number>()
  private readonly addressesOf = { 4: 0, 6: 0 }
  private nextActiveNumber = firstActiveNumber

  constructor(private readonly transmit: (datagram: Datagram) => void) {}

  addSocket({ stream, component, base: address, localPreference }: SocketOptions): Base {
    return this.add({
      stream,
      component,
      address,
      localPreference: localPreference ?? this.preferenceOf(address.address),
      transport: 'udp',
      send: (_now, data, remote, departAt) => this.transmit({ data, local: address, remote, departAt }),
    })
  }

  addListener({ stream, component, base: address, localPreference }: SocketOptions): Base {
    const preference = localPreference ?? this.preferenceOf(address.address)
    return this.addWire(stream, component, address, 'passive', preference)
  }

  addSimultaneousOpen({ stream, component, base: address, localPreference }: SocketOptions): Base {
    const preference = localPreference ?? this.preferenceOf(address.address)
    return this.addWire(stream, component, address, 'so', preference)
  }

  /** For connections from the IP address of a socket; undefined where its component has such a base already. */
  addActive({ stream, component, address: { address }, localPreference }: Base): Base | undefined {
    for (const base of this.all()) {
      const same = base.stream === stream && base.component === component && base.address.address === address
      if (same && base.tcpType === 'active') return undefined
    }
    const port = this.nextActiveNumber++
    return this.addWire(stream, component, { address, port }, 'active', localPreference)
  }

  /** @param send wraps what is sent for the TURN server */
  addRelayed({ stream, component }: Base, address: TransportAddress, relay: Relay, send: Base['send']): Base {
    const siblings = this.all().filter(
      (base) => base.relay && base.stream === stream && base.component === component,
    )
    const localPreference = relayLocalPreference(relay.server.transport, siblings.length)
    return this.add({ stream, component, address, localPreference, transport: 'udp', relay, send })
  }

  /** A copy of another agent's that sends through this one. @param send of a relayed address */
  adopt(base: Base, send?: Base['send']): Base {
    if (base.tcpType === 'active')
      this.nextActiveNumber = Math.max(this.nextActiveNumber, base.address.port + 1)
    const { address: local, transport } = base
    const over = transport === 'tcp' ? ({ over: 'tcp' } as const) : {}
    return this.add({
      ...base,
      send:
        send ?? ((_now, data, remote, departAt) => this.transmit({ data, local, remote, departAt, ...over })),
    })
  }

  /** What a packet came to that no relay has wrapped. */
  of({ local, over }: Pick<Datagram, 'local' | 'over'>): Base | undefined {
    return this.bases.get(keyOf(over === 'tcp' ? 'tcp' : 'udp', local))
  }

  all(): Base[] {
    return [...this.bases.values()]
  }

  remove(base: Base): void {
    this.bases.delete(keyOf(kindOf(base), base.address))
  }

  private addWire(
    stream: number,
    component: Component,
    address: TransportAddress,
    tcpType: TcpType,
    localPreference: number,
  ): Base {
    return this.add({
      stream,
      component,
      address,
      localPreference: tcpLocalPreference(tcpType, localPreference),
      transport: 'tcp',
      tcpType,
      send: (_now, data, remote) => this.transmit({ data, local: address, remote, over: 'tcp' }),
    })
  }

  private add(base: Base): Base {
    this.bases.set(keyOf(kindOf(base), base.address), base)
    return base
  }

  /** RFC 8421 4: of two families neither fills the head of the list alone. */
  private preferenceOf(address: string): number {
    const known = this.preferences.get(address)
    if (known !== undefined) return known
    const family = addressFamily(address)
    const preference = 65_535 - 2 * this.addressesOf[family]++ - (family === 6 ? 0 : 1)
    this.preferences.set(address, preference)
    return preference
  }
}

const kindOf = ({ relay, transport }: Base): 'relay' | 'tcp' | 'udp' => (relay ? 'relay' : transport)
const keyOf = (kind: 'relay' | 'tcp' | 'udp', address: TransportAddress) =>
  `${kind} ${formatAddress(address)}`
