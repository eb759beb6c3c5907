// Puts packets back into order and holds each until its time (RFC 3550 gives the timestamps, the receiver chooses the delay,
// playout-delay.ts says how long). A play-out that has run dry waits for the packet that is held up: nothing is late that nothing
// has overtaken, as long as the delay keeps to its bounds. Whoever plays out brings the delay to its target by playing a little
// slower or faster. Leaves out sound: it counts ticks and holds octets.
import { type DelayBounds, PlayoutDelay } from './playout-delay.ts'

export type Insertion = 'queued' | 'duplicate' | 'late' | 'early'

/** A packet whose time has come. Valid until the next call of any method of the buffer. */
export interface DuePacket {
  payload: Uint8Array
  payloadType: number
  timestamp: number
  /** From the start of the window that was advanced over. */
  offsetTicks: number
}

/** A power of two; so many packets of 5 ms are more than the longest lead. */
const capacityPackets = 256
/** A packet this much further ahead than the delay can be is not early but belongs to another time line. */
const strayLeadMs = 500
/** So many newest packets in a row outside the window mean that the sender's time line or the path has moved. */
const strayPacketsBeforeMove = 5

interface Slot {
  sequence: number
  timestamp: number
  payloadType: number
  buffer: Uint8Array
  /** What of `buffer` is the payload; made anew where its length changes. */
  payload: Uint8Array
  isFull: boolean
}

export class JitterBuffer {
  private readonly slots: (Slot | undefined)[] = new Array(capacityPackets).fill(undefined)
  private readonly delay: PlayoutDelay
  private readonly longestLeadTicks: number
  private readonly due: DuePacket = {
    payload: new Uint8Array(0),
    payloadType: 0,
    timestamp: 0,
    offsetTicks: 0,
  }
  private anchored = false
  /** RTP timestamps of the window that is being played; signed 32 bits, which need no memory of their own. */
  private windowStart = 0
  private windowEnd = 0
  /** What we have played since the beginning, sound or not: our clock, in ticks. Modulo 2^32. */
  private elapsed = 0
  /** Extended numbers: the next one to hand out, and the highest one queued or handed out. */
  private nextSequence = 0
  private highestSequence = 0
  /** Timestamp of the packet handed out last. */
  private playedTimestamp = 0
  private strays = 0

  /** @param onLeapt called for each packet that was queued and is never due */
  constructor(
    private readonly clockRateHz: number,
    bounds: DelayBounds,
    private readonly onLeapt = () => {},
  ) {
    this.delay = new PlayoutDelay(clockRateHz, bounds)
    this.longestLeadTicks = Math.round(((bounds.maximumMs + strayLeadMs) * clockRateHz) / 1000)
  }

  /** Copies the payload from `data`. `sequence` is the extended number. */
  insert(
    sequence: number,
    timestamp: number,
    marker: boolean,
    payloadType: number,
    data: Uint8Array,
    from = 0,
    length = data.length - from,
  ): Insertion {
    const transit = (this.elapsed - timestamp) | 0
    if (!this.anchored) this.anchor(sequence, timestamp, transit)
    else if (!this.isQueued(sequence)) this.delay.observe(transit)
    const newest = sequence >= this.highestSequence
    const lead = (timestamp - this.windowEnd) | 0
    const isHeldUp = lead < 0 && newest && sequence >= this.nextSequence
    const waitsFor = isHeldUp && ((this.delay.limitTicks - transit) | 0) >= 0
    if (waitsFor) this.windowEnd = timestamp
    else if (lead < 0 || lead > this.longestLeadTicks) {
      if (newest) this.strays++
      if (!newest || !(marker || this.strays >= strayPacketsBeforeMove || this.isIdle()))
        return lead < 0 ? 'late' : 'early'
      this.moveTo(timestamp, lead, transit)
    } else if (newest) this.strays = 0
    if (sequence < this.nextSequence) return 'late'
    this.makeRoomFor(sequence)
    const slot = this.slotOf(sequence, length)
    if (slot.isFull && slot.sequence === sequence) return 'duplicate'
    for (let i = 0; i < length; i++) slot.payload[i] = data[from + i]!
    slot.isFull = true
    slot.sequence = sequence
    slot.timestamp = timestamp
    slot.payloadType = payloadType
    if (newest) this.highestSequence = sequence
    return 'queued'
  }

  /** Moves the playout point on: the packets that begin before it are now due. */
  advance(ticks: number): void {
    this.windowStart = this.windowEnd
    this.windowEnd = (this.windowEnd + ticks) | 0
  }

  /** So much was played, of whatever: without stretching or shortening, what was advanced over. */
  elapse(ticks: number): void {
    this.elapsed = (this.elapsed + ticks) | 0
  }

  /** The next due packet in sequence order. What is missing is simply not there: the caller sees it by the offsets. */
  next(): DuePacket | undefined {
    for (let slot = this.first(); slot; slot = this.first()) {
      if (((slot.timestamp - this.windowEnd) | 0) >= 0) return undefined
      this.nextSequence = slot.sequence + 1
      this.playedTimestamp = slot.timestamp
      slot.isFull = false
      if (((slot.timestamp - this.windowStart) | 0) >= 0) return this.describe(slot)
      this.onLeapt()
    }
    return undefined
  }

  /** The packet after those that are due, where it is here already; its offset as theirs. */
  upcoming(): DuePacket | undefined {
    const slot = this.first()
    return slot && this.describe(slot)
  }

  /** Forgets everything: the next packet begins anew. */
  reset(): void {
    this.anchored = false
    for (const slot of this.slots) if (slot) slot.isFull = false
  }

  /** By how much the delay is longer than it should be; negative where it is too short, undefined before the first packet. */
  get spareTicks(): number | undefined {
    return this.anchored ? (this.elapsed - this.windowEnd - this.delay.targetTicks) | 0 : undefined
  }

  /** How long a packet waits that took as long as most. */
  get delayMs(): number {
    return this.msOf((this.elapsed - this.windowEnd - this.delay.usualTicks) | 0)
  }

  get targetDelayMs(): number {
    return this.msOf((this.delay.targetTicks - this.delay.usualTicks) | 0)
  }

  /** How long the earliest packet that is taken may wait. */
  get maximumDelayMs(): number {
    return this.msOf(this.longestLeadTicks)
  }

  private msOf(ticks: number): number {
    return (1000 * ticks) / this.clockRateHz
  }

  private first(): Slot | undefined {
    if (!this.anchored) return undefined
    for (let sequence = this.nextSequence; sequence <= this.highestSequence; sequence++)
      if (this.isQueued(sequence)) return this.slots[sequence & (capacityPackets - 1)]
    return undefined
  }

  private describe(slot: Slot): DuePacket {
    this.due.payload = slot.payload
    this.due.payloadType = slot.payloadType
    this.due.timestamp = slot.timestamp >>> 0
    this.due.offsetTicks = (slot.timestamp - this.windowStart) | 0
    return this.due
  }

  private isQueued(sequence: number): boolean {
    const slot = this.slots[sequence & (capacityPackets - 1)]
    return slot?.isFull === true && slot.sequence === sequence
  }

  private slotOf(sequence: number, length: number): Slot {
    const index = sequence & (capacityPackets - 1)
    let slot = this.slots[index]
    if (!slot) {
      const nothing = new Uint8Array(0)
      slot = { sequence: -1, timestamp: 0, payloadType: 0, buffer: nothing, payload: nothing, isFull: false }
      this.slots[index] = slot
    }
    if (slot.isFull && slot.sequence === sequence) return slot
    if (slot.buffer.length < length) slot.buffer = new Uint8Array(length)
    if (slot.payload.length !== length || slot.payload.buffer !== slot.buffer.buffer)
      slot.payload = slot.buffer.subarray(0, length)
    return slot
  }

  /** `timestamp` will be played after the delay; packets that it overtook have until then. */
  private anchor(sequence: number, timestamp: number, transit: number): void {
    this.anchored = true
    this.delay.begin(transit)
    this.windowEnd = (this.elapsed - this.delay.targetTicks) | 0
    this.playedTimestamp = timestamp
    this.highestSequence = sequence
    this.nextSequence = sequence - capacityPackets + 1
    this.strays = 0
  }

  /** Nothing has been played for longer than the delay can be. */
  private isIdle(): boolean {
    return ((this.windowEnd - this.playedTimestamp) | 0) > this.longestLeadTicks
  }

  /** A packet outside the window begins another time line. What is queued and due before it is still played. */
  private moveTo(timestamp: number, lead: number, transit: number): void {
    const isLateOnly = lead < 0 && lead > -this.longestLeadTicks
    if (isLateOnly) this.delay.begin(transit)
    else this.delay.shift((transit - this.delay.usualTicks) | 0)
    const waitTicks = (this.delay.targetTicks - this.delay.usualTicks) | 0
    const windowEnd = (timestamp - waitTicks) | 0
    for (const slot of isLateOnly ? [] : this.slots) {
      if (!slot?.isFull) continue
      const wait = (slot.timestamp - this.windowEnd) | 0
      if (wait < waitTicks) slot.timestamp = (windowEnd + wait) | 0
      else {
        slot.isFull = false
        this.onLeapt()
      }
    }
    this.windowEnd = windowEnd
    this.playedTimestamp = windowEnd
    this.strays = 0
  }

  /** Only the newest `capacityPackets` numbers have a slot. */
  private makeRoomFor(sequence: number): void {
    const oldest = sequence - capacityPackets + 1
    if (oldest > this.nextSequence) this.nextSequence = oldest
  }
}
