// A plan made into a simulated network: servers, boxes, the two hosts, and what the oracle is to be told of them.
import type { IceServer } from '../../../src/index.ts'
import { addressFamily, type TransportAddress } from '../../../src/runtime/address.ts'
import type { VirtualHost } from '../../../src/sim/host.ts'
import { serveHttpProxy } from '../../../src/sim/http-proxy.ts'
import type { LinkQuality, Packet } from '../../../src/sim/link.ts'
import { type FilterBehaviour, Firewall, type Nat } from '../../../src/sim/nat.ts'
import type { OracleEnd } from '../../../src/sim/oracle.ts'
import type { Interface, Realm } from '../../../src/sim/realm.ts'
import { type Simulation, simulate } from '../../../src/sim/simulate.ts'
import { serveStun } from '../../../src/sim/stun-server.ts'
import { serveTurn } from '../../../src/sim/turn-server.ts'
import type { AccessPlan, BoxPlan, Egress, EndPlan, FirewallPlan, Plan, TurnPlan } from './plan.ts'

type EndName = 'left' | 'right'

/** One end in its network. */
export interface Place {
  name: EndName
  host: VirtualHost
  /** Outermost first. */
  boxes: (Nat | Firewall)[]
  iceServers: IceServer[]
  httpProxy?: string
  /** What it is, for the oracle. */
  oracle: OracleEnd
}

const STUN = { 4: '198.51.100.2', 6: '2001:db8:ff::2' } as const
const PROXY: TransportAddress = { address: '198.51.100.3', port: 3128 }
export const SIP = '198.51.100.4'
const relayAddresses = {
  1: { 4: '198.51.100.11', 6: '2001:db8:ff::11' },
  2: { 4: '198.51.100.12', 6: '2001:db8:ff::12' },
} as const
const families = [4, 6] as const
const portOf: Record<TurnPlan, number> = { udp: 3478, tcp: 3478, 'tcp 443': 443, 'tls 443': 443 }
/** Homes have the same few networks: the peer's private address is often somebody else's here. */
const homeNetworks = ['192.168.0', '192.168.1', '10.0.0']
export const turnPassword = 'turn-password-not-to-be-told'
export const proxyPassword = 'proxy-password-not-to-be-told'

const permits = (egress: Egress | undefined): ((packet: Packet) => boolean) | undefined => {
  if (egress === undefined || egress === 'everything') return undefined
  return ({ protocol, destination, segment }) => {
    if (protocol === 'udp') return false
    if (egress === 'tcp') return true
    if (egress === 'proxy') return destination.address === PROXY.address && destination.port === PROXY.port
    const plainData = segment?.flag === 'data' && !segment.tls
    return destination.port === 443 && !(egress === 'tls on port 443' && plainData)
  }
}

const transportOf = (turn: TurnPlan): 'udp' | 'tcp' | 'tls' =>
  turn === 'udp' ? 'udp' : turn === 'tls 443' ? 'tls' : 'tcp'

export class PlannedNetwork {
  readonly world: Simulation
  readonly servers: VirtualHost[] = []
  readonly left: Place
  readonly right: Place
  private readonly stops: (() => void)[] = []
  private readonly common: Nat | undefined
  private readonly vpn: Realm
  private readonly homes = new Map<EndName, number>()
  private outsides = 0
  private carried = 0

  static async build(plan: Plan, seed: number): Promise<PlannedNetwork> {
    const network = new PlannedNetwork(plan, seed)
    await network.serve()
    return network
  }

  private constructor(plan: Plan, seed: number) {
    this.world = simulate(seed)
    const { world } = this
    this.vpn = world.realm('vpn')
    if (plan.common)
      this.common = world.nat('common', '203.0.113.1', withEgress(plan.common.nat, plan.common.egress))
    this.servers.push(
      world.host('stun', ...families.map((family) => world.internet.at(STUN[family], server))),
      world.host('proxy', world.internet.at(PROXY.address, server)),
      world.host(
        'relay 1',
        ...families.map((family) => world.internet.at(relayAddresses[1][family], server)),
      ),
      world.host(
        'relay 2',
        ...families.map((family) => world.internet.at(relayAddresses[2][family], server)),
      ),
    )
    this.left = this.place('left', plan.left)
    this.right = this.place('right', plan.right)
  }

  get ends(): [Place, Place] {
    return [this.left, this.right]
  }

  stop(): void {
    for (const stop of this.stops) stop()
  }

  /** Interfaces for a host, and the boxes that they are behind. */
  attach(
    name: EndName,
    accesses: readonly AccessPlan[],
  ): { interfaces: Interface[]; boxes: (Nat | Firewall)[] } {
    const boxes: (Nat | Firewall)[] = []
    const interfaces = accesses.flatMap((access) => this.interfacesOf(name, access, boxes))
    return { interfaces, boxes }
  }

  /** A public IPv4 address that nobody has. */
  freshAddress(): string {
    return `203.0.113.${10 + this.outsides++}`
  }

  // ── servers ──────────────────────────────────────────────────────────────────────────────────

  private async serve(): Promise<void> {
    const [stun, proxy, ...relays] = this.servers
    for (const family of families)
      this.stops.push(await serveStun(stun!, { address: STUN[family], port: 3478 }))
    this.stops.push(
      await serveHttpProxy(proxy!, PROXY, { credentials: { username: 'floe', password: proxyPassword } }),
    )
    for (const [index, host] of relays.entries()) {
      const addresses = relayAddresses[index === 0 ? 1 : 2]
      const turn = await serveTurn(host, {
        users: { floe: turnPassword },
        listen: families.flatMap((family) => [
          { protocol: 'udp' as const, address: addresses[family], port: 3478 },
          { protocol: 'tcp' as const, address: addresses[family], port: 3478 },
          { protocol: 'tcp' as const, address: addresses[family], port: 443 },
        ]),
      })
      this.stops.push(() => turn.stop())
    }
  }

  // ── ends ─────────────────────────────────────────────────────────────────────────────────────

  private place(name: EndName, plan: EndPlan): Place {
    const { interfaces, boxes } = this.attach(name, plan.accesses)
    const host = this.world.host(name, ...interfaces)
    const { stun = false, turn = [], relay = 1, proxy = false, policy, tcp = true, lite = false } = plan
    const at = relayAddresses[relay]
    const iceServers: IceServer[] = families.flatMap((family) =>
      stun ? [`stun:${bracketed(STUN[family])}:3478`] : [],
    )
    for (const kind of turn)
      for (const family of families) {
        const scheme = kind === 'tls 443' ? 'turns' : 'turn'
        const transport = kind === 'udp' ? 'udp' : 'tcp'
        const urls = `${scheme}:${bracketed(at[family])}:${portOf[kind]}?transport=${transport}`
        iceServers.push({ urls, username: 'floe', credential: turnPassword })
      }
    const turnServers = turn.flatMap((kind) =>
      families.map((family) => ({
        address: { address: at[family], port: portOf[kind] },
        transport: transportOf(kind),
        relayAddresses: [at[4], at[6]],
      })),
    )
    const stunServers = families.map((family) => ({ address: STUN[family], port: 3478 }))
    return {
      name,
      host,
      boxes,
      iceServers,
      ...(proxy && { httpProxy: `http://floe:${proxyPassword}@${PROXY.address}:${PROXY.port}` }),
      oracle: {
        host,
        ...(stun && !lite && { stunServers }),
        ...(!lite && { turnServers }),
        ...(proxy && { proxy: PROXY }),
        ...(policy === 'relay' && { relayOnly: true }),
        tcp: tcp && !lite,
      },
    }
  }

  private interfacesOf(name: EndName, access: AccessPlan, boxes: (Nat | Firewall)[]): Interface[] {
    const { v4, v6, island, link } = access
    if (island === 'vpn') return [this.vpn.at(`10.8.0.${name === 'left' ? 2 : 3}`, link)]
    const home = this.nextHome(name)
    if (island) return [this.world.realm(`${name} ${home}`).at(`172.20.${home}.2`, link)]
    const interfaces: Interface[] = []
    let inside: Realm | undefined
    if (v4) {
      const { realm, address } = this.chain(name, v4, access.common ?? false, home, boxes)
      if (v4.length > 0) inside = realm
      interfaces.push(realm.at(address, link))
    }
    if (v6) {
      const wall = v6.length > 0 ? this.wall(name, v6[0]!, home, inside) : undefined
      if (wall) boxes.push(wall)
      const address = `2001:db8:${name === 'left' ? 1 : 2}:${home}::2`
      interfaces.push((wall?.inside ?? this.world.internet).at(address, link))
    }
    return interfaces
  }

  /** The IPv4 boxes of an access, and where the host stands behind them. */
  private chain(
    name: EndName,
    plans: readonly BoxPlan[],
    isCommon: boolean,
    home: number,
    boxes: (Nat | Firewall)[],
  ): { realm: Realm; address: string } {
    const behindCommon = isCommon ? this.common : undefined
    if (behindCommon && !boxes.includes(behindCommon)) boxes.push(behindCommon)
    let outside = behindCommon?.inside ?? this.world.internet
    let address = behindCommon ? `100.64.0.${10 + this.carried++}` : this.freshAddress()
    for (const [depth, plan] of plans.entries()) {
      const label = `${name} ${home}.${depth}`
      const placement = { outside, ...(plan.link && { link: plan.link }) }
      const box =
        'nat' in plan
          ? this.world.nat(label, address, withEgress(plan.nat, plan.egress), placement)
          : this.world.firewall(label, 4, withEgress(plan.firewall, plan.egress), placement)
      boxes.push(box)
      outside = box.inside
      if (box instanceof Firewall) continue
      const last = depth === plans.length - 1
      const own = name === 'left' ? 2 : this.world.random.fork(label).pick([2, 3])
      const network = homeNetworks[(home + this.world.random.fork(name).integer(3)) % homeNetworks.length]
      address = last ? `${network}.${own}` : `100.65.${home}.2`
    }
    return { realm: outside, address }
  }

  private wall(name: EndName, plan: FirewallPlan, home: number, inside: Realm | undefined): Firewall {
    const placement = { ...(inside && { inside }), ...(plan.link && { link: plan.link }) }
    return this.world.firewall(`${name} ${home}.v6`, 6, withEgress(plan.firewall, plan.egress), placement)
  }

  private nextHome(name: EndName): number {
    const home = this.homes.get(name) ?? 1
    this.homes.set(name, home + 1)
    return home
  }
}

const server: LinkQuality = { latencyMs: 5 }
const bracketed = (address: string): string => (addressFamily(address) === 6 ? `[${address}]` : address)

const withEgress = <T extends object>(
  behaviour: T,
  egress: Egress | undefined,
): T & Pick<FilterBehaviour, 'permits'> => {
  const rule = permits(egress)
  return { ...behaviour, ...(rule && { permits: rule }) }
}
