// Puts packets back into order and holds each until its time: a fixed playout delay (RFC 3550 gives the timestamps,
// the receiver chooses the delay). Leaves out adapting the delay to the network: another JitterBuffer will do that.

export type Insertion = 'queued' | 'duplicate' | 'late' | 'early'

/** A packet whose time has come. Valid until the next call of any method of the buffer. */
export interface DuePacket {
  payload: Uint8Array
  payloadType: number
  /** From the start of the window that was advanced over; negative where the packet should have been in the one before. */
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
  /** Moves the playout point on: the packets that begin before it are now due. */
  advance(ticks: number): void
  /** The next due packet in sequence order. What is missing is simply not there: the caller sees it by the offsets. */
  next(): DuePacket | undefined
  /** Forgets everything: the next packet begins anew. */
  reset(): void
}

/** A power of two; 128 packets of 5 ms are more than `maximumLeadMs`. */
const capacityPackets = 128
/** A packet this far ahead of the playout point is not early but belongs to another time line. */
const maximumLeadMs = 500
/** So many newest packets in a row outside the window mean that the sender's time line or the path has moved. */
const strayPacketsBeforeAnchor = 5

interface Slot {
  sequence: number
  timestamp: number
  payloadType: number
  buffer: Uint8Array
  lengthBytes: number
}

export class ReorderBuffer implements JitterBuffer {
  private readonly slots: (Slot | undefined)[] = new Array(capacityPackets).fill(undefined)
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

  /** @param delayMs how long a packet waits for those that overtook it, or that it overtook */
  constructor(clockRateHz: number, delayMs = 60) {
    this.delayTicks = Math.round((delayMs * clockRateHz) / 1000)
    this.maximumLeadTicks = Math.round(((delayMs + maximumLeadMs) * clockRateHz) / 1000)
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
      if (!newest || !(marker || ++this.strays >= strayPacketsBeforeAnchor))
        return lead < 0 ? 'late' : 'early'
      this.reset()
      this.anchor(sequence, timestamp)
    } else if (newest) this.strays = 0
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

  advance(ticks: number): void {
    this.windowStart = this.windowEnd
    this.windowEnd = (this.windowEnd + ticks) >>> 0
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
      return this.due
    }
    return undefined
  }

  reset(): void {
    this.anchored = false
    this.strays = 0
    for (const slot of this.slots) if (slot) slot.lengthBytes = -1
  }

  /** `timestamp` will be played after the delay; packets that it overtook have until then. */
  private anchor(sequence: number, timestamp: number): void {
    this.anchored = true
    this.windowEnd = (timestamp - this.delayTicks) >>> 0
    this.windowStart = this.windowEnd
    this.highestSequence = sequence
    this.nextSequence = sequence - capacityPackets + 1
  }

  /** Only the newest `capacityPackets` numbers have a slot. */
  private makeRoomFor(sequence: number): void {
    const oldest = sequence - capacityPackets + 1
    if (oldest > this.nextSequence) this.nextSequence = oldest
  }
}
