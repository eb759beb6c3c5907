// A link between an interface and its realm: latency, jitter, loss, duplication and reordering, each drawn from the seed.
// A TCP segment is never lost on a link but late, as if it had been sent again. Left out: bandwidth, MTU.
import type { TransportAddress } from '../runtime/address.ts'
import type { Clock, Millis } from '../runtime/runtime.ts'
import type { SeededRandom } from './random.ts'

export type TcpFlag = 'syn' | 'syn-ack' | 'data' | 'fin' | 'rst'

/** A datagram or segment on its way. Never mutated: a NAT makes a new one. */
export interface Packet {
  readonly protocol: 'udp' | 'tcp'
  readonly source: TransportAddress
  readonly destination: TransportAddress
  readonly data: Uint8Array
  /** TCP alone: what the segment does and its place in the stream. */
  readonly segment?: { readonly flag: TcpFlag; readonly sequence: number }
}

/** What became of a packet, where it ended. */
export type Fate =
  | 'delivered'
  | 'lost'
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
}

export const REORDERING_DELAY_MS = 20
/** What a lost TCP segment costs: the minimum retransmission timeout of common systems, doubled at each loss. */
const TCP_RETRANSMISSION_MS = 200
/** After this wait a sender has given up. */
const TCP_LONGEST_RETRANSMISSION_MS = 12_800

export class Link {
  /** Replace it to change the link during a run. */
  quality: LinkQuality
  private readonly random: SeededRandom
  private readonly lastArrival = { up: 0, down: 0 }

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
    const { loss = 0, duplication = 0, reordering = 0 } = this.quality
    let extraMs = this.random.chance(reordering) ? REORDERING_DELAY_MS : 0
    const isTcp = packet.protocol === 'tcp'
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
    const { latencyMs = 0, jitterMs = 0 } = this.quality
    const now = this.world.clock.now()
    const jitter = jitterMs > 0 ? this.random.fraction() * jitterMs : 0
    let at = Math.max(now + latencyMs + jitter, this.lastArrival[direction])
    if (extraMs > 0) at += extraMs
    else this.lastArrival[direction] = at
    this.world.clock.setTimer(at - now, () => arrive(packet))
  }
}
