// A virtual network for ICE agents: latency, loss, port-restricted NATs, a STUN server; time jumps from event to event.
import type { IceAgent, IceEvent } from '../../../src/ice/agent.ts'
import type { Candidate, RemoteIce } from '../../../src/ice/candidate.ts'
import { formatAddress, type TransportAddress } from '../../../src/runtime/address.ts'
import type { Datagram } from '../../../src/runtime/core.ts'
import type { Random } from '../../../src/runtime/runtime.ts'
import { answerBinding } from '../../../src/stun/binding-responder.ts'
import { decode } from '../../../src/stun/message.ts'

/** mulberry32: good enough for tests, the same on every machine. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }
  return {
    bytes: (lengthBytes) => Uint8Array.from({ length: lengthBytes }, () => next() & 0xff),
    integer: (exclusiveMax) => Math.floor((next() / 2 ** 32) * exclusiveMax),
  }
}

export const at = (address: string, port: number): TransportAddress => ({ address, port })

/** Endpoint-independent mapping, address- and port-dependent filtering (RFC 4787). */
export class PortRestrictedNat {
  private readonly outside = new Map<
    string,
    { inside: TransportAddress; public: TransportAddress; admitted: Set<string> }
  >()
  private nextPort = 50_000

  constructor(readonly publicAddress: string) {}

  outbound({ data, local, remote }: Datagram): Datagram {
    let mapping = [...this.outside.values()].find((m) => formatAddress(m.inside) === formatAddress(local))
    if (!mapping) {
      mapping = { inside: local, public: at(this.publicAddress, this.nextPort++), admitted: new Set() }
      this.outside.set(formatAddress(mapping.public), mapping)
    }
    mapping.admitted.add(formatAddress(remote))
    return { data, local: mapping.public, remote }
  }

  /** The inside address, or undefined where the filter drops. */
  inbound(to: TransportAddress, from: TransportAddress): TransportAddress | undefined {
    const mapping = this.outside.get(formatAddress(to))
    return mapping?.admitted.has(formatAddress(from)) ? mapping.inside : undefined
  }
}

export class Peer {
  readonly events: { at: number; event: IceEvent }[] = []
  sent = 0
  constructor(
    readonly agent: IceAgent,
    readonly sockets: TransportAddress[],
    readonly nat?: PortRestrictedNat,
  ) {}

  has(type: IceEvent['type']): boolean {
    return this.events.some(({ event }) => event.type === type)
  }

  /** When the first event of this kind came. */
  timeOf(matches: (event: IceEvent) => boolean): number | undefined {
    return this.events.find(({ event }) => matches(event))?.at
  }

  get description(): RemoteIce {
    return {
      ...this.agent.parameters,
      lite: false,
      options: [],
      candidates: this.agent.localCandidates(0),
    }
  }
}

interface Flight {
  at: number
  datagram: Datagram
}

export class TestNetwork {
  now = 1_000
  latencyMs = 25
  lossPercent = 0
  /** Sees every datagram on the public side; returning false drops it, a datagram replaces it. */
  tamper: ((datagram: Datagram) => boolean | Datagram) | undefined
  readonly peers: Peer[] = []
  private readonly servers = new Map<string, TransportAddress>()
  private flights: Flight[] = []

  constructor(readonly random: Random) {}

  addServer(address: TransportAddress): void {
    this.servers.set(formatAddress(address), address)
  }

  add(
    agent: IceAgent,
    addresses: { address: TransportAddress; component?: 1 | 2 }[],
    nat?: PortRestrictedNat,
  ): Peer {
    const peer = new Peer(
      agent,
      addresses.map(({ address }) => address),
      nat,
    )
    this.peers.push(peer)
    for (const { address, component } of addresses) {
      agent.addSocket(this.now, { stream: 0, component: component ?? 1, base: address })
    }
    agent.closeGathering(this.now)
    this.drain(peer)
    return peer
  }

  drive(peer: Peer, action: (agent: IceAgent, now: number) => void): void {
    action(peer.agent, this.now)
    this.drain(peer)
  }

  /** Injects a datagram as if it came out of the network now. */
  inject(peer: Peer, datagram: Datagram): void {
    this.drive(peer, (agent, now) => agent.handleDatagram(now, datagram))
  }

  exchange(a: Peer, b: Peer, gapMs = 0): void {
    this.drive(b, (agent, now) => agent.setRemote(now, 0, a.description))
    this.run(gapMs)
    this.drive(a, (agent, now) => agent.setRemote(now, 0, b.description))
  }

  /** Runs for `durationMs`, or until the condition holds; returns whether it does. */
  run(durationMs: number, until?: () => boolean): boolean {
    const end = this.now + durationMs
    for (;;) {
      if (until?.()) return true
      const flight = this.flights.reduce<Flight | undefined>(
        (min, f) => (!min || f.at < min.at ? f : min),
        undefined,
      )
      let next = flight?.at ?? Number.POSITIVE_INFINITY
      let due: Peer | undefined
      for (const peer of this.peers) {
        const timeout = peer.agent.nextTimeout()?.at
        if (timeout !== undefined && timeout < next) {
          next = timeout
          due = peer
        }
      }
      if (next > end) {
        this.now = Math.max(this.now, end)
        return until?.() ?? false
      }
      this.now = Math.max(this.now, next)
      if (due) this.fireTimeout(due)
      else if (flight) {
        this.flights = this.flights.filter((f) => f !== flight)
        this.deliver(flight.datagram)
      }
    }
  }

  private fireTimeout(peer: Peer): void {
    this.drive(peer, (agent, now) => agent.handleTimeout(now))
    const next = peer.agent.nextTimeout()
    // A deadline that stays due would make a real event loop spin.
    if (next && next.at <= this.now)
      throw new Error(`the deadline "${next.why}" is still due after handleTimeout`)
  }

  private drain(peer: Peer): void {
    for (let d = peer.agent.pollTransmit(); d; d = peer.agent.pollTransmit()) {
      peer.sent++
      this.send(peer, d)
    }
    for (let e = peer.agent.pollEvent(); e; e = peer.agent.pollEvent())
      peer.events.push({ at: this.now, event: e })
  }

  private send(peer: Peer, datagram: Datagram): void {
    const outside = peer.nat ? peer.nat.outbound(datagram) : datagram
    const tampered = this.tamper?.(outside) ?? true
    if (tampered === false || this.random.integer(100) < this.lossPercent) return
    this.flights.push({ at: this.now + this.latencyMs, datagram: tampered === true ? outside : tampered })
  }

  /** `local` of a datagram in flight is its source as the network sees it. */
  private deliver({ data, local: source, remote: target }: Datagram): void {
    if (this.servers.has(formatAddress(target))) {
      const response = answerBinding(data, source)
      if (response)
        this.flights.push({
          at: this.now + this.latencyMs,
          datagram: { data: response, local: target, remote: source },
        })
      return
    }
    for (const peer of this.peers) {
      const inside = peer.nat ? peer.nat.inbound(target, source) : target
      if (!inside || !peer.sockets.some((s) => formatAddress(s) === formatAddress(inside))) continue
      this.inject(peer, { data: data.slice(), local: inside, remote: source })
      return
    }
  }
}

export const messageOf = (datagram: Datagram) => {
  const message = decode(datagram.data)
  if (typeof message === 'string') throw new Error(message)
  return message
}

export const hostCandidate = (
  address: string,
  port: number,
  component: 1 | 2 = 1,
  priority = 2_130_706_431,
): Candidate => ({
  foundation: `h${address}`,
  component,
  transport: 'udp',
  priority: priority - (component - 1),
  address,
  port,
  type: 'host',
})
