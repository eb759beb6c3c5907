// NAT boxes in the words of RFC 4787 (UDP) and RFC 5382 (TCP), and stateful firewalls, which filter but do not translate.
// Both remember what went out and decide by that what may come in. A NAT inside a NAT's realm is a carrier-grade NAT.
// Left out: address pooling, port contiguity, ICMP.
import { addressFamily, formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import { Link, type LinkQuality, type Packet, type World } from './link.ts'
import type { Gateway, Realm } from './realm.ts'

/** What of the remote end a mapping or a filter depends on (RFC 4787 4.1 and 5). */
export type Dependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'

/** Lets a packet from inside leave, or drops it: `({ protocol }) => protocol === 'tcp'` blocks UDP. */
export type EgressRule = (packet: Packet) => boolean

export interface FilterBehaviour {
  filtering: Dependence
  /** How long what was opened stays open without traffic; RFC 4787 REQ-5 recommends 5 minutes, the default. */
  udpLifetimeMs?: Millis
  /** Whether packets from outside keep it open too (RFC 4787 REQ-6 leaves that to the NAT); default false. */
  inboundRefresh?: boolean
  permits?: EgressRule
}

export interface NatBehaviour extends FilterBehaviour {
  mapping: Dependence
  /** How the outside port is chosen (RFC 4787 4.2.1 and 4.2.2). Where mappings may overload a port, the inside port is kept
   *  unless another insider has it towards the same remote end; otherwise a port that is taken is never given again, and
   *  another is drawn. Default preserving. */
  ports?: 'preserving' | 'overloading' | 'parity' | 'sequential' | 'random'
  /** Whether two insiders reach each other by their outside addresses (RFC 4787 6); default false. */
  hairpinning?: boolean
  /** A Linux router without an input rule: what comes in unsolicited takes its port for that sender for UNSOLICITED_LIFETIME_MS,
   *  so that an insider who answers with the same port gets another one. Default false. */
  inputAccepted?: boolean
}

/** The kinds that people name. */
export const natKinds = {
  fullCone: { mapping: 'endpoint-independent', filtering: 'endpoint-independent' },
  addressRestricted: { mapping: 'endpoint-independent', filtering: 'address-dependent' },
  portRestricted: { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent' },
  symmetric: {
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
    ports: 'random',
  },
  /** A Linux router: a session for each remote end, all with the inside port while nobody else has it. */
  masquerade: {
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
    ports: 'overloading',
  },
  masqueradeInputAccepted: {
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
    ports: 'overloading',
    inputAccepted: true,
  },
} as const satisfies Record<string, NatBehaviour>

const DEFAULT_UDP_LIFETIME_MS = 300_000
/** net.netfilter.nf_conntrack_udp_timeout. */
const UNSOLICITED_LIFETIME_MS = 30_000
/** RFC 5382 REQ-5: established connections, not less than 2 hours 4 minutes. */
const TCP_LIFETIME_MS = 7_440_000
/** RFC 4787 4.2.1: ports below belong to well-known services. */
const LOWEST_PORT = 1024
const PORT_COUNT = 65_536 - LOWEST_PORT

type Protocol = Packet['protocol']

const dependentPart = (dependence: Dependence, remote: TransportAddress): string => {
  if (dependence === 'endpoint-independent') return ''
  return dependence === 'address-dependent' ? remote.address : formatAddress(remote)
}

/** Which remote ends an endpoint has sent to, and may hear from. The endpoint is a mapping's outside address: what one mapping
 *  of an insider opened opens no other. For a firewall it is the inside address itself. */
class Filter {
  private readonly lastUse = new Map<string, Millis>()

  constructor(private readonly behaviour: FilterBehaviour) {}

  lifetimeMs(protocol: Protocol): Millis {
    return protocol === 'tcp' ? TCP_LIFETIME_MS : (this.behaviour.udpLifetimeMs ?? DEFAULT_UDP_LIFETIME_MS)
  }

  open(now: Millis, protocol: Protocol, endpoint: TransportAddress, remote: TransportAddress): void {
    this.lastUse.set(this.key(protocol, endpoint, remote), now)
  }

  admits(now: Millis, protocol: Protocol, endpoint: TransportAddress, remote: TransportAddress): boolean {
    const key = this.key(protocol, endpoint, remote)
    const lastUse = this.lastUse.get(key)
    if (lastUse === undefined) return false
    if (now - lastUse > this.lifetimeMs(protocol)) {
      this.lastUse.delete(key)
      return false
    }
    if (this.behaviour.inboundRefresh) this.lastUse.set(key, now)
    return true
  }

  clear(): void {
    this.lastUse.clear()
  }

  private key(protocol: Protocol, endpoint: TransportAddress, remote: TransportAddress): string {
    return `${protocol} ${formatAddress(endpoint)} ${dependentPart(this.behaviour.filtering, remote)}`
  }
}

/** A stateful firewall for one address family: inside addresses are routed from outside, if the filter admits the sender. */
export class Firewall implements Gateway {
  private readonly filter: Filter
  private readonly link: Link

  constructor(
    private readonly world: World,
    readonly name: string,
    readonly inside: Realm,
    readonly outside: Realm,
    readonly family: 4 | 6,
    readonly behaviour: FilterBehaviour,
    quality?: LinkQuality,
  ) {
    this.filter = new Filter(behaviour)
    this.link = new Link(world, name, quality)
  }

  outbound(packet: Packet): void {
    if (this.behaviour.permits?.(packet) === false) {
      this.world.observe('not permitted', packet, this.name)
      return
    }
    this.filter.open(this.world.clock.now(), packet.protocol, packet.source, packet.destination)
    this.link.carry('up', packet, (arrived) => this.outside.route(arrived))
  }

  /** Whether it stands before this address. */
  guards(address: string): boolean {
    return addressFamily(address) === this.family && this.inside.holds(address)
  }

  routeInward(packet: Packet): boolean {
    if (!this.guards(packet.destination.address)) return false
    this.link.carry('down', packet, (arrived) => {
      const { protocol, source, destination } = arrived
      if (this.filter.admits(this.world.clock.now(), protocol, destination, source))
        this.inside.route(arrived)
      else this.world.observe('filtered by NAT', arrived, this.name)
    })
    return true
  }

  /** Forgets every session, as a restart does. */
  flush(): void {
    this.filter.clear()
  }
}

interface Mapping {
  readonly key: string
  readonly protocol: Protocol
  readonly inside: TransportAddress
  readonly outside: TransportAddress
  /** Where the packet went that made it, as far as the mapping depends on it. */
  readonly remote: string
  lastUse: Millis
}

/** A NAT with one outside address. */
export class Nat implements Gateway {
  private readonly byInside = new Map<string, Mapping>()
  /** By protocol and outside port; more than one where ports are overloaded. */
  private readonly byOutside = new Map<string, Mapping[]>()
  /** Ports that unsolicited packets have taken for their senders, and when. */
  private readonly unsolicited = new Map<string, Millis>()
  private readonly filter: Filter
  private readonly link: Link
  private nextPort: number
  private outsideAddress: string

  constructor(
    private readonly world: World,
    readonly name: string,
    readonly inside: Realm,
    readonly outside: Realm,
    address: string,
    readonly behaviour: NatBehaviour,
    quality?: LinkQuality,
  ) {
    this.filter = new Filter(behaviour)
    this.link = new Link(world, name, quality)
    this.nextPort = LOWEST_PORT + world.random.fork(`nat ${name}`).integer(PORT_COUNT)
    this.outsideAddress = address
    this.attach()
  }

  get address(): string {
    return this.outsideAddress
  }

  /** Forgets every mapping and session, as a restart does. */
  flush(): void {
    this.byInside.clear()
    this.byOutside.clear()
    this.unsolicited.clear()
    this.filter.clear()
  }

  /** Takes another outside address; what was mapped to the old one is gone. */
  renumber(address: string): void {
    this.outside.detach(this.outsideAddress)
    this.outsideAddress = address
    this.attach()
    this.flush()
  }

  outbound(packet: Packet): void {
    if (this.behaviour.permits?.(packet) === false) {
      this.world.observe('not permitted', packet, this.name)
      return
    }
    const hairpin = packet.destination.address === this.outsideAddress
    if (hairpin && !this.behaviour.hairpinning) {
      this.world.observe('no hairpinning', packet, this.name)
      return
    }
    const mapping = this.mappingFor(packet)
    if (!mapping) {
      this.world.observe('no mapping', packet, this.name)
      return
    }
    this.filter.open(this.world.clock.now(), packet.protocol, mapping.outside, packet.destination)
    const translated = { ...packet, source: mapping.outside }
    // RFC 4787 REQ-9: the insider sees the outside address of the other.
    if (hairpin) this.inbound(translated)
    else this.link.carry('up', translated, (arrived) => this.outside.route(arrived))
  }

  routeInward(): boolean {
    return false
  }

  private attach(): void {
    this.outside.attach(this.outsideAddress, this.link, (packet) => this.inbound(packet))
  }

  private inbound(packet: Packet): void {
    const { protocol, source, destination } = packet
    const mapping = this.mappingTo(protocol, destination.port, source)
    if (!mapping) {
      this.reject('no mapping', packet)
      return
    }
    const now = this.world.clock.now()
    if (!this.filter.admits(now, protocol, mapping.outside, source)) {
      this.reject('filtered by NAT', packet)
      return
    }
    if (this.behaviour.inboundRefresh) mapping.lastUse = now
    this.inside.route({ ...packet, destination: mapping.inside })
  }

  private reject(why: 'no mapping' | 'filtered by NAT', packet: Packet): void {
    this.world.observe(why, packet, this.name)
    if (!this.behaviour.inputAccepted) return
    const { protocol, source, destination } = packet
    this.unsolicited.set(tuple(protocol, destination.port, formatAddress(source)), this.world.clock.now())
  }

  /** The mapping that a packet from outside is for: of several on one port the one made for its sender, else the latest. */
  private mappingTo(protocol: Protocol, port: number, source: TransportAddress): Mapping | undefined {
    const mappings = this.liveOn(protocol, port)
    if (mappings.length < 2) return mappings[0]
    const remote = dependentPart(this.behaviour.mapping, source)
    return mappings.find((mapping) => mapping.remote === remote) ?? mappings.at(-1)
  }

  private mappingFor({ protocol, source, destination }: Packet): Mapping | undefined {
    const now = this.world.clock.now()
    const remote = dependentPart(this.behaviour.mapping, destination)
    const key = `${protocol} ${formatAddress(source)} ${remote}`
    const known = this.byInside.get(key)
    if (known && this.isLive(known)) {
      known.lastUse = now
      return known
    }
    const port = this.freePort(protocol, source.port, destination)
    if (port === undefined) return undefined
    const outside = { address: this.outsideAddress, port }
    const mapping: Mapping = { key, protocol, inside: source, outside, remote, lastUse: now }
    this.byInside.set(key, mapping)
    this.byOutside.set(portOf(protocol, port), [...this.liveOn(protocol, port), mapping])
    return mapping
  }

  private isLive({ lastUse, protocol }: Mapping): boolean {
    return this.world.clock.now() - lastUse <= this.filter.lifetimeMs(protocol)
  }

  /** The mappings of an outside port; those that have expired are removed. */
  private liveOn(protocol: Protocol, port: number): readonly Mapping[] {
    const key = portOf(protocol, port)
    const mappings = this.byOutside.get(key)
    if (!mappings) return []
    const live = mappings.filter((mapping) => this.isLive(mapping))
    if (live.length === mappings.length) return mappings
    for (const mapping of mappings) {
      if (!live.includes(mapping) && this.byInside.get(mapping.key) === mapping)
        this.byInside.delete(mapping.key)
    }
    if (live.length > 0) this.byOutside.set(key, live)
    else this.byOutside.delete(key)
    return live
  }

  private freePort(protocol: Protocol, insidePort: number, to: TransportAddress): number | undefined {
    const { ports = 'preserving' } = this.behaviour
    if (ports === 'overloading' && this.mayOverload(protocol, insidePort, to)) return insidePort
    const isFree = (port: number): boolean => this.liveOn(protocol, port).length === 0
    if ((ports === 'preserving' || ports === 'parity') && isFree(insidePort)) return insidePort
    if (ports !== 'sequential' && ports !== 'preserving')
      this.nextPort = LOWEST_PORT + this.world.random.integer(PORT_COUNT)
    for (let tries = 0; tries < PORT_COUNT; tries++) {
      const port = this.nextPort
      this.nextPort = LOWEST_PORT + ((port - LOWEST_PORT + 1) % PORT_COUNT)
      if (ports === 'parity' && port % 2 !== insidePort % 2) continue
      if (isFree(port)) return port
    }
    return undefined
  }

  /** Whether nobody else has the port towards this remote end. */
  private mayOverload(protocol: Protocol, port: number, to: TransportAddress): boolean {
    const remote = dependentPart(this.behaviour.mapping, to)
    if (this.liveOn(protocol, port).some((mapping) => mapping.remote === remote)) return false
    const taken = this.unsolicited.get(tuple(protocol, port, formatAddress(to)))
    return taken === undefined || this.world.clock.now() - taken > UNSOLICITED_LIFETIME_MS
  }
}

const portOf = (protocol: Protocol, port: number): string => `${protocol} ${port}`
const tuple = (protocol: Protocol, port: number, remote: string): string => `${protocol} ${port} ${remote}`
