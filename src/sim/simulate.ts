// The simulator's door: one seed, one clock, one internet with hosts, NATs and firewalls on it. Everything that happens
// follows from the seed and the program, so a run that fails is repeated exactly.
//
//   const world = simulate(7)
//   const home = world.nat('home', '203.0.113.1', natKinds.portRestricted)
//   const alice = world.host('alice', home.inside.at('192.168.1.2', { latencyMs: 5, loss: 0.01 }))
//   const server = world.host('server', world.internet.at('203.0.113.10'))
//   const restore = world.installGlobals()          // where sip.js is part of it: a whole Phone
//   await world.clock.run(callFrom(alice))          // alice and server are Runtimes
import { codecs } from '../codec/registry.ts'
import { addressFamily } from '../runtime/address.ts'
import { VirtualClock } from './clock.ts'
import { VirtualHost } from './host.ts'
import type { Fate, LinkQuality, Packet, World } from './link.ts'
import { NameServer } from './name-server.ts'
import { type FilterBehaviour, Firewall, Nat, type NatBehaviour } from './nat.ts'
import { SeededRandom } from './random.ts'
import { type Interface, Realm } from './realm.ts'

// Compiling takes real time, and in virtual time nobody could wait for it.
await Promise.all(codecs.map((codec) => codec.load?.()))

/** How a gateway is placed. */
export interface Placement {
  /** Where its outside is; default the internet. A NAT whose outside is another NAT's inside makes a double NAT. */
  outside?: Realm
  /** What is behind it; default a new realm. A NAT for IPv4 and a firewall for IPv6 may share one. */
  inside?: Realm
  /** The link on its outside. */
  link?: LinkQuality
}

export class Simulation {
  readonly clock = new VirtualClock()
  readonly random: SeededRandom
  readonly internet: Realm
  /** Called for every packet that a host sends, as it leaves. */
  onSend: ((packet: Packet, host: string) => void) | undefined
  /** Called for every packet where its way ends, and for every duplicate: for traces, counts and invariants. */
  onPacket: ((fate: Fate, packet: Packet, where: string) => void) | undefined
  private readonly world: World
  readonly hosts: VirtualHost[] = []
  readonly gateways: (Nat | Firewall)[] = []
  /** What every host's name server knows. */
  readonly names = new NameServer(this.clock)

  constructor(readonly seed: number) {
    this.random = new SeededRandom(seed)
    this.world = {
      clock: this.clock,
      random: this.random.fork('network'),
      sent: (packet, host) => this.onSend?.(packet, host),
      observe: (fate, packet, where) => this.onPacket?.(fate, packet, where),
    }
    this.internet = new Realm(this.world, 'internet')
  }

  /** A host with one or more interfaces: `world.host('pbx', world.internet.at('203.0.113.10'))`. */
  host(name: string, ...interfaces: Interface[]): VirtualHost {
    const host = new VirtualHost(this.world, this.clock, name, interfaces, this.names)
    this.hosts.push(host)
    return host
  }

  /** An address realm that leads nowhere, unless a gateway is given it as its inside: a VPN, a cable between two hosts. */
  realm(name: string): Realm {
    return new Realm(this.world, name)
  }

  /** A NAT with one outside address; it translates that address's family. */
  nat(name: string, address: string, behaviour: NatBehaviour, placement: Placement = {}): Nat {
    const { outside = this.internet, inside = this.realm(name), link } = placement
    const nat = new Nat(this.world, name, inside, outside, address, behaviour, link)
    inside.setGateway(addressFamily(address), nat, outside)
    this.gateways.push(nat)
    return nat
  }

  /** A stateful firewall: addresses of `family` inside are reached from outside once they have sent. */
  firewall(name: string, family: 4 | 6, behaviour: FilterBehaviour, placement: Placement = {}): Firewall {
    const { outside = this.internet, inside = this.realm(name), link } = placement
    const firewall = new Firewall(this.world, name, inside, outside, family, behaviour, link)
    inside.setGateway(family, firewall, outside)
    this.gateways.push(firewall)
    return firewall
  }

  /** Tells every host's name server. */
  setName(host: string, addresses: string[]): void {
    this.names.set(host, { addresses: addresses.map((address) => ({ address })) })
  }

  /** Binds the global timers, Date.now and Math.random to this world, for libraries that read them at call time (sip.js
   *  does): without it a phone in the simulator neither keeps virtual time nor runs the same way twice. Returns the function
   *  that puts the real ones back. */
  installGlobals(): () => void {
    const restoreTimers = this.clock.installGlobals()
    const realRandom = Math.random
    const random = this.random.fork('Math.random')
    Math.random = () => random.fraction()
    return () => {
      restoreTimers()
      Math.random = realRandom
    }
  }

  /** What every host has open, as "alice: udp 192.168.1.2:5060"; empty after everything was closed. */
  get open(): string[] {
    return this.hosts.flatMap((host) => host.open.map((what) => `${host.name}: ${what}`))
  }
}

export const simulate = (seed: number): Simulation => new Simulation(seed)
