// A TURN server (RFC 8656) on any runtime, simulated or real: UDP, TCP and, in the simulator, what stands for TLS; relayed
// addresses of both families. It answers Binding too, with a second address also RFC 5780's questions.
// Left out: DONT-FRAGMENT (answered with 420), mobility, RFC 6062, ICMP.
import { addressFamily, formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis, Runtime, TcpConnection, TcpListener, Timer, UdpSocket } from '../runtime/runtime.ts'
import { readUint32, readXorAddress } from '../stun/attributes.ts'
import { answerBinding } from '../stun/binding-responder.ts'
import { isUnicast } from '../stun/ip-address.ts'
import {
  decode,
  headerLengthBytes,
  MessageWriter,
  type StunMessage,
  transactionKey,
} from '../stun/message.ts'
import { attribute, errorCode, method } from '../stun/numbers.ts'
import { answerDiscovery, discoveryAddresses } from './stun-server.ts'
import { TurnAllocation, type TurnClient } from './turn-allocation.ts'
import { Authenticator, type TurnCredentials } from './turn-credentials.ts'
import { TurnFraming } from './turn-framing.ts'
import { turnAttribute, turnErrorCode, turnMethod } from './turn-numbers.ts'

export interface TurnServerOptions extends TurnCredentials {
  /** "tls" listens as TCP does: the simulator's TLS is without cryptography. */
  listen: readonly { protocol: 'udp' | 'tcp' | 'tls'; address: string; port: number }[]
  /** Where relayed addresses are taken from, one a family; default: the first address of each family that it listens at. */
  relayAddresses?: readonly string[]
  /** RFC 5780: differs in both parts from the first UDP address of `listen`. */
  otherAddress?: TransportAddress
  /** RFC 8656 7.2: seconds; default 600, and at most 3600. */
  lifetimeS?: number
  longestLifetimeS?: number
  /** Allocations of one user: more are answered with 486. */
  quota?: number
  /** Allocations in all: more are answered with 508. */
  capacity?: number
  /** Peers that may be reached; others are answered with 403. Addresses of no single host never may. */
  permitsPeer?: (address: string) => boolean
  /** Every Allocate request is answered with 300 and this. */
  alternate?: TransportAddress
}

/** RFC 8656 3.2. */
const DEFAULT_LIFETIME_S = 600
/** RFC 8656 7.2: the maximum lifetime SHOULD be 3600 s. */
const LONGEST_LIFETIME_S = 3_600
/** RFC 8656 18.6 */
const UDP_TRANSPORT = 17
/** RFC 8656 12: numbers of channels. */
const LOWEST_CHANNEL = 0x4000
const HIGHEST_CHANNEL = 0x4fff
/** RFC 8656 18.7: the R bit of EVEN-PORT. */
const RESERVE_NEXT = 0x80
/** RFC 8656 7.2: a reserved port SHOULD be held for 30 s at least. */
const RESERVATION_MS = 30_000
const TOKEN_LENGTH_BYTES = 8
/** Ports to try for an even one, and one that is free after it. */
const PORT_ATTEMPTS = 50

const understood = new Set<number>([...Object.values(attribute), ...Object.values(turnAttribute)])

/** What refuses a request: an error response with this code. */
class Refusal {
  constructor(readonly code: number) {}
}

type Request = { client: TurnClient; message: StunMessage; username: string }

export class RunningTurnServer {
  /** Allocations, by the 5-tuple of their client. */
  private readonly allocations = new Map<string, TurnAllocation>()
  private readonly allocating = new Set<string>()
  /** Ports that an EVEN-PORT has reserved, by token. */
  private readonly reserved = new Map<string, { relay: UdpSocket; timer: Timer }>()
  private readonly sockets = new Map<string, UdpSocket>()
  private readonly listeners: TcpListener[] = []
  private readonly connections = new Set<TcpConnection>()
  private readonly authenticator: Authenticator
  private readonly relayAddresses: readonly string[]
  private connected = 0
  private stopped = false

  constructor(
    private readonly runtime: Runtime,
    private readonly options: TurnServerOptions,
  ) {
    this.authenticator = new Authenticator(options, runtime.clock, runtime.random)
    const own = options.listen.map(({ address }) => address)
    this.relayAddresses = options.relayAddresses ?? onePerFamily(own)
  }

  /** Where it listens, in the order of `listen`; ports that were 0 are the true ones. */
  readonly addresses: TransportAddress[] = []

  /** Allocations that live now. */
  get allocationCount(): number {
    return this.allocations.size
  }

  async start(): Promise<void> {
    const { listen, otherAddress } = this.options
    let discovers = otherAddress !== undefined
    for (const { protocol, address, port } of listen) {
      if (protocol !== 'udp') {
        const listener = await this.runtime.network.listenTcp({ address, port })
        listener.onConnection = (connection) => this.accept(connection)
        this.listeners.push(listener)
        this.addresses.push(listener.local)
      } else if (discovers) {
        discovers = false
        for (const place of discoveryAddresses({ address, port }, otherAddress!))
          await this.openUdp(place.local, place.other)
        this.addresses.push({ address, port })
      } else {
        this.addresses.push(await this.openUdp({ address, port }))
      }
    }
  }

  /** Ends every allocation as a restart would: clients are not told. */
  dropAllocations(): void {
    for (const allocation of this.allocations.values()) allocation.close()
    this.allocations.clear()
  }

  stop(): void {
    this.stopped = true
    this.dropAllocations()
    for (const { relay, timer } of this.reserved.values()) {
      timer.cancel()
      relay.close()
    }
    this.reserved.clear()
    for (const socket of this.sockets.values()) socket.close()
    for (const listener of this.listeners) listener.close()
    for (const connection of this.connections) connection.close()
  }

  // ── clients ──────────────────────────────────────────────────────────────────────────────────

  private async openUdp(bind: TransportAddress, other?: TransportAddress): Promise<TransportAddress> {
    const socket = await this.runtime.network.openUdp(bind)
    const { local } = socket
    this.sockets.set(formatAddress(local), socket)
    socket.onDatagram = (data, address) =>
      this.receive(
        data,
        {
          key: `udp ${formatAddress(local)} ${formatAddress(address)}`,
          address,
          local,
          streamed: false,
          send: (response) => socket.send(response, address),
        },
        other,
      )
    return local
  }

  private accept(connection: TcpConnection): void {
    const framing = new TurnFraming()
    const client: TurnClient = {
      key: `tcp ${this.connected++}`,
      address: connection.remote,
      local: connection.local,
      streamed: true,
      send: (data) => connection.write(data),
    }
    this.connections.add(connection)
    connection.onData = (data) => {
      if (!framing.push(data, (message) => this.receive(message, client))) connection.close()
    }
    connection.onClose = () => {
      this.connections.delete(connection)
      this.end(client.key)
    }
  }

  /** @param other where RFC 5780 is answered: the address that differs in both parts */
  private receive(data: Uint8Array, client: TurnClient, other?: TransportAddress): void {
    if (data.length >= 4 && data[0]! >= 0x40 && data[0]! < 0x80) {
      const length = (data[2]! << 8) | data[3]!
      if (4 + length > data.length) return
      const number = (data[0]! << 8) | data[1]!
      this.allocations.get(client.key)?.toChannel(number, data.subarray(4, 4 + length))
      return
    }
    const message = decode(data)
    if (typeof message === 'string') return
    if (message.class === 'indication') this.indicated(client, message)
    else if (message.class !== 'request') return
    else if (message.method !== method.binding) void this.answer(client, message)
    else if (!other) {
      const response = answerBinding(data, client.address)
      if (response) client.send(response)
    } else {
      const { response, from, to } = answerDiscovery(message, client.address, client.local, other)
      this.sockets.get(formatAddress(from))!.send(response, to)
    }
  }

  /** Send (RFC 8656 11.2). */
  private indicated(client: TurnClient, message: StunMessage): void {
    const data = message.attributes.get(turnAttribute.data)
    const peer = readXorAddress(message, turnAttribute.xorPeerAddress)
    if (message.method !== turnMethod.send || !data || !peer) return
    this.allocations.get(client.key)?.toPeer(data, peer)
  }

  // ── requests ─────────────────────────────────────────────────────────────────────────────────

  private async answer(client: TurnClient, message: StunMessage): Promise<void> {
    const { transactionId } = message
    const error = (code: number) => new MessageWriter('error', message.method, transactionId).errorCode(code)
    const authentication = this.authenticator.authenticate(message)
    if (authentication.type === 'refused') {
      const writer = error(authentication.code)
      client.send((authentication.challenge ? this.authenticator.challenge(writer) : writer).finish())
      return
    }
    const { username, seal } = authentication
    const unknown = [...message.attributes.keys()].filter((type) => type < 0x8000 && !understood.has(type))
    if (unknown.length > 0) {
      const writer = error(errorCode.unknownAttribute).unknownAttributes(unknown)
      client.send(seal(writer).finish())
      return
    }
    const request = { client, message, username }
    try {
      const writer = new MessageWriter('success', message.method, transactionId)
      if (message.method === turnMethod.allocate) {
        const response = await this.allocate(request, (filled) => seal(filled).finish())
        if (response) client.send(response)
        return
      }
      const allocation = this.allocations.get(client.key)
      if (!allocation) throw new Refusal(turnErrorCode.allocationMismatch)
      if (allocation.username !== username) throw new Refusal(turnErrorCode.wrongCredentials)
      if (message.method === turnMethod.refresh) this.refresh(allocation, request, writer)
      else if (message.method === turnMethod.createPermission) this.createPermission(allocation, message)
      else if (message.method === turnMethod.channelBind) this.bindChannel(allocation, message)
      else throw new Refusal(errorCode.badRequest)
      client.send(seal(writer).finish())
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal
      const writer = error(refusal.code)
      if (refusal.code === errorCode.tryAlternate)
        writer.address(attribute.alternateServer, this.options.alternate!)
      client.send(seal(writer).finish())
    }
  }

  /** RFC 8656 7.2. Undefined while the same request is being answered already. */
  private async allocate(
    { client, message, username }: Request,
    finish: (writer: MessageWriter) => Uint8Array,
  ): Promise<Uint8Array | undefined> {
    const transaction = transactionKey(message.transactionId)
    const existing = this.allocations.get(client.key)
    if (existing?.created.transaction === transaction) return existing.created.response
    if (existing) throw new Refusal(turnErrorCode.allocationMismatch)
    const families = this.requestedFamilies(message)
    if (this.options.alternate) throw new Refusal(errorCode.tryAlternate)
    const { quota, capacity } = this.options
    const own = [...this.allocations.values()].filter((other) => other.username === username)
    if (quota !== undefined && own.length >= quota) throw new Refusal(turnErrorCode.quotaReached)
    if (capacity !== undefined && this.allocations.size >= capacity)
      throw new Refusal(turnErrorCode.insufficientCapacity)
    if (this.allocating.has(client.key)) return undefined
    this.allocating.add(client.key)
    const { relays, token } = await this.relaysFor(message, families).finally(() =>
      this.allocating.delete(client.key),
    )
    const lifetimeMs = this.lifetimeMs(message)
    const response = new MessageWriter('success', turnMethod.allocate, message.transactionId)
    for (const { local } of relays) response.xorAddress(turnAttribute.xorRelayedAddress, local)
    response.xorAddress(attribute.xorMappedAddress, client.address)
    response.uint32(turnAttribute.lifetime, lifetimeMs / 1_000)
    // RFC 8656 7.2: of two families asked for, what there is is given, and an error for the other.
    if (message.attributes.has(turnAttribute.additionalAddressFamily) && relays.length < 2)
      response.octets(turnAttribute.addressErrorCode, Uint8Array.of(2, 0, 4, 40))
    if (token) response.octets(turnAttribute.reservationToken, token)
    const created = { transaction, response: finish(response) }
    const { clock, random } = this.runtime
    const allocation = new TurnAllocation(client, username, relays, created, clock, random, () =>
      this.end(client.key),
    )
    if (this.stopped) {
      allocation.close()
      return undefined
    }
    this.allocations.set(client.key, allocation)
    allocation.refresh(lifetimeMs)
    return created.response
  }

  /** Which relayed addresses a request wants and can have. */
  private requestedFamilies(message: StunMessage): (4 | 6)[] {
    const transport = message.attributes.get(turnAttribute.requestedTransport)
    if (transport?.length !== 4) throw new Refusal(errorCode.badRequest)
    if (transport[0] !== UDP_TRANSPORT) throw new Refusal(turnErrorCode.unsupportedTransport)
    const requested = message.attributes.get(turnAttribute.requestedAddressFamily)
    const additional = message.attributes.get(turnAttribute.additionalAddressFamily)
    if (requested && additional) throw new Refusal(errorCode.badRequest)
    if (additional && additional[0] !== 2) throw new Refusal(errorCode.badRequest)
    const family = requested?.[0] === 2 ? 6 : 4
    if (requested && requested[0] !== 1 && requested[0] !== 2)
      throw new Refusal(turnErrorCode.familyNotSupported)
    const has = (wanted: 4 | 6) => this.relayAddresses.some((address) => addressFamily(address) === wanted)
    if (!has(family)) throw new Refusal(turnErrorCode.familyNotSupported)
    return additional && has(6) ? [4, 6] : [family]
  }

  /** Where the client asks for it, an even port, and the next one held for its next request (RFC 8656 7.2). */
  private async relaysFor(
    message: StunMessage,
    families: readonly (4 | 6)[],
  ): Promise<{ relays: UdpSocket[]; token?: Uint8Array }> {
    const evenPort = message.attributes.get(turnAttribute.evenPort)
    const token = message.attributes.get(turnAttribute.reservationToken)
    const { requestedAddressFamily, additionalAddressFamily } = turnAttribute
    const hasFamily = [requestedAddressFamily, additionalAddressFamily].some((a) => message.attributes.has(a))
    if (token) {
      if (evenPort || hasFamily) throw new Refusal(errorCode.badRequest)
      return { relays: [this.takeReserved(token)] }
    }
    if (!evenPort) return { relays: await this.openRelays(families) }
    const reserveNext = (evenPort[0]! & RESERVE_NEXT) !== 0
    if (evenPort.length !== 1 || (reserveNext && message.attributes.has(additionalAddressFamily)))
      throw new Refusal(errorCode.badRequest)
    const even = await this.openEvenRelay(families[0]!, reserveNext)
    const others = await this.openRelays(families.slice(1)).catch((error: unknown) => {
      for (const relay of even.relays) relay.close()
      throw error
    })
    return { ...even, relays: [...even.relays, ...others] }
  }

  private takeReserved(token: Uint8Array): UdpSocket {
    const key = Buffer.from(token).toString('hex')
    const held = this.reserved.get(key)
    if (!held) throw new Refusal(turnErrorCode.insufficientCapacity)
    this.reserved.delete(key)
    held.timer.cancel()
    return held.relay
  }

  private async openEvenRelay(
    family: 4 | 6,
    reserveNext: boolean,
  ): Promise<{ relays: UdpSocket[]; token?: Uint8Array }> {
    const { network, random, clock } = this.runtime
    for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
      const [relay] = await this.openRelays([family])
      const { address, port } = relay!.local
      if (port % 2 === 0 && !reserveNext) return { relays: [relay!] }
      const next =
        port % 2 === 0 ? await network.openUdp({ address, port: port + 1 }).catch(() => undefined) : undefined
      if (next) {
        const token = random.bytes(TOKEN_LENGTH_BYTES)
        const key = Buffer.from(token).toString('hex')
        const timer = clock.setTimer(RESERVATION_MS, () => {
          this.reserved.delete(key)
          next.close()
        })
        this.reserved.set(key, { relay: next, timer })
        return { relays: [relay!], token }
      }
      relay!.close()
    }
    throw new Refusal(turnErrorCode.insufficientCapacity)
  }

  private async openRelays(families: readonly (4 | 6)[]): Promise<UdpSocket[]> {
    const relays: UdpSocket[] = []
    try {
      for (const family of families) {
        const address = this.relayAddresses.find((candidate) => addressFamily(candidate) === family)!
        relays.push(await this.runtime.network.openUdp({ address, port: 0 }))
      }
    } catch {
      for (const relay of relays) relay.close()
      throw new Refusal(turnErrorCode.insufficientCapacity)
    }
    return relays
  }

  private lifetimeMs(message: StunMessage): Millis {
    const { lifetimeS = DEFAULT_LIFETIME_S, longestLifetimeS = LONGEST_LIFETIME_S } = this.options
    const wanted = readUint32(message, turnAttribute.lifetime) ?? lifetimeS
    return 1_000 * Math.min(Math.max(wanted, lifetimeS), longestLifetimeS)
  }

  /** RFC 8656 8.2; a lifetime of 0 ends the allocation. */
  private refresh(allocation: TurnAllocation, { client, message }: Request, response: MessageWriter): void {
    const family = message.attributes.get(turnAttribute.requestedAddressFamily)
    const has = allocation.relays.some(
      ({ local }) => family?.[0] === (addressFamily(local.address) === 6 ? 2 : 1),
    )
    if (family && !has) throw new Refusal(turnErrorCode.peerFamilyMismatch)
    const ends = readUint32(message, turnAttribute.lifetime) === 0
    const lifetimeMs = ends ? 0 : this.lifetimeMs(message)
    if (ends) this.end(client.key)
    else allocation.refresh(lifetimeMs)
    response.uint32(turnAttribute.lifetime, lifetimeMs / 1_000)
  }

  private createPermission(allocation: TurnAllocation, message: StunMessage): void {
    // RFC 8656 10.2: all of them or none.
    const peers = repeated(message, turnAttribute.xorPeerAddress).map((one) => this.peerOf(allocation, one))
    if (peers.length === 0) throw new Refusal(errorCode.badRequest)
    for (const peer of peers) allocation.permit(peer)
  }

  private bindChannel(allocation: TurnAllocation, message: StunMessage): void {
    const value = message.attributes.get(turnAttribute.channelNumber)
    const number = value?.length === 4 ? (value[0]! << 8) | value[1]! : 0
    if (number < LOWEST_CHANNEL || number > HIGHEST_CHANNEL) throw new Refusal(errorCode.badRequest)
    if (!allocation.bind(number, this.peerOf(allocation, message))) throw new Refusal(errorCode.badRequest)
  }

  private peerOf(allocation: TurnAllocation, message: StunMessage): TransportAddress {
    const peer = readXorAddress(message, turnAttribute.xorPeerAddress)
    if (!peer) throw new Refusal(errorCode.badRequest)
    if (!allocation.relayFor(peer)) throw new Refusal(turnErrorCode.peerFamilyMismatch)
    if (!isUnicast(peer.address) || this.options.permitsPeer?.(peer.address) === false)
      throw new Refusal(turnErrorCode.forbidden)
    return peer
  }

  private end(key: string): void {
    this.allocations.get(key)?.close()
    this.allocations.delete(key)
  }
}

/** The message once for each attribute of a type, which it then has alone: of several, `decode` keeps the first. */
function repeated(message: StunMessage, type: number): StunMessage[] {
  const { bytes } = message
  const messages: StunMessage[] = []
  const end = message.integrityOffset ?? message.integritySha256Offset ?? bytes.length
  for (let at = headerLengthBytes; at < end; ) {
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!
    const value = bytes.subarray(at + 4, at + 4 + length)
    if (((bytes[at]! << 8) | bytes[at + 1]!) === type)
      messages.push({ ...message, attributes: new Map([[type, value]]) })
    at += 4 + ((length + 3) & ~3)
  }
  return messages
}

const onePerFamily = (addresses: readonly string[]): string[] =>
  ([4, 6] as const).flatMap((family) => addresses.find((address) => addressFamily(address) === family) ?? [])

/** Runs a TURN server until its `stop`. */
export async function serveTurn(runtime: Runtime, options: TurnServerOptions): Promise<RunningTurnServer> {
  const server = new RunningTurnServer(runtime, options)
  await server.start()
  return server
}
