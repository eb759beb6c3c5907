// The candidates of our side: foundations (RFC 8445 5.1.1.3), redundancy (5.1.3), what they tell of us (RFC 8839 5.1), the
// default one (RFC 8839 4.2.1.2).
import { addressFamily, sameAddress, type TransportAddress } from '../runtime/address.ts'
import {
  type Base,
  basePriority,
  type Candidate,
  type CandidateType,
  type Component,
  type LocalCandidate,
} from './candidate.ts'

/** RFC 8839 4.2.1.2: the kind most likely to work with a peer that does not speak ICE comes first. */
const defaultOrder: CandidateType[] = ['relay', 'srflx', 'prflx', 'host']
/** RFC 6544 4.5: an active candidate has no port; RFC 8839 5.1 uses the same number for a related address not told. */
const discardPort = 9
/** More than any honest host has, of each type and component: a description must fit into a message. */
const maximumOfType: Record<CandidateType, number> = { host: 32, srflx: 16, prflx: 16, relay: 8 }

export class LocalCandidates {
  private candidates: LocalCandidate[] = []
  private readonly foundations = new Map<string, string>()

  /** @param hideRelated no related address tells where we are behind a relay */
  constructor(private readonly hideRelated = false) {}

  /** Returns undefined where a candidate with this address and base is there already (the new one is redundant), and where
   *  there are too many. */
  add(
    type: CandidateType,
    base: Base,
    address: TransportAddress,
    server?: TransportAddress,
  ): LocalCandidate | undefined {
    const candidate = this.make(type, base, address, server)
    let sameType = 0
    for (const other of this.candidates) {
      if (other.base === base && sameAddress(other, candidate)) return undefined
      const { stream, component } = other.base
      if (other.type === type && stream === base.stream && component === base.component) sameType++
    }
    if (sameType >= maximumOfType[type]) return undefined
    this.candidates.push(candidate)
    return candidate
  }

  /** A candidate that is not signalled: what a check's response shows of a NAT (RFC 8445 7.2.5.3.1). */
  make(
    type: CandidateType,
    base: Base,
    address: TransportAddress,
    server?: TransportAddress,
  ): LocalCandidate {
    const { component, transport, tcpType } = base
    const related = this.relatedTo(type, base)
    return {
      foundation: this.foundation(type, base, server),
      component,
      transport,
      priority: basePriority(type, base),
      address: address.address,
      port: type === 'host' && tcpType === 'active' ? discardPort : address.port,
      type,
      ...(related && { related }),
      ...(tcpType && { tcpType }),
      base,
      ...(server && { server }),
    }
  }

  find(base: Base, address: TransportAddress): LocalCandidate | undefined {
    return this.candidates.find((candidate) => candidate.base === base && sameAddress(candidate, address))
  }

  /** The host or relayed candidate that is the base itself. */
  own(base: Base): LocalCandidate | undefined {
    return this.candidates.find(({ base: of, type }) => of === base && (type === 'host' || type === 'relay'))
  }

  get count(): number {
    return this.candidates.length
  }

  /** Highest priority first. */
  ofStream(stream: number): LocalCandidate[] {
    return this.candidates
      .filter((candidate) => candidate.base.stream === stream)
      .sort((a, b) => b.priority - a.priority)
  }

  /** IPv4 before IPv6: peers without ICE are the ones who need a default, and few of them speak IPv6. */
  default(stream: number, component: Component): Candidate | undefined {
    const rank = (c: Candidate) => 2 * defaultOrder.indexOf(c.type) + (addressFamily(c.address) === 4 ? 0 : 1)
    return this.ofStream(stream)
      .filter((candidate) => candidate.component === component && candidate.transport === 'udp')
      .sort((a, b) => rank(a) - rank(b))[0]
  }

  remove(base: Base): void {
    this.candidates = this.candidates.filter((candidate) => candidate.base !== base)
  }

  /** RFC 8839 5.1: of a reflexive candidate its base. Of a relayed one it would be what the server sees us as: no address is told,
   *  since the reflexive candidate tells it already where it may be seen, and an INVITE has little room. */
  private relatedTo(type: CandidateType, base: Base): TransportAddress | undefined {
    if (type === 'host') return undefined
    if (!base.relay) return base.address
    if (type !== 'relay' && !this.hideRelated) return base.address
    return { address: addressFamily(base.address.address) === 4 ? '0.0.0.0' : '::', port: discardPort }
  }

  /** The same for candidates of one type, base IP, server and transport (RFC 8445 5.1.1.3, RFC 6544 4.3), whatever stream and
   *  component. Relays that are reached in different ways fail in different ways. */
  private foundation(type: CandidateType, base: Base, server?: TransportAddress): string {
    const transport = base.relay?.server.transport ?? base.tcpType ?? base.transport
    const key = `${type} ${base.address.address} ${server?.address ?? ''} ${transport}`
    let foundation = this.foundations.get(key)
    if (foundation === undefined) {
      // One character while there are few: descriptions must stay small.
      foundation = (this.foundations.size + 1).toString(36)
      this.foundations.set(key, foundation)
    }
    return foundation
  }
}
