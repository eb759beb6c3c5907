// Packets that claim our SSRC (RFC 3550 8.2): our own, that somebody sends back, or another's who has drawn the same number. Ours are
// known by their sequence numbers and timestamps, and reports by their CNAME, not by addresses, of which a stream knows none.
// Another's make us take a new SSRC and say BYE for the old one. Ours are dropped where the peer itself has been heard; where not
// they are all that it sends, as simple echo services do, and are heard until it speaks.
import type { Clock, Millis } from '../runtime/runtime.ts'

/** A peer that follows every SSRC that we take is answered no more for so long: ten reporting intervals (8.2). */
const onceWithinMs: Millis = 50_000

export interface OwnSourceOptions {
  clock: Clock
  sent: {
    readonly ssrc: number
    /** Whether such a packet of ours has left lately. */
    hasSent(sequenceNumber: number, timestamp: number): boolean
  }
  received: {
    readonly ssrc: number | undefined
    /** Whoever else speaks takes its place at once. */
    yields: boolean
  }
  cname: string
  /** Takes another SSRC, and says BYE for the one before. */
  move: () => void
  drop: (reason: string) => void
}

const returned = 'our own, sent back'

export class OwnSource {
  private movedAt = Number.NEGATIVE_INFINITY

  constructor(private readonly options: OwnSourceOptions) {}

  /** Whether an RTP packet is to be heard. */
  admitsRtp(data: Uint8Array): boolean {
    const { sent, received, drop } = this.options
    const own = sent.ssrc
    // By hand: a view for each packet would be garbage.
    if (data.length < 12 || uint32(data, 8) !== own) return true
    if (!sent.hasSent((data[2]! << 8) | data[3]!, uint32(data, 4))) return this.resolve()
    if (received.ssrc !== undefined && received.ssrc !== own) {
      drop(`RTP ${returned}`)
      return false
    }
    received.yields = true
    return true
  }

  /** Whether a compound RTCP packet is to be read. */
  admitsRtcp({ ssrc, cname }: { ssrc: number; cname?: string }): boolean {
    if (ssrc !== this.options.sent.ssrc) return true
    if (cname !== undefined && cname !== this.options.cname) return this.resolve()
    this.options.drop(`RTCP ${returned}`)
    return false
  }

  private resolve(): boolean {
    const now = this.options.clock.now()
    if (now - this.movedAt < onceWithinMs) {
      this.options.drop('SSRC of ours again')
      return false
    }
    this.movedAt = now
    this.options.move()
    return true
  }
}

const uint32 = (data: Uint8Array, at: number): number =>
  ((data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!) >>> 0
