// An address realm (RFC 2663 2.1): the internet, or what lies behind a NAT. Addresses are unique within a realm only.
// A packet is handed to the interface that holds its destination, else to the gateway of its address family.
import { UsageError } from '../errors.ts'
import { addressFamily } from '../runtime/address.ts'
import { Link, type LinkQuality, type Packet, type World } from './link.ts'

/** Where a host or a gateway meets a realm: one address, one link. */
export interface Interface {
  readonly realm: Realm
  readonly address: string
  readonly link: Link
}

/** What stands between a realm and the one outside it. */
export interface Gateway {
  /** A packet from inside whose destination is not inside. */
  outbound(packet: Packet): void
  /** A packet from outside for an address inside that is routed, not translated; false where that address is not there. */
  routeInward(packet: Packet): boolean
}

export class Realm {
  private readonly holders = new Map<string, { link: Link; receive: (packet: Packet) => void }>()
  private readonly gateways = new Map<4 | 6, Gateway>()
  private readonly inner: Gateway[] = []

  constructor(
    private readonly world: World,
    readonly name: string,
  ) {}

  /** An address of this realm for a host: `network.host('alice', home.inside.at('192.168.1.2', { latencyMs: 2 }))`. */
  at(address: string, quality?: LinkQuality): Interface {
    return { realm: this, address, link: new Link(this.world, `${address} in ${this.name}`, quality) }
  }

  attach(address: string, link: Link, receive: (packet: Packet) => void): void {
    if (this.holders.has(address))
      throw new UsageError(`${address} exists twice in the realm "${this.name}": choose another address`)
    this.holders.set(address, { link, receive })
  }

  detach(address: string): void {
    this.holders.delete(address)
  }

  holds(address: string): boolean {
    return this.holders.has(address)
  }

  /** The way out of this realm for a family; a gateway inside another realm also routes inwards. */
  setGateway(family: 4 | 6, gateway: Gateway, outside: Realm): void {
    this.gateways.set(family, gateway)
    outside.inner.push(gateway)
  }

  /** The way out for a family; undefined in the internet, and where there is none. */
  gatewayFor(family: 4 | 6): Gateway | undefined {
    return this.gateways.get(family)
  }

  /** Gateways to realms inside of this one. */
  get innerGateways(): readonly Gateway[] {
    return this.inner
  }

  route(packet: Packet): void {
    const { address } = packet.destination
    const holder = this.holders.get(address)
    if (holder) {
      holder.link.carry('down', packet, holder.receive)
      return
    }
    if (this.inner.some((gateway) => gateway.routeInward(packet))) return
    const gateway = this.gateways.get(addressFamily(address))
    if (gateway) gateway.outbound(packet)
    else this.world.observe('no route', packet, this.name)
  }
}
