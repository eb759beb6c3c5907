// Where one message ends and the next begins on a connection: RFC 4571 (ICE over TCP, RFC 6544), and the way to a TURN server,
// whose messages tell their own length (RFC 8656 12.5). No message is longer than 64 KiB and a header. A chunk that holds whole
// messages is cut without copying. Leaves out: what the messages mean.

/** How messages stand in a stream. */
export interface Framing {
  /** Octets that tell the length of the rest. */
  readonly headBytes: number
  /** The octets of the whole message with head and padding, or why these cannot be its head. */
  length(bytes: Uint8Array, at: number): number | string
  /** What goes up of a whole message. */
  unwrap(message: Uint8Array): Uint8Array
  wrap(data: Uint8Array): Uint8Array
}

/** A length of two octets before every packet (RFC 4571 2). */
export const rfc4571Framing: Framing = {
  headBytes: 2,
  length: (bytes, at) => 2 + uint16(bytes, at),
  unwrap: (message) => message.subarray(2),
  wrap: (data) => {
    const framed = new Uint8Array(2 + data.length)
    framed[0] = data.length >> 8
    framed[1] = data.length & 0xff
    framed.set(data, 2)
    return framed
  },
}

/** STUN, or ChannelData padded to a multiple of four: the first two bits tell (RFC 8656 12). */
export const turnFraming: Framing = {
  headBytes: 4,
  length: (bytes, at) => {
    const length = uint16(bytes, at + 2)
    const kind = bytes[at]! >> 6
    if (kind === 0 && length % 4 === 0) return 20 + length
    if (kind === 1) return 4 + ((length + 3) & ~3)
    return 'what is neither STUN nor ChannelData'
  },
  unwrap: (message) => message,
  wrap: (data) => data,
}

const uint16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!

/** RFC 8489 5: both kinds of connection begin with STUN, from either end. */
const isStun = (bytes: Uint8Array): boolean =>
  bytes.length >= 20 &&
  bytes[0]! < 4 &&
  bytes[4] === 0x21 &&
  bytes[5] === 0x12 &&
  bytes[6] === 0xa4 &&
  bytes[7] === 0x42

export class Deframer {
  /** Whether a first message has come, and was STUN. */
  begun = false
  /** The message of which only a part is here; first `framing.headBytes` long, then its whole length. */
  private partial: Uint8Array | undefined
  private filled = 0

  constructor(
    private readonly framing: Framing,
    private readonly onMessage: (data: Uint8Array) => void,
  ) {}

  /** Returns what the peer sent that cannot be followed (close the connection then), or undefined. */
  push(chunk: Uint8Array): string | undefined {
    const { headBytes } = this.framing
    let at = 0
    while (at < chunk.length) {
      if (!this.partial) {
        if (chunk.length - at >= headBytes) {
          const length = this.framing.length(chunk, at)
          if (typeof length === 'string') return length
          if (length <= chunk.length - at) {
            const problem = this.deliver(chunk.subarray(at, at + length))
            if (problem !== undefined) return problem
            at += length
            continue
          }
        }
        this.partial = new Uint8Array(headBytes)
        this.filled = 0
      }
      const taken = Math.min(this.partial.length - this.filled, chunk.length - at)
      this.partial.set(chunk.subarray(at, at + taken), this.filled)
      this.filled += taken
      at += taken
      if (this.filled < this.partial.length) return undefined
      const length = this.framing.length(this.partial, 0)
      if (typeof length === 'string') return length
      if (this.filled === length) {
        const message = this.partial
        this.partial = undefined
        const problem = this.deliver(message)
        if (problem !== undefined) return problem
      } else {
        const whole = new Uint8Array(length)
        whole.set(this.partial)
        this.partial = whole
      }
    }
    return undefined
  }

  private deliver(message: Uint8Array): string | undefined {
    const data = this.framing.unwrap(message)
    if (!this.begun) {
      if (!isStun(data)) return 'something else than STUN'
      this.begun = true
    }
    if (data.length > 0) this.onMessage(data)
    return undefined
  }
}
