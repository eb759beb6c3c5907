// What an encoder in another thread shares with the one who uses it: room for a frame and for the packet that is made of it, and a
// word that tells whose turn it is. And what the two threads say to each other beside that.
//
//   state i32 │ packetBytes i32 │ packet │ frame

/** The user turns empty into frame, and packet into empty; the encoder's thread turns frame into packet. */
export const placeIs = { empty: 0, frame: 1, packet: 2 } as const

const word = { state: 0, packetBytes: 1 } as const
const headBytes = 8
const largestPacketBytes = 1_500

export class EncoderPlace {
  readonly frame: Int16Array
  readonly packet: Uint8Array
  private readonly words: Int32Array

  constructor(readonly memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory, 0, headBytes / 4)
    this.packet = new Uint8Array(memory, headBytes, largestPacketBytes)
    this.frame = new Int16Array(memory, headBytes + largestPacketBytes)
  }

  static forFrames(samples: number): EncoderPlace {
    return new EncoderPlace(new SharedArrayBuffer(headBytes + largestPacketBytes + 2 * samples))
  }

  get state(): number {
    return Atomics.load(this.words, word.state)
  }

  set state(state: number) {
    Atomics.store(this.words, word.state, state)
    Atomics.notify(this.words, word.state)
  }

  /** Valid while there is a packet. */
  get packetBytes(): number {
    return this.words[word.packetBytes]!
  }

  set packetBytes(lengthBytes: number) {
    this.words[word.packetBytes] = lengthBytes
  }

  /** Sleeps until there is a packet in place of the frame, but no longer than that. */
  waitForPacket(limitMs: number): void {
    Atomics.wait(this.words, word.state, placeIs.frame, limitMs)
  }
}

export type ToEncoderThread =
  /** First of all: the word that the thread sleeps on. Who gives it something to do changes and notifies it afterwards. */
  | { bell: SharedArrayBuffer }
  /** @see codecByName */
  | { open: number; codec: string; fmtp: string | undefined; memory: SharedArrayBuffer }
  | { tell: number; expectLoss: number }
  | { close: number }
