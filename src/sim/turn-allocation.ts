// One allocation of the relay (RFC 8656 6, 9, 12): its relayed addresses, whom it may hear (permissions), its channels,
// and the data that flows through it.
import { addressFamily, formatAddress, type TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis, Random, Timer, UdpSocket } from '../runtime/runtime.ts'
import { MessageWriter, transactionIdLengthBytes } from '../stun/message.ts'
import { turnAttribute, turnMethod } from './turn-numbers.ts'

/** RFC 8656 9: a permission lasts 300 s. */
const PERMISSION_LIFETIME_MS = 300_000
/** RFC 8656 12: a channel lasts 600 s. */
const CHANNEL_LIFETIME_MS = 600_000
const CHANNEL_HEADER_LENGTH_BYTES = 4

/** A client as the server knows it: the 5-tuple that names its allocation. */
export interface TurnClient {
  readonly key: string
  readonly address: TransportAddress
  /** Where it asked. */
  readonly local: TransportAddress
  /** Over TCP or TLS: data on channels is padded to 4 octets there (RFC 8656 12.5). */
  readonly streamed: boolean
  send(data: Uint8Array, from?: TransportAddress): void
}

interface Channel {
  readonly number: number
  readonly peer: TransportAddress
  expiresAt: Millis
}

export class TurnAllocation {
  /** Peer IP address to when the permission ends. */
  private readonly permissions = new Map<string, Millis>()
  private readonly byNumber = new Map<number, Channel>()
  private readonly byPeer = new Map<string, Channel>()
  private timer: Timer | undefined
  private expiresAt: Millis = 0

  /** @param created the answer to the Allocate request that made it, for when that is repeated */
  constructor(
    readonly client: TurnClient,
    readonly username: string,
    readonly relays: readonly UdpSocket[],
    readonly created: { transaction: string; response: Uint8Array },
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly onExpired: () => void,
  ) {
    for (const relay of relays) relay.onDatagram = (data, from) => this.fromPeer(data, from)
  }

  refresh(lifetimeMs: Millis): void {
    const armed = this.timer !== undefined
    this.expiresAt = this.clock.now() + lifetimeMs
    if (!armed) this.watch(lifetimeMs)
  }

  /** The relay of a peer's address family. */
  relayFor(peer: TransportAddress): UdpSocket | undefined {
    const family = addressFamily(peer.address)
    return this.relays.find(({ local }) => addressFamily(local.address) === family)
  }

  permit(peer: TransportAddress): void {
    this.permissions.set(peer.address, this.clock.now() + PERMISSION_LIFETIME_MS)
  }

  /** False where number or peer is bound otherwise (RFC 8656 12.2). */
  bind(number: number, peer: TransportAddress): boolean {
    const now = this.clock.now()
    const live = (channel: Channel | undefined) => (channel && channel.expiresAt > now ? channel : undefined)
    const key = formatAddress(peer)
    const numbered = live(this.byNumber.get(number))
    const bound = live(this.byPeer.get(key))
    if (numbered !== bound) return false
    const channel = numbered ?? { number, peer, expiresAt: 0 }
    channel.expiresAt = now + CHANNEL_LIFETIME_MS
    this.byNumber.set(number, channel)
    this.byPeer.set(key, channel)
    this.permit(peer)
    return true
  }

  /** Data that the client wants sent; dropped in silence without a permission (RFC 8656 11.2). */
  toPeer(data: Uint8Array, peer: TransportAddress): void {
    if (this.permits(peer)) this.relayFor(peer)?.send(data, peer)
  }

  toChannel(number: number, data: Uint8Array): void {
    const channel = this.byNumber.get(number)
    if (channel && channel.expiresAt > this.clock.now()) this.toPeer(data, channel.peer)
  }

  close(): void {
    this.timer?.cancel()
    this.timer = undefined
    for (const relay of this.relays) relay.close()
  }

  private permits(peer: TransportAddress): boolean {
    const until = this.permissions.get(peer.address)
    return until !== undefined && until > this.clock.now()
  }

  private fromPeer(data: Uint8Array, peer: TransportAddress): void {
    if (!this.permits(peer)) return
    const channel = this.byPeer.get(formatAddress(peer))
    if (channel && channel.expiresAt > this.clock.now()) {
      this.client.send(channelData(channel.number, data, this.client.streamed))
      return
    }
    const transactionId = this.random.bytes(transactionIdLengthBytes)
    const indication = new MessageWriter('indication', turnMethod.data, transactionId)
      .xorAddress(turnAttribute.xorPeerAddress, peer)
      .octets(turnAttribute.data, data)
    this.client.send(indication.finish())
  }

  /** One timer, put off where the allocation was refreshed meanwhile. */
  private watch(delayMs: Millis): void {
    this.timer = this.clock.setTimer(delayMs, () => {
      const leftMs = this.expiresAt - this.clock.now()
      if (leftMs > 0) this.watch(leftMs)
      else this.onExpired()
    })
  }
}

/** RFC 8656 12.4. */
function channelData(number: number, data: Uint8Array, padded: boolean): Uint8Array {
  const length = CHANNEL_HEADER_LENGTH_BYTES + data.length
  const message = new Uint8Array(padded ? (length + 3) & ~3 : length)
  message[0] = number >> 8
  message[1] = number & 0xff
  message[2] = data.length >> 8
  message[3] = data.length & 0xff
  message.set(data, CHANNEL_HEADER_LENGTH_BYTES)
  return message
}
