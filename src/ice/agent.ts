// An ICE agent (RFC 8445, consent of RFC 7675) without sockets, timers and randomness of its own: host and
// server-reflexive candidates, full implementation, any number of streams. One agent has one peer: another one that answers
// the same description gets an agent of its own (`fork`). Relayed and TCP candidates, trickling and restarts are not here yet.
//
//   addSocket ─> gathering.ts ─> local candidates ─┐
//   setRemote ─────────────────> remote candidates ┴─> checklist.ts ─> checking.ts ─> pair in use, nominated pair
//   handleDatagram ─> requests and responses ─────────────────────────┘  └─> consent.ts

import { InvariantError } from '../errors.ts'
import { formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Core, Datagram, Deadline } from '../runtime/core.ts'
import type { Millis, Random } from '../runtime/runtime.ts'
import { canonicalIp } from '../stun/ip-address.ts'
import { decode } from '../stun/message.ts'
import { method } from '../stun/numbers.ts'
import type { IceFact } from '../trace/facts.ts'
import type { Base, Candidate, Component, LocalCandidate, RemoteIce } from './candidate.ts'
import { Checking } from './checking.ts'
import type { IceEvent, IceState } from './events.ts'
import { Gathering, type ServerOutcome } from './gathering.ts'
import { LocalCandidates } from './local-candidates.ts'
import type { IcePath } from './pair.ts'
import { candidateFact, type PairReport, reportPairs } from './report.ts'
import { IceStream } from './stream.ts'
import type { Tuning } from './tuning.ts'

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
  /** Default: drawn. */
  parameters?: IceParameters
  tuning?: Partial<Tuning>
  record?: (fact: IceFact) => void
}

export interface IceParameters {
  readonly ufrag: string
  readonly pwd: string
}

export interface SocketOptions {
  stream: number
  component: Component
  /** The bound address: a concrete one, never the wildcard. */
  base: TransportAddress
  /** RFC 8445 5.1.2.1, 0 to 65535; by default earlier IP addresses are preferred to later ones. */
  localPreference?: number
}

export class IceAgent implements Core<IceEvent> {
  /** For the session description, the same for every stream. */
  readonly parameters: IceParameters
  /** Datagrams thrown away, by reason. */
  readonly dropped: Record<string, number> = {}

  private readonly locals = new LocalCandidates()
  private readonly gathering: Gathering
  private readonly checking: Checking
  private readonly bases = new Map<string, Base>()
  private readonly preferences = new Map<string, number>()
  /** What we told a peer that we have, in the order found: for `fork`. */
  private readonly described: { components: (1 | 2)[]; candidates: LocalCandidate[] } = {
    components: [],
    candidates: [],
  }
  private readonly outbox: Datagram[] = []
  private readonly events: IceEvent[] = []
  private readonly record: (fact: IceFact) => void
  private gatheringSince: Millis | undefined
  private gatheringClosed = false
  private gathered = false

  constructor(private readonly options: IceAgentOptions) {
    const { random } = options
    this.record = options.record ?? (() => {})
    this.parameters = options.parameters ?? {
      ufrag: drawText(random, ufragLength),
      pwd: drawText(random, pwdLength),
    }
    this.gathering = new Gathering(options.stunServers, random)
    this.checking = new Checking({
      role: options.controlling ? 'controlling' : 'controlled',
      random,
      parameters: this.parameters,
      locals: this.locals,
      tuning: options.tuning ?? {},
      emit: (event) => this.events.push(event),
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
    this.described.components.push(components)
    return this.checking.streams.push(new IceStream(this.checking.streams.length, components)) - 1
  }

  /** A host candidate, and the question to every STUN server of the same family what address it appears as. */
  addSocket(now: Millis, { stream, component, base: address, localPreference }: SocketOptions): void {
    if (!this.stream(stream).components.has(component)) return
    if (this.gatheringSince === undefined) {
      this.gatheringSince = now
      this.record({ layer: 'ice', type: 'state', state: 'gathering' })
    }
    const base = this.addBase({
      stream,
      component,
      address,
      localPreference: localPreference ?? this.preferenceOf(address.address),
    })
    this.addCandidate(this.locals.add('host', base, address))
    this.gathering.enquire(now, base)
    this.checking.localAdded(now, this.stream(stream))
  }

  /** No more sockets will come; `gathered` follows when every STUN server has answered or been given up. */
  closeGathering(now: Millis): void {
    this.gatheringClosed = true
    this.concludeGathering(now)
  }

  /** Waits for no STUN server any longer; an answer that still comes is used. */
  endGathering(now: Millis): void {
    this.gatheringClosed = true
    this.concludeGathering(now, true)
  }

  /** Highest priority first. */
  localCandidates(stream: number): Candidate[] {
    return this.locals.ofStream(stream).map(({ base: _base, server: _server, ...candidate }) => candidate)
  }

  /** An agent for another peer that answers the same description, as the forks of an INVITE do (RFC 3261 13.2.2.4): same
   *  credentials, sockets and candidates, also those of a dropped component, and nothing of the peer before. Asks no STUN
   *  server again. One agent at a time can have the sockets: close this one. */
  fork(): IceAgent {
    const { controlling, parameters } = this
    const fork = new IceAgent({ ...this.options, controlling, parameters, stunServers: [] })
    for (const components of this.described.components) fork.addStream(components)
    for (const { type, base, address, port, server } of this.described.candidates) {
      const own = fork.bases.get(formatAddress(base.address)) ?? fork.addBase(base)
      const same = fork.locals.add(type, own, { address, port }, server)
      if (same) fork.described.candidates.push(same)
    }
    fork.gatheringClosed = true
    fork.gathered = true
    return fork
  }

  /** The candidate for c= and m= (RFC 8839 4.2.1.2). */
  defaultCandidate(stream: number, component: Component): Candidate | undefined {
    return this.locals.default(stream, component)
  }

  // ── the session ──────────────────────────────────────────────────────────────────────────────

  /** The peer's half of a stream; checks start. Again with the same credentials: further candidates. */
  setRemote(now: Millis, stream: number, remote: RemoteIce): void {
    if (this.state === 'closed') return
    this.checking.setRemote(now, this.stream(stream), remote)
  }

  /** The peer multiplexes RTCP (RFC 8445 5.1.1.1, RFC 5761). */
  dropComponent(now: Millis, stream: number, component: 2): void {
    this.locals.dropComponent(stream, component)
    this.gathering.dropBases((base) => base.stream === stream && base.component === component)
    for (const [key, base] of this.bases) {
      if (base.stream === stream && base.component === component) this.bases.delete(key)
    }
    this.checking.dropComponent(now, this.stream(stream), component)
    this.concludeGathering(now)
  }

  /** Counts only before the first `setRemote`: then the role is between the two agents (RFC 8445 6.1.1, 7.3.1.1). */
  setControlling(now: Millis, controlling: boolean): void {
    if (this.checking.streams.some(({ remote }) => remote)) return
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

  /** Every pair tried and its fate, highest priority first. */
  pairs(): PairReport[] {
    return reportPairs(this.checking.streams)
  }

  /** Sends nothing and answers nothing any more. */
  close(_now: Millis): void {
    if (this.state === 'closed') return
    this.checking.close()
    this.gathering.dropBases(() => true)
    this.gathering.endKeepalives()
    this.outbox.length = 0
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
    const silent = this.gathering.handleTimeout(now)
    for (const outcome of silent) this.serverAnswered(outcome)
    if (silent.length > 0) this.concludeGathering(now)
    this.checking.handleTimeout(now)
    this.afterChecks()
  }

  pollTransmit(): Datagram | undefined {
    return this.outbox.shift()
  }

  pollEvent(): IceEvent | undefined {
    return this.events.shift()
  }

  nextTimeout(): Deadline | undefined {
    const gathering = this.gathering.nextTimeout()
    const checking = this.checking.nextTimeout()
    return gathering && (!checking || gathering.at < checking.at) ? gathering : checking
  }

  /** Returns why the datagram was dropped, if it was. */
  private receive(now: Millis, datagram: Datagram): string | undefined {
    const base = this.bases.get(formatAddress(datagram.local))
    if (!base) return 'datagram to an unknown local address'
    const message = decode(datagram.data)
    if (typeof message === 'string') return message
    if (message.method !== method.binding) return 'STUN method other than Binding'
    if (message.class === 'indication') return undefined
    const address = canonicalIp(datagram.remote.address)
    if (!address || datagram.remote.port === 0) return 'datagram from no address'
    const received = { ...datagram, remote: { address, port: datagram.remote.port } }
    if (message.class === 'request') {
      return this.checking.receiveRequest(now, message, received, base)
    }
    const outcome = this.gathering.receive(now, message, received)
    if (!outcome) return this.checking.receiveResponse(now, message, received, base)
    this.serverAnswered(outcome)
    this.concludeGathering(now)
    return undefined
  }

  // ── gathering ────────────────────────────────────────────────────────────────────────────────

  private serverAnswered({ base, server, afterMs, result }: ServerOutcome): void {
    const detail = result.type === 'error' ? { detail: result.detail } : {}
    const outcome = { server, outcome: result.type, afterMs, ...detail }
    this.events.push({ type: 'server', protocol: 'stun', base: base.address, ...outcome })
    this.record({ layer: 'ice', type: 'server', ...outcome })
    if (result.type === 'answered') this.addCandidate(this.locals.add('srflx', base, result.mapped, server))
  }

  private addBase({ stream, component, address, localPreference }: Omit<Base, 'send'>): Base {
    const send = (data: Uint8Array, to: TransportAddress): void => {
      this.outbox.push({ data, local: address, remote: to })
    }
    const base: Base = { stream, component, address, localPreference, send }
    this.bases.set(formatAddress(address), base)
    return base
  }

  private addCandidate(added: LocalCandidate | undefined): void {
    if (!added) return
    this.described.candidates.push(added)
    const { base, server: _server, ...candidate } = added
    this.events.push({ type: 'candidate', stream: base.stream, candidate })
    this.record(candidateFact('local', candidate))
  }

  private concludeGathering(now: Millis, regardless = false): void {
    if (this.gathered || !this.gatheringClosed || (this.gathering.pending && !regardless)) return
    this.gathered = true
    const candidates = this.checking.streams.reduce(
      (sum, { index }) => sum + this.locals.ofStream(index).length,
      0,
    )
    this.events.push({ type: 'gathered' })
    this.record({ layer: 'ice', type: 'gathered', candidates, afterMs: now - (this.gatheringSince ?? now) })
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

  private preferenceOf(address: string): number {
    const known = this.preferences.get(address)
    if (known !== undefined) return known
    const preference = 65_535 - this.preferences.size
    this.preferences.set(address, preference)
    return preference
  }

  private drop(reason: string): void {
    this.dropped[reason] = (this.dropped[reason] ?? 0) + 1
  }
}

const drawText = (random: Random, length: number): string =>
  Array.from(random.bytes(length), (octet) => iceCharacters[octet & 63]).join('')
