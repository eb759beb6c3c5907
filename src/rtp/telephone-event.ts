// DTMF digits as named telephone events (RFC 4733). Writing: one event as a train of packets that share a timestamp,
// with the end repeated against loss. Reading goes by timestamp, so that any packet of an event may be lost.
// Leaves out tones (RFC 4733 4) and events other than the sixteen DTMF digits.

/** RFC 4733 2.3. */
export const eventPayloadLengthBytes = 4
/** The duration field has 16 bits (RFC 4733 2.3.5); an event that lasts longer continues as a new segment (2.5.1.3). */
export const maximumEventTicks = 0xffff
/** RFC 4733 2.5.1.4: the last packet of an event is sent three times. A lost first one needs no copy: every packet tells all. */
export const eventRepetitions = 3
/** Power of the tone below 0 dBm0, in dB: the level that telephones use (RFC 4733 2.3.4). */
const eventVolume = 10

const digits = '0123456789*#ABCD'

/** RFC 4733 3.2, table 3. Undefined for what is no DTMF digit. */
export function eventOfDigit(digit: string): number | undefined {
  const event = digits.indexOf(digit.toUpperCase())
  return digit.length === 1 && event >= 0 ? event : undefined
}

/** Writes the payload of RFC 4733 2.3 at `offset`. */
export function writeEvent(out: Uint8Array, offset: number, packet: EventPacket): void {
  out[offset] = packet.event
  out[offset + 1] = (packet.end ? 0x80 : 0) | eventVolume
  out[offset + 2] = packet.durationTicks >> 8
  out[offset + 3] = packet.durationTicks
}

export interface EventPacket {
  event: number
  timestamp: number
  /** On the first packet of the event (RFC 4733 2.5.1.1). */
  marker: boolean
  end: boolean
  durationTicks: number
}

/** One event on its way out: asked once a packet time what to send. */
export class EventTrain {
  private elapsedTicks = 0
  private endsSent = 0
  private readonly totalTicks: number

  constructor(
    private readonly event: number,
    /** Of the instant at which the event begins; all its packets carry it. */
    private readonly timestamp: number,
    durationTicks: number,
  ) {
    this.totalTicks = Math.min(durationTicks, maximumEventTicks)
  }

  get finished(): boolean {
    return this.endsSent === eventRepetitions
  }

  /** @param ticks that have passed since the call before; for the first call the length of a packet */
  next(ticks: number): EventPacket {
    const first = this.elapsedTicks === 0
    this.elapsedTicks = Math.min(this.totalTicks, this.elapsedTicks + ticks)
    // An event shorter than a packet still gets one packet that begins it and, a packet time later, one that ends it.
    const end = !first && this.elapsedTicks === this.totalTicks
    if (end) this.endsSent++
    return {
      event: this.event,
      timestamp: this.timestamp,
      marker: first,
      end,
      durationTicks: this.elapsedTicks,
    }
  }
}

export interface ReceivedEvent {
  digit: string
  durationTicks: number
}

/** An event of which nothing more comes has ended: its end packets were lost. Three updates missed at 50 ms (RFC 4733 2.5.1.2). */
const silenceBeforeEndMs = 150

/** Packets of an event that is over come this late at most, in ticks: 10 s at 8 kHz. Older yet is a new time line. */
const echoTicks = 80_000

/** The receiving side: hands each digit out once, when its end is known. */
export class EventReceiver {
  private current:
    | { event: number; timestamp: number; earlierTicks: number; durationTicks: number }
    | undefined
  private lastHeardAt = 0
  /** Timestamp of the newest event or segment seen: what is not newer is an echo of the past. */
  private newestTimestamp: number | undefined

  constructor(private readonly onDigit: (event: ReceivedEvent) => void) {}

  /** Returns false where the payload is not a DTMF event. */
  receive(payload: Uint8Array, timestamp: number, now: number): boolean {
    if (payload.length < eventPayloadLengthBytes) return false
    const event = payload[0]!
    if (event >= digits.length) return false
    const end = (payload[1]! & 0x80) !== 0
    const durationTicks = (payload[2]! << 8) | payload[3]!
    const current = this.current
    if (current?.timestamp === timestamp) {
      current.durationTicks = Math.max(current.durationTicks, durationTicks)
    } else {
      const age = this.newestTimestamp === undefined ? -1 : (this.newestTimestamp - timestamp) | 0
      if (age >= 0 && age < echoTicks) return true
      // A segment that begins where the one before reached the field's limit continues the same event (RFC 4733 2.5.1.3).
      const continues =
        current?.event === event && timestamp === (current.timestamp + maximumEventTicks) >>> 0
      if (!continues) this.finish()
      const earlierTicks = continues && current ? current.earlierTicks + maximumEventTicks : 0
      this.current = { event, timestamp, earlierTicks, durationTicks }
      this.newestTimestamp = timestamp
    }
    this.lastHeardAt = now
    if (end) this.finish()
    return true
  }

  /** To be called now and then: ends an event whose end packets were all lost. */
  handleTimeout(now: number): void {
    if (this.current && now - this.lastHeardAt >= silenceBeforeEndMs) this.finish()
  }

  /** A new source has its own timestamps. */
  reset(): void {
    this.finish()
    this.newestTimestamp = undefined
  }

  private finish(): void {
    const current = this.current
    if (!current) return
    this.current = undefined
    this.onDigit({
      digit: digits[current.event]!,
      durationTicks: current.earlierTicks + current.durationTicks,
    })
  }
}
