// Messages out of a client's TCP or TLS stream: STUN and ChannelData tell their own length (RFC 8656 12.5).

/** RFC 8489 5 with 16 bits of length; ChannelData is shorter. */
const LONGEST_MESSAGE_BYTES = 20 + 65_535

/** Cuts a stream into messages. */
export class TurnFraming {
  private held: Uint8Array = new Uint8Array(0)

  /** Hands on every message that is complete; false where the stream is neither STUN nor ChannelData. */
  push(data: Uint8Array, onMessage: (message: Uint8Array) => void): boolean {
    let bytes = data
    if (this.held.length > 0) {
      bytes = new Uint8Array(this.held.length + data.length)
      bytes.set(this.held)
      bytes.set(data, this.held.length)
    }
    let at = 0
    while (bytes.length - at >= 4) {
      if (bytes[at]! >= 0x80) return false
      const stated = (bytes[at + 2]! << 8) | bytes[at + 3]!
      const length = bytes[at]! >= 0x40 ? 4 + stated : 20 + stated
      const padded = (length + 3) & ~3
      if (bytes.length - at < padded) break
      onMessage(bytes.subarray(at, at + length))
      at += padded
    }
    this.held = bytes.slice(at)
    return this.held.length <= LONGEST_MESSAGE_BYTES
  }
}
