// A simulated host: a whole `Runtime` (clock, network, randomness, files) for anything that takes one. It has loopback
// addresses and interfaces, each in a realm of its own or the same, which may come and go.
import { NetworkError, UsageError } from '../errors.ts'
import { addressFamily, formatAddress, type TransportAddress } from '../runtime/address.ts'
import type {
  AddressRecord,
  Millis,
  NaptrRecord,
  Network,
  NetworkInterface,
  Runtime,
  SrvRecord,
  TcpConnection,
  TcpListener,
  TlsPeer,
  TlsServerOptions,
  UdpSocket,
  WebSocketConnection,
} from '../runtime/runtime.ts'
import type { VirtualClock } from './clock.ts'
import { MemoryFiles } from './files.ts'
import type { Packet, World } from './link.ts'
import type { NameServer } from './name-server.ts'
import type { SeededRandom } from './random.ts'
import type { Interface } from './realm.ts'
import { VirtualTcpConnection } from './tcp.ts'
import { virtualWebSocket } from './websocket.ts'

/** RFC 6335 6: dynamic ports. */
const LOWEST_DYNAMIC_PORT = 49_152
const DYNAMIC_PORT_COUNT = 65_536 - LOWEST_DYNAMIC_PORT
const CONNECT_TIMEOUT_MS = 10_000
const LOOPBACK = { 4: '127.0.0.1', 6: '::1' } as const
const ANY = { 4: '0.0.0.0', 6: '::' } as const

/** What a UDP socket, a TCP listener or a TCP connection does with a packet for its port. */
type PortHolder = (packet: Packet) => void

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1'
const portKey = (protocol: Packet['protocol'], local: TransportAddress): string =>
  `${protocol} ${formatAddress(local)}`
const connectionKey = (local: TransportAddress, remote: TransportAddress): string =>
  `${portKey('tcp', local)} ${formatAddress(remote)}`

export class VirtualHost implements Runtime, Network {
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly files = new MemoryFiles()
  readonly network: Network = this
  private readonly holders = new Map<string, PortHolder>()
  private attached: readonly (Interface & { readonly name: string })[] = []
  private attachedSoFar = 0

  constructor(
    private readonly world: World,
    clock: VirtualClock,
    readonly name: string,
    interfaces: readonly Interface[],
    private readonly names: NameServer,
  ) {
    this.clock = clock
    this.random = world.random.fork(`host ${name}`)
    for (const place of interfaces) this.addInterface(place)
  }

  get machine(): string {
    return this.name
  }

  /** Its interfaces but loopback. */
  get attachments(): readonly Interface[] {
    return this.attached
  }

  /** A network cable is plugged in, a radio has found its network. */
  addInterface(place: Interface): void {
    if (this.attached.some(({ address }) => address === place.address))
      throw new UsageError(
        `${this.name} has an interface with the address ${place.address} already: choose another`,
      )
    place.realm.attach(place.address, place.link, (packet) => this.receive(packet))
    this.attached = [...this.attached, { ...place, name: `eth${this.attachedSoFar++}` }]
  }

  /** The interface with this address is gone. Sockets bound to it stay and reach nobody, as they do on real systems. */
  removeInterface(address: string): void {
    const place = this.attached.find((own) => own.address === address)
    if (!place) throw new UsageError(`${this.name} has no interface with the address ${address}`)
    place.realm.detach(address)
    this.attached = this.attached.filter((own) => own !== place)
  }

  /** Other interfaces than until now: a change of network, from Wi-Fi to LTE, or of address. */
  setInterfaces(...interfaces: Interface[]): void {
    for (const { address } of this.attached) this.removeInterface(address)
    for (const place of interfaces) this.addInterface(place)
  }

  /** The sockets, listeners and connections that are open: ["udp 192.168.1.2:5060", ...]. */
  get open(): string[] {
    return [...this.holders.keys()]
  }

  /** Power off: every socket is gone without a word, and the host no longer answers. */
  powerOff(): void {
    this.holders.clear()
    this.setInterfaces()
  }

  interfaces(): NetworkInterface[] {
    const loopback = [4, 6].map((family) => ({
      name: 'lo',
      address: LOOPBACK[family as 4 | 6],
      family: family as 4 | 6,
      loopback: true,
    }))
    const others = this.attached.map(({ address, name }) => ({
      name,
      address,
      family: addressFamily(address),
      loopback: false,
    }))
    return [...loopback, ...others]
  }

  async openUdp(bind: TransportAddress): Promise<UdpSocket> {
    const local = this.claim('udp', bind)
    const key = portKey('udp', local)
    const socket: UdpSocket = {
      local,
      onDatagram: undefined,
      onError: undefined,
      send: (data, to) => {
        if (this.holders.get(key) !== holder) return
        const source = this.sourceFor(local, to)
        if (source) this.transmit({ protocol: 'udp', source, destination: to, data: data.slice() })
        else socket.onError?.(noRoute(to))
      },
      close: () => this.release(key, holder),
    }
    const holder: PortHolder = (packet) => socket.onDatagram?.(packet.data.slice(), packet.source)
    this.holders.set(key, holder)
    return socket
  }

  async listenTcp(bind: TransportAddress): Promise<TcpListener> {
    const local = this.claim('tcp', bind)
    const key = portKey('tcp', local)
    const listener: TcpListener = {
      local,
      onConnection: undefined,
      close: () => this.release(key, holder),
    }
    const holder: PortHolder = (packet) => {
      if (packet.segment!.flag !== 'syn') {
        this.refuse(packet)
        return
      }
      const connection = this.connection(packet.destination, packet.source)
      connection.sendSegment('syn-ack')
      connection.handleSegment(packet)
      if (listener.onConnection) listener.onConnection(connection)
      else connection.close()
    }
    this.holders.set(key, holder)
    return listener
  }

  connectTcp(
    to: TransportAddress,
    options?: { timeoutMs?: Millis; from?: TransportAddress; signal?: AbortSignal },
  ): Promise<TcpConnection> {
    return new Promise((resolve, reject) => {
      const timeoutMs = options?.timeoutMs ?? CONNECT_TIMEOUT_MS
      const at = formatAddress(to)
      const address = options?.from?.address ?? this.route(to)?.address
      if (!address) return reject(noRoute(to))
      const local = this.claim('tcp', { address, port: options?.from?.port ?? 0 })
      const connection = this.connection(local, to)
      const key = connectionKey(local, to)
      const established = this.holders.get(key)!
      const giveUp = (reason: string): void => {
        decided()
        this.holders.delete(key)
        reject(new NetworkError(reason, at))
      }
      const abandon = (): void => giveUp(`the connection to TCP ${at} was given up`)
      const decided = (): void => {
        timer.cancel()
        options?.signal?.removeEventListener('abort', abandon)
      }
      const timer = this.clock.setTimer(timeoutMs, () =>
        giveUp(`TCP ${at} did not answer within ${timeoutMs} ms: check address, port and firewall`),
      )
      options?.signal?.addEventListener('abort', abandon)
      // Until the answer to the SYN is here, it decides alone.
      this.holders.set(key, (packet) => {
        const { flag } = packet.segment!
        if (flag === 'rst') {
          giveUp(`TCP ${at} refused the connection: check the port and that the server runs`)
          return
        }
        const isOpen = flag === 'syn' || flag === 'syn-ack'
        // Before it is handled: a FIN that has overtaken it ends the connection, which is held no longer then.
        if (isOpen) this.holders.set(key, established)
        established(packet)
        if (flag === 'syn') connection.answerSyn()
        if (!isOpen) return
        decided()
        resolve(connection)
      })
      connection.sendSegment('syn')
    })
  }

  /** Without cryptography: what the simulated network carries is readable to nobody anyway. Firewalls see the difference. */
  async startTls(connection: TcpConnection): Promise<TcpConnection> {
    secure(connection, { verified: true })
    return connection
  }

  /** As `startTls`, at the other end. */
  async listenTls(bind: TransportAddress, options?: TlsServerOptions): Promise<TcpListener> {
    const listener = await this.listenTcp(bind)
    const secured: TcpListener = { local: listener.local, onConnection: undefined, close: listener.close }
    listener.onConnection = (accepted) => {
      const connection = options?.beneath?.(accepted) ?? accepted
      secure(accepted, { verified: false })
      if (secured.onConnection) secured.onConnection(connection)
      else connection.close()
    }
    return secured
  }

  async resolve(host: string): Promise<string[]> {
    return (await this.resolveAddresses(host)).map(({ address }) => address)
  }

  async resolveAddresses(host: string): Promise<AddressRecord[]> {
    const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
    if (bare.includes(':') || /^[\d.]+$/.test(bare)) return [{ address: bare }]
    const addresses = await this.names.ask('addresses', bare)
    if (addresses.length > 0) return [...addresses]
    throw new NetworkError(`could not resolve ${host} (ENOTFOUND): check the name`, host)
  }

  async resolveSrv(name: string): Promise<SrvRecord[]> {
    return [...(await this.names.ask('srv', name))]
  }

  async resolveNaptr(name: string): Promise<NaptrRecord[]> {
    return [...(await this.names.ask('naptr', name))]
  }

  /** A simulated world has one name server. */
  withNameServers(): Network {
    return this
  }

  async sourceAddressFor(to: TransportAddress): Promise<string | undefined> {
    return this.route(to)?.address
  }

  async openWebSocket(connection: TcpConnection): Promise<WebSocketConnection> {
    return virtualWebSocket(connection)
  }

  async acceptWebSocket(connection: TcpConnection): Promise<WebSocketConnection> {
    return virtualWebSocket(connection)
  }

  // ---- ports -----------------------------------------------------------------------------------------------------------

  /** The address with a port that nobody holds. */
  private claim(protocol: Packet['protocol'], bind: TransportAddress): TransportAddress {
    const { address } = bind
    const any = address === ANY[4] || address === ANY[6]
    if (!any && !isLoopback(address) && !this.attached.some((own) => own.address === address))
      throw new NetworkError(
        `cannot bind ${protocol.toUpperCase()} to ${formatAddress(bind)}: no interface of this machine has that address; choose another`,
        formatAddress(bind),
      )
    // As kernels have it, who holds a port at all addresses shares it with nobody at one of them.
    const family = addressFamily(address)
    const own = this.attached.flatMap((one) => (addressFamily(one.address) === family ? one.address : []))
    const rivals = any ? [address, ...own] : [address, ANY[family]]
    const isFree = (port: number): boolean =>
      !rivals.some((rival) => this.holders.has(portKey(protocol, { address: rival, port })))
    if (bind.port) {
      if (isFree(bind.port)) return { ...bind }
      throw new NetworkError(
        `${protocol.toUpperCase()} port ${bind.port} on ${address} is in use by another program: stop it or choose another`,
        formatAddress(bind),
      )
    }
    let port: number
    do port = LOWEST_DYNAMIC_PORT + this.random.integer(DYNAMIC_PORT_COUNT)
    while (!isFree(port))
    return { address, port }
  }

  private release(key: string, holder: PortHolder): void {
    if (this.holders.get(key) === holder) this.holders.delete(key)
  }

  private connection(local: TransportAddress, remote: TransportAddress): VirtualTcpConnection {
    const key = connectionKey(local, remote)
    const connection = new VirtualTcpConnection(
      local,
      remote,
      (packet) => this.transmit(packet),
      () => this.holders.delete(key),
    )
    this.holders.set(key, (packet) => connection.handleSegment(packet))
    return connection
  }

  // ---- packets ---------------------------------------------------------------------------------------------------------

  /** The interface towards an address: in its own realm first, else the first with a gateway; loopback has no realm. */
  private route(to: TransportAddress): { address: string; via?: Interface } | undefined {
    const family = addressFamily(to.address)
    if (isLoopback(to.address)) return { address: LOOPBACK[family] }
    const own = this.attached.filter(({ address }) => addressFamily(address) === family)
    const via =
      own.find(({ realm }) => realm.holds(to.address)) ??
      own.find(({ realm }) => realm.gatewayFor(family)) ??
      own[0]
    return via && { address: via.address, via }
  }

  /** The source of a datagram from a socket bound to `local`; undefined where it cannot leave. */
  private sourceFor(local: TransportAddress, to: TransportAddress): TransportAddress | undefined {
    const family = addressFamily(to.address)
    const any = local.address === ANY[4] || local.address === ANY[6]
    if (any) {
      const address = local.address === ANY[6] || family === 4 ? this.route(to)?.address : undefined
      return address === undefined ? undefined : { address, port: local.port }
    }
    if (addressFamily(local.address) !== family) return undefined
    if (isLoopback(local.address) || isLoopback(to.address))
      return isLoopback(local.address) && isLoopback(to.address) ? local : undefined
    return this.attached.some(({ address }) => address === local.address) ? local : undefined
  }

  private transmit(packet: Packet): void {
    const { source, destination } = packet
    this.world.sent(packet, this.name)
    const ownAddress =
      isLoopback(destination.address) || this.attached.some(({ address }) => address === destination.address)
    if (ownAddress) {
      this.clock.setTimer(0, () => this.receive(packet))
      return
    }
    const via = this.attached.find(({ address }) => address === source.address)
    if (!via) {
      this.world.observe('no route', packet, this.name)
      return
    }
    via.link.carry('up', packet, (arrived) => via.realm.route(arrived))
  }

  private receive(packet: Packet): void {
    const { protocol, source, destination } = packet
    const family = addressFamily(destination.address)
    const at = (address: string): PortHolder | undefined =>
      this.holders.get(portKey(protocol, { address, port: destination.port }))
    const holder =
      (protocol === 'tcp' ? this.holders.get(connectionKey(destination, source)) : undefined) ??
      at(destination.address) ??
      at(ANY[family]) ??
      at(ANY[6])
    if (holder) {
      this.world.observe('delivered', packet, this.name)
      holder(packet)
    } else {
      this.world.observe('no socket', packet, this.name)
      if (protocol === 'tcp') this.refuse(packet)
    }
  }

  /** Answers a segment that belongs to no connection (RFC 9293 3.5.2). */
  private refuse(packet: Packet): void {
    const { flag, sequence } = packet.segment!
    if (flag === 'rst' || flag === 'fin') return
    const { source, destination } = packet
    const segment = { flag: 'rst' as const, sequence }
    this.transmit({ protocol: 'tcp', source: destination, destination: source, data: packet.data, segment })
  }
}

const noRoute = (to: TransportAddress): NetworkError => {
  const at = formatAddress(to)
  return new NetworkError(`there is no route to ${at}: check the address and the interfaces`, at)
}

/** Beneath whatever listens to it. */
function secure(connection: TcpConnection, tls: TlsPeer): void {
  const inmost = connection.inner ?? connection
  if (inmost instanceof VirtualTcpConnection) inmost.tls = tls
}
