// Which packets of ours have been sent lately, by number and timestamp: so that one that comes back is known.

/** Ten seconds of 20 ms; a power of two. */
const remembered = 512

export class SentPackets {
  private readonly sequenceNumbers = new Int32Array(remembered).fill(-1)
  private readonly timestamps = new Uint32Array(remembered)

  add(sequenceNumber: number, timestamp: number): void {
    const slot = sequenceNumber & (remembered - 1)
    this.sequenceNumbers[slot] = sequenceNumber
    this.timestamps[slot] = timestamp
  }

  has(sequenceNumber: number, timestamp: number): boolean {
    const slot = sequenceNumber & (remembered - 1)
    return this.sequenceNumbers[slot] === sequenceNumber && this.timestamps[slot] === timestamp
  }
}
