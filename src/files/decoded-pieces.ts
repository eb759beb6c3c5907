// What a decoder gives, in pieces of its own length, for one who reads any number of samples.

export class DecodedPieces {
  private piece: Int16Array = new Int16Array(0)
  /** Of the piece, so much has been read. */
  private at = 0

  /** @param next decodes another piece; undefined at the end */
  constructor(private readonly next: () => Int16Array | undefined) {}

  /** Decodes until there is something to be read; returns whether there is. */
  fill(): boolean {
    while (this.at === this.piece.length) {
      const piece = this.next()
      if (!piece) return false
      this.piece = piece
      this.at = 0
    }
    return true
  }

  /** Sample by sample, since a view of a piece would be garbage with every packet of a call. */
  read(into: Int16Array): number {
    let written = 0
    while (written < into.length && this.fill()) {
      const end = Math.min(this.piece.length, this.at + into.length - written)
      while (this.at < end) into[written++] = this.piece[this.at++]!
    }
    return written
  }

  clear(): void {
    this.at = this.piece.length
  }
}
