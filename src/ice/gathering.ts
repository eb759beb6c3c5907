// Our side of a session (RFC 8445 5.1): from sockets to candidates. Host candidates come with their sockets, reflexive ones with
// the answers of STUN and TURN servers, relayed ones with allocations. Every server is asked at once, not one each Ta
// (RFC 8445 14): there are few of them, and a person waits. What is found late is told and used all the same (RFC 8838 4.4).
//
//   socket ─> host ─┬─> enquiries.ts ─> srflx
//                   ├─> relays.ts ────> srflx, relay (a base of its own)
//                   └─> TCP active ;  listener ─> TCP passive
import type { TransportAddress } from '../runtime/address.ts'
import type { Datagram, Deadline } from '../runtime/core.ts'
import type { Millis, Random } from '../runtime/runtime.ts'
import type { StunMessage } from '../stun/message.ts'
import type { IceFact } from '../trace/facts.ts'
import type { TurnServer } from '../turn/server.ts'
import { Bases, type SocketOptions } from './bases.ts'
import type { Base, CandidateType, LocalCandidate } from './candidate.ts'
import { Enquiries, type EnquiryOutcome } from './enquiries.ts'
import type { IceEvent } from './events.ts'
import { LocalCandidates } from './local-candidates.ts'
import { type RelayEvent, Relays } from './relays.ts'
import { candidateFact } from './report.ts'

export interface GatheringOptions {
  random: Random
  stunServers: readonly TransportAddress[]
  turnServers: readonly TurnServer[]
  /** Whether candidates for TCP are wanted (RFC 6544). */
  tcp: boolean
  /** "relay": nothing but relayed addresses is told, used or shown. */
  policy: 'all' | 'relay'
  transmit: (datagram: Datagram) => void
  emit: (event: IceEvent) => void
  record: (fact: IceFact) => void
  /** A base that pairs can be formed with. */
  baseAdded: (now: Millis, base: Base) => void
  baseGone: (now: Millis, base: Base, reason: string) => void
  /** Nothing can be sent from this base to the peer's IP address. */
  peerRefused: (now: Millis, base: Base, peer: TransportAddress, reason: string) => void
  /** What a relay has unwrapped. */
  arrived: (now: Millis, base: Base, data: Uint8Array, from: TransportAddress) => void
}

export class Gathering {
  readonly locals: LocalCandidates
  private readonly bases: Bases
  private readonly enquiries: Enquiries
  private readonly relays: Relays
  /** What we told a peer that we have, in the order found: for another peer. */
  private readonly described: LocalCandidate[] = []
  private since: Millis | undefined
  private closed = false
  private gathered = false

  constructor(private readonly options: GatheringOptions) {
    const { random, stunServers, turnServers, policy, transmit } = options
    this.locals = new LocalCandidates(policy === 'relay')
    this.bases = new Bases(transmit)
    this.enquiries = new Enquiries(policy === 'relay' ? [] : stunServers, random)
    this.relays = new Relays(turnServers, random)
  }

  // ── what there is ────────────────────────────────────────────────────────────────────────────

  addSocket(now: Millis, options: SocketOptions): void {
    this.begin(now)
    const socket = this.bases.addSocket(options)
    if (this.options.policy === 'all') {
      this.addCandidate('host', socket, socket.address)
      this.options.baseAdded(now, socket)
      this.enquiries.enquire(now, socket)
      const active = this.options.tcp ? this.bases.addActive(socket) : undefined
      if (active) this.addHost(now, active)
    }
    this.relays.allocate(now, socket)
  }

  addTcpListener(now: Millis, options: SocketOptions): void {
    if (this.options.policy === 'relay') return
    this.begin(now)
    this.addHost(now, this.bases.addListener(options))
  }

  addSimultaneousOpen(now: Millis, options: SocketOptions): void {
    if (this.options.policy === 'relay') return
    this.begin(now)
    this.addHost(now, this.bases.addSimultaneousOpen(options))
  }

  /** No more sockets will come; `gathered` follows when every server has answered or been given up. */
  close(now: Millis): void {
    this.closed = true
    this.conclude(now)
  }

  /** Waits for no server any longer; an answer that still comes is used. */
  end(now: Millis): void {
    this.closed = true
    this.conclude(now, true)
  }

  /** Sockets that have gone take with them what was found through them. */
  removeBases(now: Millis, which: (base: Base) => boolean, reason: string): void {
    this.enquiries.dropBases(which)
    const relayed = this.relays.drop(now, which)
    for (const base of this.bases.all())
      if (relayed.includes(base) || (!base.relay && which(base))) this.removeBase(now, base, reason)
    this.conclude(now)
  }

  /** The relays shall let these peers through. */
  permit(now: Millis, stream: number, peers: readonly TransportAddress[]): void {
    this.relays.permit(now, stream, peers)
  }

  /** What a packet came to that no relay has wrapped; nothing where relays alone are to be seen. */
  baseOf(datagram: Pick<Datagram, 'local' | 'over'>): Base | undefined {
    return this.options.policy === 'relay' ? undefined : this.bases.of(datagram)
  }

  /** Hands sockets, candidates and allocations over to an agent for another peer. */
  handOver(to: Gathering): void {
    const copies = new Map<Base, Base>()
    const copy = (base: Base, send?: Base['send']): Base => {
      const own = copies.get(base) ?? to.bases.adopt(base, send)
      copies.set(base, own)
      return own
    }
    to.relays.takeOver(this.relays, copy)
    for (const { type, base, address, port, server } of this.described) {
      // An active candidate tells the discard port, and is known by the number of its base.
      const at = type === 'host' ? base.address : { address, port }
      const same = to.locals.add(type, copy(base), at, server)
      if (same) to.described.push(same)
    }
    to.closed = true
    to.gathered = true
  }

  /** Checks hold the NATs' mappings from now on; those of pairs that lost need no holding. */
  endKeepalives(): void {
    this.enquiries.endKeepalives()
  }

  /** Asks nobody any more and gives back what was got. */
  stop(now: Millis): void {
    this.enquiries.dropBases(() => true)
    this.enquiries.endKeepalives()
    this.relays.drop(now, () => true)
  }

  // ── what servers say ─────────────────────────────────────────────────────────────────────────

  /** Returns whether the datagram was a TURN server's. */
  handleDatagram(now: Millis, datagram: Datagram): boolean {
    if (!this.relays.handleDatagram(now, datagram)) return false
    this.afterRelays(now)
    return true
  }

  /** Returns whether the message answers a question to a STUN server. */
  receive(now: Millis, message: StunMessage, datagram: Datagram): boolean {
    const outcome = this.enquiries.receive(now, message, datagram)
    if (!outcome) return false
    this.serverAnswered(outcome)
    this.conclude(now)
    return true
  }

  handleClosed(now: Millis, ends: Pick<Datagram, 'local' | 'remote' | 'over'>, reason: string): void {
    this.relays.handleClosed(now, ends, reason)
    this.afterRelays(now)
  }

  handleTimeout(now: Millis): void {
    for (const outcome of this.enquiries.handleTimeout(now)) this.serverAnswered(outcome)
    this.relays.handleTimeout(now)
    this.afterRelays(now)
    this.conclude(now)
  }

  pollTransmit(): Datagram | undefined {
    return this.relays.pollTransmit()
  }

  nextTimeout(): Deadline | undefined {
    const enquiries = this.enquiries.nextTimeout()
    const relays = this.relays.nextTimeout()
    return enquiries && (!relays || enquiries.at < relays.at) ? enquiries : relays
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────

  private begin(now: Millis): void {
    if (this.since !== undefined) return
    this.since = now
    this.options.record({ layer: 'ice', type: 'state', state: 'gathering' })
  }

  private addHost(now: Millis, base: Base): void {
    this.addCandidate('host', base, base.address)
    this.options.baseAdded(now, base)
  }

  private addCandidate(
    type: CandidateType,
    base: Base,
    address: TransportAddress,
    server?: TransportAddress,
  ): void {
    const added = this.locals.add(type, base, address, server)
    if (!added) return
    this.described.push(added)
    const { base: _base, server: _server, ...candidate } = added
    this.options.emit({ type: 'candidate', stream: base.stream, candidate })
    this.options.record(candidateFact('local', candidate))
  }

  private serverAnswered({ base, server, afterMs, result }: EnquiryOutcome): void {
    const detail = result.type === 'error' ? { detail: result.detail } : {}
    const outcome = { server, outcome: result.type, afterMs, ...detail }
    this.options.emit({ type: 'server', protocol: 'stun', base: base.address, ...outcome })
    this.options.record({ layer: 'ice', type: 'server', ...outcome })
    if (result.type === 'answered') this.addCandidate('srflx', base, result.mapped, server)
  }

  private afterRelays(now: Millis): void {
    for (let event = this.relays.poll(now); event; event = this.relays.poll(now)) this.onRelay(now, event)
    this.conclude(now)
  }

  private onRelay(now: Millis, event: RelayEvent): void {
    if (event.type === 'data') {
      this.options.arrived(now, event.base, event.data, event.from)
      return
    }
    if (event.type === 'peer-refused') {
      for (const base of event.bases) this.options.peerRefused(now, base, event.peer, event.detail)
      return
    }
    const { socket, server, afterMs } = event
    const protocol = `turn-${server.transport}` as const
    const asked = { protocol, server: server.address, afterMs }
    if (event.type === 'failed') {
      const { code, detail } = event
      const outcome = code === undefined && / answer/.test(detail) ? ('timeout' as const) : ('error' as const)
      this.options.emit({ type: 'server', ...asked, base: socket.address, outcome, detail })
      const said = { outcome, detail, ...(code !== undefined && { code }) }
      this.options.record({ layer: 'ice', type: 'server', ...asked, ...said })
      for (const base of event.bases) this.removeBase(now, base, detail)
      return
    }
    this.options.emit({ type: 'server', ...asked, base: socket.address, outcome: 'answered' })
    this.options.record({ layer: 'ice', type: 'server', ...asked, outcome: 'answered' })
    const { mapped, relayed, send, keep } = event
    if (server.transport === 'udp' && this.options.policy === 'all')
      this.addCandidate('srflx', socket, mapped, server.address)
    for (const address of relayed) {
      const base = this.bases.addRelayed(socket, address, { server, mapped }, send)
      keep(base)
      this.addCandidate('relay', base, address, server.address)
      this.options.baseAdded(now, base)
    }
  }

  private removeBase(now: Millis, base: Base, reason: string): void {
    this.bases.remove(base)
    this.locals.remove(base)
    this.options.baseGone(now, base, reason)
  }

  private conclude(now: Millis, regardless = false): void {
    const pending = this.enquiries.pending || this.relays.pending
    if (this.gathered || !this.closed || (pending && !regardless)) return
    this.gathered = true
    this.options.emit({ type: 'gathered' })
    const afterMs = now - (this.since ?? now)
    this.options.record({ layer: 'ice', type: 'gathered', candidates: this.locals.count, afterMs })
  }
}
