// A link between an interface and its realm: latency, jitter, loss, duplication, reordering, bandwidth and MTU, chance drawn
// from the seed. A TCP segment is never lost on a link but late, as if it had been sent again, and never too large, since TCP
// learns the MTU. Left out: ICMP; a packet that is too large vanishes in silence.
import { addressFamily, type TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis } from '../runtime/runtime.ts'
import type { SeededRandom } from './random.ts'

export type TcpFlag = 'syn' | 'syn-ack' | 'data' | 'fin' | 'rst'

/** A datagram or segment on its way. Never mutated: a NAT makes a new one. */
export interface Packet {
  readonly protocol: 'udp' | 'tcp'
  readonly source: TransportAddress
  readonly destination: TransportAddress
  readonly data: Uint8Array
  /** TCP alone: what the segment does, its place in the stream, and whether it looks like TLS to a firewall that looks. */
  readonly segment?: { readonly flag: TcpFlag; readonly sequence: number; readonly tls?: boolean }
}

/** What became of a packet, where it ended. */
export type Fate =
  | 'delivered'
  | 'lost'
  | 'too large'
  | 'queue full'
  | 'duplicated'
  | 'filtered by NAT'
  | 'not permitted'
  | 'no mapping'
  | 'no hairpinning'
  | 'no route'
  | 'no socket'

export type Observe = (fate: Fate, packet: Packet, where: string) => void

/** What the parts of one simulated world share. */
export interface World {
  readonly clock: Clock
  readonly random: SeededRandom
  /** A host has sent a packet. */
  readonly sent: (packet: Packet, host: string) => void
  readonly observe: Observe
}

/** One way; every value defaults to 0. */
export interface LinkQuality {
  latencyMs?: Millis
  /** Uniform extra delay in [0, jitterMs). Packets stay in order. */
  jitterMs?: Millis
  /** Probability in [0, 1] that a packet vanishes. */
  loss?: number
  /** Probability that it arrives twice. */
  duplication?: number
  /** Probability that it is held back for REORDERING_DELAY_MS while those behind it pass. */
  reordering?: number
  /** Without it packets take no time to be sent. A packet that would wait for longer than LONGEST_QUEUE_MS is dropped. */
  bandwidthKbps?: number
  /** Octets of an IP packet; a larger datagram is fragmented where `fragments` says so, and else dropped. Default: no limit. */
  mtuBytes?: number
  fragments?: boolean
}

export const REORDERING_DELAY_MS = 20
/** What a lost TCP segment costs: the minimum retransmission timeout of common systems, doubled at each loss. */
const TCP_RETRANSMISSION_MS = 200
/** After this wait a sender has given up. */
const TCP_LONGEST_RETRANSMISSION_MS = 12_800
/** What home routers buffer. */
const LONGEST_QUEUE_MS = 500
/** IP and UDP; a TCP header is a little longer. */
const HEADER_BYTES = { 4: 28, 6: 48 } as const

export class Link {
  /** Replace it to change the link during a run. */
  quality: LinkQuality
  private readonly random: SeededRandom
  private readonly lastArrival = { up: 0, down: 0 }
  /** When what is being sent now will have left. */
  private readonly busyUntil = { up: 0, down: 0 }

  constructor(
    private readonly world: World,
    readonly name: string,
    quality: LinkQuality = {},
  ) {
    this.quality = quality
    this.random = world.random.fork(`link ${name}`)
  }

  /** Carries a packet; `arrive` is called once, twice or never, and never within this call. */
  carry(direction: 'up' | 'down', packet: Packet, arrive: (packet: Packet) => void): void {
    const { loss = 0, duplication = 0, reordering = 0, mtuBytes, fragments = false } = this.quality
    const isTcp = packet.protocol === 'tcp'
    if (mtuBytes !== undefined && !isTcp && !fragments && lengthBytes(packet) > mtuBytes) {
      this.world.observe('too large', packet, this.name)
      return
    }
    let extraMs = this.random.chance(reordering) ? REORDERING_DELAY_MS : 0
    for (let timeout = TCP_RETRANSMISSION_MS; this.random.chance(loss); timeout *= 2) {
      if (!isTcp || timeout > TCP_LONGEST_RETRANSMISSION_MS) {
        this.world.observe('lost', packet, this.name)
        return
      }
      extraMs += timeout
    }
    this.schedule(direction, extraMs, packet, arrive)
    if (isTcp || !this.random.chance(duplication)) return
    this.world.observe('duplicated', packet, this.name)
    this.schedule(direction, 0, packet, arrive)
  }

  private schedule(
    direction: 'up' | 'down',
    extraMs: Millis,
    packet: Packet,
    arrive: (packet: Packet) => void,
  ): void {
    const { latencyMs = 0, jitterMs = 0, bandwidthKbps } = this.quality
    const now = this.world.clock.now()
    let leaves = now
    if (bandwidthKbps !== undefined) {
      const begins = Math.max(now, this.busyUntil[direction])
      if (begins - now > LONGEST_QUEUE_MS && packet.protocol === 'udp') {
        this.world.observe('queue full', packet, this.name)
        return
      }
      leaves = begins + (lengthBytes(packet) * 8) / bandwidthKbps
      this.busyUntil[direction] = leaves
    }
    const jitter = jitterMs > 0 ? this.random.fraction() * jitterMs : 0
    let at = Math.max(leaves + latencyMs + jitter, this.lastArrival[direction])
    if (extraMs > 0) at += extraMs
    else this.lastArrival[direction] = at
    this.world.clock.setTimer(at - now, () => arrive(packet))
  }
}

const lengthBytes = ({ data, destination }: Packet): number =>
  data.length + HEADER_BYTES[addressFamily(destination.address)]
