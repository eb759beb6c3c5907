// The way of one audio stream through the network: sockets, and either an ICE agent that picks the pair or, for a peer
// without ICE, plain addresses with symmetric RTP (media goes to where the peer's media really comes from).
//
//   stream ── sendRtp/sendRtcp ──> pair in use ─┬─> its UDP socket
//                                               └─> relay or TCP, by the agent
//   wires ──> demux (RFC 7983) ── STUN, ChannelData, TCP, TURN ──> ICE agent ── data ─┐
//                              └─ DTLS, RTP / RTCP (RFC 5761) ────────────────────────┴─> stream
import { InvariantError } from '../errors.ts'
import { IceAgent, type IceEvent } from '../ice/agent.ts'
import type { Candidate, RemoteIce } from '../ice/candidate.ts'
import { keepaliveIntervalMs, writeKeepalive } from '../ice/check-message.ts'
import { isRtcp } from '../rtp/packet.ts'
import { addressFamily, formatAddress, sameAddress, type TransportAddress } from '../runtime/address.ts'
import { CoreDriver, type Datagram } from '../runtime/core.ts'
import type { Clock, Millis, Network, Random, Timer } from '../runtime/runtime.ts'
import type { MediaTransport } from '../stream/media-transport.ts'
import { isStun, transactionIdLengthBytes } from '../stun/message.ts'
import type { FactBody } from '../trace/facts.ts'
import type { TurnServer } from '../turn/server.ts'
import { Wires, type WiresOptions } from '../wire/wires.ts'
import { type MediaPort, openMediaPorts } from './media-ports.ts'
import { PlainPeer } from './plain-peer.ts'

export interface PathIce {
  stunServers: readonly TransportAddress[]
  turnServers: readonly TurnServer[]
  /** Only what a relay gives is told to the peer, and used. */
  relayOnly: boolean
  lite: boolean
  tcp: boolean
}

export interface MediaPathOptions {
  clock: Clock
  network: Network
  random: Random
  /** Local addresses, best first. */
  addresses: readonly string[]
  /** 2 where RTCP may need its own port (no rtcp-mux yet agreed). */
  components: 1 | 2
  /** Absent: no ICE. */
  ice?: PathIce
  /** How connections to TURN servers are made. */
  connections: Pick<WiresOptions, 'proxy' | 'tls'>
  record: (fact: FactBody) => void
}

/** Why a path that was found, or looked for, carries nothing. */
export type PathFailure = { type: 'failed'; reason: string } | { type: 'consent-lost' }

type ServerEvent = Extract<IceEvent, { type: 'server' }>

export class MediaPath implements MediaTransport {
  onRtp: MediaTransport['onRtp']
  onRtcp: MediaTransport['onRtcp']
  /** Of DTLS-SRTP (RFC 5764): its handshakes take the paths of RTP and RTCP. */
  onDtls: ((record: Uint8Array, component: 1 | 2) => void) | undefined
  /** `isUsable` or `failure` has changed. */
  onChange: (() => void) | undefined
  /** A candidate was found, or (absent) all have been. */
  onCandidate: ((candidate?: Candidate) => void) | undefined
  onServer: ((event: ServerEvent) => void) | undefined
  /** What `probe` has found. */
  onProbed: ((alive: boolean) => void) | undefined
  /** A socket or a connection in use reports that something is wrong. */
  onTrouble: (() => void) | undefined

  /** The ICE agent at work; another one for another peer. */
  agent: IceAgent | undefined
  /** What TURN servers have said, or not, where they gave no relay. */
  readonly relayProblems = new Set<string>()
  /** Why the peer of now can have no media any more. */
  failure: PathFailure | undefined
  private readonly wires: Wires
  private driver: CoreDriver<IceEvent> | undefined
  private ports: readonly MediaPort[] = []
  private mode: 'idle' | 'ice' | 'plain' = 'idle'
  /** RTCP goes the way of RTP. */
  isMultiplexed = false
  private readonly plain: Record<1 | 2, PlainPeer>
  private gathered = false
  /** Servers of each kind that a component has not had an answer from: what waiting is for. */
  private readonly awaited = new Set<string>()
  private readonly onGathered = new Set<() => void>()
  private usable = false
  /** Of plain RTP: whether some has left since `keepAlive` looked last. */
  private sentLately = false
  private keepaliveTimer: Timer | undefined
  private closed = false
  private sentRtp = false
  private receivedRtp = false
  private readonly warned = new Set<string>()

  static async open(options: MediaPathOptions): Promise<MediaPath> {
    const path = new MediaPath(options)
    try {
      await path.openPorts()
    } catch (error) {
      path.close()
      throw error
    }
    return path
  }

  private constructor(private readonly options: MediaPathOptions) {
    const { clock, network, connections } = options
    this.wires = new Wires({ clock, network, ...connections })
    this.wires.onDatagram = (datagram) => this.receive(datagram)
    this.wires.onClosed = (ends, reason) =>
      this.driver?.drive((now) => this.agent?.handleClosed(now, ends, reason))
    this.wires.onError = (local, error) => this.warn(`media socket ${formatAddress(local)}: ${error.message}`)
    const peer = (component: 1 | 2) =>
      new PlainPeer(clock, (from, signalled) => {
        if (component === 1)
          this.record({ layer: 'rtp', type: 'latched', from, ...(signalled && { signalled }) })
      })
    this.plain = { 1: peer(1), 2: peer(2) }
  }

  /** Local IP addresses of the sockets. */
  get addresses(): readonly string[] {
    return this.options.addresses
  }

  /**
   * Waits until there is enough to be found by: what STUN and TURN servers each have answered first, or all that will come, but
   * never longer than `limitMs`. What comes later is told by `onCandidate`.
   * @param all waits for every server
   */
  async gather(limitMs: Millis, { all = false } = {}): Promise<void> {
    const isEnough = () => this.gathered || (!all && this.awaited.size === 0)
    if (!this.agent || isEnough() || this.closed || limitMs <= 0) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.onGathered.delete(look)
        timer.cancel()
        resolve()
      }
      const look = (): void => {
        if (isEnough() || this.closed) done()
      }
      const timer = this.options.clock.setTimer(limitMs, done)
      this.onGathered.add(look)
    })
  }

  /** Whether every server has answered or been given up. */
  get isGathered(): boolean {
    return this.gathered || !this.agent
  }

  /** What to write into c=, m= and a=rtcp: the default candidate, or the first socket where there is no ICE. Where only a relay
   *  may be seen and the component has none: nothing. */
  defaultAddress(component: 1 | 2): TransportAddress | undefined {
    const candidate = this.agent?.defaultCandidate(0, component)
    if (candidate) return { address: candidate.address, port: candidate.port }
    if (this.options.ice?.relayOnly) return undefined
    return this.ports.find((port) => port.component === component)?.local
  }

  /** The peer speaks ICE: let the agent find the pair. Again: another peer, who takes the place of the one before (a fork of
   *  the INVITE whose answer counts now). */
  useIce(remote: RemoteIce, options: { rtcpMux: boolean; controlling: boolean }): void {
    if (!this.agent) throw new InvariantError('useIce without an ICE agent')
    if (this.mode !== 'idle') {
      this.run(this.agent.fork())
      this.usable = false
      this.failure = undefined
    }
    const { agent, driver } = this
    this.mode = 'ice'
    this.setMux(options.rtcpMux)
    driver?.drive((now) => {
      if (options.rtcpMux && this.options.components === 2) agent.dropComponent(now, 0, 2)
      agent.setControlling(now, options.controlling)
      agent.setRemote(now, 0, remote)
    })
  }

  /** Candidates of the peer that come after its description. */
  addRemoteCandidates(candidates: Candidate[], endOfCandidates: boolean): void {
    this.driver?.drive((now) => this.agent?.addRemoteCandidates(now, 0, candidates, endOfCandidates))
  }

  /** The peer is known to have our description. */
  peerIsReady(): void {
    if (this.mode === 'ice') this.driver?.drive((now) => this.agent?.peerIsReady(now))
  }

  /** The peer has no ICE: send to its addresses, and follow its media. Again: the media has moved, or is another peer's. */
  usePlain(remote: { rtp?: TransportAddress; rtcp?: TransportAddress; rtcpMux: boolean }): void {
    if (this.mode !== 'plain') {
      for (const component of [1, 2] as const)
        this.plain[component].forget(this.agent?.sendPair(0, component)?.remote)
      this.mode = 'plain'
      this.failure = undefined
      this.stopAgent()
    }
    this.keepaliveTimer ??= this.keepAlive()
    this.setMux(remote.rtcpMux)
    this.plain[1].signal(remote.rtp)
    this.plain[2].signal(
      remote.rtcp ?? (remote.rtp && { address: remote.rtp.address, port: remote.rtp.port + 1 }),
    )
    this.becomeUsable()
  }

  /** Whether it has not been given a peer yet. */
  get isIdle(): boolean {
    return this.mode === 'idle'
  }

  get usesIce(): boolean {
    return this.mode === 'ice'
  }

  get isUsable(): boolean {
    return this.usable && !this.failure
  }

  /** Whether the path will stay as it is: with ICE, every component has its nominated pair. */
  get isSettled(): boolean {
    return this.mode === 'ice' ? this.agent?.state === 'completed' : this.usable
  }

  /** Between which sockets media flows, where that is known. */
  get ends(): { local: TransportAddress; remote: TransportAddress } | undefined {
    const pair = this.mode === 'ice' ? this.agent?.sendPair(0, 1) : undefined
    if (pair) return { local: pair.local.base, remote: pair.remote }
    const remote = this.mode === 'plain' ? this.plain[1].address : undefined
    const port = remote && this.socketTowards(1, remote)
    return port && { local: port.local, remote }
  }

  /** The local IP address that media leaves from. */
  get localAddress(): string | undefined {
    if (this.mode === 'ice') return this.agent?.sendPair(0, 1)?.local.base.address
    const to = this.plain[1].address
    return to && this.socketTowards(1, to)?.local.address
  }

  /** Asks the peer at once whether it still answers; false where nobody can be asked. */
  probe(): boolean {
    const { agent, driver } = this
    if (this.mode !== 'ice' || !agent?.sendPair(0, 1)) return false
    driver?.drive((now) => agent.probe(now, 0, 1))
    return true
  }

  sendRtp(packet: Uint8Array, departAt?: Millis): boolean {
    const sent = this.send(1, packet, departAt)
    if (sent && !this.sentRtp) {
      this.sentRtp = true
      this.record({ layer: 'rtp', type: 'first-sent', to: { address: sent.address, port: sent.port } })
    }
    return sent !== undefined
  }

  sendRtcp(packet: Uint8Array, departAt?: Millis): boolean {
    return this.send(this.isMultiplexed ? 1 : 2, packet, departAt) !== undefined
  }

  sendDtls(record: Uint8Array, component: 1 | 2): boolean {
    return this.send(component, record) !== undefined
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.checkGathered()
    this.keepaliveTimer?.cancel()
    this.stopAgent()
    this.wires.close()
  }

  // ── sockets ──────────────────────────────────────────────────────────────────────────────────

  private async openPorts(): Promise<void> {
    const { addresses, components, ice } = this.options
    const listen = ice?.tcp === true && !ice.relayOnly && !ice.lite
    const { udp, listeners, reserved } = await openMediaPorts(this.wires, {
      addresses,
      components,
      listen,
      record: (fact) => this.record(fact),
    })
    this.ports = udp
    if (!ice) return
    const { random } = this.options
    const agent = new IceAgent({
      // Settled by who offers, with the description of the peer; until then a lite agent takes what a full one would be.
      controlling: !ice.lite,
      random,
      stunServers: ice.stunServers,
      turnServers: ice.turnServers,
      policy: ice.relayOnly ? 'relay' : 'all',
      lite: ice.lite,
      tcp: ice.tcp,
      record: (fact) => this.record(fact),
    })
    agent.addStream(components)
    for (const component of components === 2 ? [1, 2] : [1]) {
      if (ice.stunServers.length > 0 && !ice.relayOnly) this.awaited.add(`stun ${component}`)
      if (ice.turnServers.length > 0) this.awaited.add(`turn ${component}`)
    }
    this.run(agent)
    this.driver?.drive((now) => {
      for (const { component, local } of udp) agent.addSocket(now, { stream: 0, component, base: local })
      for (const { component, local } of listeners)
        agent.addTcpListener(now, { stream: 0, component, base: local })
      for (const { component, local } of reserved)
        agent.addSimultaneousOpen(now, { stream: 0, component, base: local })
      agent.closeGathering(now)
    })
  }

  // ── in and out ───────────────────────────────────────────────────────────────────────────────

  private receive(datagram: Datagram): void {
    if (this.closed) return
    const { data, local, remote, over, arrivedAt } = datagram
    const first = data[0] ?? 0
    // RFC 7983: 64..79 is ChannelData, 128..191 RTP and RTCP.
    if (over !== undefined || isStun(data) || (first >= 64 && first < 80)) {
      this.driver?.drive((now) => this.agent?.handleDatagram(now, datagram))
      return
    }
    const component = this.componentAt(local)
    // The clock is read once for all who want to know.
    const at = arrivedAt ?? this.options.clock.now()
    if (component && this.admits(component, remote, at)) this.deliver(component, data, remote, at)
  }

  private componentAt(local: TransportAddress): 1 | 2 | undefined {
    for (const port of this.ports) if (sameAddress(port.local, local)) return port.component
    return undefined
  }

  /** Whether media from this source is the peer's; in plain mode also learns where the peer really is. */
  private admits(component: 1 | 2, from: TransportAddress, at: Millis): boolean {
    if (this.mode === 'plain') return this.plain[component].admits(from, at)
    return this.agent?.isKnownRemote(0, component, from) ?? false
  }

  private deliver(component: 1 | 2, data: Uint8Array, from: TransportAddress, arrivedAt?: Millis): void {
    const first = data[0] ?? 0
    // RFC 7983.
    if (first >= 20 && first < 64) this.onDtls?.(data, component)
    if (first < 128 || first > 191) return
    if (isRtcp(data)) {
      this.onRtcp?.(data, arrivedAt)
      return
    }
    if (component !== 1) return
    if (!this.receivedRtp && data.length >= 12) {
      this.receivedRtp = true
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
      this.record({
        layer: 'rtp',
        type: 'first-received',
        from,
        ssrc: view.getUint32(8),
        payloadType: view.getUint8(1) & 0x7f,
      })
    }
    this.onRtp?.(data, arrivedAt)
  }

  private send(component: 1 | 2, data: Uint8Array, departAt?: Millis): TransportAddress | undefined {
    if (this.closed) return undefined
    if (this.mode === 'ice') return this.sendByIce(component, data, departAt)
    if (this.mode !== 'plain') return undefined
    const to = this.plain[component].address
    const port = to && this.socketTowards(component, to)
    if (port) this.wires.udpSocket(port.local)?.send(data, to, departAt)
    if (component === 1) this.sentLately = true
    return to
  }

  /** While we send no RTP, as on hold, a STUN indication holds the NAT's mapping (RFC 6263 4.3): peers drop it unread. */
  private keepAlive(): Timer {
    const { clock, random } = this.options
    return clock.setTimer(keepaliveIntervalMs, () => {
      if (this.mode === 'plain' && !this.sentLately)
        this.send(1, writeKeepalive(random.bytes(transactionIdLengthBytes)))
      this.sentLately = false
      this.keepaliveTimer = this.keepAlive()
    })
  }

  private sendByIce(
    component: 1 | 2,
    data: Uint8Array,
    departAt: Millis | undefined,
  ): TransportAddress | undefined {
    const { agent, driver } = this
    const pair = agent?.sendPair(0, component)
    if (!agent || !driver || !pair) return undefined
    const { local, remote } = pair
    if (pair.viaSocket) this.wires.udpSocket(local.base)?.send(data, remote, departAt)
    else driver.drive((now) => agent.send(now, 0, component, data, departAt))
    return remote
  }

  private socketTowards(component: 1 | 2, to: TransportAddress): MediaPort | undefined {
    const family = addressFamily(to.address)
    return this.ports.find(
      (port) => port.component === component && addressFamily(port.local.address) === family,
    )
  }

  private setMux(mux: boolean): void {
    this.isMultiplexed = mux || this.options.components === 1
  }

  // ── ICE ──────────────────────────────────────────────────────────────────────────────────────

  /** Gives the sockets to an agent, in the place of the one before. */
  private run(agent: IceAgent): void {
    this.stopAgent()
    this.agent = agent
    this.driver = new CoreDriver<IceEvent>(
      agent,
      this.options.clock,
      (datagram) => this.wires.transmit(datagram),
      (event) => this.onIceEvent(event),
    )
  }

  private stopAgent(): void {
    this.driver?.drive((now) => this.agent?.close(now))
    this.driver?.stop()
  }

  private onIceEvent(event: IceEvent): void {
    switch (event.type) {
      case 'candidate':
        this.onCandidate?.(event.candidate)
        break
      case 'server':
        this.onServerEvent(event)
        break
      case 'gathered':
        this.gathered = true
        this.onCandidate?.()
        this.checkGathered()
        break
      case 'valid':
      case 'selected':
        if (event.component === 1) this.becomeUsable()
        break
      case 'state':
        if (event.state === 'failed' && this.mode === 'ice')
          this.fail({ type: 'failed', reason: event.reason ?? 'no candidate pair works' })
        else if (event.state === 'completed') this.onChange?.()
        break
      case 'consent-lost':
        if (event.component === 1) this.fail({ type: 'consent-lost' })
        break
      case 'data':
        this.deliver(event.component, event.data, event.from)
        break
      case 'probe':
        if (event.component === 1) this.onProbed?.(event.alive)
        break
    }
  }

  private onServerEvent(event: ServerEvent): void {
    this.onServer?.(event)
    if (event.outcome !== 'answered') {
      if (event.protocol !== 'stun' && event.detail) this.relayProblems.add(event.detail)
      if (this.usable) this.onTrouble?.()
      return
    }
    const component = this.componentAt(event.base) ?? 1
    this.awaited.delete(`${event.protocol === 'stun' ? 'stun' : 'turn'} ${component}`)
    this.checkGathered()
  }

  private checkGathered(): void {
    for (const look of [...this.onGathered]) look()
  }

  private fail(failure: PathFailure): void {
    this.failure = failure
    this.onChange?.()
  }

  private becomeUsable(): void {
    if (this.isUsable) return
    this.usable = true
    this.failure = undefined
    this.onChange?.()
  }

  /** Once each: a socket that cannot send says so with every packet. */
  private warn(message: string): void {
    if (!this.warned.has(message)) this.record({ layer: 'call', type: 'warning', message })
    this.warned.add(message)
    this.onTrouble?.()
  }

  private record(fact: FactBody): void {
    this.options.record(fact)
  }
}
