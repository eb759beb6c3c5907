// The record layer (RFC 6347 4.1): what a datagram holds, epoch by epoch, sealed from epoch 1 on. Records that cannot be read are
// passed over without a word (4.1.2.7). Leaves out re-keying: there are two epochs.
import type { RecordProtection } from './cipher-suites.ts'
import { dtls12 } from './numbers.ts'
import { uint } from './octets.ts'

export const recordHeaderBytes = 13
/** What sealing adds to a record: explicit nonce and tag. */
export const sealingBytes = 24
/** Records of an epoch whose keys are yet to come: a flight that arrived in disorder. */
const keptRecords = 8

export interface Record {
  readonly type: number
  readonly epoch: number
  readonly content: Uint8Array
}

export class RecordLayer {
  private readonly sent = [0, 0]
  private writing: RecordProtection | undefined
  private reading: RecordProtection | undefined
  private readonly kept: Uint8Array[] = []

  /** From now on epoch 1 can be written and read; what came for it before is returned. */
  protect(writing: RecordProtection, reading: RecordProtection): Record[] {
    this.writing = writing
    this.reading = reading
    return this.kept.splice(0).flatMap((record) => this.read(record))
  }

  write(type: number, epoch: 0 | 1, content: Uint8Array, version = dtls12): Buffer {
    const sequence = Buffer.concat([uint(epoch, 2), uint(this.sent[epoch]!++, 6)])
    const body = epoch === 1 ? this.writing!.seal(type, version, sequence, content) : content
    return Buffer.concat([Buffer.of(type), uint(version, 2), sequence, uint(body.length, 2), body])
  }

  /** Never throws. */
  read(datagram: Uint8Array): Record[] {
    const records: Record[] = []
    let at = 0
    while (datagram.length - at >= recordHeaderBytes) {
      const length = (datagram[at + 11]! << 8) | datagram[at + 12]!
      const end = at + recordHeaderBytes + length
      if (end > datagram.length) break
      const record = this.open(datagram.subarray(at, end))
      if (record) records.push(record)
      at = end
    }
    return records
  }

  private open(whole: Uint8Array): Record | undefined {
    const type = whole[0]!
    const version = (whole[1]! << 8) | whole[2]!
    if (version >> 8 !== 0xfe) return undefined
    const epoch = (whole[3]! << 8) | whole[4]!
    const body = whole.subarray(recordHeaderBytes)
    if (epoch === 0) return { type, epoch, content: body }
    if (epoch !== 1) return undefined
    if (!this.reading) {
      if (this.kept.length < keptRecords) this.kept.push(Uint8Array.from(whole))
      return undefined
    }
    const content = this.reading.open(type, version, whole.subarray(3, 11), body)
    return content && { type, epoch, content }
  }
}
