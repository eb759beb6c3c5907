// The way of one audio stream through the network: sockets, and either an ICE agent that picks the pair or, for a peer
// without ICE, plain addresses with symmetric RTP (media goes to where the peer's media really comes from).
//
//   stream ── sendRtp/sendRtcp ──> selected pair | latched address ──> socket
//   socket ──> demux (RFC 7983) ── STUN ──> ICE agent
//                               └─ RTP / RTCP (RFC 5761) ──> stream
import { InvariantError, NetworkError } from '../errors.ts'
import { IceAgent, type IceEvent } from '../ice/agent.ts'
import type { RemoteIce } from '../ice/candidate.ts'
import { isRtcp } from '../rtp/packet.ts'
import { formatAddress, sameAddress, type TransportAddress } from '../runtime/address.ts'
import { CoreDriver, type Datagram } from '../runtime/core.ts'
import type { Clock, Millis, Network, Random, UdpSocket } from '../runtime/runtime.ts'
import type { MediaTransport } from '../stream/media-transport.ts'
import { isStun } from '../stun/message.ts'
import type { FactBody } from '../trace/facts.ts'

export interface MediaPathOptions {
  clock: Clock
  network: Network
  random: Random
  /** Local addresses, best first. */
  addresses: readonly string[]
  /** 2 where RTCP may need its own port (no rtcp-mux yet agreed). */
  components: 1 | 2
  /** Absent: no ICE. */
  ice?: { controlling: boolean; stunServers: TransportAddress[] }
  record: (fact: FactBody) => void
}

/** Why a path that was found, or looked for, carries nothing. */
export type PathFailure = { type: 'failed'; reason: string } | { type: 'consent-lost' }

/** Plain mode: where a component's packets go, and where they are allowed to come from. */
interface PlainPeer {
  signalled?: TransportAddress
  latched?: TransportAddress
  /** Where media came from until a new description moved it: what is still on its way is not followed. */
  former?: { address: TransportAddress; until: Millis }
  heardAt: Millis
}

interface MediaSocket {
  component: 1 | 2
  socket: UdpSocket
}

/** RTP on an even port with RTCP on the next one (RFC 3550 11), for peers that ignore a=rtcp. */
const portPairAttempts = 16
/** A peer that moved without saying so is followed once its old address has been silent for this long. */
const relatchAfterSilenceMs = 1_000
/** Several streams' worth of a jittery sender: 20 ms packets that wait while the event loop is busy. */
const receiveBufferBytes = 512 * 1024

export class MediaPath implements MediaTransport {
  onRtp: ((packet: Uint8Array) => void) | undefined
  onRtcp: ((packet: Uint8Array) => void) | undefined
  /** `isUsable` or `failure` has changed. */
  onChange: (() => void) | undefined

  /** The ICE agent at work; another one for another peer. */
  agent: IceAgent | undefined
  /** Why the peer of now can have no media any more. */
  failure: PathFailure | undefined
  private driver: CoreDriver<IceEvent> | undefined
  private readonly sockets: MediaSocket[] = []
  private readonly byLocal = new Map<string, UdpSocket>()
  private mode: 'idle' | 'ice' | 'plain' = 'idle'
  private mux = false
  private readonly plain: Record<1 | 2, PlainPeer> = { 1: { heardAt: 0 }, 2: { heardAt: 0 } }
  private gathered = false
  private onGathered: (() => void) | undefined
  private usable = false
  private closed = false
  private sentRtp = false
  private receivedRtp = false

  static async open(options: MediaPathOptions): Promise<MediaPath> {
    const path = new MediaPath(options)
    try {
      await path.openSockets()
    } catch (error) {
      path.close()
      throw error
    }
    path.startGathering()
    return path
  }

  private constructor(private readonly options: MediaPathOptions) {
    const { ice, random, record } = options
    if (!ice) return
    const { controlling, stunServers } = ice
    const agent = new IceAgent({ controlling, random, stunServers, record })
    agent.addStream(options.components)
    this.run(agent)
  }

  /** Waits until every STUN server has answered or been given up, but never longer than `limitMs`. */
  async gather(limitMs: Millis): Promise<void> {
    if (!this.agent || this.gathered || this.closed) return
    await new Promise<void>((resolve) => {
      const timer = this.options.clock.setTimer(limitMs, () => this.onGathered?.())
      this.onGathered = () => {
        this.onGathered = undefined
        timer.cancel()
        resolve()
      }
    })
  }

  /** What to write into c=, m= and a=rtcp: the default candidate, or the first socket where there is no ICE. */
  defaultAddress(component: 1 | 2): TransportAddress | undefined {
    const candidate = this.agent?.defaultCandidate(0, component)
    if (candidate) return { address: candidate.address, port: candidate.port }
    return this.sockets.find((s) => s.component === component)?.socket.local
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

  /** The peer has no ICE: send to its addresses, and follow its media. Again: the media has moved, or is another peer's. */
  usePlain(remote: { rtp?: TransportAddress; rtcp?: TransportAddress; rtcpMux: boolean }): void {
    if (this.mode !== 'plain') {
      for (const component of [1, 2] as const)
        this.forget(component, this.agent?.sendPair(0, component)?.remote)
      this.mode = 'plain'
      this.failure = undefined
      this.stopAgent()
    }
    this.setMux(remote.rtcpMux)
    this.signal(1, remote.rtp)
    this.signal(2, remote.rtcp ?? (remote.rtp && { address: remote.rtp.address, port: remote.rtp.port + 1 }))
    this.becomeUsable()
  }

  get isUsable(): boolean {
    return this.usable
  }

  /** Whether the path will stay as it is: with ICE, every component has its nominated pair. */
  get isSettled(): boolean {
    return this.mode === 'ice' ? this.agent?.state === 'completed' : this.usable
  }

  sendRtp(packet: Uint8Array): boolean {
    const sent = this.send(1, packet)
    if (sent && !this.sentRtp) {
      this.sentRtp = true
      this.options.record({ layer: 'rtp', type: 'first-sent', to: sent })
    }
    return sent !== undefined
  }

  sendRtcp(packet: Uint8Array): boolean {
    return this.send(this.mux ? 1 : 2, packet) !== undefined
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.onGathered?.()
    this.stopAgent()
    for (const { socket } of this.sockets) socket.close()
  }

  // ── sockets ──────────────────────────────────────────────────────────────────────────────────

  private async openSockets(): Promise<void> {
    const { addresses, components, record } = this.options
    let failure: unknown
    for (const address of addresses) {
      try {
        for (const [index, socket] of (await this.openPorts(address, components)).entries()) {
          const component = index === 0 ? 1 : 2
          this.sockets.push({ component, socket })
          this.byLocal.set(formatAddress(socket.local), socket)
          socket.onDatagram = (data, from) => this.receive(component, socket, data, from)
          socket.onError = (error) =>
            record({
              layer: 'call',
              type: 'warning',
              message: `media socket ${formatAddress(socket.local)}: ${error.message}`,
            })
        }
      } catch (error) {
        // An address that has just gone away must not take the call with it, unless it was the last one.
        failure = error
        const reason = error instanceof Error ? error.message : String(error)
        record({ layer: 'call', type: 'warning', message: `no media socket on ${address}: ${reason}` })
      }
    }
    if (this.sockets.length === 0) {
      if (failure) throw failure
      throw new NetworkError('no network address to receive media on: connect an interface', 'none')
    }
  }

  private async openPorts(address: string, components: 1 | 2): Promise<UdpSocket[]> {
    const { network } = this.options
    const bind = (port: number) => network.openUdp({ address, port }, { receiveBufferBytes })
    if (components === 1) return [await bind(0)]
    for (let attempt = 0; ; attempt++) {
      const rtp = await bind(0)
      const port = rtp.local.port
      if (port % 2 === 0 || attempt >= portPairAttempts) {
        try {
          return [rtp, await bind(port % 2 === 0 && attempt < portPairAttempts ? port + 1 : 0)]
        } catch (error) {
          rtp.close()
          if (attempt >= portPairAttempts) throw error
          continue
        }
      }
      rtp.close()
    }
  }

  private startGathering(): void {
    const { agent, driver } = this
    if (!agent || !driver) return
    driver.drive((now) => {
      for (const [index, { component, socket }] of this.sockets.entries()) {
        // RFC 8445 5.1.2.1: 65535 for the best address, less for each further one.
        agent.addSocket(now, { stream: 0, component, base: socket.local, localPreference: 65_535 - index })
      }
      agent.closeGathering(now)
    })
  }

  // ── in and out ───────────────────────────────────────────────────────────────────────────────

  private readonly transmit = (datagram: Datagram): void => {
    this.byLocal.get(formatAddress(datagram.local))?.send(datagram.data, datagram.remote)
  }

  private receive(component: 1 | 2, socket: UdpSocket, data: Uint8Array, from: TransportAddress): void {
    if (this.closed) return
    if (isStun(data)) {
      this.driver?.drive((now) =>
        this.agent?.handleDatagram(now, { data, local: socket.local, remote: from }),
      )
      return
    }
    // RFC 7983: 128..191 is RTP and RTCP, nothing else is expected here.
    const first = data[0] ?? 0
    if (first < 128 || first > 191) return
    if (!this.admits(component, from)) return
    if (isRtcp(data)) {
      this.onRtcp?.(data)
      return
    }
    if (component !== 1) return
    if (!this.receivedRtp && data.length >= 12) {
      this.receivedRtp = true
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
      this.options.record({
        layer: 'rtp',
        type: 'first-received',
        from,
        ssrc: view.getUint32(8),
        payloadType: view.getUint8(1) & 0x7f,
      })
    }
    this.onRtp?.(data)
  }

  /** Whether media from this source is the peer's; in plain mode also learns where the peer really is. */
  private admits(component: 1 | 2, from: TransportAddress): boolean {
    if (this.mode !== 'plain') return this.agent?.isKnownRemote(0, component, from) ?? false
    const state = this.plain[component]
    const now = this.options.clock.now()
    const current = state.latched ?? state.signalled
    if (current && sameAddress(current, from)) {
      state.latched = current
      state.heardAt = now
      return true
    }
    const { former } = state
    if (former && now < former.until && sameAddress(former.address, from)) return false
    const free = state.latched === undefined || now - state.heardAt > relatchAfterSilenceMs
    if (!free) return false
    state.latched = from
    state.heardAt = now
    if (component === 1) {
      this.options.record({
        layer: 'rtp',
        type: 'latched',
        from,
        ...(state.signalled && { signalled: state.signalled }),
      })
    }
    return true
  }

  private send(component: 1 | 2, packet: Uint8Array): TransportAddress | undefined {
    if (this.closed) return undefined
    if (this.mode === 'ice') {
      const pair = this.agent?.sendPair(0, component)
      if (!pair) return undefined
      this.byLocal.get(formatAddress(pair.local.base))?.send(packet, pair.remote)
      return { address: pair.remote.address, port: pair.remote.port }
    }
    if (this.mode !== 'plain') return undefined
    const { latched, signalled } = this.plain[component]
    const to = latched ?? signalled
    if (!to) return undefined
    this.socketTowards(component, to)?.send(packet, to)
    return to
  }

  private socketTowards(component: 1 | 2, to: TransportAddress): UdpSocket | undefined {
    const sixth = to.address.includes(':')
    return this.sockets.find(
      (s) => s.component === component && s.socket.local.address.includes(':') === sixth,
    )?.socket
  }

  private signal(component: 1 | 2, address: TransportAddress | undefined): void {
    const state = this.plain[component]
    if (address && state.signalled && sameAddress(address, state.signalled)) return
    this.forget(component, state.latched ?? state.signalled)
    if (address) state.signalled = address
    else delete state.signalled
    // A new description moves the media (RFC 3264 8.3.1), whatever had been learned.
    delete state.latched
  }

  private forget(component: 1 | 2, address: TransportAddress | undefined): void {
    if (!address) return
    this.plain[component].former = { address, until: this.options.clock.now() + relatchAfterSilenceMs }
  }

  private setMux(mux: boolean): void {
    this.mux = mux || this.options.components === 1
  }

  // ── ICE ──────────────────────────────────────────────────────────────────────────────────────

  /** Gives the sockets to an agent, in the place of the one before. */
  private run(agent: IceAgent): void {
    this.stopAgent()
    this.agent = agent
    this.driver = new CoreDriver<IceEvent>(agent, this.options.clock, this.transmit, this.onIceEvent)
  }

  private stopAgent(): void {
    this.driver?.drive((now) => this.agent?.close(now))
    this.driver?.stop()
  }

  private readonly onIceEvent = (event: IceEvent): void => {
    switch (event.type) {
      case 'gathered':
        this.gathered = true
        this.onGathered?.()
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
    }
  }

  private fail(failure: PathFailure): void {
    this.failure = failure
    this.onChange?.()
  }

  private becomeUsable(): void {
    if (this.usable) return
    this.usable = true
    this.onChange?.()
  }
}
