// What a decoder gives, in pieces of its own length, for one who reads any number of samples.

export class DecodedPieces {
  private left: Int16Array = new Int16Array(0)

  /** @param next decodes another piece; undefined at the end */
  constructor(private readonly next: () => Int16Array | undefined) {}

  /** Decodes until there is something to be read; returns whether there is. */
  fill(): boolean {
    while (this.left.length === 0) {
      const piece = this.next()
      if (!piece) return false
      this.left = piece
    }
    return true
  }

  read(into: Int16Array): number {
    let written = 0
    while (written < into.length && this.fill()) {
      const piece = this.left.subarray(0, into.length - written)
      into.set(piece, written)
      written += piece.length
      this.left = this.left.subarray(piece.length)
    }
    return written
  }

  clear(): void {
    this.left = new Int16Array(0)
  }
}
