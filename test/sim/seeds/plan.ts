// The plan of one simulated call: the two ends, what lies between them and the servers, and what happens in mid-call. Plain
// data, so that the plan of a seed that failed can be printed, cut down by hand and kept as a test.
import type { TricklePolicy } from '../../../src/phone/options.ts'
import type { LinkQuality } from '../../../src/sim/link.ts'
import type { Dependence, FilterBehaviour, NatBehaviour } from '../../../src/sim/nat.ts'
import { SeededRandom } from '../../../src/sim/random.ts'

/** What a box lets out. */
export type Egress = 'everything' | 'tcp' | 'port 443' | 'tls on port 443' | 'proxy'

export interface NatPlan {
  nat: Omit<NatBehaviour, 'permits'>
  egress?: Egress
  link?: LinkQuality
}

export interface FirewallPlan {
  firewall: Omit<FilterBehaviour, 'permits'>
  egress?: Egress
  link?: LinkQuality
}

export type BoxPlan = NatPlan | FirewallPlan

/** One network that a host is attached to, with one address of each family that is named; the boxes in front of it, the
 *  outermost first. */
export interface AccessPlan {
  v4?: BoxPlan[]
  v6?: FirewallPlan[]
  /** Its outermost box stands in the realm behind the common box, not in the internet. */
  common?: boolean
  /** Leads nowhere: a network without a gateway; both hosts may be in it ("vpn"). */
  island?: 'own' | 'vpn'
  link?: LinkQuality
}

/** "turn" and "turns" as the phone is told of them. */
export type TurnPlan = 'udp' | 'tcp' | 'tcp 443' | 'tls 443'

export interface EndPlan {
  accesses: AccessPlan[]
  stun?: boolean
  turn?: TurnPlan[]
  /** Which of the two TURN servers. */
  relay?: 1 | 2
  proxy?: boolean
  policy?: 'auto' | 'relay'
  lite?: boolean
  tcp?: boolean
  trickle?: TricklePolicy
  /** One path is gathered before the call. */
  ahead?: boolean
  /** Candidates of the description are bounded, as in a UDP INVITE. */
  budget?: boolean
}

/** What happens while the call is up. */
export type Disturbance =
  | { what: 'new addresses' | 'lose an interface' | 'flush' | 'new address outside'; end: 'left' | 'right' }
  | { what: 'move'; end: 'left' | 'right'; to: AccessPlan[] }

export interface Plan {
  left: EndPlan
  right: EndPlan
  /** A box that both ends are, or may be, behind: a carrier-grade NAT, a company's. */
  common?: NatPlan
  signallingMs: number
  ringingMs: number
  disturbance?: Disturbance
  /** Packets are lost in numbers: whether the call connects is luck. */
  harsh?: boolean
  /** Whole phones, with SIP over a server. */
  phones?: boolean
}

const dependences: readonly Dependence[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
]

/** The plan of a seed. */
export function drawPlan(seed: number): Plan {
  return new Drawing(new SeededRandom(seed).fork('plan')).plan()
}

class Drawing {
  private harsh = false
  private clean = true

  constructor(private readonly random: SeededRandom) {}

  plan(): Plan {
    const { random } = this
    const phones = random.chance(0.03)
    this.harsh = !phones && random.chance(0.04)
    // The simulated SIP server passes messages on without repeating those that are lost.
    this.clean = phones || (!this.harsh && random.chance(0.6))
    const common = random.chance(0.25) ? this.commonBox(phones) : undefined
    const left = this.end(common !== undefined, phones)
    const right = this.end(common !== undefined, phones)
    // Two that make no checks agree on nothing (RFC 8445 6.1.1): left out.
    if (left.lite && right.lite) delete right.lite
    if (random.chance(0.08)) this.joinVpn(left, right)
    // Full trickle is for peers that are known to trickle.
    for (const [end, peer] of [
      [left, right],
      [right, left],
    ] as const)
      if (end.trickle === 'full' && !takesFragments(peer)) end.trickle = 'half'
    const plan: Plan = {
      left,
      right,
      ...(common && { common }),
      signallingMs: random.pick([1, 20, 50, 150, 400]),
      ringingMs: random.pick([0, 0, 300, 2_000, 20_000]),
      ...(this.harsh && { harsh: true }),
      ...(phones && { phones }),
    }
    // A lite agent stays where it is: everywhere else it could not be reached.
    const mayMove = !this.harsh && !left.lite && !right.lite
    if (mayMove && random.chance(0.08)) plan.disturbance = this.disturbance(plan)
    return plan
  }

  /** @param open everything may leave: SIP must come through */
  private end(hasCommon: boolean, open: boolean): EndPlan {
    const { random } = this
    const accesses = [this.access(hasCommon, open)]
    while (accesses.length < 3 && random.chance(0.25)) accesses.push(this.access(hasCommon, open))
    const unshielded = accesses.every((access) => isPublic(access))
    if (unshielded && random.chance(0.1)) return { accesses, lite: true, trickle: 'off' }
    const turn = random.chance(0.6)
      ? (['udp', 'tcp', 'tcp 443', 'tls 443'] as const).filter(() => random.chance(0.5))
      : []
    const relayOnly = turn.length > 0 && random.chance(0.05)
    const proxied = accesses.some(({ v4 = [], v6 = [] }) => [...v4, ...v6].some((b) => b.egress === 'proxy'))
    return {
      accesses,
      stun: random.chance(0.85),
      turn,
      relay: random.pick([1, 2]),
      ...((proxied || random.chance(0.02)) && { proxy: true }),
      ...(relayOnly && { policy: 'relay' as const }),
      tcp: random.chance(0.8),
      trickle: random.pick(['half', 'half', 'half', 'full', 'off']),
      ahead: random.chance(0.3),
      budget: random.chance(0.5),
    }
  }

  private access(hasCommon: boolean, open: boolean): AccessPlan {
    const { random } = this
    const link = this.link(open)
    if (!open && random.chance(0.06)) return { v4: [], island: 'own', link }
    const families = random.pick(['v4', 'v4', 'v4', 'v4', open ? 'v4' : 'v6', 'both', 'both'] as const)
    const egress = open ? 'everything' : this.egress()
    const common = hasCommon && families !== 'v6' && random.chance(0.7)
    return {
      ...(families !== 'v6' && { v4: this.v4Boxes(egress) }),
      ...(families !== 'v4' && { v6: random.chance(0.8) ? [this.wall(egress)] : [] }),
      ...(common && { common }),
      link,
    }
  }

  private v4Boxes(egress: Egress): BoxPlan[] {
    const kind = this.random.fraction()
    if (kind < 0.12) return []
    if (kind < 0.2) return [this.wall(egress)]
    const inner = { ...this.nat(), ...(egress !== 'everything' && { egress }) }
    return kind < 0.35 ? [this.nat(), inner] : [inner]
  }

  private nat(): NatPlan {
    const { random } = this
    const link = random.chance(0.3) ? { link: { latencyMs: random.integer(20) } } : {}
    return { nat: this.natBehaviour(), ...link }
  }

  private natBehaviour(): NatPlan['nat'] {
    const { random } = this
    // What is common comes often; all else that RFC 4787 allows comes too.
    const [mapping, filtering] = random.chance(0.5)
      ? random.pick([
          ['endpoint-independent', 'address-and-port-dependent'],
          ['address-and-port-dependent', 'address-and-port-dependent'],
        ] as const)
      : [random.pick(dependences), random.pick(dependences)]
    const ports = random.pick([
      'preserving',
      'preserving',
      'overloading',
      'parity',
      'sequential',
      'random',
    ] as const)
    return {
      mapping,
      filtering,
      ports,
      ...(random.chance(0.3) && { hairpinning: true }),
      ...(ports === 'overloading' && random.chance(0.3) && { inputAccepted: true }),
      ...this.lifetime(),
    }
  }

  private lifetime(): Pick<FilterBehaviour, 'udpLifetimeMs' | 'inboundRefresh'> {
    const { random } = this
    return {
      ...(random.chance(0.4) && { udpLifetimeMs: random.pick([30_000, 60_000, 120_000]) }),
      ...(random.chance(0.3) && { inboundRefresh: true }),
    }
  }

  private wall(egress: Egress): FirewallPlan {
    return {
      firewall: { filtering: this.random.pick(dependences), ...this.lifetime() },
      ...(egress !== 'everything' && { egress }),
    }
  }

  private commonBox(open: boolean): NatPlan {
    return { nat: this.natBehaviour(), ...(!open && this.random.chance(0.1) && { egress: this.egress() }) }
  }

  private egress(): Egress {
    const { random } = this
    if (random.chance(0.75)) return 'everything'
    return random.pick(['tcp', 'port 443', 'tls on port 443', 'proxy'])
  }

  private link(fragments: boolean): LinkQuality {
    const { random } = this
    const latencyMs = random.pick([0, 1, 5, 10, 25, 25, 50, 100, 250])
    const quality: LinkQuality = { latencyMs }
    if (random.chance(0.3)) quality.jitterMs = 1 + random.integer(40)
    // What SIP sends may be longer.
    if (random.chance(0.2)) {
      quality.mtuBytes = random.pick([576, 1_280, 1_492])
      if (fragments) quality.fragments = true
    }
    if (random.chance(0.1)) quality.bandwidthKbps = random.pick([256, 1_000, 10_000])
    if (this.harsh) quality.loss = 0.05 + random.fraction() * 0.15
    if (this.clean) return quality
    if (!this.harsh && random.chance(0.5)) quality.loss = random.pick([0.001, 0.005, 0.01])
    if (random.chance(0.3)) quality.duplication = random.pick([0.01, 0.1])
    if (random.chance(0.3)) quality.reordering = random.pick([0.01, 0.1])
    return quality
  }

  private joinVpn(left: EndPlan, right: EndPlan): void {
    for (const { accesses } of [left, right]) accesses.push({ v4: [], island: 'vpn', link: this.link(false) })
  }

  private disturbance(plan: Plan): Disturbance {
    const { random } = this
    const end = random.pick(['left', 'right'] as const)
    const several = plan[end].accesses.length > 1
    const what = random.pick([
      'new addresses',
      'flush',
      'new address outside',
      'move',
      ...(several ? (['lose an interface'] as const) : []),
    ] as const)
    if (what !== 'move') return { what, end }
    return { what, end, to: [this.access(plan.common !== undefined, plan.phones ?? false)] }
  }
}

const isPublic = ({ v4 = [], v6 = [], common, island }: AccessPlan): boolean =>
  v4.length === 0 && v6.length === 0 && !common && !island

/** The worst loss of a link of the plan. */
export const worstLoss = ({ left, right, disturbance }: Plan): number => {
  const moved = disturbance?.what === 'move' ? disturbance.to : []
  const accesses = [...left.accesses, ...right.accesses, ...moved]
  return Math.max(0, ...accesses.map(({ link }) => link?.loss ?? 0))
}

/** Whether candidates can be told to this end after the description. */
export const takesFragments = ({ trickle = 'half', lite }: EndPlan): boolean => trickle !== 'off' && !lite
