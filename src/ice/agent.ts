// An ICE agent (RFC 8445, consent of RFC 7675) without sockets, timers and randomness of its own: host, server-reflexive and
// relayed candidates, full or lite, any number of streams, candidates that trickle in and out. One agent has one peer: another
// one that answers the same description gets an agent of its own (`fork`), and so does an ICE restart, with sockets of its own.
//
//   addSocket ─> gathering.ts ─> local candidates ─┐
//   setRemote ─────────────────> remote candidates ┴─> checklist.ts ─> checking.ts ─> pair in use, nominated pair
//   handleDatagram ─> requests and responses ─────────────────────────┘  └─> consent.ts

import { InvariantError } from '../errors.ts'
import { sameAddress, type TransportAddress } from '../runtime/address.ts'
import type { Core, Datagram, Deadline } from '../runtime/core.ts'
import type { Millis, Random } from '../runtime/runtime.ts'
import { canonicalIp } from '../stun/ip-address.ts'
import { decode } from '../stun/message.ts'
import { method } from '../stun/numbers.ts'
import type { IceFact } from '../trace/facts.ts'
import type { TurnServer } from '../turn/server.ts'
import type { SocketOptions } from './bases.ts'
import type { Base, Candidate, Component, RemoteIce } from './candidate.ts'
import { Checking } from './checking.ts'
import type { IceEvent, IceState } from './events.ts'
import { Gathering } from './gathering.ts'
import type { IcePath } from './pair.ts'
import { type PairReport, reportPairs } from './report.ts'
import { IceStream } from './stream.ts'
import type { Tuning } from './tuning.ts'

export type { SocketOptions } from './bases.ts'
export type { IceEvent, IceState } from './events.ts'
export type { IcePath } from './pair.ts'
export type { PairReport } from './report.ts'

/** RFC 8445 5.3: at least 24 bits of randomness for the fragment and 128 for the password; 6 bits a character. */
const ufragLength = 8
const pwdLength = 24
const iceCharacters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

export interface IceAgentOptions {
  controlling: boolean
  random: Random
  /** Asked from every socket of their address family. */
  stunServers: readonly TransportAddress[]
  /** Asked for relayed addresses. Default none. */
  turnServers?: readonly TurnServer[]
  /** "relay": nothing but relayed addresses is told to the peer, used or shown. Default "all". */
  policy?: 'all' | 'relay'
  /** RFC 8445 2.5: host candidates alone; answers checks and makes none. */
  lite?: boolean
  /** Candidates for TCP as well (RFC 6544). */
  tcp?: boolean
  /** Default: drawn. */
  parameters?: IceParameters
  tuning?: Partial<Tuning>
  record?: (fact: IceFact) => void
}

export interface IceParameters {
  readonly ufrag: string
  readonly pwd: string
}

export class IceAgent implements Core<IceEvent> {
  /** For the session description, the same for every stream. */
  readonly parameters: IceParameters
  /** Datagrams thrown away, by reason. */
  readonly dropped: Record<string, number> = {}

  private readonly gathering: Gathering
  private readonly checking: Checking
  /** Components that descriptions have named, dropped ones included: for `fork`. */
  private readonly described: (1 | 2)[] = []
  private readonly outbox: Datagram[] = []
  private readonly events: IceEvent[] = []
  private readonly record: (fact: IceFact) => void

  constructor(private readonly options: IceAgentOptions) {
    const { random, stunServers, turnServers = [], policy = 'all', lite = false, tcp = false } = options
    this.record = options.record ?? (() => {})
    this.parameters = options.parameters ?? {
      ufrag: drawText(random, ufragLength),
      pwd: drawText(random, pwdLength),
    }
    const emit = (event: IceEvent): void => {
      this.events.push(event)
    }
    this.gathering = new Gathering({
      random,
      stunServers: lite ? [] : stunServers,
      turnServers: lite ? [] : turnServers,
      policy,
      tcp: tcp && !lite,
      transmit: (datagram) => this.outbox.push(datagram),
      emit,
      record: this.record,
      baseAdded: (now, base) => this.baseAdded(now, base),
      baseGone: (now, base, reason) => this.checking.baseGone(now, base, reason),
      peerRefused: (now, base, peer, reason) => this.checking.peerRefused(now, base, peer, reason),
      arrived: (now, base, data, from) => {
        const reason = this.receiveAt(now, base, { data, local: base.address, remote: from })
        if (reason) this.drop(reason)
      },
    })
    this.checking = new Checking({
      role: options.controlling ? 'controlling' : 'controlled',
      random,
      parameters: this.parameters,
      locals: this.gathering.locals,
      lite,
      tuning: options.tuning ?? {},
      emit,
      record: this.record,
    })
  }

  get controlling(): boolean {
    return this.checking.role === 'controlling'
  }

  get state(): IceState {
    return this.checking.state
  }

  // ── streams and candidates ───────────────────────────────────────────────────────────────────

  /** Returns the stream's index. */
  addStream(components: 1 | 2): number {
    this.described.push(components)
    return this.checking.streams.push(new IceStream(this.checking.streams.length, components)) - 1
  }

  /** A host candidate, and what STUN and TURN servers give through this socket. */
  addSocket(now: Millis, options: SocketOptions): void {
    if (this.stream(options.stream).components.has(options.component)) this.gathering.addSocket(now, options)
  }

  /** A passive TCP candidate (RFC 6544); active ones come with the sockets. */
  addTcpListener(now: Millis, options: SocketOptions): void {
    if (this.stream(options.stream).components.has(options.component))
      this.gathering.addTcpListener(now, options)
  }

  /** A port from which connections are opened to peers who open theirs to it (RFC 6544, simultaneous open). */
  addSimultaneousOpen(now: Millis, options: SocketOptions): void {
    if (this.stream(options.stream).components.has(options.component))
      this.gathering.addSimultaneousOpen(now, options)
  }

  /** The interface of a socket is gone, with all that was found through it. */
  removeBase(now: Millis, local: TransportAddress): void {
    this.gathering.removeBases(now, (base) => sameAddress(base.address, local), 'its interface is gone')
  }

  /** No more sockets will come; `gathered` follows when every server has answered or been given up. */
  closeGathering(now: Millis): void {
    this.gathering.close(now)
  }

  /** Waits for no server any longer; an answer that still comes is used. */
  endGathering(now: Millis): void {
    this.gathering.end(now)
  }

  /** Highest priority first. */
  localCandidates(stream: number): Candidate[] {
    return this.gathering.locals
      .ofStream(stream)
      .map(({ base: _base, server: _server, ...candidate }) => candidate)
  }

  /** An agent for another peer that answers the same description, as the forks of an INVITE do (RFC 3261 13.2.2.4): same
   *  credentials, sockets, allocations and candidates, also those of a dropped component, and nothing of the peer before. Asks
   *  no server again. One agent at a time can have the sockets: close this one. */
  fork(): IceAgent {
    const { controlling, parameters } = this
    const fork = new IceAgent({ ...this.options, controlling, parameters, stunServers: [], turnServers: [] })
    for (const components of this.described) fork.addStream(components)
    this.gathering.handOver(fork.gathering)
    return fork
  }

  /** The candidate for c= and m= (RFC 8839 4.2.1.2). */
  defaultCandidate(stream: number, component: Component): Candidate | undefined {
    return this.gathering.locals.default(stream, component)
  }

  // ── the session ──────────────────────────────────────────────────────────────────────────────

  /** The peer's half of a stream; checks start. Again with the same credentials: further candidates. */
  setRemote(now: Millis, stream: number, remote: RemoteIce): void {
    if (this.state === 'closed') return
    this.checking.setRemote(now, this.stream(stream), remote)
    this.permitPeers(now, stream)
  }

  /** Candidates of the peer that trickle in (RFC 8838), once its description is known. */
  addRemoteCandidates(
    now: Millis,
    stream: number,
    candidates: readonly Candidate[],
    endOfCandidates = false,
  ): void {
    if (this.state === 'closed') return
    this.checking.addRemoteCandidates(now, this.stream(stream), candidates, endOfCandidates)
    this.permitPeers(now, stream)
  }

  /** The peer multiplexes RTCP (RFC 8445 5.1.1.1, RFC 5761). */
  dropComponent(now: Millis, stream: number, component: 2): void {
    const isDropped = (base: Base): boolean => base.stream === stream && base.component === component
    this.gathering.removeBases(now, isDropped, 'its component is not needed')
    this.checking.dropComponent(now, this.stream(stream), component)
  }

  /** Counts only before the first `setRemote` and the first conflict, which an early check can bring: then the role is between
   *  the two agents (RFC 8445 6.1.1, 7.3.1.1). */
  setControlling(now: Millis, controlling: boolean): void {
    if (this.checking.hasSwitchedRole || this.checking.streams.some(({ remote }) => remote)) return
    this.checking.setRole(now, controlling ? 'controlling' : 'controlled')
  }

  /** The nominated pair. */
  selectedPair(stream: number, component: Component): IcePath | undefined {
    return this.stream(stream).components.get(component)?.selected?.path
  }

  /** What media may use right now: the nominated pair, before that the best valid one; undefined without consent. */
  sendPair(stream: number, component: Component): IcePath | undefined {
    return this.stream(stream).components.get(component)?.inUse?.path
  }

  /** Whether the peer has this address, as far as its description and its authenticated checks tell. */
  isKnownRemote(stream: number, component: Component, from: TransportAddress): boolean {
    const { earlyChecks } = this.stream(stream)
    return (
      this.stream(stream).findRemote(component, from) !== undefined ||
      earlyChecks.some(({ base, remote }) => {
        return base.component === component && remote.port === from.port && remote.address === from.address
      })
    )
  }

  /** Media on the pair in use, whatever lies below it; returns whether there is one.
   *  @param departAt when it is to leave, where the path can keep that */
  send(now: Millis, stream: number, component: Component, data: Uint8Array, departAt?: Millis): boolean {
    const pair = this.stream(stream).components.get(component)?.inUse
    pair?.base.send(now, data, pair.remoteAddress, departAt)
    return pair !== undefined
  }

  /** Asks the peer at once whether it still answers on the pair in use; the event 'probe' tells. */
  probe(now: Millis, stream: number, component: Component): void {
    if (this.state !== 'closed') this.checking.probe(now, this.stream(stream), component)
  }

  /** The peer is known to have our description: its ACK has come. */
  peerIsReady(now: Millis): void {
    if (this.state === 'checking') this.checking.peerIsReady(now)
  }

  /** A connection could not be opened, or has ended. */
  handleClosed(now: Millis, ends: Pick<Datagram, 'local' | 'remote' | 'over'>, reason: string): void {
    if (this.state === 'closed') return
    if (ends.over !== 'tcp') {
      this.gathering.handleClosed(now, ends, reason)
      return
    }
    const base = this.gathering.baseOf(ends)
    if (base) this.checking.wireClosed(now, base, ends.remote, reason)
  }

  /** Every pair tried and its fate, highest priority first. */
  pairs(): PairReport[] {
    return reportPairs(this.checking.streams)
  }

  /** Sends nothing and answers nothing any more. */
  close(now: Millis): void {
    if (this.state === 'closed') return
    this.checking.close()
    this.outbox.length = 0
    this.gathering.stop(now)
    this.record({ layer: 'ice', type: 'state', state: 'closed' })
  }

  // ── Core ─────────────────────────────────────────────────────────────────────────────────────

  handleDatagram(now: Millis, datagram: Datagram): void {
    if (this.state === 'closed') return
    const reason = this.receive(now, datagram)
    if (reason) this.drop(reason)
    this.afterChecks()
  }

  handleTimeout(now: Millis): void {
    if (this.state === 'closed') return
    this.gathering.handleTimeout(now)
    this.checking.handleTimeout(now)
    this.afterChecks()
  }

  pollTransmit(): Datagram | undefined {
    return this.outbox.shift() ?? this.gathering.pollTransmit()
  }

  pollEvent(): IceEvent | undefined {
    return this.events.shift()
  }

  nextTimeout(): Deadline | undefined {
    if (this.state === 'closed') return undefined
    const gathering = this.gathering.nextTimeout()
    const checking = this.checking.nextTimeout()
    return gathering && (!checking || gathering.at < checking.at) ? gathering : checking
  }

  /** Returns why the datagram was dropped, if it was. */
  private receive(now: Millis, datagram: Datagram): string | undefined {
    if (this.gathering.handleDatagram(now, datagram)) return undefined
    const base = this.gathering.baseOf(datagram)
    return base ? this.receiveAt(now, base, datagram) : 'datagram to an unknown local address'
  }

  private receiveAt(now: Millis, base: Base, datagram: Datagram): string | undefined {
    const address = canonicalIp(datagram.remote.address)
    if (!address || datagram.remote.port === 0) return 'datagram from no address'
    const received = { ...datagram, remote: { address, port: datagram.remote.port } }
    const first = datagram.data[0] ?? 0
    // RFC 7983: 128..191 is RTP and RTCP.
    if (first >= 128 && first < 192) return this.receiveMedia(base, received)
    const message = decode(datagram.data)
    if (typeof message === 'string') return message
    if (message.method !== method.binding) return 'STUN method other than Binding'
    if (message.class === 'indication') return undefined
    if (message.class === 'request') {
      const { remoteCandidates } = this.stream(base.stream)
      const known = remoteCandidates.length
      const reason = this.checking.receiveRequest(now, message, received, base)
      // Where the peer has shown itself, it may come by a relay of ours as well.
      if (remoteCandidates.length > known) this.permitPeers(now, base.stream)
      return reason
    }
    if (this.gathering.receive(now, message, received)) return undefined
    return this.checking.receiveResponse(now, message, received, base)
  }

  private receiveMedia({ stream, component }: Base, { data, remote }: Datagram): string | undefined {
    if (!this.stream(stream).components.has(component)) return 'data of a component that was dropped'
    if (!this.isKnownRemote(stream, component, remote)) return 'data from an unknown address'
    this.events.push({ type: 'data', stream, component, data, from: remote })
    return undefined
  }

  // ── gathering ────────────────────────────────────────────────────────────────────────────────

  private baseAdded(now: Millis, base: Base): void {
    this.checking.localAdded(now, this.stream(base.stream))
    if (base.relay) this.permitPeers(now, base.stream)
  }

  private permitPeers(now: Millis, stream: number): void {
    this.gathering.permit(now, stream, this.stream(stream).remoteCandidates)
  }

  /** Consent checks hold the NAT's mapping from now on; those of pairs that lost need no holding. */
  private afterChecks(): void {
    if (this.state === 'completed' || this.state === 'failed') this.gathering.endKeepalives()
  }

  // ─────────────────────────────────────────────────────────────────────────────────────────────

  private stream(index: number): IceStream {
    const stream = this.checking.streams[index]
    if (!stream) throw new InvariantError(`There is no ICE stream ${index}.`)
    return stream
  }

  private drop(reason: string): void {
    this.dropped[reason] = (this.dropped[reason] ?? 0) + 1
  }
}

const drawText = (random: Random, length: number): string =>
  Array.from(random.bytes(length), (octet) => iceCharacters[octet & 63]).join('')
