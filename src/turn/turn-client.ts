// A TURN client (RFC 8656): one allocation on one server, over UDP, TCP or TLS, with its permissions and channels. Data goes
// through a channel as soon as one is bound, and as Send indications until then, so that nothing ever waits. Left out: TCP
// relays (RFC 6062), mobility (RFC 8016), EVEN-PORT, DONT-FRAGMENT. What gives the allocation back is sent once, when its sockets
// are about to close: where the server calls its nonce stale or it is lost, the allocation ends with its lifetime.
//
//   idle ── allocate ──> allocating ── (401, 438, 300, 437, 440: asked again) ──> allocated ──> closed
//                             └───────────────────── failed <────────────────────────┘
import { addressFamily, sameAddress, type TransportAddress } from '../runtime/address.ts'
import type { Core, Datagram, Deadline, Stream } from '../runtime/core.ts'
import type { Millis, Random } from '../runtime/runtime.ts'
import {
  readAddress,
  readErrorCode,
  readText,
  readUint32,
  readXorAddress,
  readXorAddresses,
  unknownRequiredTurnAttributes,
} from '../stun/attributes.ts'
import { isUsable } from '../stun/ip-address.ts'
import {
  decode,
  isStun,
  MessageWriter,
  type StunMessage,
  transactionIdLengthBytes,
  transactionKey,
} from '../stun/message.ts'
import { attribute, errorCode, method, turnAttribute } from '../stun/numbers.ts'
import { ClientTransaction, type TransactionTiming } from '../stun/transaction.ts'
import { channelOf, channelPayload, isChannelData, writeChannelData } from './channel-data.ts'
import { LongTermCredential } from './long-term-credential.ts'
import { type Channel, Peers, type Permission } from './peers.ts'
import { nameOf, refusal } from './refusals.ts'
import type { TurnServer } from './server.ts'

export type TurnEvent =
  | { type: 'allocated'; relayed: readonly TransportAddress[]; mapped: TransportAddress }
  /** There is no allocation, or not any more; `code` where the server said so (RFC 8656 19). `reason` is one sentence. */
  | { type: 'failed'; code?: number; reason: string }
  /** `data` is a view of the datagram that brought it. */
  | { type: 'data'; relayed: TransportAddress; from: TransportAddress; data: Uint8Array }
  /** The server will not relay to this one peer: 403, 443 and the like. */
  | { type: 'peer-refused'; peer: TransportAddress; code: number }

export interface TurnClientOptions {
  server: TurnServer
  /** The socket, or the number that tells this connection from others. */
  local: TransportAddress
  random: Random
  /** Which relayed addresses to ask for; the server may have only one of two. Default both. */
  families?: readonly (4 | 6)[]
}

/** A caller waits for these: requests at 0, 0.2, 0.6 and 1.4 s, given up after 3.4 s (RFC 8489 6.2.1 lets Rc and Rm be chosen). */
const promptTiming: TransactionTiming = { rtoMs: 200, rc: 4, rm: 10 }
/** Nobody waits for a refresh, and all depends on it: RFC 8489's own timing, 39.5 s. */
const patientTiming: TransactionTiming = {}
/** A stream repeats by itself (RFC 8489 6.2.2); here is also the time to connect and to agree on TLS. */
const streamTiming: TransactionTiming = { rtoMs: 12_000, rc: 1, rm: 1 }
/** RFC 8656 7.2: SHOULD be refreshed about a minute before it expires. */
const refreshMarginMs = 60_000
/** RFC 8656 7.2. */
const defaultLifetimeSeconds = 600
/** RFC 8445 11: what keeps a NAT's binding towards the server where nothing else is sent. */
const keepaliveIntervalMs = 15_000
/** RFC 8656 18.5: REQUESTED-TRANSPORT is UDP. */
const udpProtocolNumber = 17
/** New nonces that one request tries: somebody else may have sent the first 438. */
const maximumStaleNonces = 3
/** Redirections to follow (RFC 8489 10); RFC 8489 asks only that none leads in a circle. */
const maximumRedirections = 3
const turnMethods = new Set<number>(Object.values(method).filter((number) => number !== method.binding))

/** What a request is for, and so what its answer changes. */
type Purpose =
  | { kind: 'allocate' }
  | { kind: 'refresh' }
  /** Deletes what an earlier user of this path left at the server (437). */
  | { kind: 'clear' }
  | { kind: 'permission'; permission: Permission }
  | { kind: 'channel'; channel: Channel }

interface Request {
  purpose: Purpose
  transaction: ClientTransaction
  sealed: boolean
  /** How often it was asked already with a nonce that was then called stale. */
  staleNonces: number
  /** An error that bears no integrity came: it counts only when nothing better does (RFC 8489 9.2.5). */
  doubtful?: { code: number; phrase: string }
}

export class TurnClient implements Core<TurnEvent> {
  /** How many datagrams were dropped, by reason. */
  readonly drops = new Map<string, number>()
  readonly over: Stream | undefined
  private readonly local: TransportAddress
  private readonly random: Random
  private readonly outbox: Datagram[] = []
  private readonly events: TurnEvent[] = []
  private readonly requests = new Map<string, Request>()
  private readonly peers = new Peers()
  private state: 'idle' | 'allocating' | 'allocated' | 'failed' | 'closed' = 'idle'
  private target: TurnServer
  private readonly formerTargets: TransportAddress[] = []
  private credential: LongTermCredential
  private families: readonly (4 | 6)[]
  private cleared = false
  private relayed: TransportAddress[] = []
  private refreshAt = Number.POSITIVE_INFINITY
  private keepaliveAt = Number.POSITIVE_INFINITY
  private lastSentAt = 0

  constructor(options: TurnClientOptions) {
    const { server, local, random, families = [4, 6] } = options
    this.target = server
    this.local = local
    this.random = random
    this.families = families
    this.over = server.transport === 'udp' ? undefined : `turn-${server.transport}`
    this.credential = new LongTermCredential(server.username, server.password)
  }

  /** Where the allocation is, or is asked for: the server given, or the one that it sent us to. */
  get server(): TurnServer {
    return this.target
  }

  /** Asks for relayed addresses; 'allocated' or 'failed' follows. */
  allocate(now: Millis): void {
    if (this.state !== 'idle') return
    this.state = 'allocating'
    this.request(now, { kind: 'allocate' })
  }

  /** Lets a peer's packets through the relay, and ours to it. Idempotent; renewed while the peer is in use. */
  permit(now: Millis, peer: TransportAddress): void {
    if (this.state !== 'allocated') return
    if (this.relayedFor(peer)) this.ask(now, this.peers.permission(now, peer))
    else this.events.push({ type: 'peer-refused', peer, code: errorCode.peerAddressFamilyMismatch })
  }

  /** Relays one datagram. STUN goes as Send indications (a check is seldom followed by another on its path); other data asks
   *  for a channel at once.
   *  @param departAt when it is to leave, where the path can keep that */
  send(now: Millis, data: Uint8Array, to: TransportAddress, departAt?: Millis): void {
    if (this.state !== 'allocated') return
    const known = this.peers.channel(to)
    if (known?.state === 'bound') {
      known.permission.usedAt = now
      this.transmit(now, writeChannelData(known.number, data, this.over !== undefined), departAt)
      return
    }
    if (!this.relayedFor(to)) return
    const permission = this.peers.permission(now, to)
    if (permission.state === 'refused') return
    const channel = known ?? (isStun(data) ? undefined : this.peers.newChannel(to, permission))
    if (channel?.state === 'idle') this.bind(now, channel)
    else this.ask(now, permission)
    // The permission is asked for just before: over a path that keeps order this arrives when it is already there.
    const writer = new MessageWriter('indication', method.send, this.random.bytes(transactionIdLengthBytes))
      .xorAddress(turnAttribute.xorPeerAddress, to)
      .octets(turnAttribute.data, data)
    this.transmit(now, writer.finish(), departAt)
  }

  /** The connection to the server is gone, or could not be opened. @param remote which, where it is known */
  handleClosed(_now: Millis, reason: string, remote?: TransportAddress): void {
    if (remote && !sameAddress(remote, this.target.address)) return
    this.fail(`no connection to ${nameOf(this.target)}: ${reason}`)
  }

  /** Gives the allocation back (RFC 8656 8). What is to be sent is sent after this; nothing else is. */
  close(now: Millis): void {
    const mayBeAllocated =
      this.state === 'allocated' || (this.state === 'allocating' && this.credential.isChallenged)
    this.end('closed')
    if (!mayBeAllocated) return
    const { bytes } = this.write({ kind: 'clear' })
    this.transmit(now, bytes)
  }

  /** Whether this client is the one to have the datagram: from the server it uses, on its path, and of TURN. */
  claims(datagram: Datagram): boolean {
    const { data, local, remote, over } = datagram
    return (
      over === this.over &&
      sameAddress(remote, this.target.address) &&
      sameAddress(local, this.local) &&
      (isChannelData(data) || (isStun(data) && turnMethods.has(methodOf(data))))
    )
  }

  // ── Core ─────────────────────────────────────────────────────────────────────────────────────

  handleDatagram(now: Millis, datagram: Datagram): void {
    if (this.state === 'idle' || this.state === 'failed' || this.state === 'closed') return
    const reason = this.claims(datagram) ? this.receive(now, datagram.data) : 'not of our TURN server'
    if (reason) this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1)
  }

  handleTimeout(now: Millis): void {
    for (const [key, request] of this.requests) {
      const due = request.transaction.handleTimeout(now)
      if (due === 'retransmit') this.transmit(now, request.transaction.request)
      if (due !== 'timed-out') continue
      this.requests.delete(key)
      this.unanswered(now, request)
    }
    if (this.state !== 'allocated') return
    if (now >= this.refreshAt) {
      this.refreshAt = Number.POSITIVE_INFINITY
      this.request(now, { kind: 'refresh' })
    }
    if (now >= this.peers.nextAt) {
      const { channels, permissions } = this.peers.due(now)
      for (const channel of channels) this.request(now, { kind: 'channel', channel })
      for (const permission of permissions) this.request(now, { kind: 'permission', permission })
    }
    if (now >= this.keepaliveAt) {
      // Compared as the deadline below is computed: subtracted, fractions may differ and the timer would spin.
      if (now >= this.lastSentAt + keepaliveIntervalMs) {
        const id = this.random.bytes(transactionIdLengthBytes)
        this.transmit(now, new MessageWriter('indication', method.binding, id).finish())
      }
      this.keepaliveAt = this.lastSentAt + keepaliveIntervalMs
    }
  }

  pollTransmit(): Datagram | undefined {
    return this.outbox.shift()
  }

  pollEvent(): TurnEvent | undefined {
    return this.events.shift()
  }

  nextTimeout(): Deadline | undefined {
    let at = this.refreshAt
    let why = 'refresh of the allocation'
    if (this.peers.nextAt < at) {
      at = this.peers.nextAt
      why = 'renewal of a permission'
    }
    if (this.keepaliveAt < at) {
      at = this.keepaliveAt
      why = 'keepalive to the TURN server'
    }
    for (const { purpose, transaction } of this.requests.values()) {
      if (transaction.nextAt >= at) continue
      at = transaction.nextAt
      why = `TURN ${purpose.kind}`
    }
    return at === Number.POSITIVE_INFINITY ? undefined : { at, why }
  }

  // ── requests ─────────────────────────────────────────────────────────────────────────────────

  private ask(now: Millis, permission: Permission): void {
    if (permission.state !== 'none') return
    permission.state = 'asked'
    this.request(now, { kind: 'permission', permission })
  }

  private bind(now: Millis, channel: Channel): void {
    channel.state = 'asked'
    // Binding a channel gives the permission as well (RFC 8656 12).
    if (channel.permission.state === 'none') channel.permission.state = 'asked'
    this.request(now, { kind: 'channel', channel })
  }

  private request(now: Millis, purpose: Purpose, staleNonces = 0): void {
    const { key, bytes } = this.write(purpose)
    const timing = this.over ? streamTiming : purpose.kind === 'refresh' ? patientTiming : promptTiming
    const transaction = new ClientTransaction(bytes, now, timing)
    this.requests.set(key, { purpose, transaction, sealed: this.credential.isChallenged, staleNonces })
    this.transmit(now, bytes)
  }

  private write(purpose: Purpose): { key: string; bytes: Uint8Array } {
    const id = this.random.bytes(transactionIdLengthBytes)
    const start = (number: number): MessageWriter => new MessageWriter('request', number, id)
    let writer: MessageWriter
    switch (purpose.kind) {
      case 'allocate':
        writer = start(method.allocate).uint32(turnAttribute.requestedTransport, udpProtocolNumber << 24)
        if (this.families.length > 1) writer.uint32(turnAttribute.additionalAddressFamily, familyValue(6))
        else if (this.families[0] === 6) writer.uint32(turnAttribute.requestedAddressFamily, familyValue(6))
        break
      case 'refresh':
        writer = start(method.refresh)
        break
      case 'clear':
        writer = start(method.refresh).uint32(turnAttribute.lifetime, 0)
        break
      case 'permission':
        writer = start(method.createPermission).xorAddress(
          turnAttribute.xorPeerAddress,
          purpose.permission.peer,
        )
        break
      case 'channel':
        writer = start(method.channelBind)
          .uint32(turnAttribute.channelNumber, purpose.channel.number << 16)
          .xorAddress(turnAttribute.xorPeerAddress, purpose.channel.peer)
    }
    return { key: transactionKey(id), bytes: this.credential.seal(writer).finish() }
  }

  private transmit(now: Millis, data: Uint8Array, departAt?: Millis): void {
    this.lastSentAt = now
    const { local, over, target } = this
    const datagram: Datagram = { data, local, remote: target.address, departAt }
    if (over) datagram.over = over
    if (over === 'turn-tls') datagram.serverName = target.host
    // Where we were sent elsewhere the name stands for another address.
    if (over && this.formerTargets.length === 0) datagram.hostName = target.host
    this.outbox.push(datagram)
  }

  // ── what comes from the server ───────────────────────────────────────────────────────────────

  /** Returns why the message was dropped. */
  private receive(now: Millis, data: Uint8Array): string | undefined {
    if (isChannelData(data)) return this.receiveChannelData(now, data)
    const message = decode(data)
    if (typeof message === 'string') return message
    if (unknownRequiredTurnAttributes(message).length > 0) return 'unknown attribute that must be understood'
    if (message.class === 'indication') return this.receiveIndication(now, message)
    if (message.class === 'request') return 'request from the server'
    const key = transactionKey(message.transactionId)
    const request = this.requests.get(key)
    if (!request || methodOf(request.transaction.request) !== message.method) return 'answers no request'
    const doubt = request.sealed && !this.credential.isGenuine(message)
    if (message.class === 'success') {
      if (!doubt) {
        this.requests.delete(key)
        this.succeeded(now, request, message)
        return undefined
      }
      if (!this.over) return 'wrong integrity'
      this.requests.delete(key)
      this.fail(
        `the answers of ${nameOf(this.target)} fail the integrity check: they were altered on the way`,
      )
      return 'wrong integrity'
    }
    const error = readErrorCode(message)
    if (!error) return 'error without a code'
    const { code, reason: phrase } = error
    const isChallenge = code === errorCode.unauthenticated || code === errorCode.staleNonce
    const mayBeMet = isChallenge && this.mayBeMet(request, message, code)
    const problem = mayBeMet ? this.credential.learn(message) : undefined
    // A challenge bears no integrity. Where there is no relay yet it is believed, or a wrong password would be told late; a relay
    // in use is not given up for it.
    const isFinal = !mayBeMet || problem !== undefined
    if (isFinal && doubt && !this.over && !(isChallenge && this.state === 'allocating')) {
      request.doubtful = { code, phrase }
      return 'error without integrity'
    }
    this.requests.delete(key)
    if (problem !== undefined) this.fail(`${nameOf(this.target)} cannot be used: ${problem}`, code)
    else if (mayBeMet) this.request(now, request.purpose, request.sealed ? request.staleNonces + 1 : 0)
    else this.refused(now, request, code, phrase, message)
    return undefined
  }

  /** Whether asking again, sealed as this challenge says, may help (RFC 8489 9.2.5). */
  private mayBeMet({ sealed, staleNonces }: Request, message: StunMessage, code: number): boolean {
    if (!sealed) return true
    const realm = readText(message, attribute.realm)
    const sameRealm = realm === undefined || realm === this.credential.realm
    return code === errorCode.staleNonce && sameRealm && staleNonces < maximumStaleNonces
  }

  private receiveChannelData(now: Millis, bytes: Uint8Array): string | undefined {
    const channel = this.peers.channelNumbered(channelOf(bytes))
    const data = channelPayload(bytes)
    if (!channel || !data) return channel ? 'ChannelData cut short' : 'ChannelData of no channel of ours'
    return this.deliver(now, channel.permission, channel.peer, data)
  }

  private receiveIndication(now: Millis, message: StunMessage): string | undefined {
    const from = readXorAddress(message, turnAttribute.xorPeerAddress)
    const data = message.attributes.get(turnAttribute.data)
    if (message.method !== method.data || !from) return 'indication of no use'
    if (!data) return 'indication of an ICMP error'
    return this.deliver(now, this.peers.find(from), from, data)
  }

  private deliver(
    now: Millis,
    permission: Permission | undefined,
    from: TransportAddress,
    data: Uint8Array,
  ): string | undefined {
    const relayed = this.relayedFor(from)
    if (!relayed || !permission || permission.state === 'none' || permission.state === 'refused')
      return 'from a peer without permission'
    permission.usedAt = now
    this.events.push({ type: 'data', relayed, from, data })
    return undefined
  }

  private succeeded(now: Millis, { purpose }: Request, message: StunMessage): void {
    switch (purpose.kind) {
      case 'allocate':
        this.allocated(now, message)
        break
      case 'refresh':
        this.scheduleRefresh(now, message)
        break
      case 'clear':
        this.request(now, { kind: 'allocate' })
        break
      case 'permission':
        this.peers.given(now, purpose.permission)
        break
      case 'channel':
        this.peers.bound(now, purpose.channel)
    }
  }

  private allocated(now: Millis, message: StunMessage): void {
    this.relayed = readXorAddresses(message, turnAttribute.xorRelayedAddress).filter(
      (relayed, index, all) =>
        isUsable(relayed) &&
        all.findIndex((other) => addressFamily(other.address) === addressFamily(relayed.address)) === index,
    )
    if (this.relayed.length === 0) {
      this.fail(
        `${nameOf(this.target)} gave a relay without a usable address: check its external and relay addresses`,
      )
      return
    }
    const told = readXorAddress(message, attribute.xorMappedAddress)
    const mapped = told && isUsable(told) ? told : this.local
    this.state = 'allocated'
    this.keepaliveAt = this.lastSentAt + keepaliveIntervalMs
    this.events.push({ type: 'allocated', relayed: this.relayed, mapped })
    this.scheduleRefresh(now, message)
  }

  private scheduleRefresh(now: Millis, message: StunMessage): void {
    const lifetimeMs = 1000 * (readUint32(message, turnAttribute.lifetime) ?? defaultLifetimeSeconds)
    if (lifetimeMs === 0) this.fail(`${nameOf(this.target)} ended the relay: ask its operator why`)
    else this.refreshAt = now + lifetimeMs - Math.min(refreshMarginMs, lifetimeMs / 4)
  }

  private refused(now: Millis, request: Request, code: number, phrase: string, message?: StunMessage): void {
    const { purpose } = request
    switch (purpose.kind) {
      case 'allocate':
        if (code === errorCode.tryAlternate && message && this.follow(now, message)) return
        if (code === errorCode.allocationMismatch && !this.cleared && this.credential.isChallenged) {
          this.cleared = true
          this.request(now, { kind: 'clear' })
          return
        }
        if (code === errorCode.addressFamilyNotSupported && this.families.length > 1) {
          // A server without IPv4 says so to whoever does not ask for IPv6 alone.
          this.families = [6]
          this.request(now, purpose)
          return
        }
        this.fail(refusal(this.target, code, phrase), code)
        return
      case 'refresh':
        this.fail(refusal(this.target, code, phrase), code)
        return
      case 'clear':
        this.fail(refusal(this.target, errorCode.allocationMismatch, phrase), errorCode.allocationMismatch)
        return
      case 'permission':
        if (code === errorCode.allocationMismatch) this.fail(refusal(this.target, code, phrase), code)
        else this.refusePeer(purpose.permission, code)
        return
      case 'channel':
        if (code === errorCode.allocationMismatch) this.fail(refusal(this.target, code, phrase), code)
        else if (code === errorCode.forbidden) this.refusePeer(purpose.channel.permission, code)
        else {
          // Without a channel it works as well, only with more octets.
          purpose.channel.state = 'not-possible'
          const { permission } = purpose.channel
          if (permission.state === 'asked') permission.state = 'none'
          this.ask(now, permission)
        }
    }
  }

  private refusePeer(permission: Permission, code: number): void {
    permission.state = 'refused'
    this.events.push({ type: 'peer-refused', peer: permission.peer, code })
  }

  /** 300 (RFC 8489 10): the same transport, the same credentials, another address. False where it leads nowhere. */
  private follow(now: Millis, message: StunMessage): boolean {
    const alternate = readAddress(message, attribute.alternateServer)
    const { target } = this
    this.formerTargets.push(target.address)
    if (
      !alternate ||
      !isUsable(alternate) ||
      addressFamily(alternate.address) !== addressFamily(target.address.address) ||
      this.formerTargets.length > maximumRedirections ||
      this.formerTargets.some((former) => sameAddress(former, alternate))
    )
      return false
    const host = readText(message, attribute.alternateDomain) ?? target.host
    this.target = { ...target, address: alternate, host }
    this.credential = new LongTermCredential(target.username, target.password)
    this.request(now, { kind: 'allocate' })
    return true
  }

  private unanswered(now: Millis, request: Request): void {
    const { purpose, transaction, doubtful } = request
    if (doubtful) {
      this.refused(now, request, doubtful.code, doubtful.phrase)
      return
    }
    switch (purpose.kind) {
      case 'permission':
        purpose.permission.state = 'none'
        return
      case 'channel':
        purpose.channel.state = 'idle'
        if (purpose.channel.permission.state === 'asked') purpose.channel.permission.state = 'none'
        return
      case 'refresh':
        this.fail(`${nameOf(this.target)} no longer answers: it may have stopped, or the way to it is cut`)
        return
      default: {
        const seconds = ((now - transaction.startedAt) / 1000).toFixed(1)
        const remedy = this.over
          ? 'check the address, and that this port speaks TURN'
          : 'check the address, or use TURN over TCP or TLS where UDP is blocked'
        this.fail(`${nameOf(this.target)} did not answer within ${seconds} s: ${remedy}`)
      }
    }
  }

  // ── the end ──────────────────────────────────────────────────────────────────────────────────

  private fail(reason: string, code?: number): void {
    if (this.state === 'failed' || this.state === 'closed') return
    this.end('failed')
    this.events.push({ type: 'failed', ...(code !== undefined && { code }), reason })
  }

  private end(state: 'failed' | 'closed'): void {
    this.state = state
    this.requests.clear()
    this.refreshAt = Number.POSITIVE_INFINITY
    this.keepaliveAt = Number.POSITIVE_INFINITY
    this.peers.nextAt = Number.POSITIVE_INFINITY
    this.outbox.length = 0
    this.events.length = 0
  }

  private relayedFor(peer: TransportAddress): TransportAddress | undefined {
    const family = addressFamily(peer.address)
    return this.relayed.find(({ address }) => addressFamily(address) === family)
  }
}

/** Of a STUN message, without decoding the rest (RFC 8489 5). */
const methodOf = (bytes: Uint8Array): number => {
  const type = (bytes[0]! << 8) | bytes[1]!
  return (type & 0xf) | ((type >> 1) & 0x70) | ((type >> 2) & 0xf80)
}

/** RFC 8656 18.6, 18.9: the family in the first octet. */
const familyValue = (family: 4 | 6): number => (family === 4 ? 0x01 : 0x02) << 24
