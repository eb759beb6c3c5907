// Room for one packet at a time, which the next one overwrites. The view of each length is made once, so that packets leave nothing to
// the garbage collector, whatever their lengths.

export class PacketRoom {
  private views: (Uint8Array | undefined)[] = []

  /** @param bytes the whole of it */
  constructor(public bytes: Uint8Array) {}

  /** The first `length` octets. */
  first(length: number): Uint8Array {
    let view = this.views[length]
    if (!view) {
      view = this.bytes.subarray(0, length)
      this.views[length] = view
    }
    return view
  }

  /** What was in it is lost where it has been too small. */
  makeAtLeast(length: number): Uint8Array {
    if (this.bytes.length < length) {
      this.bytes = new Uint8Array(length)
      this.views = []
    }
    return this.bytes
  }
}
