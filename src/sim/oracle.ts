// The oracle: from the topology alone, whether a path between two hosts exists (RFC 4787, RFC 5128). Nothing is sent. It reasons
// with endpoints whose ports are names: "what the NAT `home` gives 192.168.1.2 towards 203.0.113.9". Each end sends to every
// address of the other that it can know (told, or seen as a source), which opens mappings and filters, until nothing new opens;
// more packets never close anything, so the order does not matter. Left out: time, loss, MTU, ports that clash.
import { isPrivate } from '../diagnose/private-address.ts'
import { addressFamily, type TransportAddress } from '../runtime/address.ts'
import type { VirtualHost } from './host.ts'
import type { Packet } from './link.ts'
import { type Dependence, Firewall, Nat, type NatBehaviour } from './nat.ts'
import type { Gateway, Realm } from './realm.ts'
import type { Simulation } from './simulate.ts'

/** One of the two: where it runs, and which servers it is told of. */
export interface OracleEnd {
  host: VirtualHost
  stunServers?: readonly TransportAddress[]
  turnServers?: readonly OracleRelay[]
  /** Whether it may show nothing but relayed addresses. */
  relayOnly?: boolean
  /** An HTTP proxy through which TURN over TCP and TLS goes. */
  proxy?: TransportAddress
  /** Whether it speaks ICE-TCP (RFC 6544): active, passive, simultaneous open. */
  tcp?: boolean
}

/** A TURN server. */
export interface OracleRelay {
  address: TransportAddress
  transport: 'udp' | 'tcp' | 'tls'
  /** Where relayed addresses are; default: its own address. */
  relayAddresses?: readonly string[]
}

/** "direct": whatever the order of packets; "timing-dependent": direct if they come in a good order, and else "relay" or nothing. */
export type Path = 'direct' | 'timing-dependent' | 'relay' | 'none'

/** A port as a name, and a number for rules that ask for one. */
interface Endpoint {
  readonly address: string
  readonly port: string
  readonly number: number
  /** How many mappings that depend on one another its name stands for: a port given towards a port given towards … */
  readonly nesting: number
}

/** Where an end sends from: a socket on an interface, or a relayed address. */
interface Base {
  readonly end: OracleEnd
  readonly own: Endpoint
  readonly realm: Realm
  readonly relay: boolean
}

interface Arrival {
  readonly at: VirtualHost
  readonly to: Endpoint
  /** As the receiver sees it. */
  readonly source: Endpoint
}

type Protocol = Packet['protocol']

/** A dynamic port, for rules. */
const ANY_PORT = 50_000
const NOTHING = new Uint8Array(0)
/** Two NATs whose mappings depend on the remote end, and that filter little, show each other a new port with every packet, for
 *  ever. An answer must come from where the question went (RFC 8445 7.2.5.2.1). Where both ends' ports depend on one another it
 *  never does, and where one does not, a port towards a port is as deep as it gets. */
const DEEPEST_NESTING = 3

const text = ({ address, port }: Endpoint): string => `${address} ${port}`
const known = ({ address, port }: TransportAddress): Endpoint => ({
  address,
  port: `${port}`,
  number: port,
  nesting: 0,
})
const dependentPart = (dependence: Dependence, remote: Endpoint): string => {
  if (dependence === 'endpoint-independent') return ''
  return dependence === 'address-dependent' ? remote.address : text(remote)
}

/** Whether `left` and `right` can exchange media, and how. */
export function pathBetween(world: Simulation, left: OracleEnd, right: OracleEnd): Path {
  const best = new Reasoning(world, left, right, 'lucky').path()
  if (best !== 'direct') return best
  return new Reasoning(world, left, right, 'unlucky').path() === 'direct' ? 'direct' : 'timing-dependent'
}

class Reasoning {
  private readonly owners = new Map<Realm, Map<string, VirtualHost | Nat>>()
  private readonly bases: Base[] = []
  /** What each end has heard of where the other is. */
  private readonly targets = new Map<OracleEnd, Map<string, Endpoint>>()
  private readonly opened = new Set<string>()
  private readonly mapped = new Map<string, Endpoint>()
  /** Counts what has opened: the closure is complete when a round adds nothing. */
  private get size(): number {
    const targets = [...this.targets.values()].reduce((sum, { size }) => sum + size, 0)
    return targets + this.opened.size + this.mapped.size
  }

  /** @param luck whether a NAT that gives ports away to unsolicited packets has done so */
  constructor(
    world: Simulation,
    private readonly left: OracleEnd,
    private readonly right: OracleEnd,
    private readonly luck: 'lucky' | 'unlucky',
  ) {
    for (const host of world.hosts)
      for (const { realm, address } of host.attachments) this.ownersIn(realm).set(address, host)
    for (const gateway of world.gateways)
      if (gateway instanceof Nat) this.ownersIn(gateway.outside).set(gateway.address, gateway)
    for (const end of [left, right]) this.targets.set(end, new Map())
    for (const end of [left, right]) this.gather(end)
  }

  path(): Path {
    for (let before = -1; before !== this.size; ) {
      before = this.size
      for (const base of this.bases)
        for (const target of [...this.targets.get(base.end)!.values()]) this.learn(base, target)
    }
    const direct = this.bases.filter(({ relay }) => !relay)
    if (this.meets(direct) || this.meetsOverTcp() || this.meetsBySimultaneousOpen()) return 'direct'
    return this.meets(this.bases) ? 'relay' : 'none'
  }

  // ── what an end knows at first ───────────────────────────────────────────────────────────────

  private gather(end: OracleEnd): void {
    const peer = this.peerOf(end)
    const tell = (endpoint: Endpoint): void => {
      this.targets.get(peer)!.set(text(endpoint), endpoint)
    }
    for (const { address, realm } of end.host.attachments) {
      const own = { address, port: `socket of ${end.host.name}`, number: ANY_PORT, nesting: 0 }
      const base: Base = { end, own, realm, relay: false }
      if (!end.relayOnly) {
        this.bases.push(base)
        tell(own)
      }
      for (const server of end.relayOnly ? [] : (end.stunServers ?? [])) {
        const arrival = this.send(base, known(server), 'udp')
        if (arrival) tell(arrival.source)
      }
      for (const server of end.turnServers ?? []) {
        const arrival = this.reach(end, base, server)
        if (!arrival) continue
        if (server.transport === 'udp' && !end.relayOnly) tell(arrival.source)
        for (const relayed of this.relayedAddresses(end, server, arrival.at)) {
          this.bases.push(relayed)
          tell(relayed.own)
        }
      }
    }
  }

  /** How a client gets to its TURN server; over TCP and TLS through the proxy where there is one. */
  private reach(end: OracleEnd, base: Base, server: OracleRelay): Arrival | undefined {
    const to = known(server.address)
    if (server.transport === 'udp') return this.send(base, to, 'udp')
    const tls = server.transport === 'tls'
    const client = { ...base, own: { ...base.own, port: `connection of ${end.host.name}` } }
    if (!end.proxy) return this.send(client, to, 'tcp', tls)
    const proxy = this.send(client, known(end.proxy), 'tcp')
    const from = proxy?.at.attachments.find(
      ({ address }) => addressFamily(address) === addressFamily(to.address),
    )
    if (!proxy || !from) return undefined
    const own = { address: from.address, port: 'connection of the proxy', number: ANY_PORT, nesting: 0 }
    return this.send({ end, own, realm: from.realm, relay: false }, to, 'tcp', tls)
  }

  private relayedAddresses(end: OracleEnd, server: OracleRelay, relay: VirtualHost): Base[] {
    const addresses = server.relayAddresses ?? [server.address.address]
    return relay.attachments
      .filter(({ address }) => addresses.includes(address))
      .map(({ address, realm }) => {
        const own = { address, port: `relay of ${end.host.name}`, number: ANY_PORT, nesting: 0 }
        return { end, own, realm, relay: true }
      })
  }

  // ── what is exchanged ────────────────────────────────────────────────────────────────────────

  /** One datagram: what it opens, and what its receiver learns. */
  private learn(base: Base, target: Endpoint): void {
    const arrival = this.send(base, target, 'udp')
    if (!arrival || arrival.source.nesting > DEEPEST_NESTING) return
    if (!this.baseAt(arrival, this.peerOf(base.end))) return
    this.targets.get(this.peerOf(base.end))!.set(text(arrival.source), arrival.source)
  }

  /** Whether a connectivity check and its response, from where the check went to, pass between two of the bases. */
  private meets(bases: readonly Base[]): boolean {
    return bases.some((base) =>
      [...this.targets.get(base.end)!.values()].some((target) => {
        const there = this.send(base, target, 'udp')
        const peer = there && this.baseAt(there, this.peerOf(base.end))
        if (!peer || !bases.includes(peer)) return false
        const back = this.send(peer, there.source, 'udp')
        return back && this.baseAt(back, base.end) === base && text(back.source) === text(target)
      }),
    )
  }

  /** A connection from either to a listener of the other. */
  private meetsOverTcp(): boolean {
    if (!this.left.tcp || !this.right.tcp || this.left.relayOnly || this.right.relayOnly) return false
    return this.bases.some((base) => {
      const peer = this.peerOf(base.end)
      if (base.relay) return false
      return peer.host.attachments.some(({ address }) => {
        const listener = { address, port: `listener of ${peer.host.name}`, number: ANY_PORT, nesting: 0 }
        return this.send(base, listener, 'tcp')?.at === peer.host
      })
    })
  }

  /** Connections of both, each to the port that the other's leaves from: firewalls let them through, NATs show another port. */
  private meetsBySimultaneousOpen(): boolean {
    if (!this.left.tcp || !this.right.tcp) return false
    const bases = this.bases
      .filter(({ relay, own }) => !relay && !isPrivate(own.address))
      .map((base) => ({ ...base, own: { ...base.own, port: `reserved by ${base.end.host.name}` } }))
    return bases.some((base) =>
      bases.some((peer) => {
        if (peer.end === base.end) return false
        // What is dropped has opened the way back.
        this.send(base, peer.own, 'tcp')
        const arrival = this.send(peer, base.own, 'tcp')
        return arrival?.at === base.end.host && text(arrival.source) === text(peer.own)
      }),
    )
  }

  private baseAt({ at, to, source }: Arrival, end: OracleEnd): Base | undefined {
    return this.bases.find(
      ({ end: owner, own, relay }) =>
        owner === end &&
        text(own) === text(to) &&
        // RFC 8656 9: a relayed address hears those alone whom its client has permitted.
        (relay ? this.opened.has(`permission ${text(own)} ${source.address}`) : end.host === at),
    )
  }

  // ── the way of a packet ──────────────────────────────────────────────────────────────────────

  private send(base: Base, to: Endpoint, protocol: Protocol, tls = false): Arrival | undefined {
    const { own, realm, relay } = base
    if (addressFamily(own.address) !== addressFamily(to.address)) return undefined
    // What is sent to oneself never leaves; two allocations on one relay are apart though their addresses are not.
    if (own.address === to.address && !relay) return undefined
    if (relay) this.opened.add(`permission ${text(own)} ${to.address}`)
    return this.route(realm, own, to, { protocol, tls })
  }

  private route(realm: Realm, source: Endpoint, to: Endpoint, how: How): Arrival | undefined {
    const owner = this.ownersIn(realm).get(to.address)
    if (owner instanceof Nat) return this.inbound(owner, source, to, how)
    if (owner) return { at: owner, to, source }
    const wall = realm.innerGateways.find(
      (gateway): gateway is Firewall => gateway instanceof Firewall && gateway.guards(to.address),
    )
    if (wall) {
      const admits = this.isOpen(wall.name, wall.behaviour.filtering, to, source, how)
      return admits ? this.route(wall.inside, source, to, how) : undefined
    }
    const gateway = realm.gatewayFor(addressFamily(to.address))
    return gateway && this.outbound(gateway, source, to, how)
  }

  private outbound(gateway: Gateway, source: Endpoint, to: Endpoint, how: How): Arrival | undefined {
    if (!(gateway instanceof Nat || gateway instanceof Firewall)) return undefined
    const { name, behaviour, outside } = gateway
    if (!permitted(behaviour.permits, source, to, how)) return undefined
    if (gateway instanceof Firewall) {
      this.open(name, behaviour.filtering, source, to, how)
      return this.route(outside, source, to, how)
    }
    const hairpin = to.address === gateway.address
    if (hairpin && !gateway.behaviour.hairpinning) return undefined
    const remote = dependentPart(this.mappingOf(gateway.behaviour), to)
    const port = `${name} for ${text(source)}${remote && ` towards ${remote}`}`
    const nesting = remote ? Math.max(source.nesting, to.nesting + 1) : source.nesting
    const translated = { address: gateway.address, port, number: ANY_PORT, nesting }
    this.mapped.set(`${how.protocol} ${text(translated)}`, source)
    this.open(name, behaviour.filtering, translated, to, how)
    if (hairpin) return this.inbound(gateway, translated, to, how)
    return this.route(outside, translated, to, how)
  }

  private inbound(nat: Nat, source: Endpoint, to: Endpoint, how: How): Arrival | undefined {
    const inside = this.mapped.get(`${how.protocol} ${text(to)}`)
    if (!inside || !this.isOpen(nat.name, nat.behaviour.filtering, to, source, how)) return undefined
    return this.route(nat.inside, source, inside, how)
  }

  /** A NAT that lets its mappings share a port is seen from outside as one that has one mapping. */
  private mappingOf({ mapping, ports, inputAccepted }: NatBehaviour): Dependence {
    if (ports !== 'overloading' || (inputAccepted && this.luck === 'unlucky')) return mapping
    return 'endpoint-independent'
  }

  private open(box: string, filtering: Dependence, endpoint: Endpoint, remote: Endpoint, how: How): void {
    this.opened.add(`${how.protocol} ${box} ${text(endpoint)} ${dependentPart(filtering, remote)}`)
  }

  private isOpen(
    box: string,
    filtering: Dependence,
    endpoint: Endpoint,
    remote: Endpoint,
    how: How,
  ): boolean {
    return this.opened.has(`${how.protocol} ${box} ${text(endpoint)} ${dependentPart(filtering, remote)}`)
  }

  private ownersIn(realm: Realm): Map<string, VirtualHost | Nat> {
    let owners = this.owners.get(realm)
    if (!owners) {
      owners = new Map()
      this.owners.set(realm, owners)
    }
    return owners
  }

  private peerOf(end: OracleEnd): OracleEnd {
    return end === this.left ? this.right : this.left
  }
}

interface How {
  readonly protocol: Protocol
  readonly tls: boolean
}

/** Whether a rule lets a datagram, or the first segments of a connection, out. */
function permitted(
  permits: NatBehaviour['permits'],
  source: Endpoint,
  to: Endpoint,
  { protocol, tls }: How,
): boolean {
  if (!permits) return true
  const ends = {
    source: { address: source.address, port: source.number },
    destination: { address: to.address, port: to.number },
    data: NOTHING,
  }
  if (protocol === 'udp') return permits({ protocol, ...ends })
  return (['syn', 'data'] as const).every((flag) =>
    permits({ protocol, ...ends, segment: { flag, sequence: 0, ...(tls && { tls }) } }),
  )
}
