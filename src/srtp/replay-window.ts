// Which packet indices have been received (RFC 3711 3.3.2): those behind the window, and those seen, are replays.

/** RFC 3711 3.3.2 asks for 64 at least; this rides out a second of packets that came late together. */
const windowPackets = 128

export class ReplayWindow {
  /** The highest index so far; -1 before the first. */
  highest = -1
  /** One bit for each index, by its remainder. */
  private readonly seen = new Uint8Array(windowPackets)

  /** It is behind the window, or was seen. */
  isReplay(index: number): boolean {
    return index <= this.highest - windowPackets || this.hasSeen(index)
  }

  /** It is within the window and was seen. */
  hasSeen(index: number): boolean {
    if (index > this.highest || index <= this.highest - windowPackets) return false
    return this.seen[index % windowPackets] === 1
  }

  /** Of a packet that was authenticated. */
  mark(index: number): void {
    if (index > this.highest) {
      const gap = Math.min(index - this.highest, windowPackets)
      for (let i = 1; i <= gap; i++) this.seen[(index - gap + i) % windowPackets] = 0
      this.highest = index
    }
    this.seen[index % windowPackets] = 1
  }
}
