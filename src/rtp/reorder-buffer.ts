// Puts packets back into order and holds each until its time (RFC 3550 gives the timestamps, the receiver chooses the delay).
// The delay is fixed as long as packets keep to it: it grows where too many come late, and shrinks where none has needed it
// for long, so that a sender whose clock drifts is followed. Leaves out stretching sound: what is gained or lost is silence.

export type Insertion = 'queued' | 'duplicate' | 'late' | 'early'

/** A packet whose time has come. Valid until the next call of any method of the buffer. */
export interface DuePacket {
  payload: Uint8Array
  payloadType: number
  /** From the start of the window that was advanced over. */
  offsetTicks: number
}

/** Packets in, packets due out. Time is the media's own: `advance` moves the playout point, nobody reads a clock. */
export interface JitterBuffer {
  /** Copies the payload. `sequence` is the extended number. */
  insert(
    sequence: number,
    timestamp: number,
    marker: boolean,
    payloadType: number,
    payload: Uint8Array,
  ): Insertion
  /** Moves the playout point on: the packets that begin before it are now due. Returns the ticks that it leapt over before. */
  advance(ticks: number): number
  /** The next due packet in sequence order. What is missing is simply not there: the caller sees it by the offsets. */
  next(): DuePacket | undefined
  /** The packet after those that are due, where it is here already; its offset as theirs. */
  upcoming(): DuePacket | undefined
  /** Forgets everything: the next packet begins anew. */
  reset(): void
  /** How long the earliest packet that is taken may wait. */
  readonly maximumDelayMs: number
}

/** A power of two; 128 packets of 5 ms are more than `maximumLeadMs`. */
const capacityPackets = 128
/** A packet this far ahead of the playout point is not early but belongs to another time line. */
const maximumLeadMs = 500
/** So many newest packets in a row outside the window mean that the sender's time line or the path has moved. */
const strayPacketsBeforeMove = 5
/** For each packet inside it, so much of a stray is forgotten: where more than 1.5 % come late, the delay is too short. */
const forgivenStrays = 1 / 64
/** A delay that no packet has needed for so long shrinks, where it is worth a packet at least. */
const observationMs = 30_000
const smallestLeapMs = 20

interface Slot {
  sequence: number
  timestamp: number
  payloadType: number
  buffer: Uint8Array
  lengthBytes: number
}

export class ReorderBuffer implements JitterBuffer {
  private readonly slots: (Slot | undefined)[] = new Array(capacityPackets).fill(undefined)
  readonly maximumDelayMs: number
  private readonly delayTicks: number
  private readonly maximumLeadTicks: number
  private readonly due: DuePacket = { payload: new Uint8Array(0), payloadType: 0, offsetTicks: 0 }
  private anchored = false
  /** RTP timestamps of the window that is being played; unsigned 32 bits. */
  private windowStart = 0
  private windowEnd = 0
  /** Extended numbers: the next one to hand out, and the highest one queued or handed out. */
  private nextSequence = 0
  private highestSequence = 0
  private strays = 0
  private readonly observationTicks: number
  private readonly smallestLeapTicks: number
  /** Since `observedTicks`: how long before its time the latest of the newest packets came. */
  private leastLeadTicks = Number.POSITIVE_INFINITY
  private observedTicks = 0

  /** @param delayMs how long a packet waits for those that overtook it, or that it overtook
   *  @param onLeapt called for each packet that is leapt over and so never due */
  constructor(
    clockRateHz: number,
    delayMs = 60,
    private readonly onLeapt = () => {},
  ) {
    const ticksOf = (ms: number): number => Math.round((ms * clockRateHz) / 1000)
    this.delayTicks = ticksOf(delayMs)
    this.maximumDelayMs = delayMs + maximumLeadMs
    this.maximumLeadTicks = ticksOf(this.maximumDelayMs)
    this.observationTicks = ticksOf(observationMs)
    this.smallestLeapTicks = ticksOf(smallestLeapMs)
  }

  insert(
    sequence: number,
    timestamp: number,
    marker: boolean,
    payloadType: number,
    payload: Uint8Array,
  ): Insertion {
    if (!this.anchored) this.anchor(sequence, timestamp)
    const newest = sequence >= this.highestSequence
    const lead = (timestamp - this.windowEnd) | 0
    if (lead < 0 || lead > this.maximumLeadTicks) {
      if (newest) this.strays++
      if (!newest || !(marker || this.strays >= strayPacketsBeforeMove)) return lead < 0 ? 'late' : 'early'
      this.moveTo(timestamp, lead)
    } else if (newest) {
      this.strays = Math.max(0, this.strays - forgivenStrays)
      this.leastLeadTicks = Math.min(this.leastLeadTicks, lead)
    }
    if (sequence < this.nextSequence) return 'late'
    this.makeRoomFor(sequence)
    const index = sequence & (capacityPackets - 1)
    let slot = this.slots[index]
    if (!slot) {
      slot = { sequence: -1, timestamp: 0, payloadType: 0, buffer: new Uint8Array(0), lengthBytes: -1 }
      this.slots[index] = slot
    }
    if (slot.lengthBytes >= 0 && slot.sequence === sequence) return 'duplicate'
    if (slot.buffer.length < payload.length) slot.buffer = new Uint8Array(payload.length)
    slot.buffer.set(payload)
    slot.lengthBytes = payload.length
    slot.sequence = sequence
    slot.timestamp = timestamp
    slot.payloadType = payloadType
    if (newest) this.highestSequence = sequence
    return 'queued'
  }

  advance(ticks: number): number {
    this.observedTicks += ticks
    const leap = this.observedTicks < this.observationTicks ? 0 : this.leapTicks()
    this.windowStart = (this.windowEnd + leap) >>> 0
    this.windowEnd = (this.windowStart + ticks) >>> 0
    return leap
  }

  next(): DuePacket | undefined {
    if (!this.anchored) return undefined
    for (let sequence = this.nextSequence; sequence <= this.highestSequence; sequence++) {
      const slot = this.slots[sequence & (capacityPackets - 1)]
      if (!slot || slot.lengthBytes < 0 || slot.sequence !== sequence) continue
      if (((slot.timestamp - this.windowEnd) | 0) >= 0) return undefined
      this.nextSequence = sequence + 1
      this.due.payload = slot.buffer.subarray(0, slot.lengthBytes)
      this.due.payloadType = slot.payloadType
      this.due.offsetTicks = (slot.timestamp - this.windowStart) | 0
      slot.lengthBytes = -1
      if (this.due.offsetTicks >= 0) return this.due
      this.onLeapt()
    }
    return undefined
  }

  upcoming(): DuePacket | undefined {
    if (!this.anchored) return undefined
    for (let sequence = this.nextSequence; sequence <= this.highestSequence; sequence++) {
      const slot = this.slots[sequence & (capacityPackets - 1)]
      if (!slot || slot.lengthBytes < 0 || slot.sequence !== sequence) continue
      const payload = slot.buffer.subarray(0, slot.lengthBytes)
      return { payload, payloadType: slot.payloadType, offsetTicks: (slot.timestamp - this.windowStart) | 0 }
    }
    return undefined
  }

  reset(): void {
    this.anchored = false
    for (const slot of this.slots) if (slot) slot.lengthBytes = -1
  }

  /** `timestamp` will be played after the delay; packets that it overtook have until then. */
  private anchor(sequence: number, timestamp: number): void {
    this.anchored = true
    this.windowEnd = (timestamp - this.delayTicks) >>> 0
    this.highestSequence = sequence
    this.nextSequence = sequence - capacityPackets + 1
    this.observeAnew()
  }

  /** The same for a packet outside the window. What is queued and due before it is still played. */
  private moveTo(timestamp: number, lead: number): void {
    const windowEnd = (timestamp - this.delayTicks) >>> 0
    const isLateOnly = lead < 0 && lead > -this.maximumLeadTicks
    for (const slot of isLateOnly ? [] : this.slots) {
      if (!slot || slot.lengthBytes < 0) continue
      const wait = (slot.timestamp - this.windowEnd) | 0
      if (wait < this.delayTicks) slot.timestamp = (windowEnd + wait) >>> 0
      else {
        slot.lengthBytes = -1
        this.onLeapt()
      }
    }
    this.windowEnd = windowEnd
    this.observeAnew()
  }

  private observeAnew(): void {
    this.strays = 0
    this.observedTicks = 0
    this.leastLeadTicks = Number.POSITIVE_INFINITY
  }

  /** By how much every packet of the last half minute came too early; that much sound is left out. */
  private leapTicks(): number {
    const spare = this.leastLeadTicks - this.delayTicks
    this.observeAnew()
    return spare >= this.smallestLeapTicks && spare < Number.POSITIVE_INFINITY ? spare : 0
  }

  /** Only the newest `capacityPackets` numbers have a slot. */
  private makeRoomFor(sequence: number): void {
    const oldest = sequence - capacityPackets + 1
    if (oldest > this.nextSequence) this.nextSequence = oldest
  }
}
