// How many calls have come in and are not over, in all and by the IP address that they came from.

export class CallCounts {
  total = 0
  private readonly bySource = new Map<string, number>()

  from(address: string): number {
    return this.bySource.get(address) ?? 0
  }

  /** One more; the function that it returns is called once, when the call is over. */
  add(address: string): () => void {
    this.total++
    this.bySource.set(address, this.from(address) + 1)
    return () => {
      this.total--
      const left = this.from(address) - 1
      if (left > 0) this.bySource.set(address, left)
      else this.bySource.delete(address)
    }
  }
}
