// Whom the relay may talk with (RFC 8656 9, 12): a permission per IP address and a channel per transport address, and when each
// must be renewed. Only what is in use is renewed; the rest lapses at the server, and comes back when it is needed.
import { formatAddress, sameAddress, type TransportAddress } from '../runtime/address.ts'
import type { Millis } from '../runtime/runtime.ts'
import { firstChannel, lastChannel } from './channel-data.ts'

/** RFC 8656 9: a permission lasts 300 s; renewed a minute before. */
const permissionRenewalMs = 240_000
/** RFC 8656 12: a channel lasts 600 s, but binding it also renews the permission: a little earlier than that is due, so that
 *  one request does both. */
const channelRenewalMs = 230_000

export interface Permission {
  /** The peer for whom it was first asked. */
  readonly peer: TransportAddress
  /** none: not asked for, or lapsed. */
  state: 'none' | 'asked' | 'given' | 'refused'
  usedAt: Millis
  renewAt: Millis
}

export interface Channel {
  readonly number: number
  readonly peer: TransportAddress
  readonly permission: Permission
  /** idle: data goes as Send indications; not-possible: and the server will not have it otherwise. */
  state: 'asked' | 'bound' | 'idle' | 'not-possible'
  renewAt: Millis
}

export class Peers {
  private readonly permissions = new Map<string, Permission>()
  private readonly channels = new Map<string, Channel>()
  private readonly byNumber: Channel[] = []
  private last: Channel | undefined
  /** The earliest renewal. */
  nextAt = Number.POSITIVE_INFINITY

  find(peer: TransportAddress): Permission | undefined {
    return this.permissions.get(peer.address)
  }

  permission(now: Millis, peer: TransportAddress): Permission {
    let permission = this.permissions.get(peer.address)
    if (!permission) {
      permission = { peer, state: 'none', usedAt: now, renewAt: Number.POSITIVE_INFINITY }
      this.permissions.set(peer.address, permission)
    }
    permission.usedAt = now
    return permission
  }

  given(now: Millis, permission: Permission): void {
    permission.state = 'given'
    permission.renewAt = now + permissionRenewalMs
    this.schedule()
  }

  channel(peer: TransportAddress): Channel | undefined {
    // Media goes to one peer for minutes: no key is built for each of its packets.
    if (this.last && sameAddress(this.last.peer, peer)) return this.last
    const channel = this.channels.get(formatAddress(peer))
    if (channel) this.last = channel
    return channel
  }

  channelNumbered(number: number): Channel | undefined {
    return this.byNumber[number - firstChannel]
  }

  /** Undefined where all numbers are taken; a number is never given to a second peer (RFC 8656 12). */
  newChannel(peer: TransportAddress, permission: Permission): Channel | undefined {
    const number = firstChannel + this.byNumber.length
    if (number > lastChannel) return undefined
    const channel: Channel = {
      number,
      peer: { address: peer.address, port: peer.port },
      permission,
      state: 'idle',
      renewAt: Number.POSITIVE_INFINITY,
    }
    this.channels.set(formatAddress(peer), channel)
    this.byNumber.push(channel)
    return channel
  }

  bound(now: Millis, channel: Channel): void {
    channel.state = 'bound'
    channel.renewAt = now + channelRenewalMs
    this.given(now, channel.permission)
  }

  /** What must be renewed now; what nobody has used since it was given is let go. */
  due(now: Millis): { channels: Channel[]; permissions: Permission[] } {
    const channels: Channel[] = []
    const permissions: Permission[] = []
    for (const channel of this.channels.values()) {
      if (now < channel.renewAt) continue
      channel.renewAt = Number.POSITIVE_INFINITY
      if (now - channel.permission.usedAt < channelRenewalMs) channels.push(channel)
      else channel.state = 'idle'
    }
    for (const permission of this.permissions.values()) {
      if (now < permission.renewAt) continue
      permission.renewAt = Number.POSITIVE_INFINITY
      if (now - permission.usedAt < permissionRenewalMs) permissions.push(permission)
      else permission.state = 'none'
    }
    this.schedule()
    return { channels, permissions }
  }

  private schedule(): void {
    this.nextAt = Number.POSITIVE_INFINITY
    for (const { renewAt } of this.channels.values()) this.nextAt = Math.min(this.nextAt, renewAt)
    for (const { renewAt } of this.permissions.values()) this.nextAt = Math.min(this.nextAt, renewAt)
  }
}
