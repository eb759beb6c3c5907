// The candidates of our side: foundations (RFC 8445 5.1.1.3), redundancy (5.1.3), the default one (RFC 8839 4.2.1.2).
import { addressFamily, sameAddress, type TransportAddress } from '../runtime/address.ts'
import {
  type Base,
  type Candidate,
  type CandidateType,
  type Component,
  candidatePriority,
  type LocalCandidate,
} from './candidate.ts'

/** RFC 8839 4.2.1.2: the kind most likely to work with a peer that does not speak ICE comes first. */
const defaultOrder: CandidateType[] = ['relay', 'srflx', 'prflx', 'host']

export class LocalCandidates {
  private candidates: LocalCandidate[] = []
  private readonly foundations = new Map<string, string>()

  /** Returns undefined where a candidate with this address and base is there already: the new one is redundant. */
  add(
    type: CandidateType,
    base: Base,
    address: TransportAddress,
    server?: TransportAddress,
  ): LocalCandidate | undefined {
    const candidate = this.make(type, base, address, server)
    if (this.candidates.some((other) => other.base === base && sameAddress(other, candidate)))
      return undefined
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
    return {
      foundation: this.foundation(type, base, server),
      component: base.component,
      transport: 'udp',
      priority: candidatePriority(type, base.localPreference, base.component),
      address: address.address,
      port: address.port,
      type,
      ...(type === 'host' ? {} : { related: base.address }),
      base,
      ...(server && { server }),
    }
  }

  find(base: Base, address: TransportAddress): LocalCandidate | undefined {
    return this.candidates.find((candidate) => candidate.base === base && sameAddress(candidate, address))
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
      .filter((candidate) => candidate.component === component)
      .sort((a, b) => rank(a) - rank(b))[0]
  }

  dropComponent(stream: number, component: Component): void {
    this.candidates = this.candidates.filter(
      ({ base }) => base.stream !== stream || base.component !== component,
    )
  }

  /** The same for candidates of one type, base IP and server (RFC 8445 5.1.1.3), whatever stream and component. */
  private foundation(type: CandidateType, base: Base, server?: TransportAddress): string {
    const key = `${type} ${base.address.address} ${server?.address ?? ''}`
    let foundation = this.foundations.get(key)
    if (foundation === undefined) {
      foundation = String(this.foundations.size + 1)
      this.foundations.set(key, foundation)
    }
    return foundation
  }
}
