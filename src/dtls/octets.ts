// Reading and writing the vectors of the TLS presentation language (RFC 5246 4).

/** What a peer sent is not what it says it is. Never leaves this folder. */
export class Malformed extends Error {}

export class Reader {
  private at = 0
  constructor(private readonly data: Uint8Array) {}

  get left(): number {
    return this.data.length - this.at
  }
  uint(octets: 1 | 2 | 3): number {
    let value = 0
    for (const octet of this.bytes(octets)) value = value * 256 + octet
    return value
  }
  bytes(length: number): Uint8Array {
    if (length > this.left) throw new Malformed('a field is longer than its message')
    this.at += length
    return this.data.subarray(this.at - length, this.at)
  }
  /** A vector whose length stands before it. */
  vector(lengthOctets: 1 | 2 | 3): Uint8Array {
    return this.bytes(this.uint(lengthOctets))
  }
  /** A vector of 16-bit numbers. */
  numbers(lengthOctets: 1 | 2): number[] {
    const reader = new Reader(this.vector(lengthOctets))
    const values: number[] = []
    while (reader.left > 0) values.push(reader.uint(2))
    return values
  }
  end(): void {
    if (this.left > 0) throw new Malformed('a message is longer than its fields')
  }
}

export const uint = (value: number, octets: 1 | 2 | 3 | 4 | 6): Buffer => {
  const out = Buffer.alloc(octets)
  out.writeUIntBE(value, 0, octets)
  return out
}
export const vector = (lengthOctets: 1 | 2 | 3, ...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts)
  return Buffer.concat([uint(body.length, lengthOctets), body])
}
export const numbers = (lengthOctets: 1 | 2, values: readonly number[]): Buffer =>
  vector(lengthOctets, ...values.map((value) => uint(value, 2)))
